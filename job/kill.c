/* ProcessKill: one signal to the process that was meant, or to none. */
#include "job/action.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"
#include "commands/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KTHREADD   2
#define PF_KTHREAD 0x00200000u /* include/linux/sched.h: in the flags of /proc/PID/stat */
#define SAME_MS	   1000	       /* boot time is known to the second only */

struct target {
	uint64_t pid, ppid, flags;
	uint64_t starttime; /* ticks of 1/100 s since boot */
	char name[64];
};

/* Our programs, wherever they are installed. */
static const char *const our_names[] = {
	"vmvitalsd",
	"vmvitals-execd",
	"vmvitals-helper",
	"vmvitals-job",
};

/* -- who it is --------------------------------------------------------------------------------- */

/* Skips n columns behind at, which stands on a blank; NULL when there are not so many. */
static const char *skip(const char *at, unsigned n)
{
	while (n-- > 0 && at)
		at = strchr(at + 1, ' ');
	return at;
}

/* "pid (name) S ppid ..."; the name may hold anything, so its end is the last ')'. */
static bool parse_stat(const char *text, struct target *ret)
{
	const char *open = strchr(text, '('), *end = strrchr(text, ')'), *at;

	if (!open || !end || end < open || vmv_parse_u64(text, &ret->pid, NULL) < 0)
		return false;
	(void)snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(end - open - 1), open + 1);
	at = skip(end + 1, 1); /* ppid */
	if (!at || vmv_parse_u64(at + 1, &ret->ppid, NULL) < 0)
		return false;
	at = skip(at, 5); /* flags */
	if (!at || vmv_parse_u64(at + 1, &ret->flags, NULL) < 0)
		return false;
	at = skip(at, 13);
	return at && vmv_parse_u64(at + 1, &ret->starttime, NULL) == 0;
}

/* /proc/TID is there for each thread, though not listed. */
static bool is_whole_process(int proc)
{
	char text[4096];
	const char *at;
	uint64_t tgid, pid;

	if (vmv_read_at(proc, "status", text, sizeof(text)) < 0)
		return false;
	at = strstr(text, "\nTgid:\t");
	if (!at || vmv_parse_u64(at + strlen("\nTgid:\t"), &tgid, NULL) < 0)
		return false;
	at = strstr(text, "\nPid:\t");
	return at && vmv_parse_u64(at + strlen("\nPid:\t"), &pid, NULL) == 0 && pid == tgid;
}

static int boot_ms(int64_t *ret)
{
	vmv_autofree char *text = NULL;
	size_t cap = 0;
	const char *line;
	uint64_t s;
	int r = vmv_read_table_at(AT_FDCWD, "/proc/stat", &text, &cap, 16 << 20);

	if (r < 0)
		return r;
	line = strstr(text, "\nbtime ");
	if (!line || vmv_parse_u64(line + strlen("\nbtime "), &s, NULL) < 0 || s > INT32_MAX * 4ull)
		return -ENODATA;
	*ret = (int64_t)s * 1000;
	return 0;
}

/* True when it started when the host says. */
static int check_start(const struct target *t, int64_t want_ms, struct vmv_err *err)
{
	int64_t boot, diff;
	int r = boot_ms(&boot);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot tell when process %ju started",
				(uintmax_t)t->pid);
	diff = boot + (int64_t)(t->starttime * 10) - want_ms;
	if (diff < -SAME_MS || diff > SAME_MS)
		return vmv_fail(err, VMV_E_NOTFOUND, ESRCH,
				"process %ju is another one than the one that was meant",
				(uintmax_t)t->pid);
	return 0;
}

/* -- who is spared ----------------------------------------------------------------------------- */

static bool is_our_name(const char *name)
{
	for (size_t i = 0; i < VMV_COUNTOF(our_names); i++)
		if (strcmp(name, our_names[i]) == 0)
			return true;
	return false;
}

/* An executable of our name, and nobody but root could have put it there: a name alone protects
 * nothing. */
static bool runs_ours(int proc)
{
	char exe[4096];
	const char *base;
	struct stat st;
	ssize_t len = readlinkat(proc, "exe", exe, sizeof(exe) - 1);
	size_t cut = strlen(" (deleted)");

	if (len <= 0)
		return false;
	exe[len] = '\0';
	if ((size_t)len > cut && strcmp(exe + (size_t)len - cut, " (deleted)") == 0)
		exe[(size_t)len - cut] = '\0'; /* of an update */
	base = strrchr(exe, '/');
	return base && is_our_name(base + 1) && fstatat(proc, "exe", &st, 0) == 0 && st.st_uid == 0;
}

static int check_spared(const struct vmv_action *a, int proc, const struct target *t,
			struct vmv_err *err)
{
	const struct vmv_job_settings *s = a->settings;
	uintmax_t pid = (uintmax_t)t->pid;

	if (t->pid == 1)
		return vmv_fail(err, VMV_E_DENIED, EPERM, "process 1 is protected");
	if (t->pid == KTHREADD || t->ppid == KTHREADD || (t->flags & PF_KTHREAD))
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"process %ju is a thread of the kernel: protected", pid);
	if (t->pid == (uint64_t)getpid() || (s->executor > 0 && t->pid == (uint64_t)s->executor) ||
	    (s->agent > 0 && t->pid == (uint64_t)s->agent) || runs_ours(proc))
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"process %ju belongs to vmvitals: protected", pid);
	return 0;
}

/* -- the deed ---------------------------------------------------------------------------------- */

/* -1: kernels before 5.3 have none; there a pid that is used anew at this very moment is hit. */
static int send(int pidfd, pid_t pid, int sig)
{
	int r = pidfd >= 0 ? (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0)
			   : kill(pid, sig);

	return r < 0 ? -errno : 0;
}

static int not_found(pid_t pid, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_NOTFOUND, ESRCH, "no process has pid %d", (int)pid);
}

/* Reads who it is, while pidfd tells that it still is. */
static int identify(int pidfd, pid_t pid, int proc, struct target *ret, struct vmv_err *err)
{
	char text[1024];

	if (proc < 0 || vmv_read_at(proc, "stat", text, sizeof(text)) < 0 ||
	    !is_whole_process(proc) || send(pidfd, pid, 0) == -ESRCH)
		return not_found(pid, err);
	if (!parse_stat(text, ret) || ret->pid != (uint64_t)pid)
		return vmv_fail(err, VMV_E_IO, EBADMSG, "/proc/%d/stat cannot be understood",
				(int)pid);
	return 0;
}

static void tell(struct vmv_action *a, const struct target *t, const char *sig)
{
	vmv_jw_open(&a->data, NULL);
	vmv_jw_u64(&a->data, "pid", t->pid);
	vmv_jw_str(&a->data, "name", t->name);
	vmv_jw_str(&a->data, "signal", sig);
	vmv_jw_close(&a->data);
	(void)snprintf(a->text, sizeof(a->text), "%s sent to process %ju (%s)", sig,
		       (uintmax_t)t->pid, t->name);
}

int vmv_do_process_kill(struct vmv_action *a, struct vmv_err *err)
{
	const pid_t pid = (pid_t)a->args[VMV_KILL_PID].number;
	const struct vmv_value *start = &a->args[VMV_KILL_START_TIME];
	bool is_forced = a->args[VMV_KILL_FORCE].number != 0;
	vmv_autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), proc = -1;
	struct target t = { 0 };
	char path[32];
	int r;

	if (pidfd < 0 && errno != ENOSYS)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM
			       ? vmv_fail(err, VMV_E_IO, errno, "cannot look at process %d: %s",
					  (int)pid, strerror(errno))
			       : not_found(pid, err);
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = identify(pidfd, pid, proc, &t, err);
	if (r == 0)
		r = check_spared(a, proc, &t, err);
	if (r == 0 && start->is_given)
		r = check_start(&t, start->number, err);
	if (r < 0)
		return r;
	r = send(pidfd, pid, is_forced ? SIGKILL : SIGTERM);
	if (r == -ESRCH)
		return not_found(pid, err);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot signal process %d: %s", (int)pid,
				strerror(-r));
	tell(a, &t, is_forced ? "SIGKILL" : "SIGTERM");
	return 0;
}
