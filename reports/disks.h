/* How full the filesystems are (PROTOCOL.md 5.3): CheckDiskSpace. */
#ifndef VMV_REPORTS_DISKS_H
#define VMV_REPORTS_DISKS_H

#include <stdbool.h>

struct vmv_err;
struct vmv_facts;
struct vmv_jw;

/* Percent used, 1 to 100; warning is not above critical. */
struct vmv_disk_lines {
	double warning, critical;
};

#define VMV_DISKS_TEXT 200

/* Writes the data, out of a reading of the group filesystem. A filesystem that does not tell its
 * size is in no list of sizes; one that does not answer is in "stuck". ret_text is one line for
 * people; *ret_is_cut that the lists do not show all: the status is of all nevertheless. Returns 0,
 * or -ENODATA with err set when nothing is known: the group cannot be read, or no filesystem tells
 * its size. */
int vmv_disks_write(struct vmv_jw *w, const struct vmv_facts *f, struct vmv_disk_lines lines,
		    char ret_text[VMV_DISKS_TEXT], bool *ret_is_cut, struct vmv_err *err);

#endif
