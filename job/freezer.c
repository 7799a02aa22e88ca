#include "job/guard_impl.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int vmv_point_thaw(const struct vmv_point *p)
{
	return ioctl(p->fd, FITHAW, 0) < 0 ? -errno : 0;
}

/* The guard looks at the states after it has set is_over, we look at is_over after we have set the
 * state: so one of us sees the other's, and thaws. When the guard is dead, nobody else does. */
static bool is_over(const struct vmv_frost *frost, pid_t guard)
{
	return atomic_load(&frost->is_over) || getppid() != guard;
}

/* What is no failure: it cannot be frozen, or is already. */
static bool is_passed_by(const struct vmv_point *p, int error)
{
	return (error == EOPNOTSUPP && !p->is_named) || (error == EBUSY && p->may_be_busy);
}

static bool freeze(const struct vmv_point *p, atomic_int *state, atomic_int *error)
{
	atomic_store(state, VMV_POINT_TRYING);
	if (ioctl(p->fd, FIFREEZE, 0) == 0) {
		atomic_store(state, VMV_POINT_FROZEN);
		return true;
	}
	if (is_passed_by(p, errno)) {
		atomic_store(state, VMV_POINT_SKIPPED);
		return true;
	}
	atomic_store(error, errno);
	atomic_store(state, VMV_POINT_FAILED);
	return false;
}

static void thaw_all(const struct vmv_points *points, struct vmv_frost *frost)
{
	for (size_t i = 0; i < points->n; i++)
		if (atomic_load(&frost->state[i]) == VMV_POINT_FROZEN &&
		    vmv_point_thaw(&points->v[i]) == 0)
			atomic_store(&frost->state[i], VMV_POINT_THAWED);
}

void vmv_freezer_run(const struct vmv_points *points, struct vmv_frost *frost, pid_t guard)
{
	/* the locks of a parent are not inherited; what is locked there is in memory anyway */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	for (size_t i = points->n; i-- > 0;) {
		if (is_over(frost, guard) ||
		    !freeze(&points->v[i], &frost->state[i], &frost->error[i]))
			break;
	}
	if (is_over(frost, guard))
		thaw_all(points, frost);
}
