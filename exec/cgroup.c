#include "exec/cgroup.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX     16
#define MOUNTINFO_MAX (4u << 20) /* bytes; a guest with thousands of containers has 1 MiB */
#define PROCS_MAX     65536	 /* bytes that are read at once */

/* -- where ---------------------------------------------------------------------------------------
 */

static bool is_octal(const char *s)
{
	return s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
	       s[3] >= '0' && s[3] <= '7';
}

/* "\040" and its like to the byte they stand for, in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (is_octal(s)) {
			unsigned byte = (unsigned)(s[1] - '0') * 64 + (unsigned)(s[2] - '0') * 8 +
					(unsigned)(s[3] - '0');

			*to++ = (char)byte;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* The mount point in a line of mountinfo, when it is one of the whole of cgroup2; else NULL. Cuts
 * the line up. */
static char *mount_point(char *line)
{
	char *type = strstr(line, " - "), *field = line, *point = NULL;

	if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
		return NULL;
	for (int i = 0; i < 4 && field; i++) { /* id, parent, device, root */
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
		if (i == 2 && field && strncmp(field, "/ ", 2) != 0)
			return NULL; /* paths would not be those below it */
	}
	point = field;
	if (!point)
		return NULL;
	point[strcspn(point, " ")] = '\0';
	unescape(point);
	return point;
}

int vmv_cgroup_mount(void)
{
	vmv_autofclose FILE *f = fopen("/proc/self/mountinfo", "re");
	vmv_autofree char *line = NULL;
	size_t cap = 0, sum = 0;
	ssize_t n;
	int fd = -ENOENT;

	if (!f)
		return -errno;
	while ((n = getline(&line, &cap, f)) > 0 && (sum += (size_t)n) < MOUNTINFO_MAX) {
		char *point = mount_point(line);

		if (!point)
			continue;
		fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		fd = -errno; /* covered by another mount, say */
	}
	return fd;
}

bool vmv_cgroup_is_of(const char *path, const char *group)
{
	const char *last = strrchr(path, '/');
	char scope[160], own[160];

	if (*path != '/' || !last || strstr(path, "/../"))
		return false;
	if (snprintf(scope, sizeof(scope), "/vmvitals-job-%s.scope", group) >= (int)sizeof(scope) ||
	    snprintf(own, sizeof(own), "/" VMV_CGROUP_DIR "/" VMV_CGROUP_PREFIX "%s", group) >=
		    (int)sizeof(own))
		return false;
	return strcmp(last, scope) == 0 || strcmp(path, own) == 0;
}

int vmv_cgroup_open(const char *path)
{
	vmv_autoclose int mount = vmv_cgroup_mount();
	int fd;

	if (mount < 0)
		return mount;
	path += strspn(path, "/");
	fd = openat(mount, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void vmv_cgroup_remove(const char *path)
{
	vmv_autoclose int mount = -1;

	if (strncmp(path, "/" VMV_CGROUP_DIR "/", strlen("/" VMV_CGROUP_DIR "/")) != 0)
		return;
	mount = vmv_cgroup_mount();
	if (mount >= 0)
		(void)unlinkat(mount, path + 1, AT_REMOVEDIR);
}

/* -- killing -------------------------------------------------------------------------------------
 */

/* Returns 0 or negative errno. */
static int put(int dir, const char *name, const char *text)
{
	vmv_autoclose int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* What is beyond PROCS_MAX comes next time. */
static void kill_listed(int dir)
{
	vmv_autofree char *text = NULL;
	vmv_autoclose int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	const char *at;
	uint64_t pid;
	ssize_t n;

	text = fd >= 0 ? malloc(PROCS_MAX + 1) : NULL;
	n = text ? read(fd, text, PROCS_MAX) : -1;
	if (n <= 0)
		return;
	text[n] = '\0';
	/* a number that the buffer cut is not one: each ends with a newline */
	for (at = text; vmv_parse_u64(at, &pid, &at) == 0 && *at == '\n'; at++)
		if (pid > 1 && pid < INT32_MAX)
			(void)kill((pid_t)pid, SIGKILL);
}

static void kill_below(int dir, int depth)
{
	int list = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = list >= 0 ? fdopendir(list) : NULL;
	const struct dirent *e;

	if (!d) {
		vmv_closep(&list);
		return;
	}
	kill_listed(dir);
	while (depth > 0 && (e = readdir(d))) {
		if (e->d_type != DT_DIR || *e->d_name == '.')
			continue;
		vmv_autoclose int sub =
			openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (sub >= 0)
			kill_below(sub, depth - 1);
	}
}

/* 1, 0, or negative errno. */
static int is_populated(int dir)
{
	char text[256];
	const char *word;
	int n = vmv_read_at(dir, "cgroup.events", text, sizeof(text));

	if (n < 0)
		return n;
	word = strstr(text, "populated ");
	return word && word[strlen("populated ")] == '1';
}

int vmv_cgroup_kill(int fd)
{
	int r = put(fd, "cgroup.kill", "1");

	if (r == -ENOENT) { /* before Linux 5.14; frozen, nobody forks (5.2) */
		(void)put(fd, "cgroup.freeze", "1");
		kill_below(fd, DEPTH_MAX);
	}
	r = is_populated(fd);
	return r == -ENODEV || r == -ENOENT ? 0 : r;
}
