#include "job/hooks.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "job/action.h"
#include "job/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_roots(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Hidden files are an editor's or a package manager's. */
static bool is_hook(int dir, const char *name)
{
	struct stat st;

	if (name[0] == '.' || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || !(st.st_mode & S_IXUSR))
		return false;
	if (is_roots(&st))
		return true;
	(void)fprintf(stderr, "'%s' is not root's alone, ignoring\n", name);
	return false;
}

static int add(struct vmv_hooks *h, const char *dir, const char *name)
{
	char path[PATH_MAX];

	if (h->n == VMV_HOOKS_MAX)
		return -E2BIG;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	h->paths[h->n] = strdup(path);
	return h->paths[h->n] && ++h->n ? 0 : -ENOMEM;
}

static int list(const char *path, struct vmv_hooks *h)
{
	vmv_autoclosedir DIR *dir = opendir(path);
	const struct dirent *e;
	struct stat st;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(dirfd(dir), &st) < 0)
		return -errno;
	if (!is_roots(&st))
		return -EPERM;
	while (r == 0 && (e = readdir(dir)))
		if (is_hook(dirfd(dir), e->d_name))
			r = add(h, path, e->d_name);
	return r;
}

int vmv_hooks_find(const struct vmv_job_settings *s, struct vmv_hooks *ret, struct vmv_err *err)
{
	char path[PATH_MAX];
	int r = -ENAMETOOLONG;

	*ret = (struct vmv_hooks){ 0 };
	if (snprintf(path, sizeof(path), "%s/fsfreeze.d", s->config_dir) < (int)sizeof(path))
		r = list(path, ret);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot list the hooks: %s", strerror(-r));
	qsort(ret->paths, ret->n, sizeof(ret->paths[0]), by_text);
	return 0;
}

static int run(const char *path, const char *word, uint64_t deadline_ms, struct vmv_err *err)
{
	const char *argv[] = { path, word, NULL };
	uint64_t until = vmv_mono_ms(&vmv_clock_system) + VMV_HOOK_MS;

	return vmv_tool_run_path(path, argv, until < deadline_ms ? until : deadline_ms, NULL, err);
}

int vmv_hooks_freeze(struct vmv_hooks *h, int listener, uint64_t deadline_ms, struct vmv_err *err)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	while (h->n_begun < h->n) {
		const char *path = h->paths[h->n_begun++];
		struct vmv_err why = { 0 };
		int r = run(path, "freeze", deadline_ms, &why);

		if (poll(&p, 1, 0) > 0)
			return vmv_fail(err, VMV_E_IO, ECANCELED, "thawed before all were frozen");
		if (r < 0)
			return vmv_fail(err, VMV_E_IO, -r, "hook '%.120s': %.120s", path, why.msg);
		if (r > 0)
			return vmv_fail(err, VMV_E_IO, ECANCELED,
					"hook '%.120s' failed with exit code %d", path, r);
	}
	return 0;
}

void vmv_hooks_thaw(struct vmv_hooks *h)
{
	while (h->n_begun > 0)
		(void)run(h->paths[--h->n_begun], "thaw", UINT64_MAX, NULL);
}

void vmv_hooks_clear(struct vmv_hooks *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->paths[i]);
	*h = (struct vmv_hooks){ 0 };
}
