#include "collectors/cgroup_id.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/root.h"
#include "collectors/collector.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX    8192  /* directories seen in one walk; those beyond stay unknown */
#define GROUPS_SLICE  8	    /* directories listed per turn; each holds some 60 files */
#define WALK_AGAIN_MS 60000 /* for ids that were not found */
#define UNIT_MAX      256   /* systemd's bound of a unit's name, and NUL */

/* A directory of the walk. */
struct group {
	size_t parent;
	char *name; /* NULL: the mount point */
};

struct known {
	uint64_t id;
	char unit[UNIT_MAX];
};

struct vmv_cgroup_ids {
	struct known *known; /* by id */
	size_t n_known;
	bool has_walked;
	uint64_t walked_ms;

	/* The walk under way, breadth first: units lie near the root. */
	bool is_walking;
	int top; /* the mount point */
	struct group *groups;
	size_t n_groups, cap_groups;
	size_t at;	      /* the next to be listed */
	struct known *wanted; /* by id; units are filled in as they are found */
	size_t n_wanted, n_missing;
	bool *is_found; /* of wanted */
};

/* -- names --------------------------------------------------------------------------------- */

static bool has_suffix(const char *s, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && memcmp(s + len - n, suffix, n) == 0;
}

static bool is_unit(const char *s, size_t len)
{
	static const char *const suffixes[] = { ".service", ".scope", ".slice",
						".socket",  ".mount", ".swap" };

	for (size_t i = 0; i < VMV_COUNTOF(suffixes); i++)
		if (has_suffix(s, len, suffixes[i]))
			return true;
	return false;
}

char *vmv_cgroup_unit(const char *path, char *ret, size_t cap)
{
	const char *unit = NULL;
	size_t unit_len = 0;

	for (const char *s = path; *s;) {
		size_t len;

		s += strspn(s, "/");
		len = strcspn(s, "/");
		if (is_unit(s, len)) {
			unit = s;
			unit_len = len;
		}
		s += len;
	}
	/* a slice only groups: below it there is something else, which its path tells */
	if (!unit || (unit[unit_len] && has_suffix(unit, unit_len, ".slice"))) {
		unit = strcmp(path, "/") == 0 ? "" : path;
		unit_len = strlen(unit);
	} else if (*unit == '_') { /* systemd puts one before names that the kernel claims */
		unit++;
		unit_len--;
	}
	if (unit_len >= cap)
		unit_len = 0;
	memcpy(ret, unit, unit_len);
	ret[unit_len] = '\0';
	return ret;
}

/* -- what is known ------------------------------------------------------------------------- */

static struct known *find(struct known *known, size_t n, uint64_t id)
{
	struct known *end;

	if (n == 0) /* and no array */
		return NULL;
	end = known + n;
	while (known < end) {
		struct known *middle = known + (end - known) / 2;

		if (middle->id == id)
			return middle;
		if (middle->id < id)
			known = middle + 1;
		else
			end = middle;
	}
	return NULL;
}

const char *vmv_cgroup_ids_unit(const struct vmv_cgroup_ids *c, uint64_t id)
{
	const struct known *k = find(c->known, c->n_known, id);

	return k ? k->unit : "";
}

struct vmv_cgroup_ids *vmv_cgroup_ids_new(void)
{
	struct vmv_cgroup_ids *c = calloc(1, sizeof(*c));

	if (c)
		c->top = -1;
	return c;
}

void vmv_cgroup_ids_rest(struct vmv_cgroup_ids *c)
{
	for (size_t i = 0; i < c->n_groups; i++)
		free(c->groups[i].name);
	free(VMV_TAKE(c->groups, NULL));
	free(VMV_TAKE(c->wanted, NULL));
	free(VMV_TAKE(c->is_found, NULL));
	c->n_groups = c->cap_groups = c->n_wanted = c->n_missing = c->at = 0;
	vmv_closep(&c->top);
	c->top = -1;
	c->is_walking = false;
}

void vmv_cgroup_ids_free(struct vmv_cgroup_ids *c)
{
	if (!c)
		return;
	vmv_cgroup_ids_rest(c);
	free(c->known);
	free(c);
}

/* -- the walk ------------------------------------------------------------------------------ */

static int open_dir(int dirfd, const char *path)
{
	return openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Where cgroup2 is mounted; beside the older hierarchies it has a directory among them. */
static int open_top(const struct vmv_root *root)
{
	int fd = -1;

	if (faccessat(root->sys, "fs/cgroup/cgroup.controllers", F_OK, 0) == 0)
		fd = open_dir(root->sys, "fs/cgroup");
	return fd < 0 ? open_dir(root->sys, "fs/cgroup/unified") : fd;
}

static void found(struct vmv_cgroup_ids *c, uint64_t id, const char *path)
{
	struct known *k = find(c->wanted, c->n_wanted, id);

	if (!k || c->is_found[k - c->wanted])
		return;
	c->is_found[k - c->wanted] = true;
	c->n_missing--;
	(void)vmv_cgroup_unit(path, k->unit, sizeof(k->unit));
}

/* Takes name, also when it fails. */
static int add_group(struct vmv_cgroup_ids *c, size_t parent, char *name)
{
	vmv_autofree char *owned = name;

	if (c->n_groups == c->cap_groups) {
		size_t want = c->cap_groups ? c->cap_groups * 2 : 64;
		struct group *bigger = reallocarray(c->groups, want, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		c->groups = bigger;
		c->cap_groups = want;
	}
	c->groups[c->n_groups++] = (struct group){ parent, VMV_TAKE(owned, NULL) };
	return 0;
}

/* Writes "/a/b" of the i-th group, "" of the mount point; false when it does not fit. */
static bool path_of(const struct vmv_cgroup_ids *c, size_t i, char *ret, size_t cap)
{
	size_t at = cap - 1;

	ret[at] = '\0';
	for (; c->groups[i].name; i = c->groups[i].parent) {
		size_t len = strlen(c->groups[i].name);

		if (len + 1 > at)
			return false;
		at -= len;
		memcpy(ret + at, c->groups[i].name, len);
		ret[--at] = '/';
	}
	memmove(ret, ret + at, cap - at);
	return true;
}

static bool is_group(const struct dirent *d)
{
	return d->d_type == DT_DIR && strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int take_entry(struct vmv_cgroup_ids *c, const char *parent, const struct dirent *d)
{
	char path[PATH_MAX];
	char *name;

	if (!is_group(d) || c->n_groups >= GROUPS_MAX)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s", parent, d->d_name) < (int)sizeof(path))
		found(c, d->d_ino, path);
	name = strdup(d->d_name);
	return name ? add_group(c, c->at, name) : -ENOMEM;
}

/* Groups come and go while we look, and some may not be for us: then they have no children. */
static int list_group(struct vmv_cgroup_ids *c)
{
	vmv_autoclosedir DIR *dir = NULL;
	const struct dirent *d;
	char path[PATH_MAX];
	int fd, r = 0;

	if (!path_of(c, c->at, path, sizeof(path)))
		return 0;
	fd = open_dir(c->top, *path ? path + 1 : ".");
	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		vmv_closep(&fd);
		return -ENOMEM;
	}
	while (r == 0 && (d = readdir(dir)))
		r = take_entry(c, path, d);
	return r;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts them, once each, without 0. Returns how many are left. */
static size_t unique(uint64_t *ids, size_t n)
{
	size_t kept = 0;

	qsort(ids, n, sizeof(*ids), by_number);
	for (size_t i = 0; i < n; i++)
		if (ids[i] != (kept ? ids[kept - 1] : 0))
			ids[kept++] = ids[i];
	return kept;
}

/* The ids asked for, with what is known of them already. */
static int want(struct vmv_cgroup_ids *c, const uint64_t *ids, size_t n)
{
	vmv_autofree uint64_t *copy = calloc(n + 1, sizeof(*copy));
	size_t n_ids;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, ids, n * sizeof(*copy));
	n_ids = unique(copy, n);
	if (n_ids > GROUPS_MAX)
		n_ids = GROUPS_MAX;
	c->wanted = calloc(n_ids + 1, sizeof(*c->wanted));
	c->is_found = calloc(n_ids + 1, sizeof(*c->is_found));
	if (!c->wanted || !c->is_found)
		return -ENOMEM;
	c->n_wanted = c->n_missing = n_ids;
	for (size_t i = 0; i < n_ids; i++) {
		const struct known *k = find(c->known, c->n_known, copy[i]);

		c->wanted[i].id = copy[i];
		if (!k)
			continue;
		c->wanted[i] = *k;
		c->is_found[i] = true;
		c->n_missing--;
	}
	return 0;
}

static bool needs_walk(const struct vmv_cgroup_ids *c, const uint64_t *ids, size_t n)
{
	if (c->has_walked && vmv_mono_ms(&vmv_clock_system) - c->walked_ms < WALK_AGAIN_MS)
		return false;
	for (size_t i = 0; i < n; i++)
		if (ids[i] != 0 && !find(c->known, c->n_known, ids[i]))
			return true;
	return false;
}

static int start_walk(struct vmv_cgroup_ids *c, const struct vmv_root *root, const uint64_t *ids,
		      size_t n)
{
	struct stat st;
	int r;

	c->is_walking = true;
	c->has_walked = true;
	c->walked_ms = vmv_mono_ms(&vmv_clock_system);
	r = want(c, ids, n);
	if (r < 0)
		return r;
	c->top = open_top(root);
	if (c->top < 0)
		return 0; /* no groups, nothing to list */
	if (fstat(c->top, &st) == 0)
		found(c, st.st_ino, "/");
	return add_group(c, 0, NULL);
}

/* Only what was found is kept: an id that was not may belong to a group to come. */
static void finish_walk(struct vmv_cgroup_ids *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_wanted; i++)
		if (c->is_found[i])
			c->wanted[kept++] = c->wanted[i];
	free(c->known);
	c->known = VMV_TAKE(c->wanted, NULL);
	c->n_known = kept;
	vmv_cgroup_ids_rest(c);
}

int vmv_cgroup_ids_find(struct vmv_cgroup_ids *c, const struct vmv_root *root, const uint64_t *ids,
			size_t n)
{
	int r = 0;

	if (!c->is_walking) {
		if (!needs_walk(c, ids, n))
			return 0;
		r = start_walk(c, root, ids, n);
	}
	for (unsigned listed = 0; r == 0 && c->at < c->n_groups && c->n_missing > 0; c->at++) {
		if (listed++ == GROUPS_SLICE)
			return VMV_MORE;
		r = list_group(c);
	}
	if (r < 0)
		vmv_cgroup_ids_rest(c);
	else
		finish_walk(c);
	return r;
}
