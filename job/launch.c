#include "job/launch.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"
#include "exec/memfd.h"
#include "proto/json_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <json-c/json.h>
#include <json-c/json_object_iterator.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEARCH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SCRIPT "/proc/self/fd/3"
_Static_assert(VMV_SCRIPT_FD == 3, "SCRIPT names it");

#define ENTRY_MAX VMV_MIB /* bytes of one entry of the user database */

/* -- descriptors ---------------------------------------------------------------------------------
 */

void vmv_close_from(int first)
{
	vmv_autoclosedir DIR *d = NULL;
	const struct dirent *e;
	uint64_t fd;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
#endif
	d = opendir("/proc/self/fd"); /* before Linux 5.9 */
	while (d && (e = readdir(d)))
		if (vmv_parse_u64(e->d_name, &fd, NULL) == 0 && fd >= (uint64_t)first &&
		    fd != (uint64_t)dirfd(d))
			(void)close((int)fd);
}

/* -- the account ---------------------------------------------------------------------------------
 */

struct account {
	struct passwd pw;
	char *texts; /* owned: what pw points into */
};

static void account_free(struct account *a)
{
	free(a->texts);
}

/* name NULL: root. 0, -ENOENT: there is none, or negative errno. */
static int look_up(struct account *a, const char *name)
{
	struct passwd *found = NULL;
	int r = ERANGE;

	for (size_t cap = 4096; r == ERANGE && cap <= ENTRY_MAX; cap *= 2) {
		free(a->texts);
		a->texts = malloc(cap);
		if (!a->texts)
			return -ENOMEM;
		r = name ? getpwnam_r(name, &a->pw, a->texts, cap, &found)
			 : getpwuid_r(0, &a->pw, a->texts, cap, &found);
	}
	/* what modules of the name service say instead of "none" */
	if (!found && (r == 0 || r == ENOENT || r == ESRCH || r == EBADF || r == EPERM))
		return -ENOENT;
	return found ? 0 : -r;
}

static void be_root(struct account *a)
{
	static char name[] = "root", home[] = "/root", shell[] = "/bin/sh";

	a->pw = (struct passwd){ .pw_name = name, .pw_dir = home, .pw_shell = shell };
}

static bool means_root(const char *name)
{
	return !name || *name == '\0' || strcasecmp(name, "root") == 0 ||
	       strcasecmp(name, "system") == 0 || strcasecmp(name, "administrator") == 0;
}

static bool is_allowed(const char *name, const struct vmv_job_settings *s)
{
	for (size_t i = 0; i < s->n_run_as_allow; i++)
		if (strcmp(s->run_as_allow[i], name) == 0)
			return true;
	return s->n_run_as_allow == 0;
}

static int find_account(struct account *a, const char *name, const struct vmv_job_settings *s,
			struct vmv_err *err)
{
	int r;

	if (!is_allowed(means_root(name) ? "root" : name, s))
		return vmv_fail(
			err, VMV_E_DENIED, EPERM,
			"argument 'run_as': [exec] run_as_allow does not name this account");
	if (means_root(name)) {
		if (look_up(a, NULL) < 0)
			be_root(a);
		return 0;
	}
	if (!vmv_charset_allows(VMV_CHARS_ACCOUNT, name))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument 'run_as' must be: %s",
				vmv_charset_text(VMV_CHARS_ACCOUNT));
	r = look_up(a, name);
	if (r == -ENOENT)
		return vmv_fail(err, VMV_E_RANGE, ENOENT,
				"argument 'run_as': there is no such account");
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot look up an account: %s", strerror(-r));
	return 0;
}

/* The last thing that root does. */
static int become(const struct account *a, struct vmv_err *err)
{
	uid_t uid = a->pw.pw_uid, ids[3];
	gid_t gid = a->pw.pw_gid, groups[3];

	/* or /dev/stdout and /dev/stderr could not be opened */
	(void)!fchown(STDOUT_FILENO, uid, (gid_t)-1);
	(void)!fchown(STDERR_FILENO, uid, (gid_t)-1);
	if (initgroups(a->pw.pw_name, gid) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot take on an account's groups: %s",
				strerror(errno));
	/* modules of the name service may have opened what is not CLOEXEC; 4 is */
	vmv_close_from(VMV_SCRIPT_FD + 2);
	if (setgid(gid) < 0 || setuid(uid) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot become another account: %s",
				strerror(errno));
	if (getresuid(&ids[0], &ids[1], &ids[2]) < 0 ||
	    getresgid(&groups[0], &groups[1], &groups[2]) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot tell which account this is");
	for (int i = 0; i < 3; i++)
		if (ids[i] != uid || groups[i] != gid)
			return vmv_fail(err, VMV_E_IO, EPERM, "has not become another account");
	if (uid != 0 && setuid(0) == 0)
		return vmv_fail(err, VMV_E_IO, EPERM, "could become root again");
	return 0;
}

/* -- the shell -----------------------------------------------------------------------------------
 */

#define WORDS_MAX 8

struct shell {
	const char *name, *program;
	const char *options[WORDS_MAX];
};

static const struct shell shells[] = {
	{ "bash", "bash", { NULL } },
	{ "dash", "dash", { NULL } },
	{ "fish", "fish", { NULL } },
	{ "powershell", "pwsh", { "-NoLogo", "-NoProfile", "-NonInteractive", "-File" } },
	{ "pwsh", "pwsh", { "-NoLogo", "-NoProfile", "-NonInteractive", "-File" } },
	{ "sh", "sh", { NULL } },
	{ "zsh", "zsh", { NULL } },
};

/* Where it is, in ret. */
static bool find_program(const char *name, char ret[PATH_MAX])
{
	for (const char *dir = SEARCH; *dir; dir += strspn(dir, ":")) {
		size_t len = strcspn(dir, ":");
		struct stat st;

		if (snprintf(ret, PATH_MAX, "%.*s/%s", (int)len, dir, name) < PATH_MAX &&
		    stat(ret, &st) == 0 && S_ISREG(st.st_mode) && access(ret, X_OK) == 0)
			return true;
		dir += len;
	}
	return false;
}

static int find_shell(const struct shell **ret, char path[PATH_MAX], const char *name,
		      struct vmv_err *err)
{
	const struct shell *s = NULL;

	if (!name) {
		bool has_bash = access("/bin/bash", X_OK) == 0;

		(void)snprintf(path, PATH_MAX, "%s", has_bash ? "/bin/bash" : "/bin/sh");
		name = has_bash ? "bash" : "sh";
	} else {
		*path = '\0';
	}
	if (strcasecmp(name, "cmd") == 0)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP, "not supported on linux: cmd");
	for (size_t i = 0; i < VMV_COUNTOF(shells); i++)
		if (strcasecmp(shells[i].name, name) == 0)
			s = &shells[i];
	if (!s)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument 'shell' names no shell");
	if (!*path && !find_program(s->program, path)) {
		if (strcmp(s->name, "powershell") == 0)
			return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
					"not supported on linux: powershell, without pwsh");
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "there is no %s here", s->program);
	}
	*ret = s;
	return 0;
}

/* -- the environment -----------------------------------------------------------------------------
 */

struct environment {
	char **vars; /* owned, as are they; NULL-terminated */
	size_t n;
};

static void environment_free(struct environment *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->vars[i]);
	free(e->vars);
}

/* In place of one with the same name, if there is. There is room. */
static int set(struct environment *e, const char *name, const char *value)
{
	size_t len = strlen(name), at = 0;
	char *text;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		return -ENOMEM;
	while (at < e->n && (strncmp(e->vars[at], name, len) != 0 || e->vars[at][len] != '='))
		at++;
	if (at == e->n)
		e->n++;
	free(e->vars[at]);
	e->vars[at] = text;
	return 0;
}

static bool is_name(const char *s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";

	return *s && strchr(letters, *s) &&
	       s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789")] ==
		       '\0';
}

bool vmv_launch_is_refused(const char *variable)
{
	static const char *const prefixes[] = { "INFINISERVICE_", "VMVITALS_", "LD_" };

	for (size_t i = 0; i < VMV_COUNTOF(prefixes); i++)
		if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static int add_var(struct environment *e, const char *name, struct json_object *json, size_t *sum,
		   struct vmv_err *err)
{
	size_t len = 0;
	const char *value = vmv_json_text(json, &len);

	*sum += strlen(name) + len + 2;
	if (!value || !is_name(name))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument 'env_vars': a name may be [A-Za-z_][A-Za-z0-9_]*");
	if (vmv_launch_is_refused(name))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"argument 'env_vars': '%.60s' cannot be set", name);
	if (*sum > VMV_ENV_BYTES)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument 'env_vars' is over %zu bytes",
				VMV_ENV_BYTES);
	if (set(e, name, value) < 0)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	return 0;
}

static int add_vars(struct environment *e, struct json_object *vars, struct vmv_err *err)
{
	struct json_object_iterator at, end;
	size_t sum = 0;
	int r = 0;

	if (!vars)
		return 0;
	at = json_object_iter_begin(vars);
	end = json_object_iter_end(vars);
	for (; r == 0 && !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		r = add_var(e, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at),
			    &sum, err);
	return r;
}

static int make_environment(struct environment *e, const struct passwd *pw,
			    struct json_object *vars, struct vmv_err *err)
{
	const char *home = pw->pw_dir && *pw->pw_dir ? pw->pw_dir : "/";
	const char *shell = pw->pw_shell && *pw->pw_shell ? pw->pw_shell : "/bin/sh";
	const char *const own[][2] = {
		{ "PATH", SEARCH },	 { "LANG", "C.UTF-8" },	     { "HOME", home },
		{ "USER", pw->pw_name }, { "LOGNAME", pw->pw_name }, { "SHELL", shell },
	};
	size_t n = vars ? (size_t)json_object_object_length(vars) : 0;

	if (n > VMV_ENV_VARS)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument 'env_vars' has over %d members",
				VMV_ENV_VARS);
	e->vars = calloc(VMV_COUNTOF(own) + n + 1, sizeof(*e->vars));
	if (!e->vars)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	for (size_t i = 0; i < VMV_COUNTOF(own); i++)
		if (set(e, own[i][0], own[i][1]) < 0)
			return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	return vars ? add_vars(e, vars, err) : 0;
}

/* -- the directory -------------------------------------------------------------------------------
 */

/* As the account that is to work there: it may not be let in. */
static int enter_directory(const char *wanted, const char *home, struct vmv_err *err)
{
	if (!wanted) {
		if (!home || *home != '/' || chdir(home) < 0)
			(void)!chdir("/");
		return 0;
	}
	if (*wanted != '/')
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "argument 'working_dir' is not absolute");
	if (chdir(wanted) < 0)
		return vmv_fail(err, VMV_E_RANGE, errno,
				"argument 'working_dir' cannot be entered: %s", strerror(errno));
	return 0;
}

/* -- all -----------------------------------------------------------------------------------------
 */

/* The executor's place in the queue of the out-of-memory killer is not for the host's commands. */
static void drop_oom_score(void)
{
	vmv_autoclose int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "0", 1);
}

/* The text becomes descriptor 3, the only one that the shell inherits. */
static int put_script(const struct vmv_value *text, struct vmv_err *err)
{
	vmv_autoclose int fd = vmv_memfd("vmvitals-script", text->text, text->len);

	if (fd < 0)
		return vmv_fail(err, VMV_E_IO, -fd, "cannot keep the command: %s", strerror(-fd));
	if (fd == VMV_SCRIPT_FD) {
		if (fcntl(fd, F_SETFD, 0) < 0)
			return vmv_fail(err, VMV_E_IO, errno, "cannot hand the command over");
		fd = -1;
		return 0;
	}
	if (dup3(fd, VMV_SCRIPT_FD, 0) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot hand the command over");
	return 0;
}

static int run(const char *path, const struct shell *shell, const struct environment *e,
	       struct vmv_err *err)
{
	union {
		const char *given[WORDS_MAX + 3];
		char *wanted[WORDS_MAX + 3]; /* POSIX promises that the texts are left alone */
	} argv = { .given = { shell->program } };
	size_t n = 1;

	for (size_t i = 0; i < WORDS_MAX && shell->options[i]; i++)
		argv.given[n++] = shell->options[i];
	argv.given[n] = SCRIPT;
	(void)execve(path, argv.wanted, e->vars);
	return vmv_fail(err, errno == ENOENT ? VMV_E_NOTFOUND : VMV_E_IO, errno,
			"cannot run '%s': %s", path, strerror(errno));
}

int vmv_launch(const struct vmv_value *args, const struct vmv_job_settings *s, struct vmv_err *err)
{
	VMV_CLEANUP(account_free) struct account account = { 0 };
	VMV_CLEANUP(environment_free) struct environment e = { 0 };
	const struct shell *shell = NULL;
	char path[PATH_MAX];
	int r = find_account(&account, args[VMV_RAW_RUN_AS].text, s, err);

	if (r == 0)
		r = find_shell(&shell, path, args[VMV_RAW_SHELL].text, err);
	if (r == 0)
		r = make_environment(&e, &account.pw, args[VMV_RAW_ENV_VARS].json, err);
	if (r == 0)
		r = put_script(&args[VMV_RAW_TEXT], err);
	if (r < 0)
		return r;
	drop_oom_score();
	r = become(&account, err);
	if (r == 0)
		r = enter_directory(args[VMV_RAW_WORKING_DIR].text, account.pw.pw_dir, err);
	if (r < 0)
		return r;
	/* a change of account has taken it back */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return run(path, shell, &e, err);
}

/* -- without a shell -----------------------------------------------------------------------------
 */

void vmv_launch_free_env(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		free(env[i]);
	free(env);
}

int vmv_launch_as_root(const struct vmv_job_settings *s, char ***ret, struct vmv_err *err)
{
	VMV_CLEANUP(account_free) struct account account = { 0 };
	VMV_CLEANUP(environment_free) struct environment e = { 0 };
	int r;

	if (!is_allowed("root", s))
		return vmv_fail(err, VMV_E_DENIED, EPERM, "[exec] run_as_allow does not name root");
	r = find_account(&account, NULL, s, err);
	if (r == 0)
		r = make_environment(&e, &account.pw, NULL, err);
	if (r < 0)
		return r;
	drop_oom_score();
	r = become(&account, err);
	if (r == 0)
		r = enter_directory("/", NULL, err);
	if (r < 0)
		return r;
	/* a change of account has taken it back */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	e.n = 0;
	*ret = VMV_TAKE(e.vars, NULL);
	return 0;
}
