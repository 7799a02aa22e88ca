#include "job/trim.h"

#include "base/clock.h"
#include "base/num.h"
#include "job/action.h"
#include "job/points.h"
#include "job/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

struct trimming {
	struct vmv_action *action;
	uint64_t bytes; /* in all */
	uint32_t done;
};

/* One that began cannot be stopped, but the next one need not begin. */
int vmv_trim(const struct vmv_action *a, const struct vmv_point *p, uint64_t minimum,
	     struct vmv_trimmed *ret)
{
	struct fstrim_range range = { .len = UINT64_MAX, .minlen = minimum };

	if (p->fd < 0)
		return p->fd;
	if (vmv_mono_ms(&vmv_clock_system) >= vmv_tool_soft_deadline(a->deadline_ms))
		return -ETIMEDOUT;
	if (ioctl(p->fd, FITRIM, &range) < 0)
		return -errno;
	*ret = (struct vmv_trimmed){ .bytes = range.len, .minimum = range.minlen };
	return 0;
}

bool vmv_trim_cannot(int r)
{
	return r == -EOPNOTSUPP || r == -ENOTTY;
}

static void write_point(struct trimming *t, const struct vmv_point *p)
{
	struct vmv_jw *w = &t->action->data;
	struct vmv_trimmed got = { .bytes = VMV_UNSET };
	int r = vmv_trim(t->action, p, (uint64_t)t->action->args[VMV_TRIM_MINIMUM].number, &got);

	if (vmv_trim_cannot(r) && !p->is_named)
		return;
	if (r == 0) {
		t->bytes = vmv_add_sat(t->bytes, got.bytes);
		t->done++;
	}
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "mountpoint", p->path);
	vmv_jw_u64(w, "trimmed_bytes", got.bytes);
	vmv_jw_str_or_null(w, "error", r < 0 ? strerror(-r) : NULL);
	vmv_jw_close(w);
}

int vmv_do_fs_trim(struct vmv_action *a, struct vmv_err *err)
{
	struct trimming t = { .action = a };
	struct vmv_points *points = NULL;
	int r = vmv_points_open(a->settings, a->args[VMV_TRIM_MOUNTPOINTS].json, false, &points,
				err);

	if (r < 0)
		return r;
	vmv_jw_open(&a->data, NULL);
	vmv_jw_array(&a->data, "paths");
	for (size_t i = 0; i < points->n; i++)
		write_point(&t, &points->v[i]);
	vmv_jw_end(&a->data);
	vmv_jw_close(&a->data);
	vmv_points_free(points);
	(void)snprintf(a->text, sizeof(a->text), "%" PRIu64 " bytes of %u filesystems trimmed.",
		       t.bytes, t.done);
	return 0;
}
