#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/cli.h"

/* A socket that became descriptor 1 would be given the page. */
static int hold_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct vmv_cli_env env = {
		.socket = secure_getenv("VMVITALS_SOCKET"),
		.no_color = secure_getenv("NO_COLOR"),
		.term = secure_getenv("TERM"),
	};

	if (hold_standard_fds() < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0)
		return VMV_EXIT_INTERNAL;
	return (int)vmv_cli_run(argc, argv, &env);
}
