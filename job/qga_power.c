/* guest-shutdown, guest-suspend-*. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/root.h"
#include "commands/qga.h"
#include "job/power.h"
#include "job/program.h"
#include "job/qga.h"
#include "job/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATES_MAX 128 /* bytes of /sys/power/state and /sys/power/disk */
#define TICK_MS	   20

int vmv_do_qga_shutdown(struct vmv_action *a, struct vmv_err *err)
{
	static const int after[] = {
		[VMV_QGA_POWERDOWN] = VMV_AFTER_POWEROFF,
		[VMV_QGA_HALT] = VMV_AFTER_HALT,
		[VMV_QGA_REBOOT] = VMV_AFTER_REBOOT,
	};
	const struct vmv_value *mode = &a->args[VMV_QGA_SHUTDOWN_MODE];
	const char *method;

	/* at once: libvirt waits for the end of the guest, not for an answer */
	return vmv_power_promise(a, after[mode->is_given ? mode->number : VMV_QGA_POWERDOWN], false,
				 0, &method, err);
}

/* -- suspending ---------------------------------------------------------------------------------
 */

struct suspending {
	const char *command;
	const char *state; /* word of /sys/power/state */
	const char *disk;  /* word of /sys/power/disk that is to be chosen, or NULL */
	const char *verb;  /* of systemctl */
};

static const struct suspending suspendings[] = {
	{ "guest-suspend-disk", "disk", NULL, "hibernate" },
	{ "guest-suspend-hybrid", "disk", "suspend", "hybrid-sleep" },
	{ "guest-suspend-ram", "mem", NULL, "suspend" },
};

/* Of words between blanks, the chosen one in brackets: whether it is one of them. */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (*(text += strspn(text, " []"))) {
		size_t n = strcspn(text, " []");

		if (n == len && strncmp(text, word, len) == 0)
			return true;
		text += n;
	}
	return false;
}

/* The one in brackets; false: none is. */
static bool chosen_word(const char *text, char ret[STATES_MAX])
{
	const char *at = strchr(text, '[');
	size_t len = at ? strcspn(at + 1, "]") : 0;

	if (len == 0 || at[1 + len] != ']')
		return false;
	memcpy(ret, at + 1, len);
	ret[len] = '\0';
	return true;
}

static int open_power(const char *root, struct vmv_err *err)
{
	char path[PATH_MAX];
	int fd = -1;

	if (snprintf(path, sizeof(path), "%s/sys/power", root) < (int)sizeof(path))
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd
		       : vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "this kernel cannot suspend");
}

/* Without swap the kernel offers "disk" all the same, but then as [disabled]. disk: the text of
 * /sys/power/disk, or "". */
static int check_support(int power, const struct suspending *s, char disk[STATES_MAX],
			 struct vmv_err *err)
{
	char state[STATES_MAX];
	bool is_there = vmv_read_attr_at(power, "state", state, sizeof(state)) >= 0 &&
			has_word(state, s->state);

	if (vmv_read_attr_at(power, "disk", disk, STATES_MAX) < 0)
		*disk = '\0';
	if (strcmp(s->state, "disk") == 0)
		is_there = is_there && *disk && !has_word(disk, "disabled");
	if (s->disk)
		is_there = is_there && has_word(disk, s->disk);
	return is_there ? 0
			: vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
				   "this guest cannot %s: its kernel does not offer it", s->verb);
}

static int write_word(int power, const char *name, const char *word)
{
	vmv_autoclose int fd = openat(power, name, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, word, strlen(word)) < 0 ? -errno : 0;
}

/* Returns when the guest is awake again. */
static int sleep_now(int power, const struct suspending *s, const char *disk)
{
	char before[STATES_MAX];
	bool is_changed = s->disk && chosen_word(disk, before);
	int r = s->disk ? write_word(power, "disk", s->disk) : 0;

	if (r == 0)
		r = write_word(power, "state", s->state);
	if (is_changed)
		(void)write_word(power, "disk", before);
	return r;
}

static int await(pid_t pid, uint64_t until_ms, struct vmv_err *err)
{
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (vmv_mono_ms(&vmv_clock_system) >= until_ms) {
			(void)kill(pid, SIGKILL);
			return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT,
					"the kernel has not suspended yet");
		}
		(void)poll(NULL, 0, TICK_MS);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return vmv_fail(err, VMV_E_IO, EIO, "cannot suspend: %s",
			WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "it was ended");
}

/* In a process of its own: writing there waits for all drivers, and nothing can interrupt it. */
static int by_kernel(int power, const struct suspending *s, const char *disk, uint64_t until_ms,
		     struct vmv_err *err)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(-sleep_now(power, s, disk));
	if (pid < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot fork: %s", strerror(errno));
	return await(pid, until_ms, err);
}

/* systemctl asks logind, or systemd where there is none. What these refuse (an inhibitor, swap that
 * is too small) is not done behind their back. */
static int by_systemd(const char *program, const struct suspending *s, uint64_t until_ms,
		      struct vmv_err *err)
{
	const char *const argv[] = { "systemctl", "--no-block", s->verb, NULL };

	return vmv_tool_do(program, argv, until_ms, err);
}

static const struct suspending *find_suspending(const char *command)
{
	for (size_t i = 0; i < VMV_COUNTOF(suspendings); i++)
		if (strcmp(suspendings[i].command, command) == 0)
			return &suspendings[i];
	return NULL;
}

int vmv_do_qga_suspend(struct vmv_action *a, struct vmv_err *err)
{
	const struct suspending *s = find_suspending(a->command->name);
	const char *root = a->settings->root;
	uint64_t until = vmv_tool_soft_deadline(a->deadline_ms);
	char program[VMV_PROGRAM_SIZE], disk[STATES_MAX];
	vmv_autoclose int power = open_power(root, err);
	int r;

	if (power < 0)
		return power;
	if (!s)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "no such way to suspend");
	r = check_support(power, s, disk, err);
	if (r < 0)
		return r;
	if (vmv_runs_systemd(root) && vmv_program_find(root, "systemctl", program) == 0)
		return by_systemd(program, s, until, err);
	return by_kernel(power, s, disk, until, err);
}
