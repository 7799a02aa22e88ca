#include "collectors/blockdev.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UDEV_MAX (64 * VMV_KIB)

/* What the components of a path under /sys/devices tell, outermost first:
 * "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda". */
struct place {
	int pci[4];
	size_t pci_end; /* of the controller's path; 0: none */
	uint64_t ata, host;
	bool has_ata, has_host, has_virtio, has_nvme, has_usb, has_mmc, has_xen, has_iscsi, has_sas;
	bool has_floppy;
	uint64_t scsi[4]; /* host, channel, target, unit */
	bool has_scsi;
	int ccw[2][3]; /* of the subchannel, of its device: cssid, ssid, number */
	bool has_css;
	size_t n_ccw;
};

/* Hexadecimal digits, as many as there are up to most, and what stands behind them (0: the end). */
static bool take_hex(const char **at, const char *end, size_t most, char behind, int *ret)
{
	char digits[9] = "";
	const char *stop;
	uint64_t v;
	size_t len = 0;

	while (*at + len < end && len < most && (*at)[len] != behind)
		len++;
	memcpy(digits, *at, len);
	if (vmv_parse_hex(digits, &v, &stop) < 0 || *stop || v > INT32_MAX)
		return false;
	*at += len;
	if (behind && (*at == end || *(*at)++ != behind))
		return false;
	*ret = (int)v;
	return behind || *at == end;
}

bool vmv_pci_parse(const char *s, size_t len, int ret[static 4])
{
	const char *end = s + len;
	int v[4];

	if (!take_hex(&s, end, 8, ':', &v[0]) || !take_hex(&s, end, 2, ':', &v[1]) ||
	    !take_hex(&s, end, 2, '.', &v[2]) || !take_hex(&s, end, 1, '\0', &v[3]))
		return false;
	memcpy(ret, v, sizeof(v));
	return true;
}

/* "0.0.0001" */
static bool take_ccw(const char *s, size_t len, int ret[static 3])
{
	const char *end = s + len;

	return take_hex(&s, end, 2, '.', &ret[0]) && take_hex(&s, end, 1, '.', &ret[1]) &&
	       take_hex(&s, end, 4, '\0', &ret[2]);
}

/* A component that is a word and a number: "ata1". */
static bool is_kind(const char *s, size_t len, const char *word, uint64_t *ret)
{
	size_t n = strlen(word);
	const char *end;

	return len > n && memcmp(s, word, n) == 0 && vmv_parse_u64(s + n, ret, &end) == 0 &&
	       end == s + len;
}

/* "0:0:1:2" */
static bool take_scsi(const char *s, size_t len, uint64_t ret[static 4])
{
	const char *end = s + len;
	uint64_t v[4];

	for (size_t i = 0; i < 4; i++)
		if (vmv_parse_u64(s, &v[i], &s) < 0 || v[i] > UINT32_MAX || (i < 3 && *s++ != ':'))
			return false;
	if (s != end)
		return false;
	memcpy(ret, v, sizeof(v));
	return true;
}

static bool begins(const char *s, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(s, word, strlen(word)) == 0;
}

static void take_component(struct place *p, const char *path, const char *s, size_t len)
{
	uint64_t number;

	if (vmv_pci_parse(s, len, p->pci))
		p->pci_end = (size_t)(s - path) + len;
	else if (is_kind(s, len, "ata", &p->ata))
		p->has_ata = true;
	else if (is_kind(s, len, "host", &p->host))
		p->has_host = true;
	else if (is_kind(s, len, "virtio", &number))
		p->has_virtio = true;
	else if (is_kind(s, len, "nvme", &number) || is_kind(s, len, "nvme-subsys", &number))
		p->has_nvme = true;
	else if (is_kind(s, len, "usb", &number))
		p->has_usb = true;
	else if (is_kind(s, len, "mmc", &number))
		p->has_mmc = true;
	else if (is_kind(s, len, "vbd-", &number))
		p->has_xen = true;
	else if (is_kind(s, len, "session", &number))
		p->has_iscsi = true;
	else if (begins(s, len, "end_device-"))
		p->has_sas = true;
	else if (begins(s, len, "floppy."))
		p->has_floppy = true;
	else if (begins(s, len, "css"))
		p->has_css = true;
	else if (p->has_css && p->n_ccw < 2 && take_ccw(s, len, p->ccw[p->n_ccw]))
		p->n_ccw++;
	else if (take_scsi(s, len, p->scsi))
		p->has_scsi = true;
}

static void take_path(const char *path, struct place *ret)
{
	*ret = (struct place){ .pci = { -1, -1, -1, -1 } };
	for (const char *s = path; *s;) {
		size_t len = strcspn(s, "/");

		take_component(ret, path, s, len);
		s += len + (s[len] == '/');
	}
}

/* The driver's name of the controller; "" unknown. */
static void driver_of(const struct vmv_root *root, const char *path, size_t len, char *ret,
		      size_t cap)
{
	char link[VMV_BLOCKDEV_PATH + sizeof("/driver")], target[256];
	const char *slash;
	ssize_t n;

	ret[0] = '\0';
	(void)snprintf(link, sizeof(link), "%.*s/driver", (int)len, path);
	n = readlinkat(root->sys, link, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	slash = strrchr(target, '/');
	(void)snprintf(ret, cap, "%.*s", (int)cap - 1, slash ? slash + 1 : target);
}

/* How many links of its kind a controller has before this one: they are numbered through over all
 * controllers of the machine. */
static uint32_t count_before(const struct vmv_root *root, const char *path, size_t len,
			     const char *kind, uint64_t number)
{
	char dir[VMV_BLOCKDEV_PATH];
	vmv_autoclose int fd = -1;
	vmv_autoclosedir DIR *d = NULL;
	const struct dirent *e;
	uint32_t n = 0;
	uint64_t other;

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)len, path);
	fd = openat(root->sys, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return 0;
	fd = -1; /* owned by d now */
	while ((e = readdir(d)))
		if (is_kind(e->d_name, strlen(e->d_name), kind, &other) && other < number)
			n++;
	return n;
}

/* A port of AHCI is a unit; of IDE a channel is a bus, with two units. */
static void set_ata(const struct vmv_root *root, const char *path, const struct place *p,
		    const char *driver, struct vmv_disk_address *ret)
{
	uint32_t n = p->has_ata ? count_before(root, path, p->pci_end, "ata", p->ata)
				: count_before(root, path, p->pci_end, "host", p->host);

	if (strcmp(driver, "ahci") == 0 || begins(driver, strlen(driver), "sata_")) {
		ret->bus_type = "sata";
		ret->unit = n;
	} else {
		ret->bus_type = "ide";
		ret->bus = n;
		ret->unit = (uint32_t)p->scsi[2];
	}
}

/* On virtio, and where there is no PCI, the address is as in the guest. The emulated adapters have
 * no other numbers than that of the target, which hosts call the unit. */
static void set_scsi(const struct place *p, struct vmv_disk_address *ret)
{
	ret->bus_type = p->has_iscsi ? "iscsi" : p->has_sas ? "sas" : "scsi";
	if (!p->has_scsi)
		return;
	if (p->has_virtio || p->pci_end == 0) {
		ret->bus = (uint32_t)p->scsi[1];
		ret->target = (uint32_t)p->scsi[2];
		ret->unit = (uint32_t)p->scsi[3];
	} else {
		ret->unit = (uint32_t)p->scsi[2];
	}
}

static void set_ccw(const struct place *p, struct vmv_disk_address *ret)
{
	if (p->n_ccw < 2)
		return;
	ret->has_ccw = true;
	ret->cssid = p->ccw[0][0];
	ret->ssid = p->ccw[0][1];
	ret->subchno = p->ccw[0][2];
	ret->devno = p->ccw[1][2];
}

static void set_place(const struct vmv_root *root, const char *path, struct vmv_disk_address *ret)
{
	char driver[64];
	struct place p;

	take_path(path, &p);
	ret->domain = p.pci[0];
	ret->pci_bus = p.pci[1];
	ret->slot = p.pci[2];
	ret->function = p.pci[3];
	set_ccw(&p, ret);
	driver_of(root, path, p.pci_end, driver, sizeof(driver));
	if (p.has_usb)
		ret->bus_type = "usb";
	else if (p.has_nvme)
		ret->bus_type = "nvme";
	else if (p.has_mmc)
		ret->bus_type = "mmc";
	else if (p.has_xen)
		ret->bus_type = "xen";
	else if (p.has_floppy)
		ret->bus_type = "fdc";
	else if (p.has_ata || strcmp(driver, "ata_piix") == 0 || strcmp(driver, "ahci") == 0)
		set_ata(root, path, &p, driver, ret);
	else if (p.has_host)
		set_scsi(&p, ret);
	else if (p.has_virtio)
		ret->bus_type = "virtio";
}

/* -- udev --------------------------------------------------------------------------------- */

bool vmv_udev_property(const char *text, const char *key, char *ret, size_t cap)
{
	size_t len = strlen(key);

	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		if (n > len + 3 && strncmp(line, "E:", 2) == 0 &&
		    strncmp(line + 2, key, len) == 0 && line[2 + len] == '=') {
			(void)snprintf(ret, cap, "%.*s", (int)(n - len - 3), line + len + 3);
			return true;
		}
		line += n + (line[n] == '\n');
	}
	return false;
}

static void set_serial(const struct vmv_root *root, const struct vmv_blockdev *dev,
		       struct vmv_disk_address *ret)
{
	char path[VMV_BLOCKDEV_PATH + 8], number[32];
	vmv_autofree char *text = NULL;
	size_t cap = 0;

	(void)snprintf(path, sizeof(path), "%s/dev", dev->path);
	if (vmv_read_attr_at(root->sys, path, number, sizeof(number)) < 0 ||
	    number[strspn(number, "0123456789:")])
		return;
	(void)snprintf(path, sizeof(path), "run/udev/data/b%s", number);
	if (vmv_read_table_at(root->top, path, &text, &cap, UDEV_MAX) < 0)
		return;
	ret->has_udev = true;
	(void)vmv_udev_property(text, "ID_SERIAL", ret->serial, sizeof(ret->serial));
}

void vmv_blockdev_address(const struct vmv_root *root, const struct vmv_blockdev *dev,
			  struct vmv_disk_address *ret)
{
	*ret = (struct vmv_disk_address){ .bus_type = "unknown" };
	set_place(root, dev->path, ret);
	set_serial(root, dev, ret);
}
