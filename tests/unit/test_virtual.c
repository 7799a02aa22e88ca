#include "collectors/virtual.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/hypervisor.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fixture fx;

static void up(void)
{
	fixture_up(&fx);
}

static void down(void)
{
	fixture_down(&fx);
}

#define DMI    "sys/class/dmi/id/"
#define DT     "sys/firmware/devicetree/base/"
#define CLOCKS "sys/devices/system/clocksource/clocksource0/available_clocksource"
#define CPUINFO(flags)                                                                     \
	"processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vme sse2 " flags "lm\n" \
	"bugs\t\t: spectre_v1\n\nprocessor\t: 1\n"
#define GUEST	CPUINFO("hypervisor ")
#define METAL	CPUINFO("")
#define UNKNOWN UINT64_MAX

struct file {
	const char *path, *text;
	size_t len; /* 0: as long as text is */
};

/* Machines as their files show them. */
static const struct {
	const char *machine;
	struct file files[8];
	const char *hypervisor;
	uint64_t is_guest;
	const char *vendor, *product;
} machines[] = {
	{ "QEMU with KVM on x86",
	  { { DMI "sys_vendor", "QEMU\n", 0 },
	    { DMI "product_name", "Standard PC (Q35 + ICH9, 2009)\n", 0 },
	    { DMI "bios_vendor", "SeaBIOS\n", 0 },
	    { CLOCKS, "kvm-clock tsc acpi_pm \n", 0 },
	    { "proc/cpuinfo", GUEST, 0 } },
	  "kvm",
	  1,
	  "QEMU",
	  "Standard PC (Q35 + ICH9, 2009)" },
	{ "QEMU without KVM on x86",
	  { { DMI "sys_vendor", "QEMU\n", 0 },
	    { DMI "product_name", "Standard PC (i440FX + PIIX, 1996)\n", 0 },
	    { CLOCKS, "tsc hpet acpi_pm \n", 0 },
	    { "proc/cpuinfo", GUEST, 0 } },
	  "qemu",
	  1,
	  "QEMU",
	  "Standard PC (i440FX + PIIX, 1996)" },
	{ "QEMU hidden from the guest's drivers",
	  { { DMI "sys_vendor", "QEMU\n", 0 },
	    { CLOCKS, "tsc hpet \n", 0 },
	    { "proc/cpuinfo", METAL, 0 } },
	  "qemu",
	  1,
	  "QEMU",
	  "" },
	{ "QEMU with KVM on arm64",
	  { { DMI "sys_vendor", "QEMU\n", 0 },
	    { DMI "product_name", "KVM Virtual Machine\n", 0 },
	    { CLOCKS, "arch_sys_counter \n", 0 } },
	  "kvm",
	  1,
	  "QEMU",
	  "KVM Virtual Machine" },
	{ "RHEL 6 on KVM",
	  { { DMI "sys_vendor", "Red Hat\n", 0 }, { DMI "product_name", "KVM\n", 0 } },
	  "kvm",
	  1,
	  "Red Hat",
	  "KVM" },
	{ "OpenStack",
	  { { DMI "sys_vendor", "OpenStack Foundation\n", 0 },
	    { DMI "product_name", "OpenStack Nova\n", 0 } },
	  "kvm",
	  1,
	  "OpenStack Foundation",
	  "OpenStack Nova" },
	{ "oVirt",
	  { { DMI "sys_vendor", "oVirt\n", 0 }, { DMI "product_name", "RHEL\n", 0 } },
	  "kvm",
	  1,
	  "oVirt",
	  "RHEL" },
	{ "KubeVirt",
	  { { DMI "sys_vendor", "KubeVirt\n", 0 }, { DMI "product_name", "None\n", 0 } },
	  "kvm",
	  1,
	  "KubeVirt",
	  "" },
	{ "Nutanix AHV",
	  { { DMI "sys_vendor", "Nutanix\n", 0 }, { DMI "product_name", "AHV\n", 0 } },
	  "kvm",
	  1,
	  "Nutanix",
	  "AHV" },
	{ "Nutanix hardware",
	  { { DMI "sys_vendor", "Nutanix\n", 0 },
	    { DMI "product_name", "NX-3060-G5\n", 0 },
	    { "proc/cpuinfo", METAL, 0 } },
	  "none",
	  0,
	  "Nutanix",
	  "NX-3060-G5" },
	{ "Cloud Hypervisor",
	  { { DMI "sys_vendor", "Cloud Hypervisor\n", 0 },
	    { DMI "product_name", "cloud-hypervisor\n", 0 } },
	  "kvm",
	  1,
	  "Cloud Hypervisor",
	  "cloud-hypervisor" },
	{ "Firecracker",
	  { { CLOCKS, "kvm-clock tsc \n", 0 }, { "proc/cpuinfo", GUEST, 0 } },
	  "kvm",
	  1,
	  "",
	  "" },
	{ "a cloud on x86 that names itself",
	  { { DMI "sys_vendor", "DigitalOcean\n", 0 },
	    { DMI "product_name", "Droplet\n", 0 },
	    { CLOCKS, "kvm-clock tsc acpi_pm \n", 0 },
	    { "proc/cpuinfo", GUEST, 0 } },
	  "kvm",
	  1,
	  "DigitalOcean",
	  "Droplet" },
	{ "a cloud on arm64 that names itself",
	  { { DMI "sys_vendor", "Hetzner\n", 0 },
	    { DMI "product_name", "vServer\n", 0 },
	    { DMI "chassis_vendor", "QEMU\n", 0 } },
	  "qemu",
	  1,
	  "Hetzner",
	  "vServer" },
	{ "a cloud that tells nothing else",
	  { { DMI "sys_vendor", "Example\n", 0 },
	    { DMI "product_name", "Server\n", 0 },
	    { "proc/cpuinfo", GUEST, 0 } },
	  "",
	  1,
	  "Example",
	  "Server" },
	{ "arm64 with a name that nobody knows",
	  { { DMI "sys_vendor", "Example\n", 0 }, { DMI "product_name", "Server\n", 0 } },
	  "",
	  UNKNOWN,
	  "Example",
	  "Server" },
	{ "VMware",
	  { { DMI "sys_vendor", "VMware, Inc.\n", 0 },
	    { DMI "product_name", "VMware Virtual Platform\n", 0 },
	    { DMI "bios_vendor", "Phoenix Technologies LTD\n", 0 },
	    { "proc/cpuinfo", GUEST, 0 } },
	  "vmware",
	  1,
	  "VMware, Inc.",
	  "VMware Virtual Platform" },
	{ "VMware with the host's names",
	  { { DMI "sys_vendor", "Dell Inc.\n", 0 }, { DMI "product_name", "VMware20,1\n", 0 } },
	  "vmware",
	  1,
	  "Dell Inc.",
	  "VMware20,1" },
	{ "Hyper-V",
	  { { DMI "sys_vendor", "Microsoft Corporation\n", 0 },
	    { DMI "product_name", "Virtual Machine\n", 0 },
	    { CLOCKS, "hyperv_clocksource_tsc_page acpi_pm \n", 0 } },
	  "microsoft",
	  1,
	  "Microsoft Corporation",
	  "Virtual Machine" },
	{ "WSL",
	  { { CLOCKS, "tsc hyperv_clocksource_tsc_page acpi_pm \n", 0 },
	    { "proc/cpuinfo", GUEST, 0 } },
	  "microsoft",
	  1,
	  "",
	  "" },
	{ "Microsoft's hardware",
	  { { DMI "sys_vendor", "Microsoft Corporation\n", 0 },
	    { DMI "product_name", "Surface Pro 7\n", 0 },
	    { "proc/cpuinfo", METAL, 0 } },
	  "none",
	  0,
	  "Microsoft Corporation",
	  "Surface Pro 7" },
	{ "Xen HVM",
	  { { DMI "sys_vendor", "Xen\n", 0 },
	    { DMI "product_name", "HVM domU\n", 0 },
	    { "sys/hypervisor/type", "xen\n", 0 },
	    { "sys/hypervisor/properties/features", "00000000000026f5\n", 0 },
	    { CLOCKS, "xen tsc hpet \n", 0 } },
	  "xen",
	  1,
	  "Xen",
	  "HVM domU" },
	{ "Xen PV",
	  { { "sys/hypervisor/type", "xen\n", 0 }, { "proc/xen/capabilities", "\n", 0 } },
	  "xen",
	  1,
	  "",
	  "" },
	{ "Xen dom0 by its features",
	  { { DMI "sys_vendor", "Dell Inc.\n", 0 },
	    { "sys/hypervisor/type", "xen\n", 0 },
	    { "sys/hypervisor/properties/features", "0000000000000804\n", 0 },
	    { CLOCKS, "xen tsc \n", 0 } },
	  "none",
	  0,
	  "Dell Inc.",
	  "" },
	{ "Xen dom0 by its capabilities",
	  { { "sys/hypervisor/type", "xen\n", 0 }, { "proc/xen/capabilities", "control_d\n", 0 } },
	  "none",
	  0,
	  "",
	  "" },
	{ "VirtualBox",
	  { { DMI "sys_vendor", "innotek GmbH\n", 0 },
	    { DMI "product_name", "VirtualBox\n", 0 },
	    { DMI "board_vendor", "Oracle Corporation\n", 0 },
	    { CLOCKS, "kvm-clock tsc acpi_pm \n", 0 } },
	  "virtualbox",
	  1,
	  "innotek GmbH",
	  "VirtualBox" },
	{ "Oracle's hardware",
	  { { DMI "sys_vendor", "Oracle Corporation\n", 0 },
	    { DMI "product_name", "ORACLE SERVER X8-2\n", 0 },
	    { "proc/cpuinfo", METAL, 0 } },
	  "none",
	  0,
	  "Oracle Corporation",
	  "ORACLE SERVER X8-2" },
	{ "bhyve",
	  { { DMI "bios_vendor", "BHYVE\n", 0 },
	    { DMI "sys_vendor", "FreeBSD\n", 0 },
	    { DMI "product_name", "BHYVE\n", 0 } },
	  "bhyve",
	  1,
	  "FreeBSD",
	  "BHYVE" },
	{ "Parallels",
	  { { DMI "sys_vendor", "Parallels International GmbH.\n", 0 },
	    { DMI "product_name", "Parallels Virtual Platform\n", 0 } },
	  "parallels",
	  1,
	  "Parallels International GmbH.",
	  "Parallels Virtual Platform" },
	{ "Apple",
	  { { DMI "sys_vendor", "Apple Inc.\n", 0 },
	    { DMI "product_name", "Apple Virtualization Generic Platform\n", 0 } },
	  "apple",
	  1,
	  "Apple Inc.",
	  "Apple Virtualization Generic Platform" },
	{ "Apple's hardware",
	  { { DMI "sys_vendor", "Apple Inc.\n", 0 },
	    { DMI "product_name", "MacBookPro16,1\n", 0 },
	    { "proc/cpuinfo", METAL, 0 } },
	  "none",
	  0,
	  "Apple Inc.",
	  "MacBookPro16,1" },
	{ "Amazon Nitro",
	  { { DMI "sys_vendor", "Amazon EC2\n", 0 },
	    { DMI "product_name", "m5.large\n", 0 },
	    { CLOCKS, "kvm-clock tsc acpi_pm \n", 0 },
	    { "proc/cpuinfo", GUEST, 0 } },
	  "amazon",
	  1,
	  "Amazon EC2",
	  "m5.large" },
	{ "Amazon Graviton",
	  { { DMI "sys_vendor", "Amazon EC2\n", 0 }, { DMI "product_name", "c7g.large\n", 0 } },
	  "amazon",
	  1,
	  "Amazon EC2",
	  "c7g.large" },
	{ "Amazon metal on x86",
	  { { DMI "sys_vendor", "Amazon EC2\n", 0 },
	    { DMI "product_name", "i3.metal\n", 0 },
	    { "proc/cpuinfo", METAL, 0 } },
	  "none",
	  0,
	  "Amazon EC2",
	  "i3.metal" },
	{ "Amazon metal on arm64",
	  { { DMI "sys_vendor", "Amazon EC2\n", 0 }, { DMI "product_name", "c7g.metal\n", 0 } },
	  "none",
	  0,
	  "Amazon EC2",
	  "c7g.metal" },
	{ "Google",
	  { { DMI "sys_vendor", "Google\n", 0 },
	    { DMI "product_name", "Google Compute Engine\n", 0 },
	    { CLOCKS, "kvm-clock tsc acpi_pm \n", 0 } },
	  "google",
	  1,
	  "Google",
	  "Google Compute Engine" },
	{ "a Chromebook",
	  { { DMI "sys_vendor", "Google\n", 0 },
	    { DMI "product_name", "Eve\n", 0 },
	    { "proc/cpuinfo", METAL, 0 } },
	  "none",
	  0,
	  "Google",
	  "Eve" },
	{ "OpenBSD",
	  { { DMI "sys_vendor", "OpenBSD\n", 0 }, { DMI "product_name", "VMM\n", 0 } },
	  "openbsd",
	  1,
	  "OpenBSD",
	  "VMM" },
	{ "hardware without names",
	  { { DMI "sys_vendor", "To Be Filled By O.E.M.\n", 0 },
	    { DMI "product_name", "Default string\n", 0 },
	    { "proc/cpuinfo", METAL, 0 } },
	  "none",
	  0,
	  "",
	  "" },
	{ "device tree, KVM's node",
	  { { DT "compatible", "linux,dummy-virt", 17 },
	    { DT "model", "linux,dummy-virt", 17 },
	    { DT "hypervisor/compatible", "linux,kvm", 10 } },
	  "kvm",
	  1,
	  "",
	  "linux,dummy-virt" },
	{ "device tree, Xen's node",
	  { { DT "compatible", "xen,xenvm-4.16\0xen,xenvm", 25 },
	    { DT "hypervisor/compatible", "xen,xen-4.16\0xen,xen", 21 } },
	  "xen",
	  1,
	  "",
	  "" },
	{ "device tree, a node that nobody knows",
	  { { DT "compatible", "acme,board", 11 },
	    { DT "hypervisor/compatible", "acme,visor", 11 } },
	  "",
	  1,
	  "",
	  "" },
	{ "device tree, QEMU's device",
	  { { DT "compatible", "linux,dummy-virt", 17 },
	    { DT "fw-cfg@9020000/compatible", "qemu,fw-cfg-mmio", 17 } },
	  "qemu",
	  1,
	  "",
	  "" },
	{ "device tree, a machine of software only",
	  { { DT "compatible", "linux,dummy-virt", 17 } },
	  "",
	  1,
	  "",
	  "" },
	{ "device tree, RISC-V on QEMU",
	  { { DT "compatible", "riscv-virtio", 13 },
	    { DT "model", "riscv-virtio,qemu", 18 },
	    { DT "fw-cfg@10100000/compatible", "qemu,fw-cfg-mmio", 17 } },
	  "qemu",
	  1,
	  "",
	  "riscv-virtio,qemu" },
	{ "device tree, a board",
	  { { DT "compatible", "raspberrypi,4-model-b\0brcm,bcm2711", 35 },
	    { DT "model", "Raspberry Pi 4 Model B Rev 1.4", 31 } },
	  "none",
	  0,
	  "",
	  "Raspberry Pi 4 Model B Rev 1.4" },
	{ "PowerPC on KVM",
	  { { DT "compatible", "qemu,pseries", 13 },
	    { DT "hypervisor/compatible", "linux,kvm", 10 } },
	  "kvm",
	  1,
	  "",
	  "" },
	{ "PowerPC on QEMU",
	  { { DT "compatible", "qemu,pseries", 13 },
	    { DT "chosen/qemu,graphic-width", "\0\0\x03\x20", 4 } },
	  "qemu",
	  1,
	  "",
	  "" },
	{ "PowerVM",
	  { { DT "compatible", "IBM,9009-42A", 13 },
	    { DT "ibm,partition-name", "lpar1", 6 },
	    { DT "hmc-managed?", "", 0 } },
	  "powervm",
	  1,
	  "",
	  "" },
	{ "s390 on z/VM",
	  { { "proc/sysinfo",
	      "Manufacturer:         IBM\nLPAR Name:            A1\n"
	      "VM00 Name:            LINUX1\n"
	      "VM00 Control Program: z/VM    6.4.0           \n",
	      0 } },
	  "zvm",
	  1,
	  "",
	  "" },
	{ "s390 on KVM",
	  { { "proc/sysinfo",
	      "Manufacturer:         IBM\n"
	      "VM00 Control Program: KVM/Linux       \n\n",
	      0 } },
	  "kvm",
	  1,
	  "",
	  "" },
	{ "s390 on what nobody knows",
	  { { "proc/sysinfo", "VM00 Control Program: ACME/1\n", 0 } },
	  "",
	  1,
	  "",
	  "" },
	{ "s390 in a partition of its own",
	  { { "proc/sysinfo", "Manufacturer:         IBM\nLPAR Name:            A1\n", 0 } },
	  "none",
	  0,
	  "",
	  "" },
	{ "nothing to be read", { { NULL, NULL, 0 } }, "", UNKNOWN, "", "" },
};

static const struct vmv_virtual_sample *read_row(struct kept *k, const struct vmv_root *root)
{
	struct vmv_err err = { 0 };

	kept_init(k, &vmv_collector_virtual);
	ck_assert_msg(kept_read(k, &vmv_collector_virtual, root, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(k->n, 1);
	return kept_row(k, "");
}

START_TEST(machines_are_told_by_their_files)
{
	const struct vmv_virtual_sample *s;
	struct kept k;

	for (const struct file *f = machines[_i].files; f->path; f++)
		fixture_put_bytes(&fx, f->path, f->text, f->len ? f->len : strlen(f->text));
	s = read_row(&k, &fx.root);
	ck_assert_msg(strcmp(s->hypervisor, machines[_i].hypervisor) == 0, "%s: '%s'",
		      machines[_i].machine, s->hypervisor);
	ck_assert_msg(s->is_guest == machines[_i].is_guest, "%s", machines[_i].machine);
	ck_assert_str_eq(s->vendor, machines[_i].vendor);
	ck_assert_str_eq(s->product, machines[_i].product);
	kept_clear(&k);
}
END_TEST

/* What the processor says, against firmware that says otherwise. */
static const struct {
	const char *cpuid, *second, *sys_vendor, *product;
	const char *expected;
} processors[] = {
	{ "KVMKVMKVM", "", "QEMU", "Standard PC", "kvm" },
	{ "KVMKVMKVM", "", "DigitalOcean", "Droplet", "kvm" },
	{ "KVMKVMKVM", "", "Amazon EC2", "m5.large", "amazon" },
	{ "KVMKVMKVM", "", "Google", "Google Compute Engine", "google" },
	{ "KVMKVMKVM", "", "innotek GmbH", "VirtualBox", "virtualbox" },
	{ "KVMKVMKVM", "", "Parallels Software", "", "parallels" },
	{ "TCGTCGTCGTCG", "", "QEMU", "Standard PC", "qemu" },
	{ "VMwareVMware", "", "VMware, Inc.", "VMware7,1", "vmware" },
	{ "VMwareVMware", "", "Dell Inc.", "PowerEdge", "vmware" },
	{ "Microsoft Hv", "", "Microsoft Corporation", "Virtual Machine", "microsoft" },
	{ "Microsoft Hv", "KVMKVMKVM", "QEMU", "Standard PC", "kvm" },
	{ "Microsoft Hv", "XenVMMXenVMM", "", "", "xen" },
	{ "Microsoft Hv", "XenVMMXenVMM", "Xen", "HVM domU", "xen" },
	{ "Microsoft Hv", "?", "", "", "microsoft" },
	{ "KVMKVMKVM", "XenVMMXenVMM", "", "", "kvm" },
	{ "XenVMMXenVMM", "", "", "", "xen" },
	{ "VBoxVBoxVBox", "", "", "", "virtualbox" },
	{ "bhyve bhyve ", "", "", "", "bhyve" },
	{ " lrpepyh vr", "", "", "", "parallels" },
	{ "ACRNACRNACRN", "", "", "", "acrn" },
	{ "Apple VZ", "", "", "", "apple" },
	{ "OpenBSDVMM58", "", "", "", "openbsd" },
	{ "Jailhouse", "", "", "", "jailhouse" },
	{ "SomethingNew", "", "", "", "" },
	{ "SomethingNew", "", "QEMU", "", "qemu" },
	{ "", "", "", "", "" },
};

START_TEST(the_processor_knows_best_but_for_clouds_and_actors)
{
	struct vmv_hypervisor_hints h = { .cpu_flag = 1 };
	uint64_t is_guest = 7;

	strcpy(h.cpuid, processors[_i].cpuid);
	strcpy(h.cpuid_second, processors[_i].second);
	strcpy(h.sys_vendor, processors[_i].sys_vendor);
	strcpy(h.product_name, processors[_i].product);
	ck_assert_str_eq(vmv_hypervisor_judge(&h, &is_guest), processors[_i].expected);
	ck_assert_uint_eq(is_guest, 1);
}
END_TEST

static const struct {
	const char *text;
	uint64_t expected;
} cpuinfos[] = {
	{ GUEST, 1 },
	{ METAL, 0 },
	{ "flags : hypervisor\n", 1 },
	{ "flags\t\t: fpu hypervisor\nx", 1 },
	{ "flags\t\t: fpu hypervisors xhypervisor\n", 0 },
	{ "flags\t\t:\n", 0 },
	{ "flags\t\t: fpu hyperv", UNKNOWN }, /* cut */
	{ "flags\t\t: fpu hypervisor", UNKNOWN },
	{ "flags\n: hypervisor\n", UNKNOWN },
	{ "vmx flags\t: hypervisor\n", UNKNOWN },
	{ "processor\t: 0\nFeatures\t: fp asimd hypervisor\n", UNKNOWN }, /* arm64 has no such */
	{ "model name\t: flags hypervisor\n", UNKNOWN },
	{ "", UNKNOWN },
	{ "\n\n\n", UNKNOWN },
};

START_TEST(the_flag_is_a_word_of_the_first_processor)
{
	ck_assert_uint_eq(vmv_hypervisor_parse_cpuinfo(cpuinfos[_i].text), cpuinfos[_i].expected);
}
END_TEST

static const struct {
	const char *text, *expected;
} sysinfos[] = {
	{ "", "" },
	{ "VM00 Control Program:\n", "" },
	{ "VM00 Control Program", "" },
	{ "VM00 Control Program: z/VM", "z/VM" },
	{ "a\nVM00 Control Program:   KVM/Linux\nVM01 Control Program: z/VM\n", "KVM/Linux" },
	{ "XVM00 Control Program: z/VM\n", "" },
	{ "VM00 Control Program: 0123456789012345678901234567890123456789\n",
	  "0123456789012345678901234567890" },
};

START_TEST(the_control_program_is_the_first_guest_level_s)
{
	char got[32];

	vmv_hypervisor_parse_sysinfo(sysinfos[_i].text, got, sizeof(got));
	ck_assert_str_eq(got, sysinfos[_i].expected);
}
END_TEST

/* -- balloon ------------------------------------------------------------------------------------
 */

static const struct {
	const char *text;
	uint64_t pages;
} vmstats[] = {
	{ "nr_free_pages 7\nballoon_inflate 300\nballoon_deflate 44\nballoon_migrate 5\n", 256 },
	{ "balloon_inflate 0\nballoon_deflate 0\n", 0 },
	{ "balloon_inflate 5\nballoon_deflate 6\n", 0 }, /* never 1.8e19 */
	{ "nr_balloon_pages 12\nballoon_inflate 300\nballoon_deflate 44\n", 12 },
	{ "balloon_inflate 18446744073709551614\nballoon_deflate 0\n", UINT64_MAX - 1 },
	{ "nr_free_pages 7\n", UNKNOWN },
	{ "balloon_inflate 7\n", UNKNOWN },
	{ "balloon_deflate 7\n", UNKNOWN },
	{ "", UNKNOWN },
};

START_TEST(pages_in_the_balloon)
{
	uint64_t pages = 7;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_virtual_parse_balloon(vmstats[_i].text, &pages, &err), 0);
	ck_assert_uint_eq(pages, vmstats[_i].pages);
	ck_assert_int_eq(err.code, VMV_OK);
}
END_TEST

static const char *const bad_vmstats[] = {
	"balloon_inflate\n balloon_deflate 1\nballoon_inflate x\n",
	"balloon_inflate 1", /* cut */
	"balloon_inflate -1\n",
	"balloon_inflate  1\n",
	"balloon_inflate 1 \n",
	"balloon_inflate 99999999999999999999\n",
	"a 1\nballoon_deflate \n",
	"nr_balloon_pages 1x\n",
};

START_TEST(malformed_counts_fail_and_leave_output_alone)
{
	uint64_t pages = 7;
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_virtual_parse_balloon(bad_vmstats[_i], &pages, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_PARSE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(pages, 7);
}
END_TEST

START_TEST(the_balloon_is_read_each_time_the_machine_once)
{
	const struct vmv_virtual_sample *s;
	struct vmv_err err = { 0 };
	struct kept k;
	void *state = vmv_collector_virtual.open(&fx.root);

	fixture_put(&fx, DMI "sys_vendor", "QEMU\n");
	fixture_put(&fx, "sys/bus/virtio/drivers/virtio_balloon/module", "");
	kept_init(&k, &vmv_collector_virtual);
	ck_assert_int_eq(vmv_collector_virtual.read(state, &fx.root, &k.sink, &err), 0);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->has_balloon, 0);
	ck_assert_uint_eq(s->balloon, VMV_UNSET); /* no vmstat */
	ck_assert_str_eq(s->hypervisor, "qemu");
	kept_clear(&k);

	fixture_put(&fx, DMI "sys_vendor", "VMware, Inc.\n");
	fixture_mkdir(&fx, "sys/bus/virtio/drivers/virtio_balloon/virtio3");
	fixture_put(&fx, "proc/vmstat", "balloon_inflate 3\nballoon_deflate 1\n");
	kept_init(&k, &vmv_collector_virtual);
	ck_assert_int_eq(vmv_collector_virtual.read(state, &fx.root, &k.sink, &err), 0);
	s = kept_row(&k, "");
	ck_assert_uint_eq(s->has_balloon, 1);
	ck_assert_uint_eq(s->balloon, 2 * (uint64_t)sysconf(_SC_PAGESIZE));
	ck_assert_str_eq(s->hypervisor, "qemu");
	kept_clear(&k);

	fixture_put(&fx, "proc/vmstat", "balloon_inflate 3\nballoon_deflate -1\n");
	kept_init(&k, &vmv_collector_virtual);
	ck_assert_int_eq(vmv_collector_virtual.read(state, &fx.root, &k.sink, &err), -EINVAL);
	ck_assert_uint_eq(k.n, 0);
	kept_clear(&k);
	vmv_collector_virtual.close(state);
	vmv_collector_virtual.close(NULL);
}
END_TEST

#define BALLOONS "sys/bus/virtio/drivers/virtio_balloon/"

static uint64_t has_balloon(void *state)
{
	struct kept k;
	uint64_t has;

	kept_init(&k, &vmv_collector_virtual);
	ck_assert_int_eq(vmv_collector_virtual.read(state, &fx.root, &k.sink, NULL), 0);
	has = ((const struct vmv_virtual_sample *)kept_row(&k, ""))->has_balloon;
	kept_clear(&k);
	return has;
}

START_TEST(a_balloon_may_come_and_go)
{
	void *state = vmv_collector_virtual.open(&fx.root);

	ck_assert_uint_eq(has_balloon(state), 0); /* no driver */
	fixture_put(&fx, BALLOONS "bind", "");
	ck_assert_uint_eq(has_balloon(state), 0);
	fixture_mkdir(&fx, BALLOONS "virtio3");
	ck_assert_uint_eq(has_balloon(state), 1);
	ck_assert_uint_eq(has_balloon(state), 1);
	ck_assert_int_eq(unlinkat(fx.root.top, BALLOONS "virtio3", AT_REMOVEDIR), 0);
	ck_assert_uint_eq(has_balloon(state), 0);
	fixture_mkdir(&fx, BALLOONS "virtio10");
	ck_assert_uint_eq(has_balloon(state), 1);
	vmv_collector_virtual.close(state);
}
END_TEST

START_TEST(where_drivers_cannot_be_listed_the_balloon_is_unknown)
{
	void *state = vmv_collector_virtual.open(&fx.root);

	fixture_put(&fx, "sys/bus/virtio/drivers/virtio_balloon", "");
	ck_assert_uint_eq(has_balloon(state), VMV_UNSET);
	vmv_collector_virtual.close(state);
}
END_TEST

START_TEST(a_vmstat_that_cannot_be_read_is_a_failure)
{
	struct vmv_err err = { 0 };
	struct kept k;

	fixture_mkdir(&fx, "proc/vmstat");
	kept_init(&k, &vmv_collector_virtual);
	ck_assert_int_eq(kept_read(&k, &vmv_collector_virtual, &fx.root, &err), -EISDIR);
	ck_assert_int_eq(err.code, VMV_E_IO);
	kept_clear(&k);
}
END_TEST

/* -- containers ---------------------------------------------------------------------------------
 */

static const struct {
	struct file files[3];
	const char *expected;
} containers[] = {
	{ { { NULL, NULL, 0 } }, "" },
	{ { { "run/systemd/container", "lxc\n", 0 } }, "lxc" },
	{ { { "run/host/container-manager", "systemd-nspawn\n", 0 },
	    { "run/systemd/container", "lxc\n", 0 } },
	  "systemd-nspawn" },
	{ { { ".dockerenv", "", 0 } }, "docker" },
	{ { { "run/.containerenv", "engine=\"podman-4.3.1\"\n", 0 } }, "podman" },
	{ { { ".dockerenv", "", 0 }, { "run/systemd/container", "oci\n", 0 } }, "oci" },
};

START_TEST(containers_are_told_by_what_their_managers_leave)
{
	struct kept k;

	for (const struct file *f = containers[_i].files; f->path; f++)
		fixture_put(&fx, f->path, f->text);
	ck_assert_str_eq(read_row(&k, &fx.root)->container, containers[_i].expected);
	kept_clear(&k);
}
END_TEST

static const struct {
	const char *text, *expected;
} words[] = {
	{ "lxc", "lxc" },
	{ "", "other" },
	{ "two words", "other" },
	{ "x\n", "other" },
	{ "\xff", "other" },
	{ "0123456789012345678901234567890", "0123456789012345678901234567890" },
	{ "01234567890123456789012345678901", "other" }, /* no room for its end */
};

START_TEST(a_manager_without_a_proper_name_is_another)
{
	char got[32];

	vmv_virtual_container_name(words[_i].text, got, sizeof(got));
	ck_assert_str_eq(got, words[_i].expected);
}
END_TEST

/* -- here ---------------------------------------------------------------------------------------
 */

static bool is_there(const struct vmv_root *root, const char *path)
{
	return faccessat(root->top, path, F_OK, 0) == 0;
}

START_TEST(the_machine_we_run_on_is_understood)
{
	const struct vmv_virtual_sample *s;
	struct vmv_root root;
	struct kept k;
	char text[32768];

	ck_assert_int_eq(vmv_root_open(&root, "/", NULL), 0);
	s = read_row(&k, &root);
#if defined(__x86_64__) || defined(__i386__)
	/* what the processor said when it was asked must be what the kernel saw */
	ck_assert_int_gt(vmv_read_attr_at(root.proc, "cpuinfo", text, sizeof(text)), 0);
	if (vmv_hypervisor_parse_cpuinfo(text) == 1)
		ck_assert_uint_eq(s->is_guest, 1);
#else
	SAY_SKIPPED("no processor that tells of its hypervisor");
#endif
	ck_assert(s->is_guest == 0 || s->is_guest == 1 || s->is_guest == VMV_UNSET);
	ck_assert((s->is_guest == 0) == (strcmp(s->hypervisor, "none") == 0));
	ck_assert(s->has_balloon <= 1);
	if (is_there(&root, ".dockerenv"))
		ck_assert_str_ne(s->container, "");
	if (vmv_read_at(root.proc, "vmstat", text, sizeof(text)) > 0 &&
	    strstr(text, "\nballoon_deflate "))
		ck_assert(s->balloon != VMV_UNSET && s->balloon < UINT64_C(1) << 60);
	else
		SAY_SKIPPED("a kernel without balloon counters");
	kept_clear(&k);
	vmv_root_close(&root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("virtual");
	TCase *tc = tcase_create("virtual");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_loop_test(tc, machines_are_told_by_their_files, 0, (int)VMV_COUNTOF(machines));
	tcase_add_loop_test(tc, the_processor_knows_best_but_for_clouds_and_actors, 0,
			    (int)VMV_COUNTOF(processors));
	tcase_add_loop_test(tc, the_flag_is_a_word_of_the_first_processor, 0,
			    (int)VMV_COUNTOF(cpuinfos));
	tcase_add_loop_test(tc, the_control_program_is_the_first_guest_level_s, 0,
			    (int)VMV_COUNTOF(sysinfos));
	tcase_add_loop_test(tc, pages_in_the_balloon, 0, (int)VMV_COUNTOF(vmstats));
	tcase_add_loop_test(tc, malformed_counts_fail_and_leave_output_alone, 0,
			    (int)VMV_COUNTOF(bad_vmstats));
	tcase_add_test(tc, the_balloon_is_read_each_time_the_machine_once);
	tcase_add_test(tc, a_balloon_may_come_and_go);
	tcase_add_test(tc, where_drivers_cannot_be_listed_the_balloon_is_unknown);
	tcase_add_test(tc, a_vmstat_that_cannot_be_read_is_a_failure);
	tcase_add_loop_test(tc, containers_are_told_by_what_their_managers_leave, 0,
			    (int)VMV_COUNTOF(containers));
	tcase_add_loop_test(tc, a_manager_without_a_proper_name_is_another, 0,
			    (int)VMV_COUNTOF(words));
	tcase_add_test(tc, the_machine_we_run_on_is_understood);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
