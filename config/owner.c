#include "config/owner.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "config/settings.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_owned(const struct stat *st, uid_t owner)
{
	bool is_shared = st->st_mode & (S_IWGRP | S_IWOTH);

	/* in a sticky folder nobody replaces what is another's */
	if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX))
		is_shared = false;
	return (st->st_uid == owner || st->st_uid == 0) && !is_shared;
}

static int check_one(const char *path, uid_t owner, struct vmv_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT)
		return 0;
	if (stat(path, &st) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "'%s': %s", path, strerror(errno));
	if (is_owned(&st, owner))
		return 0;
	return vmv_fail(err, VMV_E_DENIED, EPERM,
			"'%s' must belong to root, and nobody else may write to it", path);
}

static int check_folder_of(const char *path, uid_t owner, struct vmv_err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	if (!slash)
		return check_one(".", owner, err);
	if (snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
		     path) >= (int)sizeof(folder))
		return vmv_fail(err, VMV_E_RANGE, ENAMETOOLONG, "'%.100s...': path too long", path);
	return check_one(folder, owner, err);
}

/* The file that a name leads to, and the folders that both lie in. */
static int check_file(const char *path, uid_t owner, struct vmv_err *err)
{
	char real[PATH_MAX];
	int r = check_folder_of(path, owner, err);

	if (r == 0 && !realpath(path, real)) {
		r = errno == ENOENT
			    ? 0
			    : vmv_fail(err, VMV_E_IO, errno, "'%s': %s", path, strerror(errno));
		return r;
	}
	if (r == 0)
		r = check_one(real, owner, err);
	return r < 0 ? r : check_folder_of(real, owner, err);
}

static bool is_drop_in(const char *name)
{
	size_t len = strlen(name);

	return *name != '.' && len > 5 && strcmp(name + len - 5, ".conf") == 0;
}

static int check_drop_ins(const char *dir, uid_t owner, struct vmv_err *err)
{
	vmv_autoclosedir DIR *d = opendir(dir);
	char file[PATH_MAX];
	const struct dirent *e;
	int r = 0;

	if (!d)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : vmv_fail(err, VMV_E_IO, errno, "'%s': %s", dir, strerror(errno));
	r = check_one(dir, owner, err);
	while (r == 0 && (e = readdir(d)))
		if (is_drop_in(e->d_name) &&
		    snprintf(file, sizeof(file), "%s/%s", dir, e->d_name) < (int)sizeof(file))
			r = check_file(file, owner, err);
	return r;
}

int vmv_config_check_owner(const char *path, uid_t owner, struct vmv_err *err)
{
	char dir[PATH_MAX];
	int r;

	if (!path)
		path = VMV_CONFIG_PATH;
	r = check_file(path, owner, err);
	if (r < 0)
		return r;
	if (snprintf(dir, sizeof(dir), "%s.d", path) >= (int)sizeof(dir))
		return vmv_fail(err, VMV_E_RANGE, ENAMETOOLONG, "'%.100s...': path too long", path);
	return check_drop_ins(dir, owner, err);
}
