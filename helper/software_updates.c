/* Lists of updates, in the two shapes that hosts know. */
#include "helper/software.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "packages/reboot.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#define KIB 1024u

/* The list that is asked for: all updates, or what is known to be for security. */
struct wanted {
	struct vmv_pending pending; /* owned */
	const struct vmv_updates *list;
	bool is_security_only;
	uint64_t total;
};

static void wanted_done(struct wanted *w)
{
	vmv_pending_free(&w->pending);
}

static int load(struct vmv_software *s, bool is_security_only, struct wanted *ret)
{
	int r = vmv_inventory_pending(&s->look, &s->inventory, &ret->pending);

	if (r < 0)
		return r;
	if (is_security_only && ret->pending.security_count == VMV_UNSET)
		return -EOPNOTSUPP;
	ret->is_security_only = is_security_only;
	ret->list = &ret->pending.list;
	/* zypper's are patches */
	if (is_security_only && s->look.here.which == VMV_ZYPPER)
		ret->list = &ret->pending.patches;
	ret->total = ret->pending.list.n;
	s->is_cut = ret->pending.list.is_cut;
	s->security = ret->pending.security_count;
	return 0;
}

static bool is_wanted(const struct wanted *w, const struct vmv_update *u)
{
	return !w->is_security_only || u->security == VMV_SECURITY_YES;
}

static void write_security(struct vmv_jw *w, const char *name, const struct vmv_update *u)
{
	if (u->security == VMV_SECURITY_UNKNOWN)
		vmv_jw_null(w, name);
	else
		vmv_jw_bool(w, name, u->security == VMV_SECURITY_YES);
}

static void write_list(struct vmv_software *s, const struct wanted *wanted, const char *name,
		       void (*write)(struct vmv_software *s, const struct vmv_update *u))
{
	vmv_jw_array(&s->w, name);
	for (size_t i = 0; i < wanted->list->n; i++) {
		struct vmv_jw_mark mark = vmv_jw_mark(&s->w);

		if (!is_wanted(wanted, &wanted->list->items[i]))
			continue;
		vmv_jw_open(&s->w, NULL);
		write(s, &wanted->list->items[i]);
		vmv_jw_close(&s->w);
		if (vmv_software_full(s, mark))
			break;
		s->count++;
	}
	vmv_jw_end(&s->w);
}

/* -- of the system --------------------------------------------------------------------------- */

static void write_update(struct vmv_software *s, const struct vmv_update *u)
{
	uint64_t kib = u->size == VMV_UNSET ? VMV_UNSET : u->size / KIB + (u->size % KIB != 0);

	vmv_software_text(&s->w, "package_name", u->name);
	vmv_software_text(&s->w, "current_version", u->current);
	vmv_software_text(&s->w, "available_version", u->available);
	vmv_software_text(&s->w, "repository", u->repository);
	write_security(&s->w, "is_security", u);
	vmv_jw_u64(&s->w, "size_kb", kib);
	vmv_software_text(&s->w, "architecture", u->arch);
}

static void write_reboot(struct vmv_software *s)
{
	struct vmv_reboot reboot;
	struct utsname u;
	struct vmv_slice line;
	const char *at = reboot.reasons;

	vmv_reboot_look(s->look.top, uname(&u) == 0 ? u.release : "", &reboot);
	vmv_jw_bool(&s->w, "reboot_required", reboot.is_required);
	vmv_software_time(&s->w, "reboot_required_since", reboot.since_ms);
	vmv_jw_array(&s->w, "reboot_reasons");
	while (vmv_slice_line(&at, &line))
		if (line.len > 0)
			vmv_jw_bytes(&s->w, NULL, line.s, line.len);
	vmv_jw_end(&s->w);
}

static void write_system(struct vmv_software *s, const struct wanted *wanted)
{
	char distro[256];

	(void)vmv_distro_name(s->look.top, distro, sizeof(distro));
	vmv_jw_open(&s->w, NULL);
	vmv_software_time(&s->w, "generated_at", s->now_ms);
	vmv_jw_u64(&s->w, "security_updates_count", s->security);
	vmv_jw_u64(&s->w, "total_pending_count", wanted->total);
	vmv_software_time(&s->w, "last_check", s->now_ms);
	vmv_software_time(&s->w, "lists_refreshed_at", vmv_lists_refreshed_ms(&s->look));
	vmv_jw_str(&s->w, "package_manager", vmv_manager_name(s->look.here.which));
	write_reboot(s);
	vmv_jw_str_or_null(&s->w, "distro", distro);
	write_list(s, wanted, "pending_updates", write_update);
	vmv_jw_close(&s->w);
}

static int updates(struct vmv_software *s, bool is_security_only)
{
	VMV_CLEANUP(wanted_done) struct wanted wanted = { .total = 0 };
	int r = load(s, is_security_only, &wanted);

	if (r == 0)
		write_system(s, &wanted);
	return r;
}

int vmv_software_updates(struct vmv_software *s)
{
	return updates(s, false);
}

int vmv_software_updates_security(struct vmv_software *s)
{
	return updates(s, true);
}

/* -- of applications ------------------------------------------------------------------------- */

static void write_application(struct vmv_software *s, const struct vmv_update *u)
{
	const struct vmv_package *p = vmv_packages_find(&s->inventory.list, u->name, u->arch);
	const struct vmv_slice unknown = { NULL, 0 };

	vmv_software_text(&s->w, "name", u->name);
	vmv_software_text(&s->w, "version", u->current);
	vmv_software_text(&s->w, "update_available", u->available);
	vmv_software_text(&s->w, "new_version", u->available);
	vmv_software_text(&s->w, "update_source", u->repository);
	vmv_jw_u64(&s->w, "update_size_bytes", u->size);
	write_security(&s->w, "is_security_update", u);
	vmv_jw_bool(&s->w, "can_update", true);
	vmv_software_text(&s->w, "vendor", p ? p->vendor : unknown);
	vmv_jw_str(&s->w, "install_type", vmv_manager_name(s->look.here.which));
	vmv_software_time(&s->w, "last_update_check", s->now_ms);
}

static int application_updates(struct vmv_software *s, bool is_security_only)
{
	VMV_CLEANUP(wanted_done) struct wanted wanted = { .total = 0 };
	int r = load(s, is_security_only, &wanted);

	if (r < 0)
		return r;
	vmv_jw_open(&s->w, NULL);
	vmv_software_time(&s->w, "generated_at", s->now_ms);
	vmv_jw_open(&s->w, "summary");
	vmv_jw_u64(&s->w, "total", wanted.total);
	vmv_jw_u64(&s->w, "security", s->security);
	vmv_jw_close(&s->w);
	write_list(s, &wanted, "applications", write_application);
	vmv_jw_close(&s->w);
	return 0;
}

int vmv_software_application_updates(struct vmv_software *s)
{
	return application_updates(s, false);
}

int vmv_software_application_updates_security(struct vmv_software *s)
{
	return application_updates(s, true);
}

/* -- of one ---------------------------------------------------------------------------------- */

static const struct vmv_update *update_of(const struct vmv_updates *list,
					  const struct vmv_package *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (vmv_slice_equal(list->items[i].name, p->name) &&
		    (!list->items[i].arch.s || vmv_slice_equal(list->items[i].arch, p->arch)))
			return &list->items[i];
	return NULL;
}

int vmv_software_application_update(struct vmv_software *s)
{
	const struct vmv_package *p = vmv_packages_named(&s->inventory.list, s->operand);
	VMV_CLEANUP(wanted_done) struct wanted wanted = { .total = 0 };
	const struct vmv_slice none = { NULL, 0 };
	const struct vmv_update *u;
	int r;

	if (!p) {
		vmv_jw_null(&s->w, NULL);
		return 0;
	}
	r = load(s, false, &wanted);
	if (r < 0)
		return r;
	u = update_of(wanted.list, p);
	s->count = 1;
	vmv_jw_open(&s->w, NULL);
	vmv_software_time(&s->w, "generated_at", s->now_ms);
	vmv_jw_str(&s->w, "app_id", s->operand);
	vmv_software_text(&s->w, "update_available", u ? u->available : none);
	vmv_jw_u64(&s->w, "size_bytes", u ? u->size : 0); /* nothing is to be fetched */
	vmv_jw_close(&s->w);
	return 0;
}
