#include "collectors/cgroup_files.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define CGROUP_DIR "fs/cgroup"
#define TEXT_MAX   4096	 /* bytes; the longest of these files, cpu.stat, is under 512 */
#define IO_MAX	   32768 /* bytes; a line per block device, of under 200 */
#define PATH_SIZE  (VMV_CGROUP_PATH_MAX + 64)
#define NO_LIMIT   (UINT64_C(1) << 62) /* version 1 prints LONG_MAX in whole pages */
#define TICK_USEC  10000	       /* USER_HZ is 100 wherever the agent runs */

/* -- pure -------------------------------------------------------------------------------------- */

int vmv_cgroup_parse_value(const char *text, uint64_t *ret)
{
	const char *end;
	uint64_t v;

	if (strcmp(text, "max\n") == 0) {
		*ret = VMV_UNSET;
		return 0;
	}
	if (vmv_parse_u64(text, &v, &end) < 0 || strcmp(end, "\n") != 0)
		return -EINVAL;
	*ret = v;
	return 0;
}

static const struct vmv_cgroup_key *key_for(const struct vmv_cgroup_key *keys, size_t n,
					    const char *line, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(keys[i].name) == len && memcmp(keys[i].name, line, len) == 0)
			return &keys[i];
	return NULL;
}

static void unset_keys(const struct vmv_cgroup_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*keys[i].ret = VMV_UNSET;
}

int vmv_cgroup_parse_keys(const char *text, const struct vmv_cgroup_key *keys, size_t n)
{
	unset_keys(keys, n);
	for (const char *line = text, *end; *line; line = end + 1) {
		size_t len = strcspn(line, " \n");
		const struct vmv_cgroup_key *key = key_for(keys, n, line, len);
		uint64_t v;

		if (line[len] != ' ' || vmv_parse_u64(line + len + 1, &v, &end) < 0 ||
		    *end != '\n' || v == VMV_UNSET) {
			unset_keys(keys, n);
			return -EINVAL;
		}
		if (key)
			*key->ret = v;
	}
	return 0;
}

int vmv_cgroup_parse_pressure(const char *text, uint64_t *ret)
{
	const char *at, *end;
	uint64_t v;

	if (strncmp(text, "some ", 5) != 0)
		return -EINVAL;
	at = text + strcspn(text, "\n");
	if (*at != '\n')
		return -EINVAL;
	while (at > text && at[-1] != ' ')
		at--; /* total is the last on its line */
	if (strncmp(at, "total=", 6) != 0 || vmv_parse_u64(at + 6, &v, &end) < 0 || *end != '\n' ||
	    v == VMV_UNSET)
		return -EINVAL;
	*ret = v;
	return 0;
}

struct io {
	uint64_t read, written;
};

/* "rbytes=1 wbytes=2 ..." behind the device, up to the newline. Controllers add words of their own
 * ("cost.usage=5"), and a device that was never used may have none. */
static int parse_io_words(const char *s, struct io *io, const char **end)
{
	while (*s && *s != '\n') {
		uint64_t *to = strncmp(s, "rbytes=", 7) == 0   ? &io->read
			       : strncmp(s, "wbytes=", 7) == 0 ? &io->written
							       : NULL;

		if (to && (vmv_parse_u64(s + 7, to, &s) < 0 || (*s != ' ' && *s != '\n')))
			return -EINVAL;
		s += strcspn(s, " \n");
		s += strspn(s, " ");
	}
	*end = s;
	return *s == '\n' ? 0 : -EINVAL;
}

/* "Read 1" behind the device, up to the newline. */
static int parse_io_v1(const char *s, struct io *io, const char **end)
{
	size_t len = strcspn(s, " \n");
	uint64_t v;

	if (s[len] != ' ' || vmv_parse_u64(s + len + 1, &v, end) < 0 || **end != '\n')
		return -EINVAL;
	if (len == 4 && memcmp(s, "Read", 4) == 0)
		io->read = v;
	if (len == 5 && memcmp(s, "Write", 5) == 0)
		io->written = v;
	return 0;
}

/* sums: one for each layer */
static int parse_io_line(const char *line, vmv_layer_fn *layer, void *arg, struct io *sums,
			 const char **end)
{
	struct io io = { 0, 0 };
	uint64_t major, minor;
	const char *s;
	int r;

	if (strncmp(line, "Total ", 6) == 0) { /* of version 1, stacked devices included */
		*end = line + strcspn(line, "\n");
		return **end == '\n' ? 0 : -EINVAL;
	}
	if (vmv_parse_u64(line, &major, &s) < 0 || *s != ':' ||
	    vmv_parse_u64(s + 1, &minor, &s) < 0 || (*s != ' ' && *s != '\n'))
		return -EINVAL;
	s += strspn(s, " ");
	r = *s >= 'A' && *s <= 'Z' ? parse_io_v1(s, &io, end) : parse_io_words(s, &io, end);
	if (r < 0 || io.read == VMV_UNSET || io.written == VMV_UNSET)
		return -EINVAL;
	if ((io.read | io.written) == 0)
		return 0; /* most devices, most of the time */
	if (layer)
		sums += layer(arg, major, minor);
	sums->read = vmv_add_sat(sums->read, io.read);
	sums->written = vmv_add_sat(sums->written, io.written);
	return 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int vmv_cgroup_parse_io(const char *text, vmv_layer_fn *layer, void *arg, uint64_t *ret_read,
			uint64_t *ret_written)
{
	struct io sums[] = {
		[VMV_LAYER_BOTTOM] = { 0, 0 },
		[VMV_LAYER_MIDDLE] = { 0, 0 },
		[VMV_LAYER_TOP] = { 0, 0 },
	};

	for (const char *line = text, *end; *line; line = end + 1)
		if (parse_io_line(line, layer, arg, sums, &end) < 0)
			return -EINVAL;
	*ret_read = larger(sums[VMV_LAYER_BOTTOM].read, sums[VMV_LAYER_TOP].read);
	*ret_written = larger(sums[VMV_LAYER_BOTTOM].written, sums[VMV_LAYER_TOP].written);
	return 0;
}

static const char *const controllers[] = {
	[VMV_CGROUP_CPU] = "cpu",	[VMV_CGROUP_CPUACCT] = "cpuacct",
	[VMV_CGROUP_MEMORY] = "memory", [VMV_CGROUP_PIDS] = "pids",
	[VMV_CGROUP_BLKIO] = "blkio",
};

static int place_of(const struct vmv_cgroup_tree *t, enum vmv_cgroup_controller c)
{
	return t->v1[c] >= 0 ? t->v1[c] : t->v2;
}

static bool is_v1(const struct vmv_cgroup_tree *t, enum vmv_cgroup_controller c)
{
	return t->v1[c] >= 0;
}

void vmv_cgroup_tree_close(struct vmv_cgroup_tree *t)
{
	for (size_t i = 0; i < VMV_CGROUP_CONTROLLERS; i++) {
		vmv_closep(&t->v1[i]);
		t->v1[i] = -1;
	}
	vmv_closep(&t->v2);
	t->v2 = -1;
	t->n_walk = 0;
}

/* -- where ------------------------------------------------------------------------------------- */

static int open_dir(int dirfd, const char *path)
{
	return openat(dirfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_hierarchy_v2(int fd)
{
	return fd >= 0 && faccessat(fd, "cgroup.controllers", F_OK, 0) == 0;
}

/* Controllers in the name of a directory: "memory", or "cpu,cpuacct" for two. */
static void take_v1(struct vmv_cgroup_tree *t, int base, const char *name)
{
	for (const char *s = name; *s;) {
		size_t len = strcspn(s, ",");

		for (size_t i = 0; i < VMV_CGROUP_CONTROLLERS; i++)
			if (strlen(controllers[i]) == len && memcmp(controllers[i], s, len) == 0 &&
			    t->v1[i] < 0)
				t->v1[i] = open_dir(base, name);
		s += len;
		s += *s == ',';
	}
}

static int find_v1(struct vmv_cgroup_tree *t, int base)
{
	vmv_autoclose int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return -errno;
	fd = -1; /* owned by d now */
	while ((e = readdir(d)))
		take_v1(t, base, e->d_name);
	return 0;
}

static bool is_cgroupfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC);
}

/* One hierarchy may be found under two names, or serve two controllers. */
static void add_walk(struct vmv_cgroup_tree *t, int fd)
{
	struct stat is, other;

	if (fd < 0 || fstat(fd, &is) < 0)
		return;
	for (size_t i = 0; i < t->n_walk; i++)
		if (fstat(t->walk[i], &other) == 0 && other.st_dev == is.st_dev &&
		    other.st_ino == is.st_ino)
			return;
	t->has_links = (t->n_walk == 0 || t->has_links) && is_cgroupfs(fd);
	t->walk[t->n_walk++] = fd;
}

int vmv_cgroup_tree_open(struct vmv_cgroup_tree *t, int sys)
{
	static const enum vmv_cgroup_controller order[] = {
		VMV_CGROUP_MEMORY, VMV_CGROUP_CPUACCT, VMV_CGROUP_CPU,
		VMV_CGROUP_PIDS,   VMV_CGROUP_BLKIO,
	};
	vmv_autoclose int base = open_dir(sys, CGROUP_DIR);
	int r = 0;

	*t = VMV_CGROUP_TREE_NONE;
	t->sys = sys;
	if (base < 0)
		return -errno;
	if (is_hierarchy_v2(base)) {
		t->v2 = VMV_TAKE(base, -1);
	} else {
		t->v2 = open_dir(base, "unified");
		if (t->v2 >= 0 && !is_hierarchy_v2(t->v2)) {
			vmv_closep(&t->v2);
			t->v2 = -1;
		}
		r = find_v1(t, base);
	}
	for (size_t i = 0; i < VMV_COUNTOF(order); i++)
		add_walk(t, place_of(t, order[i]));
	if (r == 0 && t->n_walk == 0)
		r = -ENOENT;
	if (r < 0)
		vmv_cgroup_tree_close(t);
	return r;
}

/* -- what -------------------------------------------------------------------------------------- */

static int read_text(int place, const char *path, const char *file, char *text, size_t cap)
{
	char full[PATH_SIZE];

	(void)snprintf(full, sizeof(full), ".%s/%s", path, file);
	return vmv_read_at(place, full, text, cap);
}

static uint64_t read_value(int place, const char *path, const char *file)
{
	char text[TEXT_MAX];
	uint64_t v = VMV_UNSET;

	if (read_text(place, path, file, text, sizeof(text)) < 0 ||
	    vmv_cgroup_parse_value(text, &v) < 0)
		return VMV_UNSET;
	return v;
}

static void read_keys(int place, const char *path, const char *file,
		      const struct vmv_cgroup_key *keys, size_t n)
{
	char text[TEXT_MAX];

	if (read_text(place, path, file, text, sizeof(text)) >= 0)
		(void)vmv_cgroup_parse_keys(text, keys, n);
}

static uint64_t scaled(uint64_t v, uint64_t divide_by)
{
	return v == VMV_UNSET ? VMV_UNSET : v / divide_by;
}

static void read_cpuacct(const struct vmv_cgroup_tree *t, const char *path,
			 struct vmv_cgroup_sample *s)
{
	const struct vmv_cgroup_key keys[] = {
		{ "user", &s->cpu_user },
		{ "system", &s->cpu_system },
	};
	int place = t->v1[VMV_CGROUP_CPUACCT];

	s->cpu_usage = scaled(read_value(place, path, "cpuacct.usage"), 1000);
	read_keys(place, path, "cpuacct.stat", keys, VMV_COUNTOF(keys));
	s->cpu_user = vmv_mul_sat(s->cpu_user, TICK_USEC);
	s->cpu_system = vmv_mul_sat(s->cpu_system, TICK_USEC);
}

/* One file has all of it, unless a controller is of version 1. */
static void read_cpu(const struct vmv_cgroup_tree *t, const char *path, struct vmv_cgroup_sample *s)
{
	struct vmv_cgroup_sample other;
	struct vmv_cgroup_sample *used = is_v1(t, VMV_CGROUP_CPUACCT) ? &other : s;
	struct vmv_cgroup_sample *limit = is_v1(t, VMV_CGROUP_CPU) ? &other : s;
	const struct vmv_cgroup_key v2[] = {
		{ "usage_usec", &used->cpu_usage },
		{ "user_usec", &used->cpu_user },
		{ "system_usec", &used->cpu_system },
		{ "nr_periods", &limit->cpu_periods },
		{ "nr_throttled", &limit->cpu_throttled_periods },
		{ "throttled_usec", &limit->cpu_throttled },
	};
	const struct vmv_cgroup_key v1[] = {
		{ "nr_periods", &s->cpu_periods },
		{ "nr_throttled", &s->cpu_throttled_periods },
		{ "throttled_time", &s->cpu_throttled },
	};

	if (!is_v1(t, VMV_CGROUP_CPUACCT) || !is_v1(t, VMV_CGROUP_CPU))
		read_keys(t->v2, path, "cpu.stat", v2, VMV_COUNTOF(v2));
	if (is_v1(t, VMV_CGROUP_CPUACCT))
		read_cpuacct(t, path, s);
	if (is_v1(t, VMV_CGROUP_CPU)) {
		read_keys(t->v1[VMV_CGROUP_CPU], path, "cpu.stat", v1, VMV_COUNTOF(v1));
		s->cpu_throttled = scaled(s->cpu_throttled, 1000);
	}
}

static uint64_t read_memory_current(const struct vmv_cgroup_tree *t, const char *path)
{
	return read_value(place_of(t, VMV_CGROUP_MEMORY), path,
			  is_v1(t, VMV_CGROUP_MEMORY) ? "memory.usage_in_bytes" : "memory.current");
}

static void read_memory_v1(const struct vmv_cgroup_tree *t, const char *path,
			   struct vmv_cgroup_sample *s)
{
	const struct vmv_cgroup_key oom[] = { { "oom_kill", &s->oom_kills } };
	int place = t->v1[VMV_CGROUP_MEMORY];
	uint64_t with_swap = read_value(place, path, "memory.memsw.usage_in_bytes");

	/* read one after the other: without swap the sum may seem to be less than its part */
	if (with_swap != VMV_UNSET && s->memory != VMV_UNSET)
		s->swap = with_swap > s->memory ? with_swap - s->memory : 0;
	s->memory_max = read_value(place, path, "memory.limit_in_bytes");
	if (s->memory_max >= NO_LIMIT)
		s->memory_max = VMV_UNSET;
	read_keys(place, path, "memory.oom_control", oom, VMV_COUNTOF(oom));
}

static void read_memory(const struct vmv_cgroup_tree *t, const char *path,
			struct vmv_cgroup_sample *s)
{
	const struct vmv_cgroup_key oom[] = { { "oom_kill", &s->oom_kills } };

	s->memory = read_memory_current(t, path);
	if (is_v1(t, VMV_CGROUP_MEMORY)) {
		read_memory_v1(t, path, s);
		return;
	}
	s->memory_max = read_value(t->v2, path, "memory.max");
	s->swap = read_value(t->v2, path, "memory.swap.current");
	read_keys(t->v2, path, "memory.events", oom, VMV_COUNTOF(oom));
}

static void read_pressure(const struct vmv_cgroup_tree *t, const char *path,
			  struct vmv_cgroup_sample *s)
{
	char text[TEXT_MAX];

	if (t->v2 >= 0 && read_text(t->v2, path, "memory.pressure", text, sizeof(text)) >= 0)
		(void)vmv_cgroup_parse_pressure(text, &s->memory_waiting);
}

/* Whether a device has entries in this directory: "slaves" are what it lies on, "holders" what lies
 * on it. */
static bool has_entries(const struct vmv_cgroup_tree *t, uint64_t major, uint64_t minor,
			const char *dir)
{
	char path[96];
	vmv_autoclose int fd = -1;
	vmv_autoclosedir DIR *d = NULL;
	const struct dirent *e;

	(void)snprintf(path, sizeof(path), "dev/block/%ju:%ju/%s", (uintmax_t)major,
		       (uintmax_t)minor, dir);
	fd = openat(t->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return false;
	fd = -1; /* owned by d now */
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			return true;
	return false;
}

/* A loop device lies on a file, which the kernel does not list. */
static enum vmv_layer look_up_layer(const struct vmv_cgroup_tree *t, uint64_t major, uint64_t minor)
{
	if (major != LOOP_MAJOR && !has_entries(t, major, minor, "slaves"))
		return VMV_LAYER_BOTTOM;
	return has_entries(t, major, minor, "holders") ? VMV_LAYER_MIDDLE : VMV_LAYER_TOP;
}

static enum vmv_layer layer_of(void *arg, uint64_t major, uint64_t minor)
{
	struct vmv_cgroup_tree *t = arg;
	enum vmv_layer layer;

	for (size_t i = 0; i < t->n_devices; i++)
		if (t->devices[i].major == major && t->devices[i].minor == minor)
			return t->devices[i].layer;
	layer = look_up_layer(t, major, minor);
	if (t->n_devices < VMV_CGROUP_DEVICES)
		t->devices[t->n_devices++] = (struct vmv_cgroup_device){ major, minor, layer };
	return layer;
}

static void read_io(struct vmv_cgroup_tree *t, const char *path, bool is_leaf,
		    struct vmv_cgroup_sample *s)
{
	int place = place_of(t, VMV_CGROUP_BLKIO);
	char text[IO_MAX];
	int r;

	if (!is_v1(t, VMV_CGROUP_BLKIO)) {
		r = read_text(place, path, "io.stat", text, sizeof(text));
	} else {
		r = read_text(place, path, "blkio.throttle.io_service_bytes_recursive", text,
			      sizeof(text));
		if (r == -ENOENT && is_leaf) /* older kernels: without what is below */
			r = read_text(place, path, "blkio.throttle.io_service_bytes", text,
				      sizeof(text));
	}
	if (r >= 0)
		(void)vmv_cgroup_parse_io(text, layer_of, t, &s->io_read, &s->io_written);
}

void vmv_cgroup_read(struct vmv_cgroup_tree *t, const char *path, bool is_leaf,
		     struct vmv_cgroup_sample *ret)
{
	memset(ret, 0xff, sizeof(*ret)); /* VMV_UNSET everywhere */
	read_cpu(t, path, ret);
	read_pressure(t, path, ret);
	if (place_of(t, VMV_CGROUP_MEMORY) >= 0)
		read_memory(t, path, ret);
	if (place_of(t, VMV_CGROUP_PIDS) >= 0)
		ret->pids = read_value(place_of(t, VMV_CGROUP_PIDS), path, "pids.current");
	if (place_of(t, VMV_CGROUP_BLKIO) >= 0)
		read_io(t, path, is_leaf, ret);
}

void vmv_cgroup_read_rank(const struct vmv_cgroup_tree *t, const char *path, uint64_t *ret_cpu,
			  uint64_t *ret_memory)
{
	const struct vmv_cgroup_key cpu[] = { { "usage_usec", ret_cpu } };

	*ret_cpu = *ret_memory = VMV_UNSET;
	if (is_v1(t, VMV_CGROUP_CPUACCT))
		*ret_cpu =
			scaled(read_value(t->v1[VMV_CGROUP_CPUACCT], path, "cpuacct.usage"), 1000);
	else if (t->v2 >= 0)
		read_keys(t->v2, path, "cpu.stat", cpu, VMV_COUNTOF(cpu));
	if (place_of(t, VMV_CGROUP_MEMORY) >= 0)
		*ret_memory = read_memory_current(t, path);
}
