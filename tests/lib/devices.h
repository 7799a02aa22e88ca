/* Block devices in a fixture tree, as sysfs has them. */
#ifndef VMV_TESTS_DEVICES_H
#define VMV_TESTS_DEVICES_H

struct fixture;

/* A device at a path below /sys/devices, its name being the last component, with what links to it:
 * dev/block, class/block, and block when it is no partition. number: "254:0"; sectors: its size. */
void devices_put(struct fixture *fx, const char *path, const char *number, unsigned sectors);
void devices_put_partition(struct fixture *fx, const char *path, const char *number,
			   unsigned sectors);

/* The driver of a device at such a path. */
void devices_driver(struct fixture *fx, const char *path, const char *driver);

/* The device is made of that one, too. */
void devices_slave(struct fixture *fx, const char *path, const char *slave);

/* udev knows it, with these lines. */
void devices_udev(struct fixture *fx, const char *number, const char *lines);

#endif
