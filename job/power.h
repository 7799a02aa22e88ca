/* Reboot, power off and halt: what RebootSystem, PowerOff and guest-shutdown promise, and the deed
 * after the answer. */
#ifndef VMV_JOB_POWER_H
#define VMV_JOB_POWER_H

#include <stdbool.h>
#include <stdint.h>

struct vmv_action;
struct vmv_err;

/* What job and executor call VMV_AFTER_*: "reboot", "poweroff", "halt"; NULL: nothing. */
const char *vmv_after_word(int after);
int vmv_after_of(const char *word); /* VMV_AFTER_NOTHING: no such word */

struct vmv_power {
	const char *root;	 /* programs are looked for below it; "/" */
	int (*reboot)(int type); /* reboot(2); NULL: the kernel's. For tests. */
};

/* How it would be done: "logind", "systemctl", "reboot", "poweroff", "halt", "shutdown", "kernel";
 * NULL: not at all. after: one of VMV_AFTER_* that is something. */
const char *vmv_power_method(const struct vmv_power *p, int after, bool is_forced);

/* Does it: tries one way after the other until one says that it goes on. Forced: units are not
 * stopped. Returns 0 when one does (or not at all), or negative errno with err set. Takes a minute
 * at most. */
int vmv_power(const struct vmv_power *p, int after, bool is_forced, struct vmv_err *err);

/* An action's promise: sets what comes after its answer, unless there is no way. Returns 0 and how
 * it would be done, or negative errno with err set. */
int vmv_power_promise(struct vmv_action *a, int after, bool is_forced, uint32_t delay_s,
		      const char **ret_method, struct vmv_err *err);

#endif
