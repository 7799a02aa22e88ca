#include "collectors/topology.h"

#include "base/cleanup.h"
#include "base/err.h"
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

#define CPUS   "devices/system/cpu"
#define BLOCKS "devices/system/memory"

/* -- numbers ----------------------------------------------------------------------------------- */

/* "cpu12" to 12; false for "cpufreq" and all else. */
static bool number_of(const char *name, const char *prefix, uint32_t *ret)
{
	size_t len = strlen(prefix);
	const char *end;
	uint64_t v;

	if (strncmp(name, prefix, len) != 0 || vmv_parse_u64(name + len, &v, &end) < 0 ||
	    *end != '\0' || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static int add_number(uint32_t **list, size_t *n, size_t *cap, uint32_t v)
{
	if (*n == *cap) {
		size_t bigger = *cap ? *cap * 2 : 64;
		uint32_t *grown = reallocarray(*list, bigger, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*list = grown;
		*cap = bigger;
	}
	(*list)[(*n)++] = v;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* The directory has no order: as many again are looked at, so that it is the highest that are left
 * out. */
static int list_numbers(DIR *d, const char *prefix, size_t max, struct vmv_numbers *ret)
{
	vmv_autofree uint32_t *list = NULL;
	const struct dirent *e;
	size_t n = 0, cap = 0;
	uint32_t v;

	while (n < 2 * max) {
		errno = 0;
		e = readdir(d);
		if (!e && errno)
			return -errno;
		if (!e)
			break;
		if (number_of(e->d_name, prefix, &v) && add_number(&list, &n, &cap, v) < 0)
			return -ENOMEM;
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), by_number);
	*ret = (struct vmv_numbers){ VMV_TAKE(list, NULL), n < max ? n : max };
	return 0;
}

static int list_dir(const struct vmv_root *root, const char *path, const char *prefix, size_t max,
		    struct vmv_numbers *ret)
{
	int fd = openat(root->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r = -errno;

	if (d)
		return list_numbers(d, prefix, max, ret);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int fail(int r, const char *path, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, -r, "cannot read /sys/%s: %s", path, strerror(-r));
}

int vmv_cpus_list(const struct vmv_root *root, struct vmv_numbers *ret, struct vmv_err *err)
{
	int r = list_dir(root, CPUS, "cpu", VMV_CPUS_MAX, ret);

	return r < 0 ? fail(r, CPUS, err) : 0;
}

int vmv_memory_blocks_list(const struct vmv_root *root, struct vmv_numbers *ret,
			   struct vmv_err *err)
{
	int r = list_dir(root, BLOCKS, "memory", VMV_MEMORY_BLOCKS_MAX, ret);

	if (r == -ENOENT) {
		*ret = (struct vmv_numbers){ NULL, 0 };
		return 0;
	}
	return r < 0 ? fail(r, BLOCKS, err) : 0;
}

/* -- one of them ------------------------------------------------------------------------------- */

/* A file that holds 0 or 1. */
static int read_flag(const struct vmv_root *root, const char *path, bool *ret)
{
	char text[16];
	int r = vmv_read_attr_at(root->sys, path, text, sizeof(text));

	if (r < 0)
		return r;
	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return -EINVAL;
	*ret = text[0] == '1';
	return 0;
}

int vmv_cpu_plug(const struct vmv_root *root, uint32_t cpu, struct vmv_plug *ret)
{
	char path[64];
	bool is_online;
	int r;

	(void)snprintf(path, sizeof(path), CPUS "/cpu%u/online", cpu);
	r = read_flag(root, path, &is_online);
	if (r == 0) {
		*ret = (struct vmv_plug){ is_online, true, true };
		return 0;
	}
	if (r != -ENOENT)
		return r;
	(void)snprintf(path, sizeof(path), CPUS "/cpu%u", cpu);
	if (faccessat(root->sys, path, F_OK, 0) < 0)
		return -errno;
	*ret = (struct vmv_plug){ .is_online = true, .knows_offline = true };
	return 0;
}

int vmv_memory_block_plug(const struct vmv_root *root, uint32_t block, bool has_time,
			  struct vmv_plug *ret)
{
	struct vmv_plug p = { .is_online = false };
	char path[64], state[16];
	int r;

	(void)snprintf(path, sizeof(path), BLOCKS "/memory%u/state", block);
	r = vmv_read_attr_at(root->sys, path, state, sizeof(state));
	if (r < 0)
		return r;
	p.is_online = strcmp(state, "online") == 0;
	if (!p.is_online && strcmp(state, "offline") != 0 && strcmp(state, "going-offline") != 0)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), BLOCKS "/memory%u/removable", block);
	p.knows_offline = has_time && read_flag(root, path, &p.can_offline) == 0;
	*ret = p;
	return 0;
}

int vmv_memory_block_size(const struct vmv_root *root, uint64_t *ret, struct vmv_err *err)
{
	static const char path[] = BLOCKS "/block_size_bytes";
	const char *end;
	char text[32];
	uint64_t v;
	int r = vmv_read_attr_at(root->sys, path, text, sizeof(text));

	if (r < 0)
		return fail(r, path, err);
	if (vmv_parse_hex(text, &v, &end) < 0 || *end != '\0' || v == 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/sys/%s: malformed", path);
	*ret = v;
	return 0;
}
