#include "base/freeze.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX  128
#define STAT_MAX    1024
#define STAT_BEFORE 19 /* blanks from the state (field 3) to the start time (field 22) */

int vmv_freeze_parse(const char *text, struct vmv_freeze_record *ret)
{
	uint64_t n[5];
	int64_t since;
	const char *at;

	if (vmv_parse_i64(text, &since, &at) < 0)
		return -EINVAL;
	for (size_t i = 0; i < VMV_COUNTOF(n); i++)
		if (*at++ != ' ' || vmv_parse_u64(at, &n[i], &at) < 0)
			return -EINVAL;
	if (strcmp(at, "\n") != 0 || n[2] == 0 || n[2] > INT_MAX || n[4] > UINT32_MAX)
		return -EINVAL;
	*ret = (struct vmv_freeze_record){
		.since_real_ms = since,
		.since_mono_ms = n[0],
		.thaw_at_ms = n[1],
		.guard = (pid_t)n[2],
		.guard_start = n[3],
		.count = (uint32_t)n[4],
	};
	return 0;
}

int vmv_freeze_format(const struct vmv_freeze_record *r, char *buf, size_t cap)
{
	return snprintf(buf, cap, "%" PRId64 " %" PRIu64 " %" PRIu64 " %d %" PRIu64 " %u\n",
			r->since_real_ms, r->since_mono_ms, r->thaw_at_ms, (int)r->guard,
			r->guard_start, r->count);
}

int vmv_freeze_started(pid_t pid, uint64_t *ret)
{
	char path[32], text[STAT_MAX];
	const char *at;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = vmv_read_at(AT_FDCWD, path, text, sizeof(text));
	if (r < 0)
		return r;
	at = strrchr(text, ')'); /* a name may hold anything */
	if (!at || at[1] != ' ')
		return -EINVAL;
	if (at[2] == 'Z' || at[2] == 'X')
		return -ESRCH;
	at += 2;
	for (int i = 0; i < STAT_BEFORE; i++) {
		at = strchr(at, ' ');
		if (!at++)
			return -EINVAL;
	}
	return vmv_parse_u64(at, ret, NULL);
}

/* Where /proc hides the processes of others (hidepid), all that can be told is that there is one
 * of that number. */
static bool lives(const struct vmv_freeze_record *r)
{
	uint64_t start = 0;
	int error = vmv_freeze_started(r->guard, &start);

	if (error == 0)
		return start == r->guard_start;
	return error != -ESRCH && (kill(r->guard, 0) == 0 || errno == EPERM);
}

static int read_file(int dir, char *text, size_t cap)
{
	vmv_autoclose int fd =
		openat(dir, VMV_FREEZE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != 0)
		return -EPERM;
	return vmv_read_fd(fd, text, cap);
}

int vmv_freeze_read(const char *run_dir, struct vmv_freeze_record *ret)
{
	vmv_autoclose int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[RECORD_MAX];
	int r = dir < 0 ? -errno : read_file(dir, text, sizeof(text));

	if (r < 0)
		return r;
	r = vmv_freeze_parse(text, ret);
	if (r < 0)
		return r;
	return lives(ret) ? 0 : -ESRCH;
}
