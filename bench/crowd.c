/* A crowd of idle processes: makes so many children that only wait, says so, and ends them when its
 * standard input ends. They die with it, whatever it dies of. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void idle(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)close(STDIN_FILENO);
	(void)close(STDOUT_FILENO);
	while (getppid() == parent)
		(void)pause();
	_exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
	unsigned long want = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, n;
	pid_t parent = getpid();
	pid_t *children = calloc(want + 1, sizeof(*children));
	char byte;

	if (!children)
		return EXIT_FAILURE;
	for (n = 0; n < want; n++) {
		children[n] = fork();
		if (children[n] < 0) {
			perror("fork");
			break;
		}
		if (children[n] == 0)
			idle(parent);
	}
	(void)printf("%lu\n", n);
	(void)fflush(stdout);
	while (n == want && read(STDIN_FILENO, &byte, 1) > 0)
		;
	for (unsigned long i = 0; i < n; i++)
		(void)kill(children[i], SIGKILL);
	for (unsigned long i = 0; i < n; i++)
		(void)waitpid(children[i], NULL, 0);
	free(children);
	return n == want ? EXIT_SUCCESS : EXIT_FAILURE;
}
