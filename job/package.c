#include "job/package.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/num.h"
#include "exec/child.h"
#include "job/action.h"
#include "job/relay.h"
#include "packages/reboot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DATA_MAX       4096
#define LOCK_WAIT_S    30 /* at least, however late it is */
#define ZYPPER_REBOOT  102
#define ZYPPER_RESTART 103

/* -- decisions ------------------------------------------------------------------------------- */

bool vmv_package_is_doubtful(enum vmv_manager m, enum vmv_operation op, const char *name)
{
	size_t len = strlen(name);

	return m == VMV_APT && op == VMV_OP_INSTALL && len > 0 &&
	       (strchr(name, '.') || name[len - 1] == '+');
}

int vmv_package_check(enum vmv_manager m, enum vmv_operation op, const char *name,
		      const struct vmv_inventory *inv, bool is_known, struct vmv_err *err)
{
	size_t len = strlen(name);

	if (len == 0 || name[0] == '-' || name[len - 1] == '-')
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "'package' is no name of a package");
	if (op != VMV_OP_INSTALL && !vmv_packages_named(&inv->list, name))
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "'%.200s' is not installed", name);
	if (vmv_package_is_doubtful(m, op, name) && !is_known)
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "there is no package '%.200s'", name);
	return 0;
}

static bool is_of(const struct vmv_inventory *inv, const struct vmv_package *p,
		  const struct vmv_package *first)
{
	return p < inv->list.items + inv->list.n && vmv_slice_equal(p->name, first->name) &&
	       vmv_slice_equal(p->arch, first->arch);
}

bool vmv_package_has_changed(const struct vmv_inventory *before, const struct vmv_inventory *after,
			     const char *name)
{
	const struct vmv_package *a = vmv_packages_named(&before->list, name), *first_a = a;
	const struct vmv_package *b = vmv_packages_named(&after->list, name), *first_b = b;

	if (!a || !b)
		return a != b;
	/* kernels are installed in several versions, which are sorted */
	while (is_of(before, a, first_a) && is_of(after, b, first_b)) {
		if (!vmv_slice_equal(a->version, b->version))
			return true;
		a++;
		b++;
	}
	return is_of(before, a, first_a) || is_of(after, b, first_b);
}

static bool has_package(const struct vmv_inventory *inv, const struct vmv_package *wanted)
{
	const struct vmv_package *p = vmv_packages_find(&inv->list, wanted->name, wanted->arch);

	for (; p && is_of(inv, p, wanted); p++)
		if (vmv_slice_equal(p->version, wanted->version))
			return true;
	return false;
}

uint64_t vmv_package_count_new(const struct vmv_inventory *before,
			       const struct vmv_inventory *after)
{
	uint64_t n = 0;

	for (size_t i = 0; i < after->list.n; i++)
		n += !has_package(before, &after->list.items[i]);
	return n;
}

int vmv_package_exit_code(enum vmv_manager m, int code)
{
	if (m == VMV_ZYPPER && (code == ZYPPER_REBOOT || code == ZYPPER_RESTART))
		return 0;
	return code;
}

/* -- programs -------------------------------------------------------------------------------- */

static int run_quietly(void *arg, char *const *argv, struct vmv_buf *out, bool *ret_is_cut)
{
	const struct vmv_child child = {
		.argv = (const char *const *)argv,
		.out_max = out->max,
		.deadline_ms = VMV_CHILD_NEVER,
		.is_in_our_group = true,
	};
	struct vmv_child_end end;
	int r = vmv_child_run(&end, &child);

	(void)arg;
	if (r < 0)
		return r;
	*ret_is_cut = end.is_out_cut;
	end.out.max = out->max;
	vmv_buf_free(out);
	*out = VMV_TAKE(end.out, (struct vmv_buf){ .data = NULL });
	vmv_child_end_free(&end);
	return end.exit_code;
}

/* Seconds to the answer: so long it is worth to wait for another one's lock. The deadline of what
 * is never killed is hours away, its answer is not. */
static uint32_t lock_wait_s(const struct vmv_action *a)
{
	uint64_t now_ms = vmv_mono_ms(&vmv_clock_system);
	uint64_t s = vmv_command_timeout_s(a->command, a->message);
	uint64_t left = a->deadline_ms > now_ms ? (a->deadline_ms - now_ms) / 1000 : 0;

	if (s > left)
		s = left;
	return s < LOCK_WAIT_S ? LOCK_WAIT_S : (uint32_t)s;
}

/* -- one operation --------------------------------------------------------------------------- */

struct work {
	struct vmv_action *action;
	struct vmv_look look;
	struct vmv_inventory before, after;
	bool has_after;
};

static void work_done(struct work *w)
{
	if (w->look.top >= 0)
		(void)close(w->look.top);
	vmv_inventory_free(&w->before);
	vmv_inventory_free(&w->after);
}

static int begin(struct work *w, struct vmv_err *err)
{
	int r;

	/* programs know one root only */
	if (strcmp(w->action->settings->root, "/") != 0)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
				"packages are not changed below another root");
	w->look.run = run_quietly;
	w->look.top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->look.top < 0)
		return vmv_fail(err, VMV_E_IO, errno, "'/' cannot be opened: %s", strerror(errno));
	if (vmv_manager_detect(w->look.top, &w->look.here) < 0)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
				"not supported here: no package manager that is known");
	r = vmv_inventory_load(&w->look, &w->before);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "what is installed cannot be read: %s",
				strerror(-r));
	return 0;
}

/* Runs it; the action's exit code is the tool's. */
static int operate(struct work *w, enum vmv_operation op, const char *name, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_argv_free) struct vmv_argv argv = { .n = 0 }, env = { .n = 0 };
	uint32_t wait_s = lock_wait_s(w->action);
	int r = vmv_manager_argv(&w->look.here, op, name, wait_s, &argv);

	if (r == 0)
		r = vmv_manager_environment(w->look.here.which, wait_s, &env);
	if (r == 0)
		r = vmv_relay_run((const char *const *)argv.words, (const char *const *)env.words);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "the package manager cannot be run: %s",
				strerror(-r));
	w->action->is_childs = true;
	w->action->exit_code = vmv_package_exit_code(w->look.here.which, r);
	return 0;
}

/* What happened is told by what is installed now, whatever the tool said. */
static void look_again(struct work *w)
{
	w->has_after = vmv_inventory_load(&w->look, &w->after) == 0;
}

/* Whether apt knows a package of exactly this name. */
static bool is_known(const struct work *w, const char *name)
{
	VMV_CLEANUP(vmv_argv_free) struct vmv_argv argv = { .n = 0 };
	VMV_CLEANUP(vmv_packages_free) struct vmv_packages list = { .n = 0 };
	VMV_CLEANUP(vmv_buf_free) struct vmv_buf out = { .max = DATA_MAX * 256 };
	bool is_cut = false;

	if (vmv_manager_argv(&w->look.here, VMV_OP_DETAILS, NULL, 0, &argv) < 0 ||
	    vmv_argv_add(&argv, name) < 0 || run_quietly(NULL, argv.words, &out, &is_cut) != 0 ||
	    vmv_buf_add(&out, "", 1) < 0 || vmv_parse_dpkg(out.data, &list) < 0)
		return false;
	vmv_packages_sort(&list);
	return vmv_packages_named(&list, name) != NULL;
}

static int check(const struct work *w, enum vmv_operation op, const char *name, struct vmv_err *err)
{
	enum vmv_manager m = w->look.here.which;
	bool known = !vmv_package_is_doubtful(m, op, name) || is_known(w, name);

	return vmv_package_check(m, op, name, &w->before, known, err);
}

static int change(struct vmv_action *a, enum vmv_operation op, const char *name, const char *what,
		  struct vmv_err *err)
{
	VMV_CLEANUP(work_done) struct work w = { .action = a, .look = { .top = -1 } };
	int r = begin(&w, err);

	if (r == 0)
		r = check(&w, op, name, err);
	if (r == 0)
		r = operate(&w, op, name, err);
	if (r < 0)
		return r;
	look_again(&w);
	(void)snprintf(a->text, sizeof(a->text), "%s %.200s", what, name);
	vmv_jw_open(&a->data, NULL);
	vmv_jw_str(&a->data, "package", name);
	if (w.has_after)
		vmv_jw_bool(&a->data, "changed",
			    vmv_package_has_changed(&w.before, &w.after, name));
	else
		vmv_jw_null(&a->data, "changed");
	vmv_jw_close(&a->data);
	return 0;
}

int vmv_do_package_install(struct vmv_action *a, struct vmv_err *err)
{
	return change(a, VMV_OP_INSTALL, a->args[VMV_PACKAGE_NAME].text, "install", err);
}

int vmv_do_package_remove(struct vmv_action *a, struct vmv_err *err)
{
	return change(a, VMV_OP_REMOVE, a->args[VMV_PACKAGE_NAME].text, "remove", err);
}

int vmv_do_package_update(struct vmv_action *a, struct vmv_err *err)
{
	return change(a, VMV_OP_UPDATE, a->args[VMV_PACKAGE_NAME].text, "update", err);
}

/* -- everything ------------------------------------------------------------------------------ */

static void tell_updated(struct work *w)
{
	struct vmv_jw *data = &w->action->data;
	uint64_t n = w->has_after ? vmv_package_count_new(&w->before, &w->after) : VMV_UNSET;
	struct vmv_reboot reboot;
	struct utsname u;

	vmv_reboot_look(w->look.top, uname(&u) == 0 ? u.release : "", &reboot);
	vmv_jw_open(data, NULL);
	vmv_jw_bool(data, "reboot_required", reboot.is_required);
	vmv_jw_bool(data, "requires_reboot", reboot.is_required);
	vmv_jw_u64(data, "updated_count", n);
	vmv_jw_close(data);
	if (w->has_after)
		(void)snprintf(w->action->text, sizeof(w->action->text), "%" PRIu64 " updated", n);
}

/* Lists that are old lead to old packages: without fresh ones nothing is upgraded. */
int vmv_do_update_system(struct vmv_action *a, struct vmv_err *err)
{
	VMV_CLEANUP(work_done) struct work w = { .action = a, .look = { .top = -1 } };
	int r;

	if (a->args[VMV_PACKAGE_NAME].is_given)
		return vmv_do_package_update(a, err);
	r = begin(&w, err);
	if (r == 0)
		r = operate(&w, VMV_OP_REFRESH, NULL, err);
	if (r == 0 && a->exit_code == 0)
		r = operate(&w, VMV_OP_UPGRADE, NULL, err);
	if (r < 0)
		return r;
	look_again(&w);
	tell_updated(&w);
	return 0;
}
