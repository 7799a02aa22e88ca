#include "collectors/blockdev.h"

#include "base/cleanup.h"
#include "base/metric.h"
#include "tests/lib/devices.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

/* -- addresses -------------------------------------------------------------------------------- */

static const struct {
	const char *path;		/* below /sys/devices */
	const char *driver_at, *driver; /* NULL: none */
	const char *sibling;		/* a directory that is there, too */
	const char *want;		/* bus type, PCI, bus:target:unit */
} places[] = {
	{ "pci0000:00/0000:00:07.0/virtio1/block/vda", "pci0000:00/0000:00:07.0", "virtio-pci",
	  NULL, "virtio 0:0:7.0 0:0:0" },
	{ "pci0000:00/0000:00:02.3/0000:1a:00.1/virtio1/block/vda",
	  "pci0000:00/0000:00:02.3/0000:1a:00.1", "virtio-pci", NULL, "virtio 0:26:0.1 0:0:0" },
	{ "pci0000:00/0000:00:05.0/virtio2/host2/target2:1:3/2:1:3:5/block/sdb",
	  "pci0000:00/0000:00:05.0", "virtio-pci", NULL, "scsi 0:0:5.0 1:3:5" },
	/* ports are numbered through: this is the third of its controller */
	{ "pci0000:00/0000:00:1f.2/ata5/host4/target4:0:0/4:0:0:0/block/sda",
	  "pci0000:00/0000:00:1f.2", "ahci",
	  "sys/devices/pci0000:00/0000:00:1f.2/ata4/x "
	  "sys/devices/pci0000:00/0000:00:1f.2/ata3/x "
	  "sys/devices/pci0000:00/0000:00:1f.2/ata10/x "
	  "sys/devices/pci0000:00/0000:00:1f.2/ata_port/x",
	  "sata 0:0:31.2 0:0:2" },
	{ "pci0000:00/0000:00:01.1/ata2/host1/target1:0:1/1:0:1:0/block/sr0",
	  "pci0000:00/0000:00:01.1", "ata_piix", "sys/devices/pci0000:00/0000:00:01.1/ata1/x",
	  "ide 0:0:1.1 1:0:1" },
	/* as kernels before 2.6.39 have it */
	{ "pci0000:00/0000:00:1f.2/host4/target4:0:0/4:0:0:0/block/sda", "pci0000:00/0000:00:1f.2",
	  "ahci", "sys/devices/pci0000:00/0000:00:1f.2/host3/x", "sata 0:0:31.2 0:0:1" },
	{ "pci0000:00/0000:00:06.0/host0/target0:0:4/0:0:4:0/block/sda", "pci0000:00/0000:00:06.0",
	  "sym53c8xx", NULL, "scsi 0:0:6.0 0:0:4" },
	{ "pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1", "pci0000:00/0000:00:04.0", "nvme", NULL,
	  "nvme 0:0:4.0 0:0:0" },
	{ "pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:01.0/nvme/nvme0/nvme0n1", NULL, NULL, NULL,
	  "nvme 65536:224:1.0 0:0:0" },
	{ "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", NULL, NULL, NULL,
	  "nvme -1:-1:-1.-1 0:0:0" },
	{ "pci0000:00/0000:00:03.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdc",
	  "pci0000:00/0000:00:03.0", "xhci_hcd", NULL, "usb 0:0:3.0 0:0:0" },
	{ "platform/sdhci/mmc_host/mmc0/mmc0:0001/block/mmcblk0", NULL, NULL, NULL,
	  "mmc -1:-1:-1.-1 0:0:0" },
	{ "vbd-51712/block/xvda", NULL, NULL, NULL, "xen -1:-1:-1.-1 0:0:0" },
	{ "platform/floppy.0/block/fd0", NULL, NULL, NULL, "fdc -1:-1:-1.-1 0:0:0" },
	{ "platform/a003e00.virtio_mmio/virtio3/block/vda", NULL, NULL, NULL,
	  "virtio -1:-1:-1.-1 0:0:0" },
	{ "LNXSYSTM:00/VMBUS:00/1-2/host0/target0:0:1/0:0:1:2/block/sda", NULL, NULL, NULL,
	  "scsi -1:-1:-1.-1 0:1:2" },
	{ "platform/host3/session1/target3:0:0/3:0:0:1/block/sda", NULL, NULL, NULL,
	  "iscsi -1:-1:-1.-1 0:0:1" },
	{ "virtual/block/loop0", NULL, NULL, NULL, "unknown -1:-1:-1.-1 0:0:0" },
	{ "odd/ata/host/virtio/nvmex/0000:00:00/target/block/odd0", NULL, NULL, NULL,
	  "unknown -1:-1:-1.-1 0:0:0" },
};

static void check_place(const struct vmv_blockdev *dev, const char *want)
{
	struct vmv_disk_address a;
	char got[128];

	vmv_blockdev_address(&fx.root, dev, &a);
	(void)snprintf(got, sizeof(got), "%s %d:%d:%d.%d %u:%u:%u", a.bus_type, a.domain, a.pci_bus,
		       a.slot, a.function, a.bus, a.target, a.unit);
	ck_assert_str_eq(got, want);
}

static void put_siblings(const char *list)
{
	char path[256];

	for (; list && *list; list += strcspn(list, " "), list += *list == ' ') {
		(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(list, " "), list);
		fixture_put(&fx, path, "");
	}
}

START_TEST(a_path_tells_where_a_disk_is_attached)
{
	struct vmv_blockdev dev;
	char partition[512];

	devices_put(&fx, places[_i].path, "8:0", 100);
	(void)snprintf(partition, sizeof(partition), "%s/part1", places[_i].path);
	devices_put_partition(&fx, partition, "8:1", 50);
	if (places[_i].driver)
		devices_driver(&fx, places[_i].driver_at, places[_i].driver);
	put_siblings(places[_i].sibling);
	ck_assert_int_eq(vmv_blockdev_by_number(&fx.root, 8, 0, &dev), 0);
	check_place(&dev, places[_i].want);
	ck_assert_int_eq(vmv_blockdev_by_number(&fx.root, 8, 1, &dev), 0);
	ck_assert(dev.is_partition);
	check_place(&dev, places[_i].want);
}
END_TEST

START_TEST(a_channel_has_an_address_of_its_own)
{
	struct vmv_disk_address a;
	struct vmv_blockdev dev;

	devices_put(&fx, "css0/0.0.0001/1.2.00fe/virtio0/block/vda", "8:0", 1);
	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "vda", &dev), 0);
	check_place(&dev, "virtio -1:-1:-1.-1 0:0:0");
	vmv_blockdev_address(&fx.root, &dev, &a);
	ck_assert(a.has_ccw);
	ck_assert_int_eq(a.cssid, 0);
	ck_assert_int_eq(a.ssid, 0);
	ck_assert_int_eq(a.subchno, 1);
	ck_assert_int_eq(a.devno, 0xfe);
}
END_TEST

static const char *const no_channels[] = {
	"css0/0.0.0001/virtio0/block/vda",		/* a subchannel without a device */
	"css0/0.0.0001/0.0.00001/virtio0/block/vda",	/* five digits */
	"css0/0.0.0001/0.0.0001.1/virtio0/block/vda",	/* something behind */
	"platform/0.0.0001/0.0.0002/virtio0/block/vda", /* of what has no channels */
};

START_TEST(what_is_no_channel_is_none)
{
	struct vmv_disk_address a;
	struct vmv_blockdev dev;

	devices_put(&fx, no_channels[_i], "8:0", 1);
	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "vda", &dev), 0);
	vmv_blockdev_address(&fx.root, &dev, &a);
	ck_assert(!a.has_ccw);
}
END_TEST

START_TEST(udev_knows_the_serial_number)
{
	struct vmv_disk_address a;
	struct vmv_blockdev dev;

	devices_put(&fx, "virtual/block/sda", "8:0", 1);
	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "sda", &dev), 0);
	vmv_blockdev_address(&fx.root, &dev, &a);
	ck_assert(!a.has_udev);
	devices_udev(&fx, "8:0",
		     "S:disk/by-id/x\nE:ID_SERIAL_SHORT=short\nE:ID_SERIAL=QEMU_HARDDISK_42\n");
	vmv_blockdev_address(&fx.root, &dev, &a);
	ck_assert(a.has_udev);
	ck_assert_str_eq(a.serial, "QEMU_HARDDISK_42");
	devices_udev(&fx, "8:0", "I:77\n");
	vmv_blockdev_address(&fx.root, &dev, &a);
	ck_assert(a.has_udev);
	ck_assert_str_eq(a.serial, "");
}
END_TEST

START_TEST(properties_are_whole_words_at_the_beginning_of_a_line)
{
	char text[8] = "left";

	ck_assert(!vmv_udev_property("", "KEY", text, sizeof(text)));
	ck_assert(!vmv_udev_property("E:KEY", "KEY", text, sizeof(text)));
	ck_assert(!vmv_udev_property("E:KEY=\n", "KEY", text, sizeof(text)));
	ck_assert(!vmv_udev_property("E:KEYS=1\nE:AKEY=2\n E:KEY=3\nI:KEY=4\n", "KEY", text,
				     sizeof(text)));
	ck_assert_str_eq(text, "left");
	ck_assert(vmv_udev_property("E:K=1\nE:KEY=a=b", "KEY", text, sizeof(text)));
	ck_assert_str_eq(text, "a=b");
	ck_assert(vmv_udev_property("E:KEY=123456789\nE:KEY=2\n", "KEY", text, sizeof(text)));
	ck_assert_str_eq(text, "1234567");
}
END_TEST

static const char *const no_pci[] = {
	"",
	"0000:00:05",
	"0000:00:05.",
	"0000:00:05.0x",
	"0000:00:05.10",
	"0000:00:005.0",
	"0000:0:5:0",
	"pci0000:00",
	"00000000:00",
	"0000.00.05.0",
	"123456789:0:0.0",
	"fffffff0:0:0.0",
	"0000:00:-5.0",
	":::.",
	"0000:00:05.0/",
};

START_TEST(what_is_no_pci_address_is_none)
{
	int v[4] = { 7, 7, 7, 7 };

	ck_assert(!vmv_pci_parse(no_pci[_i], strlen(no_pci[_i]), v));
	ck_assert_int_eq(v[0], 7);
}
END_TEST

START_TEST(pci_addresses_are_hexadecimal)
{
	int v[4];

	ck_assert(vmv_pci_parse("10000:aF:1f.7/more", 13, v));
	ck_assert_int_eq(v[0], 0x10000);
	ck_assert_int_eq(v[1], 0xaf);
	ck_assert_int_eq(v[2], 0x1f);
	ck_assert_int_eq(v[3], 7);
}
END_TEST

/* -- devices ---------------------------------------------------------------------------------- */

static int add_name(void *arg, const struct vmv_blockdev *dev)
{
	char *text = arg;

	ck_assert_uint_lt(strlen(text) + strlen(dev->name), 200);
	(void)strncat(text, " ", 2);
	(void)strncat(text, dev->name, 100);
	return strcmp(dev->name, "stop") == 0 ? -EINTR : 0;
}

START_TEST(lists_are_in_the_order_of_names)
{
	char text[256] = "";
	struct vmv_blockdev disk, dm;

	devices_put(&fx, "pci0000:00/x/block/vdb", "254:16", 7);
	devices_put(&fx, "pci0000:00/x/block/vda", "254:0", 7);
	devices_put_partition(&fx, "pci0000:00/x/block/vda/vda10", "254:10", 7);
	devices_put_partition(&fx, "pci0000:00/x/block/vda/vda2", "254:2", 7);
	fixture_put(&fx, "sys/devices/pci0000:00/x/block/vda/vdastat", "no directory");
	devices_put(&fx, "virtual/block/dm-0", "253:0", 7);
	devices_slave(&fx, "virtual/block/dm-0", "vda2");
	devices_slave(&fx, "virtual/block/dm-0", "vdb");
	devices_slave(&fx, "virtual/block/dm-0", "gone");
	ck_assert_int_eq(vmv_blockdev_disks(&fx.root, add_name, text), 0);
	ck_assert_str_eq(text, " dm-0 vda vdb");

	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "vda", &disk), 0);
	ck_assert(!disk.is_virtual && !disk.is_partition);
	ck_assert_uint_eq(vmv_blockdev_size(&fx.root, &disk), 7);
	text[0] = '\0';
	ck_assert_int_eq(vmv_blockdev_partitions(&fx.root, &disk, add_name, text), 0);
	ck_assert_str_eq(text, " vda2 vda10");

	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "dm-0", &dm), 0);
	ck_assert(dm.is_virtual);
	text[0] = '\0';
	ck_assert_int_eq(vmv_blockdev_slaves(&fx.root, &dm, add_name, text), 0);
	ck_assert_str_eq(text, " vda2 vdb");
}
END_TEST

START_TEST(a_row_may_end_a_list)
{
	char text[256] = "";

	ck_assert_int_eq(vmv_blockdev_disks(&fx.root, add_name, text), -ENOENT);
	devices_put(&fx, "virtual/block/stop", "1:1", 1);
	devices_put(&fx, "virtual/block/zzz", "1:2", 1);
	ck_assert_int_eq(vmv_blockdev_disks(&fx.root, add_name, text), -EINTR);
	ck_assert_str_eq(text, " stop");
}
END_TEST

START_TEST(sources_are_found_without_looking_into_dev)
{
	struct vmv_blockdev dev;

	devices_put(&fx, "pci0000:00/x/block/vda", "254:0", 1);
	devices_put(&fx, "virtual/block/dm-3", "253:3", 1);
	fixture_put(&fx, "sys/devices/virtual/block/dm-3/dm/name", "vg-root\n");
	ck_assert_int_eq(vmv_blockdev_by_source(&fx.root, "/dev/vda", &dev), 0);
	ck_assert_str_eq(dev.path, "devices/pci0000:00/x/block/vda");
	ck_assert_int_eq(vmv_blockdev_by_source(&fx.root, "/dev/mapper/vg-root", &dev), 0);
	ck_assert_str_eq(dev.name, "dm-3");
	dev.name = NULL;
	ck_assert_int_eq(vmv_blockdev_by_source(&fx.root, "/dev/mapper/vg", &dev), -ENOENT);
	ck_assert_int_eq(vmv_blockdev_by_source(&fx.root, "/dev/mapper/", &dev), -ENOENT);
	ck_assert_int_eq(vmv_blockdev_by_source(&fx.root, "/dev/../vda", &dev), -ENOENT);
	ck_assert_int_eq(vmv_blockdev_by_source(&fx.root, "/dev/..", &dev), -ENOENT);
	ck_assert_int_eq(vmv_blockdev_by_source(&fx.root, "/dev/", &dev), -ENOENT);
	ck_assert_int_eq(vmv_blockdev_by_source(&fx.root, "server:/dev/vda", &dev), -ENOENT);
	ck_assert_ptr_null(dev.name);
}
END_TEST

START_TEST(links_to_elsewhere_are_no_devices)
{
	struct vmv_blockdev dev = { .name = NULL };

	fixture_link(&fx, "sys/class/block/a", "/devices/virtual/block/a");
	fixture_link(&fx, "sys/class/block/b", "../../devices/x/../../../etc/b");
	fixture_link(&fx, "sys/class/block/c", "../../class/c");
	fixture_put(&fx, "sys/class/block/d", "no link");
	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "a", &dev), -ENOENT);
	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "b", &dev), -ENOENT);
	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "c", &dev), -ENOENT);
	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "d", &dev), -EINVAL);
	ck_assert_int_eq(vmv_blockdev_by_name(&fx.root, "e", &dev), -ENOENT);
	ck_assert_ptr_null(dev.name);
}
END_TEST

START_TEST(nodes_are_named_by_the_kernel)
{
	struct vmv_blockdev dev;
	char text[32];

	devices_put(&fx, "pci0000:00/x/block/cciss!c0d0", "104:0", 1);
	fixture_put(&fx, "sys/devices/pci0000:00/x/block/cciss!c0d0/uevent",
		    "MAJOR=104\nDEVNAME=cciss/c0d0\nDEVTYPE=disk\n");
	ck_assert_int_eq(vmv_blockdev_by_number(&fx.root, 104, 0, &dev), 0);
	vmv_blockdev_node(&fx.root, &dev, text, sizeof(text));
	ck_assert_str_eq(text, "/dev/cciss/c0d0");
	fixture_put(&fx, "sys/devices/pci0000:00/x/block/cciss!c0d0/uevent", "");
	vmv_blockdev_node(&fx.root, &dev, text, sizeof(text));
	ck_assert_str_eq(text, "/dev/cciss!c0d0");
	fixture_put(&fx, "sys/devices/pci0000:00/x/block/cciss!c0d0/size", "many\n");
	ck_assert(vmv_blockdev_size(&fx.root, &dev) == VMV_UNSET);
	vmv_blockdev_alias(&fx.root, &dev, text, sizeof(text));
	ck_assert_str_eq(text, "");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("blockdev");
	TCase *tc = tcase_create("blockdev");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_loop_test(tc, a_path_tells_where_a_disk_is_attached, 0, (int)VMV_COUNTOF(places));
	tcase_add_test(tc, a_channel_has_an_address_of_its_own);
	tcase_add_loop_test(tc, what_is_no_channel_is_none, 0, (int)VMV_COUNTOF(no_channels));
	tcase_add_test(tc, udev_knows_the_serial_number);
	tcase_add_test(tc, properties_are_whole_words_at_the_beginning_of_a_line);
	tcase_add_loop_test(tc, what_is_no_pci_address_is_none, 0, (int)VMV_COUNTOF(no_pci));
	tcase_add_test(tc, pci_addresses_are_hexadecimal);
	tcase_add_test(tc, lists_are_in_the_order_of_names);
	tcase_add_test(tc, a_row_may_end_a_list);
	tcase_add_test(tc, sources_are_found_without_looking_into_dev);
	tcase_add_test(tc, links_to_elsewhere_are_no_devices);
	tcase_add_test(tc, nodes_are_named_by_the_kernel);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
