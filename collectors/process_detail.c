#include "collectors/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"

#define STAT_MAX 2048 /* bytes, as in process.c */
#define IO_MAX	 1024

static void read_exe(int dir, struct vmv_process_detail *ret)
{
	ssize_t n = readlinkat(dir, "exe", ret->exe, sizeof(ret->exe) - 1);

	ret->has_exe = n > 0;
	ret->exe[n > 0 ? n : 0] = '\0';
}

static void read_cmdline(int dir, struct vmv_process_detail *ret)
{
	int n = vmv_read_attr_at(dir, "cmdline", ret->cmdline, sizeof(ret->cmdline));
	size_t len = n > 0 ? (size_t)n : 0;

	while (len > 0 && ret->cmdline[len - 1] == '\0')
		len--;
	for (size_t i = 0; i < len; i++)
		if (ret->cmdline[i] == '\0')
			ret->cmdline[i] = ' ';
	ret->cmdline[len] = '\0';
	ret->cmdline_len = len;
	ret->has_cmdline = len > 0;
}

/* The number of the line "key: number". */
static int io_value(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && strncmp(line + len, ": ", 2) == 0)
			return vmv_parse_u64(line + len + 2, ret, NULL);
	}
	return -ENOENT;
}

static void read_io(int dir, struct vmv_process_detail *ret)
{
	char text[IO_MAX];

	ret->has_io = vmv_read_at(dir, "io", text, sizeof(text)) >= 0 &&
		      io_value(text, "read_bytes", &ret->read_bytes) == 0 &&
		      io_value(text, "write_bytes", &ret->write_bytes) == 0;
	if (!ret->has_io)
		ret->read_bytes = ret->write_bytes = VMV_UNSET;
}

static void read_uid(int dir, struct vmv_process_detail *ret)
{
	struct stat st;

	ret->has_uid = fstat(dir, &st) == 0;
	ret->uid = ret->has_uid ? st.st_uid : (uid_t)-1;
}

/* Checked through the directory's descriptor, which stays with this process: when its number
 * goes to another one later, everything below says ESRCH. */
static int check_starttime(int dir, uint64_t starttime)
{
	struct vmv_process_sample s;
	char text[STAT_MAX];
	int r = vmv_read_at(dir, "stat", text, sizeof(text));

	if (r == -ENOENT)
		return -ESRCH;
	if (r < 0)
		return r;
	r = vmv_process_parse(text, 1, &s, NULL);
	if (r < 0)
		return r;
	return s.starttime == starttime ? 0 : -ESRCH;
}

int vmv_process_detail(const struct vmv_root *root, uint64_t pid, uint64_t starttime,
		       struct vmv_process_detail *ret)
{
	vmv_autoclose int dir = -1;
	char path[24];
	int r;

	(void)snprintf(path, sizeof(path), "%ju", (uintmax_t)pid);
	dir = openat(root->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	r = check_starttime(dir, starttime);
	if (r < 0)
		return r;
	read_exe(dir, ret);
	read_cmdline(dir, ret);
	read_io(dir, ret);
	read_uid(dir, ret);
	return 0;
}
