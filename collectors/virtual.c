#include "collectors/virtual.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define HAS_CPUID 1
#else
#define HAS_CPUID 0
#endif

#define VMSTAT_MAX   (64 * VMV_KIB) /* bytes; 6.x kernels print under 6 KiB */
#define CPUINFO_HEAD 16384	    /* bytes; holds the first processor's record */
#define SYSINFO_MAX  16384
#define DEVICE_TREE  "firmware/devicetree/base/"
#define BALLOONS     "bus/virtio/drivers/virtio_balloon"
#define XEN_DOM0_BIT 11 /* of /sys/hypervisor/properties/features: XENFEAT_dom0 */

#define S struct vmv_virtual_sample

static const struct vmv_field fields[] = {
	VMV_FIELD(S, is_guest, "vmvitals_virtual_is_guest", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "cpuid, /sys/class/dmi/id, /sys/hypervisor, /proc/device-tree, /proc/sysinfo",
		  "1 in a virtual machine, 0 on hardware."),
	VMV_FIELD(S, has_balloon, "vmvitals_virtual_balloon_present", NULL, VMV_GAUGE,
		  VMV_UNIT_NONE, 0, "/sys/" BALLOONS,
		  "1 when the host can take memory back through a virtio balloon, else 0."),
	VMV_FIELD(S, balloon, "vmvitals_virtual_balloon_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES, 0,
		  "/proc/vmstat nr_balloon_pages, else balloon_inflate - balloon_deflate",
		  "Memory that the host has taken back through the balloon."),
	VMV_FIELD(S, hypervisor, "hypervisor", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "cpuid, /sys/class/dmi/id, /sys/hypervisor, /proc/device-tree, /proc/sysinfo",
		  "What runs this virtual machine, or none."),
	VMV_FIELD(S, container, "container", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/run/host/container-manager, /run/systemd/container",
		  "What runs this container, when the agent is in one."),
	VMV_FIELD(S, vendor, "vendor", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/sys/class/dmi/id/sys_vendor", "Who made the machine."),
	VMV_FIELD(S, product, "product", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "/sys/class/dmi/id/product_name, /proc/device-tree/model",
		  "Which machine it is."),
};

#undef S

/* -- balloon ------------------------------------------------------------------------------------
 */

struct balloon_counts {
	uint64_t now, inflated, deflated;
};

/* "balloon_inflate 12": the member a line is for, or NULL; *ret_number is behind the key. */
static uint64_t *count_for(struct balloon_counts *c, const char *line, const char **ret_number)
{
	const struct {
		const char *key;
		uint64_t *member;
	} rows[] = {
		{ "nr_balloon_pages ", &c->now },
		{ "balloon_inflate ", &c->inflated },
		{ "balloon_deflate ", &c->deflated },
	};

	for (size_t i = 0; i < VMV_COUNTOF(rows); i++) {
		size_t len = strlen(rows[i].key);

		if (strncmp(line, rows[i].key, len) == 0) {
			*ret_number = line + len;
			return rows[i].member;
		}
	}
	return NULL;
}

int vmv_virtual_parse_balloon(const char *vmstat, uint64_t *ret_pages, struct vmv_err *err)
{
	struct balloon_counts c = { VMV_UNSET, VMV_UNSET, VMV_UNSET };

	for (const char *line = vmstat; *line; line += *line == '\n') {
		const char *number, *end;
		uint64_t *member = count_for(&c, line, &number);

		if (member && (vmv_parse_u64(number, member, &end) < 0 || *end != '\n'))
			return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/vmstat: bad balloon line");
		line += strcspn(line, "\n");
	}
	if (c.now != VMV_UNSET)
		*ret_pages = c.now;
	else if (c.inflated == VMV_UNSET || c.deflated == VMV_UNSET)
		*ret_pages = VMV_UNSET;
	else /* summed up over processors while pages move: not of one moment */
		*ret_pages = c.inflated > c.deflated ? c.inflated - c.deflated : 0;
	return 0;
}

static bool exists(int dirfd, const char *path)
{
	return faccessat(dirfd, path, F_OK, 0) == 0;
}

/* Entries are links to devices, beside "bind", "module" and the like. path, kept between calls, is
 * that of the device found last, or "": asking for one file is cheaper than listing a directory. */
static uint64_t find_balloon(const struct vmv_root *root, char *path, size_t cap)
{
	vmv_autoclosedir DIR *d = NULL;
	const struct dirent *e;
	int fd;

	if (path[0] && exists(root->sys, path))
		return 1;
	path[0] = '\0';
	fd = openat(root->sys, BALLOONS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : VMV_UNSET;
	d = fdopendir(fd);
	if (!d) {
		vmv_closep(&fd);
		return VMV_UNSET;
	}
	while ((e = readdir(d)))
		if (strncmp(e->d_name, "virtio", 6) == 0 &&
		    snprintf(path, cap, BALLOONS "/%s", e->d_name) < (int)cap)
			return 1;
	path[0] = '\0';
	return 0;
}

/* -- what the machine shows of itself ------------------------------------------------------------
 */

static void read_attr(int dirfd, const char *path, char *ret, size_t cap)
{
	if (vmv_read_attr_at(dirfd, path, ret, cap) < 0)
		ret[0] = '\0';
}

static void read_dmi(const struct vmv_root *root, struct vmv_hypervisor_hints *h)
{
	read_attr(root->sys, "class/dmi/id/sys_vendor", h->sys_vendor, sizeof(h->sys_vendor));
	read_attr(root->sys, "class/dmi/id/product_name", h->product_name, sizeof(h->product_name));
	read_attr(root->sys, "class/dmi/id/board_vendor", h->board_vendor, sizeof(h->board_vendor));
	read_attr(root->sys, "class/dmi/id/bios_vendor", h->bios_vendor, sizeof(h->bios_vendor));
	read_attr(root->sys, "class/dmi/id/chassis_vendor", h->chassis_vendor,
		  sizeof(h->chassis_vendor));
}

static void read_xen(const struct vmv_root *root, struct vmv_hypervisor_hints *h)
{
	char text[64];
	const char *end;
	uint64_t features;

	read_attr(root->sys, "hypervisor/type", h->xen_type, sizeof(h->xen_type));
	if (strcmp(h->xen_type, "xen") != 0)
		return;
	read_attr(root->sys, "hypervisor/properties/features", text, sizeof(text));
	if (vmv_parse_hex(text, &features, &end) == 0 && *end == '\0') {
		h->is_dom0 = (features >> XEN_DOM0_BIT) & 1;
		return;
	}
	read_attr(root->proc, "xen/capabilities", text, sizeof(text));
	h->is_dom0 = strstr(text, "control_d") != NULL;
}

/* Lists in a device tree are strings with a NUL after each. */
static void read_names(int dirfd, const char *path, char *ret, size_t cap)
{
	int len = vmv_read_attr_at(dirfd, path, ret, cap);

	for (int i = 0; i + 1 < len; i++)
		if (ret[i] == '\0')
			ret[i] = '\n';
	if (len < 0)
		ret[0] = '\0';
}

/* Its name ends with an address: "fw-cfg@9020000". */
static bool has_fw_cfg(const struct vmv_root *root)
{
	vmv_autoclose int fd = openat(root->sys, DEVICE_TREE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return false;
	fd = -1; /* owned by d now */
	while ((e = readdir(d)))
		if (strncmp(e->d_name, "fw-cfg", 6) == 0)
			return true;
	return false;
}

/* Where /proc/device-tree leads to: that link is absolute, and would leave a recorded tree. */
static void read_device_tree(const struct vmv_root *root, struct vmv_hypervisor_hints *h)
{
	if (!exists(root->sys, DEVICE_TREE))
		return;
	read_names(root->sys, DEVICE_TREE "compatible", h->dt_compatible, sizeof(h->dt_compatible));
	read_names(root->sys, DEVICE_TREE "hypervisor/compatible", h->dt_hypervisor,
		   sizeof(h->dt_hypervisor));
	h->has_fw_cfg = has_fw_cfg(root);
	h->is_lpar = exists(root->sys, DEVICE_TREE "ibm,partition-name") &&
		     exists(root->sys, DEVICE_TREE "hmc-managed?") &&
		     !exists(root->sys, DEVICE_TREE "chosen/qemu,graphic-width");
}

static void read_sysinfo(const struct vmv_root *root, struct vmv_hypervisor_hints *h)
{
	char text[SYSINFO_MAX];

	if (vmv_read_at(root->proc, "sysinfo", text, sizeof(text)) < 0)
		return;
	h->has_sysinfo = true;
	vmv_hypervisor_parse_sysinfo(text, h->control_program, sizeof(h->control_program));
}

#if HAS_CPUID
static void ask_leaf(unsigned leaf, char ret[static 13])
{
	unsigned eax, registers[3];

	__cpuid(leaf, eax, registers[0], registers[1], registers[2]);
	(void)eax;
	memcpy(ret, registers, sizeof(registers));
	ret[12] = '\0';
}

static bool ask_processor(struct vmv_hypervisor_hints *h)
{
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		return false;
	h->cpu_flag = (ecx >> 31) & 1;
	if (h->cpu_flag == 1) { /* else these leaves hold anything */
		ask_leaf(0x40000000, h->cpuid);
		ask_leaf(0x40000100, h->cpuid_second);
	}
	return true;
}
#else
static bool ask_processor(struct vmv_hypervisor_hints *h)
{
	(void)h;
	return false;
}
#endif

/* The file is read only where the processor cannot be asked: before Linux 5.18 opening it makes
 * every processor of an x86 report its frequency. */
static void read_processor(const struct vmv_root *root, struct vmv_hypervisor_hints *h)
{
	char text[CPUINFO_HEAD];

	if ((root->is_live && ask_processor(h)) ||
	    vmv_read_attr_at(root->proc, "cpuinfo", text, sizeof(text)) < 0)
		return;
	h->cpu_flag = vmv_hypervisor_parse_cpuinfo(text);
}

/* -- containers ---------------------------------------------------------------------------------
 */

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

void vmv_virtual_container_name(const char *text, char *ret, size_t cap)
{
	size_t len = strspn(text, WORD);

	if (len == 0 || len >= cap || text[len] != '\0')
		(void)snprintf(ret, cap, "other");
	else
		memcpy(ret, text, len + 1);
}

static void read_container(const struct vmv_root *root, char *ret, size_t cap)
{
	static const char *const files[] = { "run/host/container-manager",
					     "run/systemd/container" };
	static const struct {
		const char *path, *name;
	} marks[] = { { ".dockerenv", "docker" }, { "run/.containerenv", "podman" } };
	char text[64];

	ret[0] = '\0';
	for (size_t i = 0; i < VMV_COUNTOF(files); i++) {
		if (vmv_read_attr_at(root->top, files[i], text, sizeof(text)) < 0)
			continue;
		vmv_virtual_container_name(text, ret, cap);
		return;
	}
	for (size_t i = 0; i < VMV_COUNTOF(marks); i++) {
		if (!exists(root->top, marks[i].path))
			continue;
		(void)snprintf(ret, cap, "%s", marks[i].name);
		return;
	}
}

/* -- reading ------------------------------------------------------------------------------------
 */

/* What firmware says that was never told. */
static void put_text(char *ret, size_t cap, const char *text)
{
	static const char *const fillers[] = { "None",
					       "Not Specified",
					       "Not Available",
					       "To be filled by O.E.M.",
					       "To Be Filled By O.E.M.",
					       "Default string",
					       "System manufacturer",
					       "System Product Name" };

	for (size_t i = 0; i < VMV_COUNTOF(fillers); i++)
		if (strcmp(text, fillers[i]) == 0)
			text = "";
	(void)snprintf(ret, cap, "%s", text);
}

static void read_machine(const struct vmv_root *root, struct vmv_virtual_sample *ret)
{
	struct vmv_hypervisor_hints h = { .cpu_flag = VMV_UNSET };

	read_dmi(root, &h);
	read_xen(root, &h);
	read_processor(root, &h);
	read_attr(root->sys, "devices/system/clocksource/clocksource0/available_clocksource",
		  h.clocksources, sizeof(h.clocksources));
	read_device_tree(root, &h);
	read_sysinfo(root, &h);
	(void)snprintf(ret->hypervisor, sizeof(ret->hypervisor), "%s",
		       vmv_hypervisor_judge(&h, &ret->is_guest));
	put_text(ret->vendor, sizeof(ret->vendor), h.sys_vendor);
	put_text(ret->product, sizeof(ret->product), h.product_name);
	if (!ret->product[0])
		read_attr(root->sys, DEVICE_TREE "model", ret->product, sizeof(ret->product));
	read_container(root, ret->container, sizeof(ret->container));
}

struct virtual_state {
	bool is_read; /* what does not change is in machine */
	struct vmv_virtual_sample machine;
	char balloon[sizeof(BALLOONS) + 32]; /* for find_balloon */
	char *text;			     /* /proc/vmstat; grows */
	size_t cap;
};

static void virtual_close(void *state)
{
	struct virtual_state *v = state;

	if (v)
		free(v->text);
	free(v);
}

static void *virtual_open(const struct vmv_root *root)
{
	(void)root;
	return calloc(1, sizeof(struct virtual_state));
}

static int read_balloon(struct virtual_state *v, const struct vmv_root *root, uint64_t *ret_bytes,
			struct vmv_err *err)
{
	uint64_t pages;
	int r = vmv_read_table_at(root->proc, "vmstat", &v->text, &v->cap, VMSTAT_MAX);

	*ret_bytes = VMV_UNSET;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/vmstat: %s", strerror(-r));
	r = vmv_virtual_parse_balloon(v->text, &pages, err);
	if (r == 0)
		*ret_bytes = vmv_mul_sat(pages, (uint64_t)sysconf(_SC_PAGESIZE));
	return r;
}

static int virtual_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			struct vmv_err *err)
{
	struct virtual_state *v = state;
	struct vmv_virtual_sample s;
	int r;

	if (!v->is_read)
		read_machine(root, &v->machine);
	v->is_read = true;
	s = v->machine;
	s.has_balloon = find_balloon(root, v->balloon, sizeof(v->balloon));
	r = read_balloon(v, root, &s.balloon, err);
	return r < 0 ? r : sink->row(sink, "", &s);
}

const struct vmv_collector vmv_collector_virtual = {
	.name = "virtual",
	.help = "What the guest runs on, and the memory that its host has taken back.",
	.file = "/sys/class/dmi/id, /proc/vmstat",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_virtual_sample),
	.min_period_ms = 5000,
	.is_default = true,
	.open = virtual_open,
	.close = virtual_close,
	.read = virtual_read,
};
