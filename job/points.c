#include "job/points.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/mountinfo.h"
#include "job/action.h"
#include "job/tree.h"
#include "proto/json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define MOUNTINFO_MAX (16 * VMV_MIB)

/* While the points are looked for. */
struct search {
	const struct vmv_job_settings *settings;
	bool is_lenient;
	const struct vmv_mounts *mounts;
	struct vmv_points *points;
	const struct vmv_mount *taken[VMV_POINTS_MAX]; /* one for each of points */
};

/* btrfs and bcachefs are on devices, and have a number of their own all the same. */
static bool has_device(const struct vmv_mount *m)
{
	return m->major != 0 || strcmp(m->type, "btrfs") == 0 || strcmp(m->type, "bcachefs") == 0;
}

/* A mount that is read-only by itself can be one of a filesystem that is not. */
static bool is_wanted(const struct vmv_mount *m)
{
	return has_device(m) && vmv_mount_has_option(m->super_options, "rw");
}

static bool is_visible(const struct search *s, const struct vmv_mount *m)
{
	return !vmv_mounts_is_covered(s->mounts, m) && !vmv_mounts_is_hidden(s->mounts, m);
}

static bool is_taken(const struct search *s, const struct vmv_mount *m)
{
	for (size_t i = 0; i < s->points->n; i++)
		if (s->taken[i]->major == m->major && s->taken[i]->minor == m->minor)
			return true;
	return false;
}

/* -ESTALE: something else is there by now. */
static int open_point(const struct search *s, const struct vmv_mount *m)
{
	const char *root = s->settings->root;
	char path[PATH_MAX];
	vmv_autoclose int fd = -1;
	uint64_t id;

	if (snprintf(path, sizeof(path), "%s%s", strcmp(root, "/") == 0 ? "" : root, m->target) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	id = vmv_tree_mount_of(fd);
	if (id != 0 && id != m->id)
		return -ESTALE;
	return VMV_TAKE(fd, -1);
}

static int take(struct search *s, const struct vmv_mount *m, bool is_named, struct vmv_err *err)
{
	struct vmv_points *p = s->points;
	vmv_autofree char *path = strdup(m->target);

	if (p->n == VMV_POINTS_MAX)
		return vmv_fail(err, VMV_E_TOOLARGE, E2BIG, "more than %d filesystems",
				VMV_POINTS_MAX);
	if (!path)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	s->taken[p->n] = m;
	p->v[p->n].fd = open_point(s, m);
	p->v[p->n].is_named = is_named && !s->is_lenient;
	p->v[p->n].may_be_busy = s->is_lenient;
	p->v[p->n++].path = VMV_TAKE(path, NULL);
	return 0;
}

/* Several mounts can have one target: the visible one is what is meant. */
static const struct vmv_mount *find_target(const struct search *s, const char *target)
{
	for (size_t i = 0; i < s->mounts->n; i++)
		if (strcmp(s->mounts->v[i].target, target) == 0 && is_visible(s, &s->mounts->v[i]))
			return &s->mounts->v[i];
	return NULL;
}

/* ret[i]: mount i is named. */
static int mark_named(const struct search *s, struct json_object *names, bool *ret,
		      struct vmv_err *err)
{
	for (size_t i = 0; i < json_object_array_length(names); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));
		const struct vmv_mount *m = find_target(s, name);

		if (s->is_lenient && (!m || !is_wanted(m)))
			continue;
		if (!m)
			return vmv_fail(err, VMV_E_NOTFOUND, ENOENT,
					"no filesystem is mounted on '%.200s'", name);
		if (!is_wanted(m))
			return vmv_fail(err, VMV_E_UNSUPPORTED, EOPNOTSUPP,
					"'%.200s' has no device or is read-only", name);
		ret[m - s->mounts->v] = true;
	}
	return 0;
}

static int collect(struct search *s, struct json_object *names, struct vmv_err *err)
{
	vmv_autofree bool *named = calloc(s->mounts->n + 1, sizeof(*named));
	int r = named ? 0 : vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");

	if (r == 0 && names)
		r = mark_named(s, names, named, err);
	for (size_t i = 0; r == 0 && i < s->mounts->n; i++) {
		const struct vmv_mount *m = &s->mounts->v[i];

		if (is_taken(s, m))
			continue;
		if (names ? named[i] : is_wanted(m) && is_visible(s, m))
			r = take(s, m, names, err);
	}
	return r;
}

static int read_mountinfo(const struct vmv_job_settings *s, char **ret, struct vmv_err *err)
{
	char path[PATH_MAX];
	size_t cap = 0;
	int r = -ENAMETOOLONG;

	if (snprintf(path, sizeof(path), "%s/proc/self/mountinfo", s->root) < (int)sizeof(path))
		r = vmv_read_table_at(AT_FDCWD, path, ret, &cap, MOUNTINFO_MAX);
	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "cannot read mountinfo: %s", strerror(-r)) : 0;
}

int vmv_points_open(const struct vmv_job_settings *settings, struct json_object *names,
		    bool is_lenient, struct vmv_points **ret, struct vmv_err *err)
{
	vmv_autofree char *text = NULL;
	struct vmv_points *points;
	struct vmv_mounts mounts;
	struct search s = { .settings = settings, .is_lenient = is_lenient, .mounts = &mounts };
	int r = read_mountinfo(settings, &text, err);

	if (r < 0)
		return r;
	r = vmv_mountinfo_parse(text, &mounts, err);
	if (r < 0)
		return r;
	s.points = points = calloc(1, sizeof(*points));
	r = points ? collect(&s, names, err) : vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	vmv_mounts_free(&mounts);
	if (r < 0)
		vmv_points_free(points);
	else
		*ret = points;
	return r;
}

void vmv_points_free(struct vmv_points *p)
{
	for (size_t i = 0; p && i < p->n; i++) {
		free(p->v[i].path);
		vmv_closep(&p->v[i].fd);
	}
	free(p);
}
