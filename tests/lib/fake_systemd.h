/* A bus of our own, and on it a service manager that says what tests want. */
#ifndef VMV_TESTS_FAKE_SYSTEMD_H
#define VMV_TESTS_FAKE_SYSTEMD_H

#include <stdbool.h>
#include <sys/types.h>

struct fake_systemd {
	pid_t bus, manager; /* 0: not running */
	unsigned n_more;    /* further services, more-0000.service and so on */
	bool dies;	    /* after it has listed units */
};

/* Starts dbus-daemon with its socket at DIR/bus. False: there is none here. */
bool fake_bus_start(struct fake_systemd *f, const char *dir);

/* Starts the manager on that bus; false when that fails. DBUS_SYSTEM_BUS_ADDRESS is to name it. */
bool fake_manager_start(struct fake_systemd *f);

void fake_systemd_stop(struct fake_systemd *f);

#endif
