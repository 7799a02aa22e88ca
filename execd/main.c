#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "execd/execd.h"
#include "execd/options.h"
#include "execd/secret.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define LISTEN_FD   3 /* what a service manager hands over */
#define BACKLOG_MAX 1024

/* One that is closed would be the next file that is opened, and what is logged would go there. */
static void fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	vmv_closep(&fd);
}

/* Whether a socket was handed over to this process (sd_listen_fds(3)). */
static bool is_activated(void)
{
	const char *pid = secure_getenv("LISTEN_PID"), *fds = secure_getenv("LISTEN_FDS"), *end;
	uint64_t n = 0;

	return pid && fds && vmv_parse_u64(pid, &n, &end) == 0 && n == (uint64_t)getpid() &&
	       strcmp(fds, "1") == 0;
}

/* Who has connected would have us started again at once, and again, until the service manager gives
 * the socket up for good: then not even good settings bring us back. */
static void turn_away(void)
{
	const int flags = fcntl(LISTEN_FD, F_GETFL);
	int fd;

	if (flags < 0 || fcntl(LISTEN_FD, F_SETFL, flags | O_NONBLOCK) < 0)
		return;
	for (int i = 0; i < BACKLOG_MAX; i++) {
		fd = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return;
		(void)close(fd);
	}
}

static int serve(const struct vmv_execd_options *o)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	char *secret = vmv_secret_take(environ);
	struct vmv_execd *e;
	struct vmv_err err = { 0 };
	int r;

	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGCHLD, &usual, NULL);
	(void)umask(077);
	/* no core with a secret in it, no peeking */
	(void)prctl(PR_SET_DUMPABLE, 0);
	r = vmv_execd_new(&e, o, secret, &err);
	if (r == 0) {
		r = vmv_execd_run(e, &err);
		vmv_execd_free(e);
	} else if (o->is_activated) {
		turn_away();
	}
	if (r < 0)
		vmv_log(VMV_LOG_ERROR, "main", "%s", err.msg);
	if (r < 0)
		return err.code == VMV_E_RANGE || err.code == VMV_E_UNKNOWN ||
				       err.code == VMV_E_DENIED
			       ? EX_CONFIG
			       : EXIT_FAILURE;
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct vmv_execd_options o;

	fill_standard_descriptors();
	vmv_log_open("vmvitals-execd");
	switch (vmv_execd_options_parse(&o, argc, argv)) {
	case VMV_EXECD_HELP:
		vmv_execd_help();
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	case VMV_EXECD_VERSION:
		(void)puts("vmvitals-execd " PACKAGE_VERSION);
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	case VMV_EXECD_USAGE:
		(void)fprintf(stderr, "Try 'vmvitals-execd --help'.\n");
		return EX_USAGE;
	case VMV_EXECD_RUN:
		break;
	}
	o.is_activated = is_activated();
	return serve(&o);
}
