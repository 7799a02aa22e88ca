/* Disk I/O counters, from /proc/diskstats. */
#ifndef VMV_COLLECTORS_DISK_H
#define VMV_COLLECTORS_DISK_H

#include "collectors/collector.h"

struct vmv_err;
struct vmv_root;

/* The counters are those of the kernel, which prints times, and on 32-bit machines all, as 32 bits:
 * they wrap (milliseconds after 49 days of work) and start anew with the device. */
struct vmv_disk_sample {
	uint64_t reads, writes; /* completed */
	uint64_t reads_merged, writes_merged;
	uint64_t read_sectors, write_sectors; /* of 512 bytes, whatever the device's are */
	uint64_t read_ms, write_ms;	      /* spent, summed over requests */
	uint64_t in_flight;
	uint64_t io_ms, weighted_io_ms;
	/* VMV_UNSET before 4.18 */
	uint64_t discards, discards_merged, discard_sectors, discard_ms;
	uint64_t flushes, flush_ms; /* VMV_UNSET before 5.5 */
	uint64_t is_whole;	    /* 1: a whole disk in the sense of PROTOCOL.md 3.2 */

	/* By sysfs, up to a minute old; unknown of partitions. */
	uint64_t size;			  /* sectors of 512 bytes */
	uint64_t rotational, is_readonly; /* 0 or 1 */
	char model[48], serial[48];	  /* "" unknown */

	uint64_t device_number; /* major << 32 | minor */
};

/* One row per block device that has ever done I/O or is in /sys/block (loop and ram devices
 * left out); its kernel name is the id. */
extern const struct vmv_collector vmv_collector_disk;

typedef int vmv_disk_row(void *arg, const char *name, const struct vmv_disk_sample *sample);

/* Pure: the text of /proc/diskstats; is_whole is 0 in every row, what sysfs tells
 * is unknown. -EINVAL with err set on a
 * malformed line. */
int vmv_diskstats_parse(const char *text, vmv_disk_row *row, void *arg, struct vmv_err *err);

/* Calls row for every line of /proc/diskstats, in the kernel's order, samples as above. Returns 0,
 * what row returned, or negative errno with err set. */
int vmv_diskstats_read(const struct vmv_root *root, vmv_disk_row *row, void *arg,
		       struct vmv_err *err);

#endif
