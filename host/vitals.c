#include "host/vitals.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"
#include "proto/json_read.h"

#define TYPE_OF(member) \
	_Generic((member), uint64_t: VMV_VITAL_INT, double: VMV_VITAL_NUM, \
		 enum vmv_truth: VMV_VITAL_BOOL, const char *: VMV_VITAL_TEXT)

#define ROW(s, member, where, key, low, high)                                               \
	{                                                                                   \
		.path = (where), .type = TYPE_OF(((struct s *)0)->member), .is_key = (key), \
		.min = (low), .max = (high), .offset = offsetof(struct s, member)           \
	}
#define KEY(s, member, where)	      ROW(s, member, where, true, 0, 0)
#define ANY(s, member, where)	      ROW(s, member, where, false, 0, 0)
#define NUM(s, member, where, lo, hi) ROW(s, member, where, false, lo, hi)

#define GIB_MAX 1e9 /* GiB: an exbibyte */

const struct vmv_vital vmv_vital_scalars[] = {
	NUM(vmv_vitals, cpu_percent, "cpu.usage_percent", 0, 100),
	NUM(vmv_vitals, temperature, "cpu.temperature", -273.15, 1000),
	ANY(vmv_vitals, mem_total_kb, "memory.total_kb"),
	ANY(vmv_vitals, mem_used_kb, "memory.used_kb"),
	ANY(vmv_vitals, mem_available_kb, "memory.available_kb"),
	ANY(vmv_vitals, swap_total_kb, "memory.swap_total_kb"),
	ANY(vmv_vitals, swap_used_kb, "memory.swap_used_kb"),
	ANY(vmv_vitals, read_bytes_per_sec, "disk.io_stats.read_bytes_per_sec"),
	ANY(vmv_vitals, write_bytes_per_sec, "disk.io_stats.write_bytes_per_sec"),
	ANY(vmv_vitals, read_ops_per_sec, "disk.io_stats.read_ops_per_sec"),
	ANY(vmv_vitals, write_ops_per_sec, "disk.io_stats.write_ops_per_sec"),
	NUM(vmv_vitals, io_percent, "disk.io_stats.io_utilization_percent", 0, 100),
	ANY(vmv_vitals, uptime_s, "uptime_seconds"),
	NUM(vmv_vitals, load1, "load_average.load_1min", 0, 1e9),
	NUM(vmv_vitals, load5, "load_average.load_5min", 0, 1e9),
	NUM(vmv_vitals, load15, "load_average.load_15min", 0, 1e9),
	ANY(vmv_vitals, os_name, "system.name"),
	ANY(vmv_vitals, os_version, "system.os_version"),
	ANY(vmv_vitals, kernel, "system.kernel_version"),
	ANY(vmv_vitals, hostname, "system.hostname"),
};
const size_t vmv_n_vital_scalars = VMV_COUNTOF(vmv_vital_scalars);

static const struct vmv_vital fs_rows[] = {
	KEY(vmv_vitals_fs, mount_point, "mount_point"),
	ANY(vmv_vitals_fs, type, "filesystem"),
	NUM(vmv_vitals_fs, total_gb, "total_gb", 0, GIB_MAX),
	NUM(vmv_vitals_fs, used_gb, "used_gb", 0, GIB_MAX),
	NUM(vmv_vitals_fs, available_gb, "available_gb", 0, GIB_MAX),
};

static const struct vmv_vital nic_rows[] = {
	KEY(vmv_vitals_nic, name, "name"),
	ANY(vmv_vitals_nic, is_up, "is_up"),
	ANY(vmv_vitals_nic, bytes_received, "bytes_received"),
	ANY(vmv_vitals_nic, bytes_sent, "bytes_sent"),
	ANY(vmv_vitals_nic, packets_received, "packets_received"),
	ANY(vmv_vitals_nic, packets_sent, "packets_sent"),
	ANY(vmv_vitals_nic, errors_in, "errors_in"),
	ANY(vmv_vitals_nic, errors_out, "errors_out"),
};

static const struct vmv_vital process_rows[] = {
	KEY(vmv_vitals_process, pid, "pid"),
	ANY(vmv_vitals_process, ppid, "ppid"),
	ANY(vmv_vitals_process, name, "name"),
	ANY(vmv_vitals_process, exe_path, "exe_path"),
	ANY(vmv_vitals_process, cmd_line, "cmd_line"),
	NUM(vmv_vitals_process, cpu_percent, "cpu_percent", 0, 1e6),
	ANY(vmv_vitals_process, memory_kb, "memory_kb"),
	ANY(vmv_vitals_process, disk_read_bytes, "disk_read_bytes"),
	ANY(vmv_vitals_process, disk_write_bytes, "disk_write_bytes"),
	ANY(vmv_vitals_process, status, "status"),
	ANY(vmv_vitals_process, start_time, "start_time"),
};

static const struct vmv_vital port_rows[] = {
	KEY(vmv_vitals_port, protocol, "protocol"),
	KEY(vmv_vitals_port, port, "port"),
	ANY(vmv_vitals_port, state, "state"),
	ANY(vmv_vitals_port, pid, "pid"),
	ANY(vmv_vitals_port, process_name, "process_name"),
	ANY(vmv_vitals_port, exe_path, "exe_path"),
	ANY(vmv_vitals_port, is_listening, "is_listening"),
	ANY(vmv_vitals_port, connection_count, "connection_count"),
};

#define LIST(where, in_system, table, items, count, cap)                                        \
	{                                                                                       \
		.path = (where), .is_in_system = (in_system), .rows = (table),                  \
		.n_rows = VMV_COUNTOF(table), .size = sizeof(*((struct vmv_vitals *)0)->items), \
		.max = (cap), .items_offset = offsetof(struct vmv_vitals, items),               \
		.count_offset = offsetof(struct vmv_vitals, count)                              \
	}

const struct vmv_vital_list vmv_vital_lists[] = {
	LIST("disk.usage_stats", true, fs_rows, filesystems, n_filesystems, VMV_METRICS_MOUNTS),
	LIST("network.interfaces", true, nic_rows, nics, n_nics, VMV_METRICS_INTERFACES),
	LIST("processes", false, process_rows, processes, n_processes, VMV_VITALS_PROCESSES_MAX),
	LIST("ports", false, port_rows, ports, n_ports, VMV_METRICS_PORTS),
};
const size_t vmv_n_vital_lists = VMV_COUNTOF(vmv_vital_lists);

#define PATH_PART_MAX 64

static struct json_object *at_path(struct json_object *obj, const char *path)
{
	char part[PATH_PART_MAX];

	while (obj && *path) {
		size_t len = strcspn(path, ".");

		if (len >= sizeof(part))
			return NULL;
		memcpy(part, path, len);
		part[len] = '\0';
		obj = vmv_json_get(obj, part);
		path += len + (path[len] == '.');
	}
	return obj;
}

static bool take_int(struct json_object *obj, uint64_t *ret)
{
	int64_t v = 0;
	bool is_good = vmv_json_int(obj, 0, VMV_INT_MAX, &v);

	*ret = is_good ? (uint64_t)v : VMV_UNSET;
	return is_good;
}

static bool take_num(struct json_object *obj, double min, double max, double *ret)
{
	double v = vmv_json_num(obj);
	bool is_good = isfinite(v) && v >= min && v <= max;

	*ret = is_good ? v : (double)NAN;
	return is_good;
}

static bool take_bool(struct json_object *obj, enum vmv_truth *ret)
{
	bool is_good = json_object_is_type(obj, json_type_boolean);

	*ret = !is_good ? VMV_MAYBE : json_object_get_boolean(obj) ? VMV_YES : VMV_NO;
	return is_good;
}

static bool take_text(struct json_object *obj, const char **ret)
{
	size_t len;
	const char *s = vmv_json_text(obj, &len);

	*ret = s && strlen(s) == len ? s : NULL;
	return *ret != NULL;
}

/* Sets the value that row describes, to unknown if obj is not good. */
static bool take(const struct vmv_vital *row, struct json_object *obj, void *base)
{
	void *member = (char *)base + row->offset;

	switch (row->type) {
	case VMV_VITAL_INT:
		return take_int(obj, member);
	case VMV_VITAL_NUM:
		return take_num(obj, row->min, row->max, member);
	case VMV_VITAL_BOOL:
		return take_bool(obj, member);
	case VMV_VITAL_TEXT:
		return take_text(obj, member);
	}
	return false;
}

/* Null and absent are unknown; anything else that does not fit is bad as well. Returns false
 * when a key is unknown. */
static bool take_rows(const struct vmv_vital *rows, size_t n, struct json_object *obj, void *base,
		      size_t *bad)
{
	bool has_keys = true;

	for (size_t i = 0; i < n; i++) {
		struct json_object *value = at_path(obj, rows[i].path);

		if (take(&rows[i], value, base))
			continue;
		if (rows[i].is_key)
			has_keys = false;
		else if (value)
			++*bad;
	}
	return has_keys;
}

static size_t array_length(struct json_object *obj)
{
	return json_object_is_type(obj, json_type_array) ? json_object_array_length(obj) : 0;
}

static int take_list(const struct vmv_vital_list *list, struct json_object *data,
		     struct vmv_vitals *v)
{
	struct json_object *array =
		at_path(list->is_in_system ? vmv_json_get(data, "system") : data, list->path);
	size_t length = array_length(array), n = length < list->max ? length : list->max;
	size_t kept = 0;
	char *items;

	if (array && !json_object_is_type(array, json_type_array))
		v->bad_values++;
	if (n == 0)
		return 0;
	items = calloc(n, list->size);
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (take_rows(list->rows, list->n_rows, json_object_array_get_idx(array, i),
			      items + kept * list->size, &v->bad_values))
			kept++;
	memcpy((char *)v + list->items_offset, &items, sizeof(items));
	memcpy((char *)v + list->count_offset, &kept, sizeof(kept));
	v->left_out += length - kept;
	return 0;
}

static int take_cores(struct json_object *array, struct vmv_vitals *v)
{
	size_t length = array_length(array), n = length < VMV_CPUS_MAX ? length : VMV_CPUS_MAX;

	if (n == 0)
		return 0;
	v->cores = calloc(n, sizeof(*v->cores));
	if (!v->cores)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct json_object *value = json_object_array_get_idx(array, i);

		if (!take_num(value, 0, 100, &v->cores[i]) && value)
			v->bad_values++;
	}
	v->n_cores = n;
	v->left_out += length - n;
	return 0;
}

static void take_addresses(struct json_object *array, struct vmv_vitals_nic *nic,
			   struct vmv_vitals *v)
{
	size_t length = array_length(array);

	for (size_t i = 0; i < length && nic->n_addresses < VMV_METRICS_ADDRESSES; i++)
		if (take_text(json_object_array_get_idx(array, i),
			      &nic->addresses[nic->n_addresses]))
			nic->n_addresses++;
	v->left_out += length - nic->n_addresses;
}

/* Elements were left out, so interfaces are found again by their name: a text is the very
 * pointer into the tree. */
static void take_all_addresses(struct json_object *array, struct vmv_vitals *v)
{
	size_t n = array_length(array), at = 0;

	for (size_t i = 0; i < n && at < v->n_nics; i++) {
		struct json_object *obj = json_object_array_get_idx(array, i);

		if (vmv_json_str(obj, "name") != v->nics[at].name)
			continue;
		take_addresses(vmv_json_get(obj, "ip_addresses"), &v->nics[at], v);
		at++;
	}
}

int vmv_vitals_parse(struct json_object *data, struct vmv_vitals *ret, struct vmv_err *err)
{
	struct json_object *system = vmv_json_get(data, "system");
	struct vmv_vitals v = { 0 };
	int r = 0;

	if (!json_object_is_type(system, json_type_object))
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "the metrics hold no 'system'");
	(void)take_rows(vmv_vital_scalars, vmv_n_vital_scalars, system, &v, &v.bad_values);
	r = take_cores(at_path(system, "cpu.cores_usage"), &v);
	for (size_t i = 0; r == 0 && i < vmv_n_vital_lists; i++)
		r = take_list(&vmv_vital_lists[i], data, &v);
	if (r < 0) {
		vmv_vitals_clear(&v);
		return vmv_fail(err, VMV_E_IO, -r, "out of memory");
	}
	take_all_addresses(at_path(system, "network.interfaces"), &v);
	v.data = json_object_get(data);
	*ret = v;
	return 0;
}

void vmv_vitals_clear(struct vmv_vitals *v)
{
	free(v->cores);
	free(v->filesystems);
	free(v->nics);
	free(v->processes);
	free(v->ports);
	json_object_put(v->data);
	*v = (struct vmv_vitals){ 0 };
}
