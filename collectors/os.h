/* Which system this is: os-release, kernel, host name, boot id, machine id. */
#ifndef VMV_COLLECTORS_OS_H
#define VMV_COLLECTORS_OS_H

#include "collectors/collector.h"

struct vmv_err;

struct vmv_os_sample {
	char id[64];	       /* os-release ID: "debian"; "linux" when it says nothing */
	char version_id[64];   /* VERSION_ID; "" none (rolling releases) */
	char name[128];	       /* NAME; "Linux" when it says nothing */
	char pretty_name[256]; /* PRETTY_NAME; NAME when it says nothing */
	char kernel[128];      /* /proc/sys/kernel/osrelease */
	char arch[64];	       /* uname's machine */
	char hostname[256];    /* /proc/sys/kernel/hostname, no domain added */
	char boot_id[37];      /* /proc/sys/kernel/random/boot_id; "" unknown */
	char machine_id[33];   /* etc/machine-id, 32 hex digits; "" unknown */
};

/* One row of info fields. os-release is etc/os-release (a link into usr/lib on most systems:
 * resolved below the root), else usr/lib/os-release. A missing file is no failure. */
extern const struct vmv_collector vmv_collector_os;

/* Pure: the text of an os-release file, shell-like quoting and escapes undone as os-release(5)
 * says; the last assignment of a name counts; malformed lines are skipped. Writes only the
 * four os-release members. */
void vmv_os_release_parse(const char *text, struct vmv_os_sample *ret);

#endif
