#include "collectors/hypervisor.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

/* How a firmware's strings begin; NULL matches all. vendor is any of them, product the product's.
 */
struct dmi_row {
	const char *vendor, *product;
	const char *name;
};

/* Before what the processor says, which is KVM or Xen; the same words stand on hardware, too. */
static const struct dmi_row clouds[] = {
	{ "Amazon EC2", NULL, "amazon" },
	{ "Google", "Google Compute Engine", "google" },
};

/* Before what the processor says, where these play another. */
static const struct dmi_row actors[] = {
	{ "innotek GmbH", NULL, "virtualbox" },
	{ NULL, "VirtualBox", "virtualbox" },
	{ "Xen", NULL, "xen" },
	{ "Parallels", NULL, "parallels" },
};

static const struct dmi_row others[] = {
	{ NULL, "KVM", "kvm" },
	{ NULL, "OpenStack", "kvm" },
	{ NULL, "RHEV Hypervisor", "kvm" },
	{ "oVirt", NULL, "kvm" },
	{ "KubeVirt", NULL, "kvm" },
	{ "Nutanix", "AHV", "kvm" },
	{ "Cloud Hypervisor", NULL, "kvm" },
	{ "VMware", NULL, "vmware" },
	{ NULL, "VMware", "vmware" },
	{ "Microsoft Corporation", "Virtual Machine", "microsoft" },
	{ NULL, "BHYVE", "bhyve" },
	{ "BHYVE", NULL, "bhyve" },
	{ NULL, "Apple Virtualization", "apple" },
	{ "OpenBSD", "VMM", "openbsd" },
	{ "QEMU", NULL, "qemu" }, /* near the end: clouds name themselves, and leave its chassis */
	{ "Bochs", NULL, "bochs" },
};

struct name_row {
	const char *text, *name;
};

static const struct name_row cpuid_rows[] = {
	{ "KVMKVMKVM", "kvm" },		  { "Linux KVM Hv", "kvm" },
	{ "TCGTCGTCGTCG", "qemu" },	  { "VMwareVMware", "vmware" },
	{ "Microsoft Hv", "microsoft" },  { "XenVMMXenVMM", "xen" },
	{ "VBoxVBoxVBox", "virtualbox" }, { "bhyve bhyve ", "bhyve" },
	{ " lrpepyh vr", "parallels" },	  { " prl hyperv ", "parallels" },
	{ "prl hyperv  ", "parallels" },  { "ACRNACRNACRN", "acrn" },
	{ "Apple VZ", "apple" },	  { "OpenBSDVMM58", "openbsd" },
	{ "Jailhouse", "jailhouse" },	  { "QNXQVMBSQG", "qnx" },
	{ "SRESRESRESRE", "sre" },	  { "___ NVMM ___", "nvmm" },
};

/* Parts of names that only a guest's kernel offers. */
static const struct name_row clocksource_rows[] = {
	{ "kvm-clock", "kvm" },
	{ "hyperv_clocksource", "microsoft" },
	{ "xen", "xen" },
};

static const struct name_row device_tree_rows[] = {
	{ "linux,kvm", "kvm" },
	{ "xen,xen", "xen" },
	{ "vmware", "vmware" },
};

/* Machines that exist in software only. */
static const struct name_row machine_rows[] = {
	{ "qemu,pseries", "qemu" },
	{ "linux,dummy-virt", "" }, /* QEMU, crosvm, kvmtool and others */
	{ "riscv-virtio", "" },
};

static const struct name_row program_rows[] = {
	{ "z/VM", "zvm" },
	{ "KVM", "kvm" },
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool matches(const struct dmi_row *row, const struct vmv_hypervisor_hints *h)
{
	const char *const vendors[] = { h->sys_vendor, h->board_vendor, h->bios_vendor,
					h->chassis_vendor };

	if (row->product && !begins(h->product_name, row->product))
		return false;
	if (!row->vendor)
		return true;
	for (size_t i = 0; i < VMV_COUNTOF(vendors); i++)
		if (begins(vendors[i], row->vendor))
			return true;
	return false;
}

/* The first row that matches; NULL when there is none. */
static const char *find_dmi(const struct dmi_row *rows, size_t n,
			    const struct vmv_hypervisor_hints *h)
{
	for (size_t i = 0; i < n; i++)
		if (matches(&rows[i], h))
			return rows[i].name;
	return NULL;
}

#define FIND_DMI(rows, h) find_dmi((rows), VMV_COUNTOF(rows), (h))

/* "c7g.metal" is an instance type without a hypervisor; elsewhere the processor says so. */
static bool is_metal(const struct vmv_hypervisor_hints *h)
{
	return h->cpu_flag == 0 || strstr(h->product_name, ".metal");
}

static const char *by_name(const struct vmv_hypervisor_hints *h)
{
	const char *cloud = is_metal(h) ? NULL : FIND_DMI(clouds, h);

	return cloud ? cloud : FIND_DMI(actors, h);
}

/* The first row that text contains; NULL when there is none. */
static const char *find(const struct name_row *rows, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(text, rows[i].text))
			return rows[i].name;
	return NULL;
}

#define FIND(rows, text) find((rows), VMV_COUNTOF(rows), (text))

static const char *by_cpuid(const struct vmv_hypervisor_hints *h)
{
	const char *second = FIND(cpuid_rows, h->cpuid_second);
	const char *name = FIND(cpuid_rows, h->cpuid);

	return name && second && strcmp(name, "microsoft") == 0 ? second : name;
}

/* Xen's word is its name; no other hypervisor has this file. */
static const char *by_type(const struct vmv_hypervisor_hints *h)
{
	return strcmp(h->xen_type, "xen") == 0 ? "xen" : NULL;
}

/* QEMU's firmware does not say whether KVM runs what it has set up; a clock of KVM does. */
static const char *by_firmware(const struct vmv_hypervisor_hints *h)
{
	const char *dmi = FIND_DMI(others, h);
	const char *clock = FIND(clocksource_rows, h->clocksources);

	return dmi && clock && strcmp(dmi, "qemu") == 0 ? clock : dmi ? dmi : clock;
}

static const char *by_device_tree(const struct vmv_hypervisor_hints *h)
{
	const char *name = FIND(device_tree_rows, h->dt_hypervisor);

	if (!name)
		name = FIND(machine_rows, h->dt_compatible);
	if (h->has_fw_cfg && (!name || !*name))
		return "qemu";
	if (name)
		return name;
	if (h->is_lpar)
		return "powervm";
	return h->dt_hypervisor[0] ? "" : NULL;
}

static const char *by_control_program(const struct vmv_hypervisor_hints *h)
{
	const char *name = FIND(program_rows, h->control_program);

	return name ? name : h->control_program[0] ? "" : NULL;
}

/* A processor that would say otherwise, a board's own device tree, a partition of an s390, what is
 * rented as metal. DMI alone proves nothing: clouds put names there that nobody knows. */
static bool is_hardware(const struct vmv_hypervisor_hints *h)
{
	return h->cpu_flag == 0 || h->dt_compatible[0] || h->has_sysinfo ||
	       (is_metal(h) && FIND_DMI(clouds, h));
}

const char *vmv_hypervisor_judge(const struct vmv_hypervisor_hints *h, uint64_t *ret_is_guest)
{
	const char *name = NULL;

	*ret_is_guest = 0;
	if (h->is_dom0)
		return "none";
	name = by_name(h);
	name = name ? name : by_type(h);
	name = name ? name : by_cpuid(h);
	name = name ? name : by_firmware(h);
	name = name ? name : by_device_tree(h);
	name = name ? name : by_control_program(h);
	if (!name && h->cpu_flag != 1 && is_hardware(h))
		return "none";
	*ret_is_guest = name || h->cpu_flag == 1 ? 1 : VMV_UNSET;
	return name ? name : "";
}

/* The line's value, or NULL: "flags		: fpu vme". */
static const char *value_of(const char *line, const char *key)
{
	const char *p = line + strlen(key);

	if (!begins(line, key))
		return NULL;
	p += strspn(p, " \t");
	return *p == ':' ? p + 1 + strspn(p + 1, " \t") : NULL;
}

static bool has_word(const char *line, size_t len, const char *word)
{
	size_t n;

	for (const char *p = line; p < line + len; p += n + (p[n] == ' ')) {
		n = strcspn(p, " \n");
		if (n == strlen(word) && memcmp(p, word, n) == 0)
			return true;
	}
	return false;
}

uint64_t vmv_hypervisor_parse_cpuinfo(const char *text)
{
	for (const char *line = text, *nl; (nl = strchr(line, '\n')); line = nl + 1) {
		const char *flags = value_of(line, "flags");

		if (flags && flags <= nl)
			return has_word(flags, (size_t)(nl - flags), "hypervisor");
	}
	return VMV_UNSET;
}

void vmv_hypervisor_parse_sysinfo(const char *text, char *ret, size_t cap)
{
	ret[0] = '\0';
	for (const char *line = text;; line++) {
		size_t len = strcspn(line, "\n");
		const char *value = value_of(line, "VM00 Control Program");

		if (value && value <= line + len) {
			(void)snprintf(ret, cap, "%.*s", (int)(line + len - value), value);
			return;
		}
		line += len;
		if (*line == '\0')
			return;
	}
}
