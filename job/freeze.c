#include "job/freeze.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/freeze.h"
#include "base/num.h"
#include "job/action.h"
#include "job/guard.h"
#include "job/guard_impl.h"
#include "job/points.h"
#include "job/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MS 1000

static uint64_t now_ms(void)
{
	return vmv_mono_ms(&vmv_clock_system);
}

static void run_thaw_hooks(void *arg)
{
	struct vmv_freezing *f = arg;

	vmv_hooks_thaw(&f->hooks);
}

static void write_report(const struct vmv_freezing *f, struct vmv_action *a)
{
	uint64_t now = now_ms(), at = f->report->thaw_at_ms;

	vmv_jw_open(&a->data, NULL);
	vmv_jw_u64(&a->data, "frozen", f->report->count);
	vmv_jw_array(&a->data, "mountpoints");
	for (size_t i = 0; i < f->points->n; i++)
		if (f->report->is_frozen[i])
			vmv_jw_str(&a->data, NULL, f->points->v[i].path);
	vmv_jw_end(&a->data);
	vmv_jw_u64(&a->data, "thaw_in_ms", at > now ? at - now : 0);
	vmv_jw_close(&a->data);
	(void)snprintf(a->text, sizeof(a->text), "%u filesystems are frozen.", f->report->count);
}

/* The less there is to be written, the shorter is what comes now. */
static int check_points(const struct vmv_points *p, struct vmv_err *err)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].fd < 0)
			return vmv_fail(err, VMV_E_IO, -p->v[i].fd, "cannot open '%.200s': %s",
					p->v[i].path, strerror(-p->v[i].fd));
	for (size_t i = 0; i < p->n; i++)
		(void)syncfs(p->v[i].fd);
	return 0;
}

static int check_record(const char *run_dir, struct vmv_err *err)
{
	struct vmv_freeze_record record;

	if (vmv_freeze_read(run_dir, &record) == -ENOENT)
		return 0;
	return vmv_fail(err, VMV_E_BUSY, EBUSY,
			"filesystems may be frozen still, by a guard that is gone: thaw first");
}

static int freeze_points(struct vmv_freezing *f, bool *ret_begun, struct vmv_err *err)
{
	const struct vmv_action *a = f->action;
	pid_t executor = a->settings->executor;
	struct vmv_guard_spec spec = {
		.points = f->points,
		.dir = f->dir,
		.lock = f->lock,
		.listener = f->listener,
		.timeout_ms = f->timeout_ms,
		.give_up_ms = vmv_tool_soft_deadline(a->deadline_ms),
		.executor = executor > 0 ? executor : getppid(),
		.thawed = run_thaw_hooks,
		.arg = f,
	};

	return vmv_guard_start(&spec, &f->report, ret_begun, err);
}

/* Hooks have run: whatever happens now, they run again, here or in the guard. */
static int freeze(struct vmv_freezing *f, struct vmv_err *err)
{
	bool is_guards = false;
	int r = vmv_hooks_freeze(&f->hooks, f->listener,
				 vmv_tool_soft_deadline(f->action->deadline_ms), err);

	if (r == 0)
		r = check_points(f->points, err);
	if (r == 0)
		r = freeze_points(f, &is_guards, err);
	if (is_guards) {
		vmv_closep(&f->listener);
		f->listener = -1;
	} else {
		vmv_hooks_thaw(&f->hooks);
	}
	return r;
}

static int prepare(struct vmv_freezing *f, struct vmv_err *err)
{
	const struct vmv_action *a = f->action;
	int r;

	f->dir = vmv_guard_dir(a->settings->run_dir, err);
	if (f->dir < 0)
		return f->dir;
	f->lock = vmv_guard_lock(f->dir, err);
	if (f->lock < 0)
		return f->lock;
	r = check_record(a->settings->run_dir, err);
	if (r == 0)
		r = f->listener = vmv_guard_listen(f->dir, err);
	if (r >= 0)
		r = vmv_points_open(a->settings, f->names, f->is_lenient, &f->points, err);
	if (r == 0)
		r = vmv_hooks_find(a->settings, &f->hooks, err);
	return r;
}

int vmv_freeze(struct vmv_freezing *f, struct vmv_err *err)
{
	int r;

	f->dir = f->lock = f->listener = -1;
	r = prepare(f, err);
	return r < 0 ? r : freeze(f, err);
}

void vmv_freezing_clear(struct vmv_freezing *f)
{
	vmv_hooks_clear(&f->hooks);
	vmv_points_free(f->points);
	free(f->report);
	if (f->listener >= 0) /* there is no guard: who has asked it to thaw hears that now */
		(void)unlinkat(f->dir, VMV_FREEZE_SOCKET, 0);
	vmv_closep(&f->listener);
	vmv_closep(&f->dir);
	vmv_closep(&f->lock);
}

int vmv_do_fs_freeze(struct vmv_action *a, struct vmv_err *err)
{
	struct vmv_freezing f = {
		.action = a,
		.names = a->args[VMV_FREEZE_MOUNTPOINTS].json,
		.timeout_ms = (uint32_t)a->args[VMV_FREEZE_TIMEOUT_S].number * MS,
	};
	int r = vmv_freeze(&f, err);

	if (r == 0)
		write_report(&f, a);
	vmv_freezing_clear(&f);
	return r;
}

/* -- thawing -------------------------------------------------------------------------------- */

/* What a guard has left behind that was killed. Nobody knows any more which ones it had frozen. */
static int thaw_leftovers(const struct vmv_action *a, int dir, uint64_t *ret, struct vmv_err *err)
{
	vmv_autoclose int lock = vmv_guard_lock(dir, err);
	struct vmv_points *points = NULL;
	int r = lock < 0 ? lock : vmv_points_open(a->settings, NULL, false, &points, err);

	for (size_t i = 0; r == 0 && i < points->n; i++) {
		int error = points->v[i].fd < 0 ? points->v[i].fd : vmv_point_thaw(&points->v[i]);

		*ret += error == 0;
		if (error < 0 && error != -EINVAL && error != -EOPNOTSUPP && error != -ENOTTY)
			r = vmv_fail(err, VMV_E_IO, -error, "cannot thaw '%.200s': %s",
				     points->v[i].path, strerror(-error));
	}
	vmv_points_free(points);
	if (r == 0)
		(void)unlinkat(dir, VMV_FREEZE_FILE, 0);
	return r;
}

static int thaw(const struct vmv_action *a, int dir, uint64_t *count, uint64_t *ms,
		struct vmv_err *err)
{
	struct vmv_freeze_record record;
	int r = vmv_freeze_read(a->settings->run_dir, &record);

	if (r < 0 && r != -ENOENT)
		*ms = VMV_UNSET;
	else /* without a record, too: hooks may run, and a guard be about to come */
		r = vmv_guard_thaw(dir, vmv_tool_soft_deadline(a->deadline_ms), count, ms, err);
	if (r == -ENOENT) { /* thawed while we looked, or killed */
		r = vmv_freeze_read(a->settings->run_dir, &record);
		if (r == -ENOENT)
			return 0;
		if (r == 0)
			return vmv_fail(err, VMV_E_IO, EAGAIN, "the guard does not answer");
	}
	if (r == -ESRCH || r == -EINVAL)
		r = thaw_leftovers(a, dir, count, err);
	return r;
}

int vmv_thaw(const struct vmv_action *a, uint64_t *ret_count, uint64_t *ret_frozen_ms,
	     struct vmv_err *err)
{
	vmv_autoclose int dir = vmv_guard_dir(a->settings->run_dir, err);
	uint64_t count = 0, ms = 0;
	int r = dir < 0 ? dir : thaw(a, dir, &count, &ms, err);

	if (r < 0)
		return r;
	*ret_count = count;
	*ret_frozen_ms = ms;
	return 0;
}

int vmv_do_fs_thaw(struct vmv_action *a, struct vmv_err *err)
{
	uint64_t count = 0, ms = 0;
	int r = vmv_thaw(a, &count, &ms, err);

	if (r < 0)
		return r;
	vmv_jw_open(&a->data, NULL);
	vmv_jw_u64(&a->data, "thawed", count);
	vmv_jw_u64(&a->data, "frozen_ms", ms);
	vmv_jw_close(&a->data);
	(void)snprintf(a->text, sizeof(a->text), "%" PRIu64 " filesystems were thawed.", count);
	return 0;
}
