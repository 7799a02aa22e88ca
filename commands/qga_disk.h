/* What filesystems and disks have in common; for commands/ only. */
#ifndef VMV_COMMANDS_QGA_DISK_H
#define VMV_COMMANDS_QGA_DISK_H

struct vmv_blockdev;
struct vmv_facts;
struct vmv_jw;

/* A GuestDiskAddress. name NULL: in an array. dev is a disk or a partition, and is what "dev"
 * names; facts hold the disk group, which knows serial numbers where there is no udev. */
void vmv_qga_write_address(struct vmv_jw *w, const char *name, const struct vmv_facts *facts,
			   const struct vmv_blockdev *dev);

#endif
