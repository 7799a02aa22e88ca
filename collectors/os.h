/* Which system this is: os-release, kernel, host name, boot id, machine id. */
#ifndef VMV_COLLECTORS_OS_H
#define VMV_COLLECTORS_OS_H

#include "collectors/collector.h"

struct vmv_err;
struct vmv_root;

#define VMV_OS_HOSTNAME 256 /* bytes, NUL included; the kernel's are shorter */

struct vmv_os_sample {
	char id[64];			/* os-release ID: "debian"; "linux" when it says nothing */
	char version_id[64];		/* VERSION_ID; "" none (rolling releases) */
	char name[128];			/* NAME; "Linux" when it says nothing */
	char pretty_name[256];		/* PRETTY_NAME; NAME when it says nothing */
	char kernel[128];		/* /proc/sys/kernel/osrelease */
	char arch[64];			/* uname's machine */
	char hostname[VMV_OS_HOSTNAME]; /* /proc/sys/kernel/hostname, no domain added */
	char boot_id[37];		/* /proc/sys/kernel/random/boot_id; "" unknown */
	char machine_id[33];		/* etc/machine-id, 32 hex digits; "" unknown */
};

/* One row of info fields. os-release is etc/os-release (a link into usr/lib on most systems:
 * resolved below the root), else usr/lib/os-release. A missing file is no failure. */
extern const struct vmv_collector vmv_collector_os;

/* Pure: the text of an os-release file, shell-like quoting and escapes undone as os-release(5)
 * says; the last assignment of a name counts; malformed lines are skipped. Writes only the
 * four os-release members. */
void vmv_os_release_parse(const char *text, struct vmv_os_sample *ret);

enum vmv_os_key {
	VMV_OS_ID,
	VMV_OS_NAME,
	VMV_OS_PRETTY_NAME,
	VMV_OS_VERSION,
	VMV_OS_VERSION_ID,
	VMV_OS_VARIANT,
	VMV_OS_VARIANT_ID,
	VMV_OS_KEYS
};

/* What the file says, and nothing else: a key that it has not is not there, one whose value is
 * empty is. */
struct vmv_os_release {
	struct vmv_os_value {
		bool is_there;
		char text[256]; /* UTF-8 is cut between characters */
	} values[VMV_OS_KEYS];
};

/* Pure: as vmv_os_release_parse; writes all of ret. */
void vmv_os_release_values(const char *text, struct vmv_os_release *ret);

/* The same of the file, whatever the collector has kept. A missing file is one without keys. */
void vmv_os_release_read(const struct vmv_root *root, struct vmv_os_release *ret);

/* Each "" when unknown. */
struct vmv_os_kernel {
	char release[128]; /* /proc/sys/kernel/osrelease */
	char version[256]; /* /proc/sys/kernel/version: number and date of the build */
	char machine[64];  /* uname's */
};

void vmv_os_kernel_read(const struct vmv_root *root, struct vmv_os_kernel *ret);

/* The host name of this moment, /proc/sys/kernel/hostname. Returns 0, -ENODATA (it is empty), or
 * why it cannot be read; then ret is untouched. */
int vmv_os_hostname_read(const struct vmv_root *root, char ret[static VMV_OS_HOSTNAME]);

#endif
