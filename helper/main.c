#include "helper/question.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

/* Sorted by name; tests/unit/test_helper.c holds us to it. */
const struct vmv_question vmv_questions[] = {
	{ .name = "service-status",
	  .help = "State of one unit, as a command answers it.",
	  .answer = vmv_answer_service_status },
	{ .name = "services",
	  .help = "State of all services, as a command answers it.",
	  .answer = vmv_answer_services,
	  .is_long = true },
	{ .name = "software",
	  .help = "What is installed, and what could be.",
	  .answer = vmv_answer_software,
	  .is_long = true },
	{ .name = "software-stamp",
	  .help = "Changes when that may have changed.",
	  .answer = vmv_answer_software_stamp },
	{ .name = "statvfs",
	  .help = "Size and use of the filesystem mounted there.",
	  .answer = vmv_answer_statvfs },
	{ .name = "units",
	  .help = "State of the service manager, failed units and those named.",
	  .answer = vmv_answer_units },
	{ .name = "users",
	  .help = "Sessions that the login manager knows.",
	  .answer = vmv_answer_users },
	{ 0 },
};

static void print_help(FILE *out)
{
	(void)fputs(
		"Usage: vmvitals-helper [--help | --version]\n"
		"Answers what may block, so that the agent does not. Started by vmvitalsd, with "
		"a\nSOCK_SEQPACKET socket as standard input; one packet a question.\n\n",
		out);
	for (const struct vmv_question *q = vmv_questions; q->name; q++)
		(void)fprintf(out, "  %-15s %s\n", q->name, q->help);
}

static bool is_asker(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

/* An agent that died before it could be said that this is to be known, closed its end before that.
 * A question that is still to be read would be asked for nobody, and could hang for ever. */
static bool is_left(int fd)
{
	struct pollfd p = { .fd = fd, .events = 0 };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_help(stdout);
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("vmvitals-helper " PACKAGE_VERSION);
		return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	if (argc > 1 || !is_asker(STDIN_FILENO)) {
		print_help(stderr);
		return EX_USAGE;
	}
	/* it ends with its socket, too, but not while a question hangs */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (is_left(STDIN_FILENO))
		return EXIT_SUCCESS;
#ifdef SYS_close_range
	/* what the agent was given without CLOEXEC and does not know of */
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
#endif
	vmv_questions_serve(vmv_questions, STDIN_FILENO);
	return EXIT_SUCCESS;
}
