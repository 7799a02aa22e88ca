/* Whether installed updates take a reboot, and what system this is. */
#ifndef VMV_PACKAGES_REBOOT_H
#define VMV_PACKAGES_REBOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMV_REBOOT_REASONS_MAX 8192 /* bytes; what is beyond is left out */

struct vmv_reboot {
	bool is_required;
	int64_t since_ms;		      /* since 1970; -1: unknown */
	char reasons[VMV_REBOOT_REASONS_MAX]; /* one a line */
};

/* /run/reboot-required and its list of packages (Debian, Ubuntu); else a kernel of the same kind
 * that is newer than the running one and has an image in /boot or /lib/modules. running: as
 * uname -r has it. */
void vmv_reboot_look(int top, const char *running, struct vmv_reboot *ret);

/* Whether release is a later kernel of the same kind ("6.1.0-20-amd64" after "6.1.0-9-amd64",
 * not "6.1.0-20-cloud-amd64"). Pure. */
bool vmv_kernel_is_newer(const char *release, const char *running);

/* NAME of os-release, without quotes. Returns 0 or negative errno; then buf is "". */
int vmv_distro_name(int top, char *buf, size_t cap);

#endif
