#include "job/group.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "base/root.h"
#include "exec/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-bus.h>
#endif

#define SELF_MAX      16384 /* bytes of /proc/self/cgroup */
#define EXECUTOR_UNIT "vmvitals-execd.service"
#define CPU_WEIGHT    100 /* what every unit has */

/* -- where this process is -----------------------------------------------------------------------
 */

/* True, and its path in ret, when that is the group of that name. */
static bool is_in(const char *name, char ret[VMV_GROUP_PATH_SIZE])
{
	char text[SELF_MAX], *at;
	size_t len;

	if (vmv_read_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) < 0)
		return false;
	at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!at)
		return false;
	at = strchr(at, '/');
	len = at ? strcspn(at, "\n") : 0;
	if (len == 0 || len >= VMV_GROUP_PATH_SIZE)
		return false;
	at[len] = '\0';
	if (!vmv_cgroup_is_of(at, name))
		return false;
	memcpy(ret, at, len + 1);
	return true;
}

static uint64_t tasks_max(void)
{
	char text[32];
	const char *end;
	uint64_t n = 0;

	if (vmv_read_attr_at(AT_FDCWD, "/proc/sys/kernel/threads-max", text, sizeof(text)) < 0 ||
	    vmv_parse_u64(text, &n, &end) < 0)
		return VMV_GROUP_TASKS_MAX;
	n /= VMV_GROUP_TASKS_PART;
	return n > 0 && n < VMV_GROUP_TASKS_MAX ? n : VMV_GROUP_TASKS_MAX;
}

/* -- a scope of systemd --------------------------------------------------------------------------
 */

#ifdef HAVE_LIBSYSTEMD

#define SYSTEMD	    "org.freedesktop.systemd1"
#define SYSTEMD_AT  "/org/freedesktop/systemd1"
#define SYSTEMD_API "org.freedesktop.systemd1.Manager"

struct scope {
	sd_bus *bus;
	char unit[128];
	uint64_t until_ms; /* monotonic */
	bool is_done;
	bool is_good; /* systemd says that it worked */
};

static uint64_t time_left_us(const struct scope *s)
{
	uint64_t now_ms = vmv_mono_ms(&vmv_clock_system);

	return now_ms < s->until_ms ? (s->until_ms - now_ms) * 1000 : 0;
}

/* Goes on until something has happened. Returns 0 or negative errno. */
static int turn(struct scope *s)
{
	uint64_t us = time_left_us(s);
	int r;

	if (us == 0)
		return -ETIMEDOUT;
	r = sd_bus_process(s->bus, NULL);
	if (r == 0)
		r = sd_bus_wait(s->bus, us);
	return r < 0 && r != -EINTR ? r : 0;
}

static int log_in(struct scope *s)
{
	int r = sd_bus_open_system(&s->bus);

	while (r >= 0 && (r = sd_bus_is_ready(s->bus)) == 0)
		r = turn(s);
	return r < 0 ? r : 0;
}

static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *job, *unit, *result;
	struct scope *s = arg;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) < 0 ||
	    strcmp(unit, s->unit) != 0)
		return 0;
	s->is_done = true;
	s->is_good = strcmp(result, "done") == 0;
	return 0;
}

static int add_properties(sd_bus_message *m)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t)getpid());
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "Description", "s", "Command of the host");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "Slice", "s", "vmvitals.slice");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "TasksMax", "t", tasks_max());
	/* a share for all of it together: however many it starts, the executor gets its turn */
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "CPUWeight", "t", (uint64_t)CPU_WEIGHT);
	/* at a shutdown the executor is stopped first: else it takes the end that systemd makes of
	 * a script for the script's own, and starts the next one */
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "Before", "as", 1, EXECUTOR_UNIT);
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "CollectMode", "s", "inactive-or-failed");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)", "SendSIGKILL", "b", 1);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	return r;
}

static int start_unit(struct scope *s)
{
	sd_bus_message *m = NULL, *reply = NULL;
	int r = sd_bus_message_new_method_call(s->bus, &m, SYSTEMD, SYSTEMD_AT, SYSTEMD_API,
					       "StartTransientUnit");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", s->unit, "fail");
	if (r >= 0)
		r = add_properties(m);
	if (r >= 0)
		r = time_left_us(s) > 0 ? sd_bus_call(s->bus, m, time_left_us(s), NULL, &reply)
					: -ETIMEDOUT;
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return r < 0 ? r : 0;
}

/* The answer says no more than that systemd has begun. */
static int wait_done(struct scope *s)
{
	int r = 0;

	while (!s->is_done && r >= 0)
		r = turn(s);
	if (r < 0)
		return r;
	return s->is_good ? 0 : -EIO;
}

static int enter_scope(const char *name)
{
	struct scope s = { .until_ms = vmv_mono_ms(&vmv_clock_system) + VMV_GROUP_WAIT_MS };
	int r;

	(void)snprintf(s.unit, sizeof(s.unit), "vmvitals-job-%s.scope", name);
	r = log_in(&s);
	if (r == 0)
		r = sd_bus_match_signal_async(s.bus, NULL, SYSTEMD, SYSTEMD_AT, SYSTEMD_API,
					      "JobRemoved", on_job_removed, NULL, &s);
	if (r >= 0)
		r = start_unit(&s);
	if (r >= 0)
		r = wait_done(&s);
	sd_bus_close_unref(s.bus); /* takes NULL */
	return r;
}

#else

static int enter_scope(const char *name)
{
	(void)name;
	return -ENOTSUP;
}

#endif

/* -- a directory of our own ----------------------------------------------------------------------
 */

/* Returns 0 or negative errno. */
static int put(int dir, const char *file, const char *text)
{
	vmv_autoclose int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int make_and_open(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What earlier jobs had, and what they left running has ended since: only empty ones can be
 * removed. */
static void sweep(int dir)
{
	int list = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = list >= 0 ? fdopendir(list) : NULL;
	const struct dirent *e;

	if (!d) {
		vmv_closep(&list);
		return;
	}
	while ((e = readdir(d)))
		if (strncmp(e->d_name, VMV_CGROUP_PREFIX, strlen(VMV_CGROUP_PREFIX)) == 0)
			(void)unlinkat(dir, e->d_name, AT_REMOVEDIR);
}

static int move_into(int dir, const char *name)
{
	char sub[128], tasks[16];
	vmv_autoclose int fd = -1;
	int r;

	(void)snprintf(sub, sizeof(sub), VMV_CGROUP_PREFIX "%s", name);
	(void)snprintf(tasks, sizeof(tasks), "%" PRIu64, tasks_max());
	/* one that is there is another job's */
	if (mkdirat(dir, sub, 0755) < 0)
		return -errno;
	fd = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : 0;
	if (r == 0) {
		(void)put(fd, "pids.max", tasks); /* another hierarchy may have that controller */
		r = put(fd, "cgroup.procs", "0");
	}
	if (r < 0)
		(void)unlinkat(dir, sub, AT_REMOVEDIR);
	return r;
}

static int enter_own(const char *name)
{
	vmv_autoclose int mount = vmv_cgroup_mount();
	vmv_autoclose int dir = mount < 0 ? mount : make_and_open(mount, VMV_CGROUP_DIR);

	if (dir < 0)
		return dir;
	/* or one job would sweep away what another has made and not yet entered */
	if (flock(dir, LOCK_EX) < 0)
		return -errno;
	sweep(dir);
	(void)put(mount, "cgroup.subtree_control", "+pids");
	(void)put(dir, "cgroup.subtree_control", "+pids");
	return move_into(dir, name);
}

int vmv_group_enter(const char *name, char ret[VMV_GROUP_PATH_SIZE], struct vmv_err *err)
{
	int r = access("/run/systemd/system", F_OK) == 0 ? enter_scope(name) : enter_own(name);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot enter a control group: %s",
				strerror(-r));
	if (!is_in(name, ret))
		return vmv_fail(err, VMV_E_IO, ENOENT, "cannot tell the control group entered");
	return 0;
}
