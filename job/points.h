/* Filesystems that can be frozen and trimmed, by mount point: on a block device, writable, one
 * mount of each. */
#ifndef VMV_JOB_POINTS_H
#define VMV_JOB_POINTS_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct vmv_err;
struct vmv_job_settings;

#define VMV_POINTS_MAX 256 /* filesystems; more are an error: half of them would be a lie */

struct vmv_point {
	char *path;	  /* as mountinfo has it; owned */
	int fd;		  /* open for reading, owned; or negative errno */
	bool is_named;	  /* it must be: what it cannot do is an error */
	bool may_be_busy; /* frozen by somebody else: left as it is */
};

struct vmv_points {
	struct vmv_point v[VMV_POINTS_MAX]; /* in order of mounting */
	size_t n;
};

/* names: an array of mount points, or NULL: all. Of a filesystem that is mounted or named twice
 * there is one. is_lenient: as the QEMU guest agent has it, names of nothing that fits are passed
 * by, no name makes a must, and those that are found may be busy. Returns 0 and ret, to be freed;
 * or negative errno with err set: -ENOENT (VMV_E_NOTFOUND) nothing is mounted there, -EOPNOTSUPP
 * (VMV_E_UNSUPPORTED) what is mounted there has no device or is read-only. */
int vmv_points_open(const struct vmv_job_settings *s, struct json_object *names, bool is_lenient,
		    struct vmv_points **ret, struct vmv_err *err);

void vmv_points_free(struct vmv_points *p); /* takes NULL */

#endif
