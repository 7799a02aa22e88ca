/* Which hypervisor a machine runs on, out of what it shows of itself. Pure: no file is read here.
 */
#ifndef VMV_COLLECTORS_HYPERVISOR_H
#define VMV_COLLECTORS_HYPERVISOR_H

#include "base/num.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What could be found out; "", false and VMV_UNSET: nothing. */
struct vmv_hypervisor_hints {
	/* /sys/class/dmi/id */
	char sys_vendor[64], product_name[64], board_vendor[64], bios_vendor[64];
	char chassis_vendor[64];

	uint64_t cpu_flag;     /* x86: 1 under a hypervisor that does not hide, else 0 */
	char cpuid[13];	       /* x86: leaf 0x40000000 */
	char cpuid_second[13]; /* leaf 0x40000100: of who plays Hyper-V in the first */

	char xen_type[32]; /* /sys/hypervisor/type */
	bool is_dom0;	   /* Xen's own control domain */
	char clocksources
		[128]; /* /sys/devices/system/clocksource/clocksource0/available_clocksource
			*/

	/* /proc/device-tree; lists of names have a newline after each but the last */
	char dt_compatible[128];
	char dt_hypervisor[64]; /* hypervisor/compatible */
	bool has_fw_cfg;	/* QEMU's configuration device */
	bool is_lpar;		/* a partition under PowerVM */

	char control_program[32]; /* s390: "VM00 Control Program" of /proc/sysinfo */
	bool has_sysinfo;	  /* s390 at all */
};

/* Returns a word of the list in hypervisor.c ("kvm", "vmware"), "none" on hardware and in the
 * control domain of Xen, "" when it is not to be told; static. *ret_is_guest is 1, 0, or VMV_UNSET:
 * it may be known that this is a guest, and not whose.
 *
 * A cloud or a hypervisor that has put its name into the DMI is told by it, else the processor
 * knows best (a guest of KVM has QEMU's DMI), then DMI, clock sources, device tree. */
const char *vmv_hypervisor_judge(const struct vmv_hypervisor_hints *h, uint64_t *ret_is_guest);

/* The head of /proc/cpuinfo: 1 when the first processor has the flag "hypervisor", 0 when it has
 * flags and not this one, VMV_UNSET when there are no flags as x86 has them. */
uint64_t vmv_hypervisor_parse_cpuinfo(const char *text);

/* /proc/sysinfo: its "VM00 Control Program" into ret, cut to cap - 1 bytes; "" when there is none.
 */
void vmv_hypervisor_parse_sysinfo(const char *text, char *ret, size_t cap);

#endif
