/* PrepareGoldenImage: PROTOCOL.md 5.9. A list of steps; each has its time, and what one cannot do
 * is a line on stderr and no obstacle to the next. All of it is below settings->root. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/os.h"
#include "job/action.h"
#include "job/caches.h"
#include "job/tool.h"
#include "job/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_MS	    120000
#define POWEROFF_S  3
#define UID_MIN	    1000
#define UID_NOBODY  65534
#define PASSWD_MAX  (4 * VMV_MIB)
#define RELEASE_MAX 8192
#define HOME_DEPTH  200 /* whoever has hidden something deeper has to be told so */

struct golden {
	const struct vmv_action *action;
	const struct vmv_job_settings *settings;
	int root;
	uint64_t deadline_ms; /* of the step */
};

static void say(const char *text)
{
	(void)dprintf(STDOUT_FILENO, "%s\n", text);
}

static void warn(const char *step, const char *text)
{
	(void)dprintf(STDERR_FILENO, "%s: %s\n", step, text);
}

static int fail(struct vmv_err *err, const char *what, int error)
{
	return vmv_fail(err, VMV_E_IO, error, "%s: %s", what, strerror(error));
}

/* A tool that is not here has nothing to clean. */
static int run_if_there(const struct golden *g, const char *const *argv, struct vmv_err *err)
{
	char path[PATH_MAX];
	int r;

	if (!vmv_tool_find(g->settings, argv[0], path))
		return 0;
	r = vmv_tool_run_path(path, argv, g->deadline_ms, NULL, err);
	return r > 0 ? vmv_fail(err, VMV_E_IO, EIO, "'%s' failed with exit code %d", argv[0], r)
		     : r;
}

static int finish_sweep(const char *path, int r, const struct vmv_sweep *s, struct vmv_err *err)
{
	if (r < 0)
		return fail(err, path, -r);
	if (s->is_late)
		return fail(err, path, ETIMEDOUT);
	if (s->errors > 0)
		return vmv_fail(err, VMV_E_IO, EIO, "%s: %" PRIu64 " entries could not be cleaned",
				path, s->errors);
	return 0;
}

static struct vmv_sweep all_files(const struct golden *g, bool (*wants)(const char *name))
{
	return (struct vmv_sweep){ .before_s = INT64_MAX,
				   .depth = VMV_TREE_DEPTH,
				   .deadline_ms = g->deadline_ms,
				   .keeps_dirs = true,
				   .wants = wants };
}

/* Deletes the files below a directory that are wanted; NULL: all. */
static int delete_in(const struct golden *g, const char *path, bool (*wants)(const char *name),
		     struct vmv_err *err)
{
	struct vmv_sweep s = all_files(g, wants);
	int r = vmv_tree_sweep_at(g->root, path, &s);

	return finish_sweep(path, r, &s, err);
}

/* One after another, whatever becomes of each; the last failure is told. */
static int delete_in_each(const struct golden *g, const char *const *paths,
			  bool (*wants)(const char *name), struct vmv_err *err)
{
	int result = 0;

	for (size_t i = 0; paths[i]; i++) {
		int r = delete_in(g, paths[i], wants, err);

		result = r < 0 ? r : result;
	}
	return result;
}

static bool matches(const char *name, const char *const *patterns)
{
	for (size_t i = 0; patterns[i]; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

/* The directory of path, and its last part. */
static int open_parent(const struct golden *g, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	(void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0, path);
	*ret_name = slash ? slash + 1 : path;
	return vmv_tree_open(g->root, dir);
}

static int delete_file(const struct golden *g, const char *path, struct vmv_err *err)
{
	const char *name;
	vmv_autoclose int dir = open_parent(g, path, &name);

	if (dir < 0)
		return dir == -ENOENT ? 0 : fail(err, path, -dir);
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? fail(err, path, errno) : 0;
}

/* flags: O_TRUNC of one that is there, or O_CREAT. */
static int make_empty(const struct golden *g, const char *path, int flags, struct vmv_err *err)
{
	const char *name;
	vmv_autoclose int dir = open_parent(g, path, &name);
	vmv_autoclose int fd = -1;

	if (dir < 0)
		return dir == -ENOENT ? 0 : fail(err, path, -dir);
	fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0644);
	return fd < 0 && errno != ENOENT ? fail(err, path, errno) : 0;
}

/* -- steps ---------------------------------------------------------------------------------- */

static int clean_cloud_init(const struct golden *g, struct vmv_err *err)
{
	static const char *const argv[] = { "cloud-init", "clean", "--logs", "--seed", NULL };

	return run_if_there(g, argv, err);
}

static bool is_log(const char *name)
{
	return fnmatch("*.log", name, 0) == 0;
}

static bool is_journal(const char *name)
{
	static const char *const patterns[] = { "*.journal", "*.journal~", NULL };

	return matches(name, patterns);
}

static int clean_logs(const struct golden *g, struct vmv_err *err)
{
	static const char *const vacuum[] = { "journalctl", "--quiet", "--rotate",
					      "--vacuum-time=1s", NULL };
	struct vmv_sweep s = all_files(g, is_log);
	int r[4];

	s.truncates = true;
	r[0] = vmv_tree_sweep_at(g->root, "var/log", &s);
	r[0] = finish_sweep("var/log", r[0], &s, err);
	r[1] = delete_in(g, "var/log", vmv_log_is_rotated, err);
	r[2] = run_if_there(g, vacuum, err);
	r[3] = delete_in(g, "var/log/journal", is_journal, err);
	for (size_t i = 0; i < VMV_COUNTOF(r); i++)
		if (r[i] < 0)
			return r[i];
	return 0;
}

static int clean_machine_id(const struct golden *g, struct vmv_err *err)
{
	int r = make_empty(g, "etc/machine-id", O_TRUNC, err);
	int r2 = delete_file(g, "var/lib/dbus/machine-id", err);

	return r < 0 ? r : r2;
}

static bool is_host_key(const char *name)
{
	return strncmp(name, "ssh_host_", 9) == 0;
}

static int clean_ssh(const struct golden *g, struct vmv_err *err)
{
	return delete_in(g, "etc/ssh", is_host_key, err);
}

static bool is_history(const char *name)
{
	static const char *const patterns[] = { ".*_history", "fish_history", ".lesshst",
						".viminfo", NULL };

	return matches(name, patterns);
}

static int clean_histories(const struct golden *g, struct vmv_err *err)
{
	static const char *const homes[] = { "root", "home", NULL };

	return delete_in_each(g, homes, is_history, err);
}

static bool is_lease(const char *name)
{
	return fnmatch("*lease*", name, 0) == 0;
}

static int clean_network(const struct golden *g, struct vmv_err *err)
{
	static const char *const connections[] = { "etc/NetworkManager/system-connections", NULL };
	static const char *const leases[] = { "var/lib/dhcp", "var/lib/dhclient", "var/lib/dhcpcd",
					      "var/lib/NetworkManager", NULL };
	int r[3] = { delete_in_each(g, connections, NULL, err),
		     delete_file(g, "etc/netplan/50-cloud-init.yaml", err),
		     delete_in_each(g, leases, is_lease, err) };

	for (size_t i = 0; i < VMV_COUNTOF(r); i++)
		if (r[i] < 0)
			return r[i];
	return 0;
}

static bool is_there(const struct golden *g, const char *path)
{
	return faccessat(g->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A Debian can have rpm, too. */
static bool is_rpm_system(const struct golden *g)
{
	return (is_there(g, "var/lib/rpm") || is_there(g, "usr/lib/sysimage/rpm")) &&
	       !is_there(g, "var/lib/dpkg/status");
}

static int clean_packages(const struct golden *g, struct vmv_err *err)
{
	int r = vmv_cache_clean(g->settings, g->deadline_ms, err);
	int r2 = is_rpm_system(g) ? make_empty(g, ".autorelabel", O_CREAT, err) : 0;

	return r < 0 ? r : r2;
}

/* The executor's are in its state_dir, the agent's events in a directory of its own. */
#define AGENT_DIR "var/lib/vmvitals"

static bool is_own(const char *name)
{
	static const char *const patterns[] = { "nonces*", "spool*", "events*", NULL };

	return matches(name, patterns);
}

/* In one directory: files of these names, and all of what is in the folders. */
static int clean_own_in(const struct golden *g, int dir, struct vmv_err *err)
{
	static const char *const folders[] = { "scripts", "spool", "events" };
	struct vmv_sweep top = all_files(g, is_own);
	int r, result;

	top.depth = 1;
	r = vmv_tree_sweep(dir, &top);
	result = finish_sweep("own journals", r, &top, err);
	for (size_t i = 0; i < VMV_COUNTOF(folders); i++) {
		struct vmv_sweep s = all_files(g, NULL);

		r = vmv_tree_sweep_at(dir, folders[i], &s);
		r = finish_sweep(folders[i], r, &s, err);
		result = r < 0 ? r : result;
	}
	return result;
}

/* Keys and the secret are elsewhere, and what is not named here stays. */
static int clean_own(const struct golden *g, struct vmv_err *err)
{
	vmv_autoclose int agents = vmv_tree_open(g->root, AGENT_DIR);
	vmv_autoclose int own =
		open(g->settings->state_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = own < 0 && errno != ENOENT ? fail(err, g->settings->state_dir, errno) : 0, r2 = 0;

	if (own >= 0)
		r = clean_own_in(g, own, err);
	if (agents >= 0)
		r2 = clean_own_in(g, agents, err);
	else if (agents != -ENOENT)
		r2 = fail(err, AGENT_DIR, -agents);
	return r < 0 ? r : r2;
}

static int trim(const struct golden *g, struct vmv_err *err)
{
	struct vmv_value args[VMV_ARGS_MAX] = { 0 }; /* all, any size */
	struct vmv_action a = { .args = args,
				.settings = g->settings,
				.deadline_ms = g->deadline_ms };
	int r;

	vmv_jw_init(&a.data, VMV_JOB_RESULT_MAX);
	r = vmv_do_fs_trim(&a, err);
	vmv_jw_free(&a.data);
	if (r == 0)
		say(a.text);
	return r;
}

/* -- accounts ------------------------------------------------------------------------------- */

/* "name:x:1000:..." of a person. Returns the length of the name, or 0. */
static size_t persons_name(const char *line, size_t len)
{
	size_t name = strcspn(line, ":\n"), at;
	const char *end;
	uint64_t uid;

	if (name == 0 || name >= len || line[0] == '-' || line[0] == '+')
		return 0;
	at = name + 1 + strcspn(line + name + 1, ":\n") + 1;
	if (at >= len || vmv_parse_u64(line + at, &uid, &end) < 0 || *end != ':')
		return 0;
	if (uid < UID_MIN || uid == UID_NOBODY || strncmp(line, "nobody:", 7) == 0)
		return 0;
	return name;
}

/* Logged in or not (-f). What is at home goes by our own rules afterwards, not by userdel's. */
static int delete_account(const struct golden *g, const char *name, struct vmv_err *err)
{
	const char *shadow[] = { "userdel", "-f", "--", name, NULL };
	const char *busybox[] = { "deluser", "--", name, NULL };
	char path[PATH_MAX];
	int r = vmv_tool_run(g->settings,
			     vmv_tool_find(g->settings, "userdel", path) ? shadow : busybox,
			     g->deadline_ms, NULL, err);

	return r > 0 ? vmv_fail(err, VMV_E_IO, EIO, "cannot delete '%.64s': exit code %d", name, r)
		     : r;
}

static int delete_accounts(const struct golden *g, struct vmv_err *err)
{
	vmv_autofree char *text = NULL;
	size_t cap = 0;
	int r = vmv_read_table_at(g->root, "etc/passwd", &text, &cap, PASSWD_MAX), result = 0;

	if (r < 0)
		return fail(err, "etc/passwd", -r);
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n"), n = persons_name(line, len);

		if (n > 0) {
			vmv_autofree char *name = strndup(line, n);

			r = name ? delete_account(g, name, err) : -ENOMEM;
			result = r < 0 ? r : result;
		}
		line += len + (line[len] == '\n');
	}
	return result;
}

static int delete_users(const struct golden *g, struct vmv_err *err)
{
	struct vmv_sweep s = all_files(g, NULL);
	int r = delete_accounts(g, err), r2;

	s.depth = HOME_DEPTH;
	s.keeps_dirs = false;
	r2 = vmv_tree_sweep_at(g->root, "home", &s);
	r2 = finish_sweep("home", r2, &s, err);
	return r < 0 ? r : r2;
}

/* -- all of it ------------------------------------------------------------------------------ */

static const struct step {
	const char *name;
	int (*run)(const struct golden *g, struct vmv_err *err);
	int level; /* from this one on */
	bool is_sanitizing;
} steps[] = {
	{ "cloud-init", clean_cloud_init, VMV_GOLDEN_MINIMAL, false },
	{ "logs", clean_logs, VMV_GOLDEN_MINIMAL, false },
	{ "machine id", clean_machine_id, VMV_GOLDEN_MINIMAL, false },
	{ "ssh host keys", clean_ssh, VMV_GOLDEN_MINIMAL, false },
	{ "shell histories", clean_histories, VMV_GOLDEN_MINIMAL, false },
	{ "network", clean_network, VMV_GOLDEN_STANDARD, false },
	{ "package caches", clean_packages, VMV_GOLDEN_MINIMAL, false },
	{ "own journals", clean_own, VMV_GOLDEN_MINIMAL, false },
	{ "trim", trim, VMV_GOLDEN_DEEP, false },
	{ "accounts", delete_users, VMV_GOLDEN_MINIMAL, true },
};

static bool is_wanted(const struct vmv_action *a, const struct step *s)
{
	return a->args[VMV_GOLDEN_LEVEL].number >= s->level &&
	       (!s->is_sanitizing || a->args[VMV_GOLDEN_SANITIZE].number);
}

static void run_step(struct golden *g, const struct step *s)
{
	uint64_t until = vmv_mono_ms(&vmv_clock_system) + STEP_MS;
	struct vmv_err err = { 0 };
	char line[64];

	g->deadline_ms = until < g->action->deadline_ms ? until : g->action->deadline_ms;
	if (s->run(g, &err) < 0) {
		warn(s->name, err.msg);
		return;
	}
	(void)snprintf(line, sizeof(line), "%s: done", s->name);
	say(line);
}

static const char *find_distro(const struct golden *g, struct vmv_os_sample *os)
{
	char text[RELEASE_MAX];

	if (vmv_read_at(g->root, "etc/os-release", text, sizeof(text)) < 0 &&
	    vmv_read_at(g->root, "usr/lib/os-release", text, sizeof(text)) < 0)
		return NULL;
	vmv_os_release_parse(text, os);
	return os->id;
}

static void write_data(struct vmv_action *a, const char *distro)
{
	const struct vmv_value *level = &a->args[VMV_GOLDEN_LEVEL];
	const struct vmv_arg *arg = &a->command->args[VMV_GOLDEN_LEVEL];

	vmv_jw_open(&a->data, NULL);
	vmv_jw_str(&a->data, "os", "linux");
	vmv_jw_str(&a->data, "distro", distro);
	vmv_jw_str(&a->data, "cleanup_level", arg->choices[level->number]);
	vmv_jw_bool(&a->data, "sanitize_user_data", a->args[VMV_GOLDEN_SANITIZE].number);
	vmv_jw_bool(&a->data, "shutdown_after", a->args[VMV_GOLDEN_SHUTDOWN].number);
	vmv_jw_close(&a->data);
}

int vmv_do_prepare_golden_image(struct vmv_action *a, struct vmv_err *err)
{
	vmv_autoclose int root =
		open(a->settings->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct golden g = { .action = a, .settings = a->settings, .root = root };
	struct vmv_os_sample os = { 0 };

	if (root < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open '%.200s': %s", a->settings->root,
				strerror(errno));
	write_data(a, find_distro(&g, &os));
	for (size_t i = 0; i < VMV_COUNTOF(steps); i++)
		if (is_wanted(a, &steps[i]))
			run_step(&g, &steps[i]);
	(void)snprintf(a->text, sizeof(a->text), "This system is ready to be an image.");
	a->is_childs = true; /* the log and the warnings are the answer */
	a->exit_code = 0;
	if (a->args[VMV_GOLDEN_SHUTDOWN].number) {
		a->after = VMV_AFTER_POWEROFF;
		a->after_delay_s = POWEROFF_S;
	}
	return 0;
}
