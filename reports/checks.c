#include "reports/checks.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"
#include "base/utf8.h"
#include "collectors/network.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/interfaces.h"
#include "reports/pick.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NONE ((double)NAN)

#define CPU_WINDOW_MS	295000 /* five minutes; evaluations by a timer come a little early */
#define CPU_WINDOW_MIN	60000
#define OOM_WINDOW_MS	3600000
#define UNSYNCED_MS	600000
#define DETAILS_LISTED	16  /* names in details; the rest is counted */
#define NAME_SHOWN	100 /* bytes of a guest's name in a message */
#define NAME_LISTED	160 /* in details; each may take six characters */
#define REBOOT_PKGS_MAX 4096

#define VERDICT_SAYS __attribute__((format(printf, 3, 4)))

const char *vmv_health_word(enum vmv_health_status status)
{
	static const char *const words[] = {
		[VMV_HEALTH_UNKNOWN] = "unknown",
		[VMV_HEALTH_PASSED] = "passed",
		[VMV_HEALTH_WARNING] = "warning",
		[VMV_HEALTH_FAILED] = "failed",
	};

	return words[status];
}

/* -- saying it --------------------------------------------------------------------------------- */

static void VERDICT_SAYS say(struct vmv_verdict *v, enum vmv_health_status status, const char *fmt,
			     ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(v->message, sizeof(v->message), fmt, ap);
	va_end(ap);
	/* names of the guest's go into the log, too */
	for (char *p = v->message; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	v->status = status;
}

/* On which side of the verdict's lines the value is. */
static enum vmv_health_status side_of(const struct vmv_check *c, const struct vmv_verdict *v,
				      double value)
{
	if (!isfinite(value))
		return VMV_HEALTH_UNKNOWN;
	/* no number is beyond a line that is none */
	if (c->is_low_bad ? value < v->failed : value >= v->failed)
		return VMV_HEALTH_FAILED;
	if (c->is_low_bad ? value < v->warning : value >= v->warning)
		return VMV_HEALTH_WARNING;
	return VMV_HEALTH_PASSED;
}

/* The first bytes of a name of the guest's, whole characters. */
struct name {
	char text[NAME_LISTED + 1];
};

static struct name cut(const char *s, size_t max)
{
	struct name n;

	(void)snprintf(n.text, sizeof(n.text), "%.*s", (int)vmv_utf8_cut(s, strlen(s), max), s);
	return n;
}

/* Details are written by a writer of their own. What does not fit leaves them empty. */
static void begin_details(struct vmv_jw *w)
{
	vmv_jw_init(w, VMV_CHECK_DETAILS - 1);
	vmv_jw_open(w, NULL);
}

static void end_details(struct vmv_jw *w, struct vmv_verdict *v)
{
	vmv_jw_close(w);
	if (vmv_jw_finish(w) == 0)
		v->details = strndup(w->buf.data, w->buf.len); /* without memory there are none */
	vmv_jw_free(w);
}

/* -- filesystems ------------------------------------------------------------------------------- */

/* What share of a filesystem is used, in percent; NaN: unknown, or it has no such thing. */
typedef double use_of(const struct vmv_collector *c, const void *row);

/* As df shows it. */
static double space_use(const struct vmv_collector *c, const void *row)
{
	double size = vmv_pick_number(vmv_pick_field(c, "node_filesystem_size_bytes", NULL), row);
	double left = vmv_pick_number(vmv_pick_field(c, "node_filesystem_free_bytes", NULL), row);
	double avail = vmv_pick_number(vmv_pick_field(c, "node_filesystem_avail_bytes", NULL), row);
	double used = size - left;

	return used >= 0 && used + avail > 0 ? 100 * used / (used + avail) : NONE;
}

static double inode_use(const struct vmv_collector *c, const void *row)
{
	double all = vmv_pick_number(vmv_pick_field(c, "node_filesystem_files", NULL), row);
	double left = vmv_pick_number(vmv_pick_field(c, "node_filesystem_files_free", NULL), row);

	return all > 0 && left <= all ? 100 * (all - left) / all : NONE;
}

static void list_over(struct vmv_verdict *v, const struct vmv_check *c, const struct vmv_pick *p,
		      use_of *use, const char *worst)
{
	unsigned listed = 0, left_out = 0;
	struct vmv_jw w;

	begin_details(&w);
	vmv_jw_str(&w, "worst", cut(worst, NAME_LISTED).text);
	vmv_jw_array(&w, "over");
	for (size_t i = 0; i < p->n; i++) {
		double percent = use(p->collector, vmv_pick_at(p, i));
		struct vmv_jw_mark mark = vmv_jw_mark(&w);

		if (side_of(c, v, percent) < VMV_HEALTH_WARNING)
			continue;
		vmv_jw_open(&w, NULL);
		vmv_jw_str(&w, "mount_point", cut(vmv_pick_id(p, i), NAME_LISTED).text);
		vmv_jw_num(&w, "percent", percent, 1);
		vmv_jw_close(&w);
		if (listed < DETAILS_LISTED && vmv_jw_remaining(&w) > 64) {
			listed++;
		} else {
			vmv_jw_rewind(&w, mark);
			left_out++;
		}
	}
	vmv_jw_end(&w);
	vmv_jw_u64(&w, "left_out", left_out);
	end_details(&w, v);
}

static void check_use(const struct vmv_check *c, const struct vmv_check_input *in,
		      struct vmv_verdict *v, use_of *use, const char *what, const char *without)
{
	struct vmv_pick p = vmv_pick_rows(in->facts, "filesystem");
	size_t worst = 0;

	for (size_t i = 0; i < p.n; i++) {
		double percent = use(p.collector, vmv_pick_at(&p, i));

		if (isfinite(percent) && (!isfinite(v->value) || percent > v->value)) {
			v->value = percent;
			worst = i;
		}
	}
	if (isfinite(v->value)) {
		say(v, side_of(c, v, v->value), "%s: %.1f %% of the %s is used",
		    cut(vmv_pick_id(&p, worst), NAME_SHOWN).text, v->value, what);
		list_over(v, c, &p, use, vmv_pick_id(&p, worst));
	} else if (without && p.n > 0) {
		say(v, VMV_HEALTH_PASSED, "%s", without);
	} else {
		say(v, VMV_HEALTH_UNKNOWN, "no filesystem told its size");
	}
}

static void check_space(const struct vmv_check *c, const struct vmv_check_input *in,
			struct vmv_verdict *v)
{
	check_use(c, in, v, space_use, "space", NULL);
}

/* btrfs and others make inodes as they need them. */
static bool knows_size(const struct vmv_pick *p)
{
	const struct vmv_field *f =
		p->collector ? vmv_pick_field(p->collector, "node_filesystem_size_bytes", NULL)
			     : NULL;

	for (size_t i = 0; i < p->n; i++)
		if (isfinite(vmv_pick_number(f, vmv_pick_at(p, i))))
			return true;
	return false;
}

static void check_inodes(const struct vmv_check *c, const struct vmv_check_input *in,
			 struct vmv_verdict *v)
{
	struct vmv_pick p = vmv_pick_rows(in->facts, "filesystem");

	check_use(c, in, v, inode_use, "inodes",
		  knows_size(&p) ? "no filesystem has a fixed number of inodes" : NULL);
}

static void check_stuck(const struct vmv_check *c, const struct vmv_check_input *in,
			struct vmv_verdict *v)
{
	struct vmv_pick p = vmv_pick_rows(in->facts, "filesystem");
	const struct vmv_field *f =
		p.collector ? vmv_pick_field(p.collector, "vmvitals_filesystem_stuck", NULL) : NULL;
	unsigned known = 0, stuck = 0;
	struct vmv_jw w;

	(void)c;
	begin_details(&w);
	vmv_jw_array(&w, "mount_points");
	for (size_t i = 0; i < p.n; i++) {
		double is_stuck = vmv_pick_number(f, vmv_pick_at(&p, i));

		known += isfinite(is_stuck);
		if (!(is_stuck > 0.5))
			continue;
		if (stuck++ == 0)
			say(v, VMV_HEALTH_FAILED, "%s does not answer",
			    cut(vmv_pick_id(&p, i), NAME_SHOWN).text);
		if (stuck <= DETAILS_LISTED / 4)
			vmv_jw_str(&w, NULL, cut(vmv_pick_id(&p, i), NAME_LISTED).text);
	}
	vmv_jw_end(&w);
	end_details(&w, v);
	if (known == 0) {
		say(v, VMV_HEALTH_UNKNOWN, "nothing is known of filesystems");
		return;
	}
	v->value = stuck;
	if (stuck == 0)
		say(v, VMV_HEALTH_PASSED, "every filesystem answers");
}

/* -- memory ------------------------------------------------------------------------------------ */

static void check_memory(const struct vmv_check *c, const struct vmv_check_input *in,
			 struct vmv_verdict *v)
{
	double total = vmv_pick_value(in->facts, "memory", "node_memory_MemTotal_bytes", NULL);
	double left = vmv_pick_value(in->facts, "memory", "node_memory_MemAvailable_bytes", NULL);

	if (!(total > 0) || !isfinite(left)) {
		say(v, VMV_HEALTH_UNKNOWN, "the kernel does not say what is available");
		return;
	}
	v->value = 100 * left / total;
	say(v, side_of(c, v, v->value), "%.1f %% of the memory is available", v->value);
}

static void check_swap(const struct vmv_check *c, const struct vmv_check_input *in,
		       struct vmv_verdict *v)
{
	double total = vmv_pick_value(in->facts, "memory", "node_memory_SwapTotal_bytes", NULL);
	double left = vmv_pick_value(in->facts, "memory", "node_memory_SwapFree_bytes", NULL);

	if (!isfinite(total) || !isfinite(left)) {
		say(v, VMV_HEALTH_UNKNOWN, "the kernel does not say how much swap there is");
	} else if (!(total > 0)) {
		say(v, VMV_HEALTH_PASSED, "there is no swap");
	} else {
		v->value = left < total ? 100 * (total - left) / total : 0;
		say(v, side_of(c, v, v->value), "%.1f %% of the swap is used", v->value);
	}
}

static uint64_t kills_within(const struct vmv_history *h, uint64_t now_ms)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < h->n_oom; i++)
		if (now_ms - h->oom[i].at_ms <= OOM_WINDOW_MS)
			sum = vmv_add_sat(sum, h->oom[i].kills);
	return sum;
}

static void check_oom(const struct vmv_check *c, const struct vmv_check_input *in,
		      struct vmv_verdict *v)
{
	const struct vmv_history *h = in->history;
	uint64_t now_ms = vmv_facts_mono_ns(in->facts) / 1000000;

	if (!isfinite(vmv_pick_value(in->facts, "vmstat", "node_vmstat_oom_kill", NULL)) ||
	    !h->has_oom) {
		say(v, VMV_HEALTH_UNKNOWN, "the kernel does not count kills for want of memory");
		return;
	}
	v->value = (double)kills_within(h, now_ms);
	if (side_of(c, v, v->value) == VMV_HEALTH_PASSED && h->is_oom_undated)
		say(v, VMV_HEALTH_UNKNOWN,
		    "processes were killed for want of memory, nobody knows when");
	else if (!(v->value > 0))
		say(v, side_of(c, v, v->value), "no process was killed for want of memory");
	else
		say(v, side_of(c, v, v->value), "kills for want of memory within the hour: %.0f",
		    v->value);
}

/* -- processor --------------------------------------------------------------------------------- */

/* The mark that the latest reading is compared with: the youngest one that is old enough, else the
 * oldest; NULL: there is none. */
static const struct vmv_cpu_use *mark_before(const struct vmv_history *h)
{
	const struct vmv_cpu_use *found = NULL;

	for (size_t k = 1; k <= h->n_cpu; k++) {
		const struct vmv_cpu_use *m =
			&h->cpu[(h->next_cpu + VMV_CPU_MARKS - k) % VMV_CPU_MARKS];
		uint64_t age_ms = h->now.at_ms - m->at_ms;

		if (age_ms >= CPU_WINDOW_MIN)
			found = m;
		if (age_ms >= CPU_WINDOW_MS)
			break;
	}
	return found;
}

/* A share of all CPU time, in percent, over *ret_s seconds. */
static double cpu_share(const struct vmv_history *h, bool is_steal, double *ret_s)
{
	const struct vmv_cpu_use *before = mark_before(h), *now = &h->now;
	uint64_t part, whole;
	bool is_known;

	if (!before)
		return NONE;
	is_known = is_steal ? vmv_counter_delta(before->steal, now->steal, &part)
			    : vmv_counter_delta(before->busy, now->busy, &part);
	if (!is_known || !vmv_counter_delta(before->total, now->total, &whole) || whole == 0)
		return NONE;
	*ret_s = (double)(now->at_ms - before->at_ms) / 1000;
	return part < whole ? 100 * (double)part / (double)whole : 100;
}

static void check_share(const struct vmv_check *c, const struct vmv_check_input *in,
			struct vmv_verdict *v, bool is_steal, const char *what)
{
	double seconds = 0;

	if (!vmv_pick_row(in->facts, "stat", NULL)) {
		say(v, VMV_HEALTH_UNKNOWN, "CPU time cannot be read");
		return;
	}
	v->value = cpu_share(in->history, is_steal, &seconds);
	if (isfinite(v->value))
		say(v, side_of(c, v, v->value), "%.1f %% of CPU time %s, over %.0f s", v->value,
		    what, seconds);
	else
		say(v, VMV_HEALTH_UNKNOWN, "less than 60 s of data");
}

static void check_cpu(const struct vmv_check *c, const struct vmv_check_input *in,
		      struct vmv_verdict *v)
{
	check_share(c, in, v, false, "was used");
}

static void check_steal(const struct vmv_check *c, const struct vmv_check_input *in,
			struct vmv_verdict *v)
{
	check_share(c, in, v, true, "went to other guests");
}

struct resource {
	const char *name, *labels;
	double warning, failed;
};

/* Each resource has lines of its own. How bad a share is: by how many lines it is beyond, then by
 * how far on the way to the next. */
static double badness(const struct resource *r, double percent)
{
	if (percent >= r->failed)
		return 2 + percent / 1000;
	if (percent >= r->warning)
		return 1 + (percent - r->warning) / (r->failed - r->warning);
	return percent / r->warning;
}

static void check_pressure(const struct vmv_check *c, const struct vmv_check_input *in,
			   struct vmv_verdict *v)
{
	static const struct resource resources[] = {
		{ "cpu", "resource=\"cpu\"", 40, 70 },
		{ "io", "resource=\"io\"", 25, 50 },
		{ "memory", "resource=\"memory\"", 10, 30 },
	};
	const char *worst = NULL;
	double furthest = -1;
	struct vmv_jw w;

	begin_details(&w);
	for (size_t i = 0; i < VMV_COUNTOF(resources); i++) {
		double percent = 100 * vmv_pick_value(in->facts, "pressure",
						      "vmvitals_pressure_some_avg60_ratio",
						      resources[i].labels);

		vmv_jw_num(&w, resources[i].name, percent, 1);
		if (!isfinite(percent) || badness(&resources[i], percent) <= furthest)
			continue;
		furthest = badness(&resources[i], percent);
		worst = resources[i].name;
		v->value = percent;
		v->warning = resources[i].warning;
		v->failed = resources[i].failed;
	}
	end_details(&w, v);
	if (worst)
		say(v, side_of(c, v, v->value),
		    "%s: for %.1f %% of the last minute something waited for it", worst, v->value);
	else
		say(v, VMV_HEALTH_UNKNOWN, "this kernel does not measure pressure");
}

/* -- services ---------------------------------------------------------------------------------- */

static bool is_critical(const struct vmv_root *root, const char *unit)
{
	for (size_t i = 0; i < root->n_critical_units; i++)
		if (strcmp(root->critical_units[i], unit) == 0)
			return true;
	return false;
}

/* Whether a unit that must run does not. */
static bool is_down(const struct vmv_pick *p, size_t i)
{
	const char *active =
		vmv_pick_text(vmv_pick_field(p->collector, "active", NULL), vmv_pick_at(p, i));

	return strcmp(active, "failed") == 0 || strcmp(active, "inactive") == 0;
}

static bool has_failed(const struct vmv_pick *p, size_t i)
{
	const struct vmv_field *f = vmv_pick_field(p->collector, "vmvitals_unit_failed", NULL);

	return vmv_pick_number(f, vmv_pick_at(p, i)) > 0.5;
}

static void check_services(const struct vmv_check *c, const struct vmv_check_input *in,
			   struct vmv_verdict *v)
{
	const struct vmv_root *root = vmv_facts_root(in->facts);
	struct vmv_pick p = vmv_pick_rows(in->facts, "unit");
	unsigned bad = 0, listed = 0;
	bool is_failed = false;
	struct vmv_jw w;

	(void)c;
	if (!p.is_ok) {
		say(v, VMV_HEALTH_UNKNOWN, "systemd does not tell of its units");
		return;
	}
	begin_details(&w);
	vmv_jw_array(&w, "units");
	for (size_t i = 0; i < p.n; i++) {
		const char *name = vmv_pick_id(&p, i);
		bool is_worst = is_critical(root, name) && is_down(&p, i);

		if (!is_worst && !has_failed(&p, i))
			continue;
		/* a critical one is named before any other */
		if (bad++ == 0 || (is_worst && !is_failed))
			say(v, is_worst ? VMV_HEALTH_FAILED : VMV_HEALTH_WARNING, "%s %s",
			    cut(name, NAME_SHOWN).text,
			    is_worst ? "does not run and is critical" : "failed");
		is_failed |= is_worst;
		if (listed++ < DETAILS_LISTED)
			vmv_jw_str(&w, NULL, cut(name, NAME_LISTED).text);
	}
	vmv_jw_end(&w);
	end_details(&w, v);
	v->value = bad;
	if (bad == 0)
		say(v, VMV_HEALTH_PASSED, "no unit failed");
}

/* -- network ----------------------------------------------------------------------------------- */

static bool has_default_route(const struct vmv_pick *routes)
{
	const struct vmv_field *f =
		vmv_pick_field(routes->collector, "vmvitals_route_default", NULL);

	for (size_t i = 0; i < routes->n; i++)
		if (vmv_pick_number(f, vmv_pick_at(routes, i)) > 0.5 ||
		    strncmp(vmv_pick_id(routes, i), "default ", strlen("default ")) == 0)
			return true;
	return false;
}

struct links {
	unsigned up, addressed, unknown;
};

static struct links look_at_links(const struct vmv_pick *p, const struct vmv_metrics_options *o)
{
	struct links l = { 0 };

	for (size_t i = 0; i < p->n; i++) {
		const struct vmv_network_sample *s = vmv_pick_at(p, i);

		if (s->is_up != 1 || !vmv_interface_is_shown(s, o))
			continue;
		l.up++;
		if (s->addresses_known != 1)
			l.unknown++;
		else if ((s->n_ipv4 != VMV_UNSET && s->n_ipv4 > 0) ||
			 (s->n_ipv6 != VMV_UNSET && s->n_ipv6 > 0))
			l.addressed++;
	}
	return l;
}

static void check_network(const struct vmv_check *c, const struct vmv_check_input *in,
			  struct vmv_verdict *v)
{
	struct vmv_pick routes = vmv_pick_rows(in->facts, "route");
	struct vmv_pick network = vmv_pick_rows(in->facts, "network");
	struct links l = look_at_links(&network, in->options);
	struct vmv_jw w;

	(void)c;
	begin_details(&w);
	vmv_jw_u64(&w, "interfaces_up", network.is_ok ? l.up : VMV_UNSET);
	vmv_jw_u64(&w, "with_address", network.is_ok && !l.unknown ? l.addressed : VMV_UNSET);
	if (routes.is_ok)
		vmv_jw_bool(&w, "default_route", has_default_route(&routes));
	else
		vmv_jw_null(&w, "default_route");
	end_details(&w, v);
	if (network.is_ok && l.up == 0)
		say(v, VMV_HEALTH_WARNING, "no interface is up");
	else if (network.is_ok && l.addressed == 0 && l.unknown == 0)
		say(v, VMV_HEALTH_WARNING, "no interface that is up has an address");
	else if (routes.is_ok && !has_default_route(&routes))
		say(v, VMV_HEALTH_WARNING, "there is no default route");
	else if (!network.is_ok || !routes.is_ok || l.addressed == 0)
		say(v, VMV_HEALTH_UNKNOWN, "addresses or routes cannot be read");
	else
		say(v, VMV_HEALTH_PASSED, "there is a default route, and an address");
}

/* -- clock, reboot ----------------------------------------------------------------------------- */

static void check_clock(const struct vmv_check *c, const struct vmv_check_input *in,
			struct vmv_verdict *v)
{
	double status = vmv_pick_value(in->facts, "time", "node_timex_sync_status", NULL);
	uint64_t now_ms = vmv_facts_mono_ns(in->facts) / 1000000, for_ms;

	if (!isfinite(status)) {
		say(v, VMV_HEALTH_UNKNOWN, "the kernel does not say whether the clock is right");
		return;
	}
	for_ms = in->history->is_unsynced ? now_ms - in->history->unsynced_ms : 0;
	v->value = (double)for_ms / 1000;
	if (!in->history->is_unsynced)
		say(v, VMV_HEALTH_PASSED, "the clock is synchronised");
	else
		say(v, side_of(c, v, v->value), "the clock has not been synchronised for %.0f s",
		    v->value);
}

/* Who asks for it, one package a line. */
static void list_reboot_packages(const struct vmv_root *root, struct vmv_jw *w)
{
	char text[REBOOT_PKGS_MAX];
	int n = vmv_read_at(root->top, "run/reboot-required.pkgs", text, sizeof(text));
	unsigned listed = 0;

	vmv_jw_array(w, "packages");
	for (char *p = text; n > 0 && *p && listed < DETAILS_LISTED; listed++) {
		size_t len = strcspn(p, "\n");

		vmv_jw_bytes(w, NULL, p, len < NAME_LISTED ? len : NAME_LISTED);
		p += len;
		p += *p == '\n';
	}
	vmv_jw_end(w);
}

static void check_reboot(const struct vmv_check *c, const struct vmv_check_input *in,
			 struct vmv_verdict *v)
{
	const struct vmv_root *root = vmv_facts_root(in->facts);
	struct vmv_jw w;

	(void)c;
	if (faccessat(root->top, "run/reboot-required", F_OK, 0) == 0) {
		begin_details(&w);
		list_reboot_packages(root, &w);
		end_details(&w, v);
		say(v, VMV_HEALTH_WARNING, "installed updates take a reboot");
	} else if (errno == ENOENT && faccessat(root->top, "run", F_OK, 0) == 0) {
		say(v, VMV_HEALTH_PASSED, "nothing asks for a reboot");
	} else {
		say(v, VMV_HEALTH_UNKNOWN, "/run cannot be read");
	}
}

/* -- updates ----------------------------------------------------------------------------------- */

/* What is installed, by any package manager: relative to the root. */
static const char *const databases[] = {
	"var/lib/dpkg/status",	    "usr/lib/sysimage/rpm/rpmdb.sqlite",
	"var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db",
	"var/lib/rpm/Packages.db",  "var/lib/rpm/Packages",
	"lib/apk/db/installed",	    "usr/lib/apk/db/installed",
	"var/lib/pacman/local",
};

/* What a list says of packages that were changed since is not true any more. */
static bool have_packages_changed(const struct vmv_root *root, int64_t since_ms)
{
	struct stat st;

	for (size_t i = 0; i < VMV_COUNTOF(databases); i++)
		if (fstatat(root->top, databases[i], &st, 0) == 0 &&
		    (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 > since_ms)
			return true;
	return false;
}

/* Never asks for a list itself: making one is work for a second or more. */
static void check_updates(const struct vmv_check *c, const struct vmv_check_input *in,
			  struct vmv_verdict *v)
{
	const struct vmv_history *h = in->history;

	if (!h->has_updates) {
		say(v, VMV_HEALTH_UNKNOWN, "no list of updates has been made yet");
	} else if (h->security_updates == VMV_UNSET) {
		say(v, VMV_HEALTH_UNKNOWN,
		    "the package manager does not tell which updates are for security");
	} else if (have_packages_changed(vmv_facts_root(in->facts), h->updates_real_ms)) {
		say(v, VMV_HEALTH_UNKNOWN,
		    "packages have changed since the list of updates was made");
	} else {
		v->value = (double)h->security_updates;
		say(v, side_of(c, v, v->value), "%.0f security update%s not installed", v->value,
		    h->security_updates == 1 ? " is" : "s are");
	}
}

/* -- not to be had yet ------------------------------------------------------------------------- */

static void check_disk_health(const struct vmv_check *c, const struct vmv_check_input *in,
			      struct vmv_verdict *v)
{
	(void)c;
	(void)in;
	say(v, VMV_HEALTH_UNKNOWN, "the kernel log is not watched in this version");
}

/* -- the table --------------------------------------------------------------------------------- */

#define PERCENT "percent"

/* clang-format off: one line each */
const struct vmv_check vmv_checks[] = {
	{ "disk_space",
	  "Space used on the worst filesystem.",
	  PERCENT,
	  80,
	  90,
	  false,
	  { "filesystem" },
	  check_space },
	{ "disk_inodes",
	  "Inodes used on the worst filesystem.",
	  PERCENT,
	  80,
	  90,
	  false,
	  { "filesystem" },
	  check_inodes },
	{ "disk_health",
	  "I/O errors, and filesystems gone read-only.",
	  NULL,
	  NONE,
	  NONE,
	  false,
	  { NULL },
	  check_disk_health },
	{ "filesystem_stuck",
	  "Filesystems that do not answer.",
	  "filesystems",
	  NONE,
	  1,
	  false,
	  { "filesystem" },
	  check_stuck },
	{ "memory_usage",
	  "Memory that new work can get.",
	  PERCENT,
	  15,
	  5,
	  true,
	  { "memory" },
	  check_memory },
	{ "swap_usage", "Swap in use.", PERCENT, 50, 90, false, { "memory" }, check_swap },
	{ "cpu_usage",
	  "CPU time used, over 5 minutes.",
	  PERCENT,
	  85,
	  95,
	  false,
	  { "stat" },
	  check_cpu },
	{ "cpu_steal",
	  "CPU time that went to other guests, over 5 minutes.",
	  PERCENT,
	  5,
	  15,
	  false,
	  { "stat" },
	  check_steal },
	{ "pressure",
	  "Time that work waited for CPU, memory or I/O, over a minute.",
	  PERCENT,
	  NONE,
	  NONE,
	  false,
	  { "pressure" },
	  check_pressure },
	{ "oom_kills",
	  "Processes killed for want of memory, within an hour.",
	  "processes",
	  1,
	  3,
	  false,
	  { "vmstat" },
	  check_oom },
	{ "critical_services",
	  "Failed units, and critical ones that do not run.",
	  "units",
	  NONE,
	  NONE,
	  false,
	  { "unit" },
	  check_services },
	{ "network_connectivity",
	  "A default route, and an address.",
	  NULL,
	  NONE,
	  NONE,
	  false,
	  { "network", "route" },
	  check_network },
	{ "security_updates",
	  "Security updates that are not installed.",
	  "updates",
	  1,
	  NONE,
	  false,
	  { NULL },
	  check_updates },
	{ "clock_sync",
	  "How long the clock has not been synchronised.",
	  "seconds",
	  UNSYNCED_MS / 1000,
	  NONE,
	  false,
	  { "time" },
	  check_clock },
	{ "reboot_required",
	  "Whether installed updates take a reboot.",
	  NULL,
	  NONE,
	  NONE,
	  false,
	  { NULL },
	  check_reboot },
};
/* clang-format on */
const size_t vmv_n_checks = VMV_COUNTOF(vmv_checks);

vmv_groups vmv_checks_groups(void)
{
	vmv_groups set = 0;

	for (size_t i = 0; i < vmv_n_checks * VMV_CHECK_GROUPS; i++) {
		const char *name = vmv_checks[i / VMV_CHECK_GROUPS].groups[i % VMV_CHECK_GROUPS];
		const struct vmv_collector *c = name ? vmv_collector_find(name) : NULL;

		if (c)
			set |= vmv_group(c);
	}
	return set;
}

void vmv_verdict_clear(struct vmv_verdict *v)
{
	free(v->details);
	v->details = NULL;
}

void vmv_check_evaluate(const struct vmv_check *c, const struct vmv_check_input *in,
			struct vmv_verdict *ret)
{
	*ret = (struct vmv_verdict){
		.status = VMV_HEALTH_UNKNOWN,
		.value = NONE,
		.warning = c->warning,
		.failed = c->failed,
	};
	c->evaluate(c, in, ret);
}
