/* A bus with a service manager on it, for end-to-end tests: fake-systemd DIR [N_MORE]. Says
 * "ready", and ends with its standard input. Exits with 77 where there is no dbus-daemon. */
#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_LIBSYSTEMD

#include "base/num.h"
#include "tests/lib/fake_systemd.h"

#include <unistd.h>

int main(int argc, char **argv)
{
	struct fake_systemd f = { .bus = 0 };
	uint64_t more = 0;
	char address[300], c;

	if (argc < 2 || (argc > 2 && vmv_parse_u64(argv[2], &more, NULL) < 0))
		return EXIT_FAILURE;
	f.n_more = (unsigned)more;
	if (!fake_bus_start(&f, argv[1]))
		return 77;
	(void)snprintf(address, sizeof(address), "unix:path=%s/bus", argv[1]);
	if (setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1) < 0 || !fake_manager_start(&f))
		return EXIT_FAILURE;
	(void)puts("ready");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	fake_systemd_stop(&f);
	return EXIT_SUCCESS;
}

#else

int main(void)
{
	return 77;
}

#endif
