#include "job/program.h"

#include "exec/child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

int vmv_program_find(const char *root, const char *name, char ret[VMV_PROGRAM_SIZE])
{
	if (strcmp(root, "/") == 0)
		root = "";
	for (const char *dir = VMV_CHILD_PATH; *dir;) {
		size_t len = strcspn(dir, ":");

		if (snprintf(ret, VMV_PROGRAM_SIZE, "%s%.*s/%s", root, (int)len, dir, name) >=
		    VMV_PROGRAM_SIZE)
			return -ENAMETOOLONG;
		if (is_program(ret))
			return 0;
		dir += len + (dir[len] == ':');
	}
	return -ENOENT;
}

bool vmv_runs_systemd(const char *root)
{
	char path[VMV_PROGRAM_SIZE];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/run/systemd/system", root) < (int)sizeof(path) &&
	       stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}
