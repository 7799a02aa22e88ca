/* JoinDomain, by realmd. The password goes to realm's standard input and nowhere else. */
#include "job/action.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/root.h"
#include "exec/child.h"
#include "job/program.h"
#include "job/scrub.h"
#include "packages/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define OUTPUT_MAX  (256 * VMV_KIB) /* of each program */
#define ARGS_MAX    24
#define DELAY_S	    3
#define LOCK_WAIT_S 300 /* for another package manager */
#define LINE_SIZE   200

struct join {
	const char *root;
	const char *domain, *user, *password, *ou, *computer; /* the last two may be NULL */
	char realm[VMV_PROGRAM_SIZE];
	char distro[64]; /* ID of os-release; "" unknown */
};

/* -- output ------------------------------------------------------------------------------------ */

static void write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
}

/* For the host; the work goes on. */
static void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void warn(const char *fmt, ...)
{
	char line[LINE_SIZE + 64] = "warning: ";
	size_t len = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len] = '\n';
	write_all(STDERR_FILENO, line, len + 1);
}

/* The last line that is not empty, without the text's end marks. */
static void last_line(const struct vmv_buf *text, char ret[LINE_SIZE])
{
	size_t end = text->len, begin;

	while (end > 0 && strchr("\r\n \t", text->data[end - 1]))
		end--;
	begin = end;
	while (begin > 0 && text->data[begin - 1] != '\n')
		begin--;
	(void)snprintf(ret, LINE_SIZE, "%.*s",
		       (int)(end - begin < LINE_SIZE ? end - begin : LINE_SIZE),
		       end > begin ? text->data + begin : "");
}

/* -- programs ---------------------------------------------------------------------------------- */

static void pass_on(const struct join *j, struct vmv_child_end *end)
{
	if (vmv_scrub(&end->out, j->password, end->is_out_cut) == 0)
		write_all(STDOUT_FILENO, end->out.data, end->out.len);
	if (vmv_scrub(&end->err, j->password, end->is_err_cut) == 0)
		write_all(STDERR_FILENO, end->err.data, end->err.len);
}

/* Runs it to its end, however long that takes, and passes on what it says. Returns its exit code
 * with its last line, or negative errno. */
static int run(const struct join *j, const char *const *argv, const char *const *env,
	       const char *input, char ret_line[LINE_SIZE])
{
	const struct vmv_child c = {
		.argv = argv,
		.env = env,
		.input = input,
		.input_len = input ? strlen(input) : 0,
		.out_max = OUTPUT_MAX,
		.err_max = OUTPUT_MAX,
		.deadline_ms = VMV_CHILD_NEVER,
	};
	struct vmv_child_end end;
	int r = vmv_child_run(&end, &c);

	ret_line[0] = '\0';
	if (r < 0)
		return r;
	r = end.exit_code;
	pass_on(j, &end);
	last_line(end.err.len > 0 ? &end.err : &end.out, ret_line);
	vmv_child_end_free(&end);
	return r;
}

/* The same for a program that is looked for, and is no reason to fail. False: it is not there, or
 * did not do it, which is said. */
static bool try_program(const struct join *j, const char *const *args)
{
	const char *argv[ARGS_MAX + 1] = { NULL };
	char program[VMV_PROGRAM_SIZE], line[LINE_SIZE];
	int r = vmv_program_find(j->root, args[0], program);

	if (r < 0)
		return false;
	argv[0] = program;
	for (size_t i = 1; i < ARGS_MAX && args[i]; i++)
		argv[i] = args[i];
	r = run(j, argv, NULL, NULL, line);
	if (r != 0)
		warn("%s: %s", args[0], r < 0 ? strerror(-r) : line);
	return r == 0;
}

/* -- steps ------------------------------------------------------------------------------------- */

/* realmd and what it calls; names as the distributions have them. */
#define HELPERS_MAX 8
static const char *const helpers[VMV_NO_MANAGER][HELPERS_MAX] = {
	[VMV_APT] = { "realmd", "sssd", "sssd-tools", "libnss-sss", "libpam-sss", "adcli",
		      "samba-common-bin", "packagekit" },
	[VMV_DNF] = { "realmd", "sssd", "oddjob", "oddjob-mkhomedir", "adcli",
		      "samba-common-tools" },
	[VMV_ZYPPER] = { "realmd", "sssd", "sssd-ad", "adcli", "samba-client" },
};

static int make_command(const struct join *j, const struct vmv_manager_here *here,
			enum vmv_operation op, const char *const *names, struct vmv_argv *argv,
			struct vmv_argv *env)
{
	char program[VMV_PROGRAM_SIZE];
	int r = vmv_manager_argv(here, op, NULL, LOCK_WAIT_S, argv);

	for (size_t i = 0; r == 0 && names && i < HELPERS_MAX && names[i]; i++)
		r = vmv_argv_add(argv, names[i]);
	if (r == 0)
		r = vmv_manager_environment(here->which, LOCK_WAIT_S, env);
	if (r < 0 || strcmp(j->root, "/") == 0)
		return r;
	(void)snprintf(program, sizeof(program), "%s%s", j->root, argv->words[0]);
	free(argv->words[0]);
	argv->words[0] = strdup(program);
	return argv->words[0] ? 0 : -ENOMEM;
}

/* names: operands, or NULL. True when the manager said yes. */
static bool run_manager(const struct join *j, const struct vmv_manager_here *here,
			enum vmv_operation op, const char *const *names)
{
	VMV_CLEANUP(vmv_argv_free) struct vmv_argv argv = { 0 };
	VMV_CLEANUP(vmv_argv_free) struct vmv_argv env = { 0 };
	char line[LINE_SIZE] = "";
	int r = make_command(j, here, op, names, &argv, &env);

	if (r == 0)
		r = run(j, (const char *const *)argv.words, (const char *const *)env.words, NULL,
			line);
	if (r != 0 && r != -EOPNOTSUPP)
		warn("%s: %s", here->program, r < 0 ? strerror(-r) : line);
	return r == 0;
}

static bool install_helpers(const struct join *j)
{
	struct vmv_manager_here here;
	vmv_autoclose int top = open(j->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0 || vmv_manager_detect(top, &here) < 0 || !helpers[here.which][0]) {
		warn("no package manager that could install realmd");
		return false;
	}
	(void)run_manager(j, &here, VMV_OP_REFRESH, NULL);
	return run_manager(j, &here, VMV_OP_INSTALL, helpers[here.which]);
}

static int find_realm(struct join *j, struct vmv_err *err)
{
	if (vmv_program_find(j->root, "realm", j->realm) == 0)
		return 0;
	if (!install_helpers(j))
		warn("realmd and its helpers could not be installed");
	if (vmv_program_find(j->root, "realm", j->realm) == 0)
		return 0;
	return vmv_fail(err, VMV_E_IO, ENOENT,
			"domain join failed: 'realm' is not there and could not be installed");
}

/* Returns realm's exit code, or negative errno; err is set unless that is 0. */
static int join(const struct join *j, struct vmv_err *err)
{
	const char *argv[ARGS_MAX] = { j->realm, "join", "--unattended", "-U", j->user };
	char ou[1100], computer[300], input[1100], line[LINE_SIZE];
	size_t n = 5;
	int r;

	if (j->ou) {
		(void)snprintf(ou, sizeof(ou), "--computer-ou=%s", j->ou);
		argv[n++] = ou;
	}
	if (j->computer) {
		(void)snprintf(computer, sizeof(computer), "--computer-name=%s", j->computer);
		argv[n++] = computer;
	}
	argv[n++] = "--";
	argv[n] = j->domain;
	(void)snprintf(input, sizeof(input), "%s\n", j->password);
	r = run(j, argv, NULL, input, line);
	explicit_bzero(input, sizeof(input));
	if (r < 0)
		(void)vmv_fail(err, VMV_E_IO, -r, "domain join failed: realm: %s", strerror(-r));
	else if (r > 0)
		(void)vmv_fail(err, VMV_E_IO, EIO, "domain join failed: %s",
			       *line ? line : "realm does not say why");
	return r;
}

/* So that who logs in has a home directory. */
static void make_homes(const struct join *j)
{
	static const char *const pam[] = { "pam-auth-update", "--enable", "mkhomedir", NULL };
	static const char *const authselect[] = { "authselect", "enable-feature", "with-mkhomedir",
						  NULL };
	static const char *const oddjob[] = { "systemctl", "enable", "--now", "oddjobd.service",
					      NULL };
	char program[VMV_PROGRAM_SIZE];

	if (vmv_program_find(j->root, pam[0], program) == 0) {
		(void)try_program(j, pam);
	} else if (vmv_program_find(j->root, authselect[0], program) == 0) {
		if (try_program(j, authselect))
			(void)try_program(j, oddjob);
	} else {
		warn("home directories are not made at first login: neither pam-auth-update nor "
		     "authselect is there");
	}
}

static void list(const struct join *j)
{
	const char *argv[] = { j->realm, "list", NULL };
	char line[LINE_SIZE];
	int r = run(j, argv, NULL, NULL, line);

	if (r != 0)
		warn("realm list: %s", r < 0 ? strerror(-r) : line);
}

/* -- the action -------------------------------------------------------------------------------- */

static void read_distro(struct join *j)
{
	vmv_autoclose int top = open(j->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[8192];
	const char *at;

	if (top < 0 || vmv_read_at(top, "etc/os-release", text, sizeof(text)) < 0)
		return;
	at = strncmp(text, "ID=", 3) == 0 ? text : strstr(text, "\nID=");
	if (!at)
		return;
	at = strchr(at, '=') + 1;
	at += strspn(at, "\"'");
	(void)snprintf(j->distro, sizeof(j->distro), "%.*s", (int)strcspn(at, "\"'\n"), at);
}

static void tell(struct vmv_action *a, const struct join *j, bool restarts)
{
	struct vmv_jw *w = &a->data;

	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "os", "linux");
	vmv_jw_str_or_null(w, "distro", j->distro);
	vmv_jw_str(w, "domain", j->domain);
	vmv_jw_str(w, "ou", j->ou);
	vmv_jw_str(w, "computerName", j->computer);
	vmv_jw_str(w, "status", "joined");
	vmv_jw_bool(w, "rebootRequired", false);
	vmv_jw_bool(w, "restartScheduled", restarts);
	vmv_jw_close(w);
	(void)snprintf(a->text, sizeof(a->text), "joined %.200s", j->domain);
}

int vmv_do_join_domain(struct vmv_action *a, struct vmv_err *err)
{
	const struct vmv_value *args = a->args;
	struct join j = {
		.root = a->settings->root,
		.domain = args[VMV_DOMAIN_NAME].text,
		.user = args[VMV_DOMAIN_USER].text,
		.password = args[VMV_DOMAIN_PASSWORD].text,
		.ou = args[VMV_DOMAIN_OU].is_given ? args[VMV_DOMAIN_OU].text : NULL,
		.computer =
			args[VMV_DOMAIN_COMPUTER].is_given ? args[VMV_DOMAIN_COMPUTER].text : NULL,
	};
	bool restarts = args[VMV_DOMAIN_RESTART].number != 0;
	int r;

	if (strpbrk(j.password, "\r\n")) /* realm reads one line */
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "password: more than one line");
	r = find_realm(&j, err);
	if (r < 0)
		return r;
	a->is_childs = true;
	r = join(&j, err);
	a->exit_code = r > 0 ? r : r < 0 ? 1 : 0;
	if (r != 0)
		return r < 0 ? r : -EIO;
	make_homes(&j);
	list(&j);
	read_distro(&j);
	tell(a, &j, restarts);
	if (restarts) {
		a->after = VMV_AFTER_REBOOT;
		a->after_delay_s = DELAY_S;
	}
	return 0;
}
