/* Reboot and power off: what RebootSystem and PowerOff promise, and the deed after the answer. */
#ifndef VMV_JOB_POWER_H
#define VMV_JOB_POWER_H

#include <stdbool.h>

struct vmv_err;

struct vmv_power {
	const char *root;	 /* programs are looked for below it; "/" */
	int (*reboot)(int type); /* reboot(2); NULL: the kernel's. For tests. */
};

/* How it would be done: "logind", "systemctl", "reboot", "poweroff", "shutdown", "kernel"; NULL:
 * not at all. after: VMV_AFTER_REBOOT or VMV_AFTER_POWEROFF. */
const char *vmv_power_method(const struct vmv_power *p, int after, bool is_forced);

/* Does it: tries one way after the other until one says that it goes on. Forced: units are not
 * stopped. Returns 0 when one does (or not at all), or negative errno with err set. Takes a minute
 * at most. */
int vmv_power(const struct vmv_power *p, int after, bool is_forced, struct vmv_err *err);

#endif
