/* A path of sysfs, a PCI address, a file of udev's database. */
#include "tests/fuzz/fuzz.h"

#include "base/root.h"
#include "collectors/blockdev.h"

#include <stdio.h>

static void address(const char *text)
{
	struct vmv_root nowhere = VMV_ROOT_NONE;
	struct vmv_blockdev dev = { .name = "x" };
	struct vmv_disk_address a;

	/* with this in front, nothing is looked up outside of the tree that is not there */
	(void)snprintf(dev.path, sizeof(dev.path), "devices/%s", text);
	vmv_blockdev_address(&nowhere, &dev, &a);
	FUZZ_CHECK(a.bus_type && a.bus_type[0]);
	FUZZ_CHECK(!a.has_udev && !a.serial[0]);
	FUZZ_CHECK((a.domain < 0) == (a.slot < 0) && a.domain >= -1);
	FUZZ_CHECK(a.pci_bus <= 0xff && a.slot <= 0xff && a.function <= 0xf);
}

static void property(const char *text)
{
	char value[16] = "";

	if (!vmv_udev_property(text, "ID_SERIAL", value, sizeof(value)))
		FUZZ_CHECK(value[0] == '\0');
	else
		FUZZ_CHECK(value[0] && strlen(value) < sizeof(value) && !strchr(value, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	int pci[4];

	if (vmv_pci_parse(text, strlen(text), pci))
		FUZZ_CHECK(pci[0] >= 0 && pci[1] <= 0xff && pci[2] <= 0xff && pci[3] <= 0xf);
	address(text);
	property(text);
	free(text);
	return 0;
}
