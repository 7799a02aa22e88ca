/* A bus of our own, which DBUS_SYSTEM_BUS_ADDRESS then names, and a process that answers on it. */
#ifndef VMV_TESTS_BUS_H
#define VMV_TESTS_BUS_H

#include "tests/lib/fixture.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define BUS_START_MS 10000

struct test_bus {
	pid_t bus, service;
};

static inline bool bus_wait_for_word(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&p, 1, BUS_START_MS) == 1 && read(fd, &c, 1) == 1;
}

/* The address of a bus that is not there until bus_start. */
static inline void bus_name(const struct fixture *fx)
{
	char address[128];

	(void)snprintf(address, sizeof(address), "unix:path=%s/bus", fx->dir);
	ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
}

/* False: there is no dbus-daemon here. */
static inline bool bus_start(struct test_bus *b, struct fixture *fx)
{
	char config[1024], path[128];
	int ready[2];
	bool is_up;

	(void)snprintf(
		config, sizeof(config),
		"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration "
		"1.0//EN\"\n \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
		"<busconfig><type>session</type><listen>unix:path=%s/bus</listen>\n"
		"<policy context=\"default\"><allow send_destination=\"*\"/>\n"
		"<allow receive_sender=\"*\"/><allow own=\"*\"/></policy>\n</busconfig>\n",
		fx->dir);
	fixture_put(fx, "bus.conf", config);
	(void)snprintf(path, sizeof(path), "--config-file=%s/bus.conf", fx->dir);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	b->bus = fork();
	if (b->bus == 0) {
		(void)signal(SIGTERM, SIG_DFL);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(ready[1], STDOUT_FILENO);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		(void)execlp("dbus-daemon", "dbus-daemon", path, "--nofork", "--print-address",
			     (char *)NULL);
		_exit(127);
	}
	(void)close(ready[1]);
	is_up = bus_wait_for_word(ready[0]);
	(void)close(ready[0]);
	return is_up;
}

/* setup puts objects and names on the bus; what it returns below 0 ends it. */
static inline void bus_serve(struct test_bus *b, int (*setup)(sd_bus *bus))
{
	int ready[2];

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	b->service = fork();
	if (b->service == 0) {
		sd_bus *bus = NULL;
		int r = sd_bus_open_system(&bus);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (r >= 0)
			r = setup(bus);
		if (r >= 0)
			r = (int)write(ready[1], "r", 1);
		while (r >= 0) {
			r = sd_bus_process(bus, NULL);
			if (r == 0)
				r = sd_bus_wait(bus, UINT64_MAX);
		}
		_exit(1);
	}
	(void)close(ready[1]);
	ck_assert(bus_wait_for_word(ready[0]));
	(void)close(ready[0]);
}

static inline void bus_stop_one(pid_t *pid)
{
	if (*pid > 0) {
		(void)kill(*pid, SIGKILL);
		(void)waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static inline void bus_stop(struct test_bus *b)
{
	bus_stop_one(&b->service);
	bus_stop_one(&b->bus);
}

#endif
