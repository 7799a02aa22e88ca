/* Block devices as sysfs knows them: which disks there are, what lies on what, and where a disk is
 * attached. Nothing here asks a device, so nothing blocks. */
#ifndef VMV_COLLECTORS_BLOCKDEV_H
#define VMV_COLLECTORS_BLOCKDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_root;

#define VMV_BLOCKDEV_PATH 1024

struct vmv_blockdev {
	char path[VMV_BLOCKDEV_PATH]; /* below /sys: "devices/pci0000:00/.../block/vda/vda1" */
	const char *name;	      /* its last component: a kernel name in sysfs' spelling */
	bool is_partition;
	bool is_virtual; /* made of others or of memory: dm, md, loop, zram */
};

/* By its number, or its kernel name. Returns 0, or negative errno: -ENOENT there is none, else what
 * readlinkat(2) said; -ENAMETOOLONG. ret is written only on success; do not copy it. */
int vmv_blockdev_by_number(const struct vmv_root *root, uint32_t major, uint32_t minor,
			   struct vmv_blockdev *ret);
int vmv_blockdev_by_name(const struct vmv_root *root, const char *name, struct vmv_blockdev *ret);

/* The device that a mount source such as "/dev/vda2" or "/dev/mapper/vg-root" stands for. Nothing
 * is looked up in /dev. Returns as above; -ENOENT for all else. */
int vmv_blockdev_by_source(const struct vmv_root *root, const char *source,
			   struct vmv_blockdev *ret);

/* The disk of a partition; of all else the device itself. */
void vmv_blockdev_whole(const struct vmv_blockdev *dev, struct vmv_blockdev *ret);

/* Returns 0, or negative errno, which ends the listing and is returned by it. dev is borrowed. */
typedef int vmv_blockdev_row(void *arg, const struct vmv_blockdev *dev);

/* Calls row for each, in the order of their names, numbers by value; at most VMV_DISKS_MAX: disks
 * of /sys/block, of whatever size; the partitions of a disk; what a device is made of. Those that
 * vanish meanwhile are left out. Returns 0, what row returned, or negative errno: no such
 * directory (-ENOENT), out of memory, out of descriptors. */
int vmv_blockdev_disks(const struct vmv_root *root, vmv_blockdev_row *row, void *arg);
int vmv_blockdev_partitions(const struct vmv_root *root, const struct vmv_blockdev *disk,
			    vmv_blockdev_row *row, void *arg);
int vmv_blockdev_slaves(const struct vmv_root *root, const struct vmv_blockdev *dev,
			vmv_blockdev_row *row, void *arg);

/* Sectors of 512 bytes; VMV_UNSET unknown. */
uint64_t vmv_blockdev_size(const struct vmv_root *root, const struct vmv_blockdev *dev);

/* "/dev/vda1", as udev or devtmpfs names it, cut to cap - 1 bytes. */
void vmv_blockdev_node(const struct vmv_root *root, const struct vmv_blockdev *dev, char *ret,
		       size_t cap);

/* The name of a device-mapper device, "vg-root"; "" of others. */
void vmv_blockdev_alias(const struct vmv_root *root, const struct vmv_blockdev *dev, char *ret,
			size_t cap);

/* Where a disk is attached, in the words of the QEMU guest agent's protocol. */
struct vmv_disk_address {
	const char *bus_type;		     /* "virtio", "scsi", ... "unknown"; static */
	int domain, pci_bus, slot, function; /* of its PCI controller; all -1 unknown */
	uint32_t bus, target, unit;
	bool has_ccw; /* it is attached to a channel, as on s390x: */
	int cssid, ssid, subchno, devno;
	char serial[256]; /* udev's ID_SERIAL; "" unknown */
	bool has_udev;	  /* udev knows the device, so without a serial it has none */
};

/* Of a partition that of its disk; serial is the device's own, which a partition inherits. */
void vmv_blockdev_address(const struct vmv_root *root, const struct vmv_blockdev *dev,
			  struct vmv_disk_address *ret);

/* Pure: "0000:00:05.0" of len bytes, domain, bus, slot, function. */
bool vmv_pci_parse(const char *s, size_t len, int ret[static 4]);

/* Pure: the value of "E:KEY=" in a file of udev's database. Returns false without one, else ret is
 * the text, cut to cap - 1 bytes. */
bool vmv_udev_property(const char *text, const char *key, char *ret, size_t cap);

#endif
