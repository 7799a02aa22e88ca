/* The metrics message of a guest as plain values. A guest is not trusted: every value is checked
 * for its type and range, every list has a cap. Unknown stays unknown, it never becomes 0. */
#ifndef VMV_HOST_VITALS_H
#define VMV_HOST_VITALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct json_object;
struct vmv_err;

#define VMV_VITALS_PROCESSES_MAX 200

/* Unknown is VMV_UNSET for integers, NaN for numbers, NULL for texts, VMV_MAYBE for these: */
enum vmv_truth {
	VMV_NO,
	VMV_YES,
	VMV_MAYBE,
};

struct vmv_vitals_fs {
	const char *mount_point; /* never NULL */
	const char *type;
	double total_gb, used_gb, available_gb; /* GiB */
};

struct vmv_vitals_nic {
	const char *name; /* never NULL */
	enum vmv_truth is_up;
	uint64_t bytes_received, bytes_sent; /* these six: since the guest's boot */
	uint64_t packets_received, packets_sent;
	uint64_t errors_in, errors_out;
	const char *addresses[VMV_METRICS_ADDRESSES];
	size_t n_addresses;
};

struct vmv_vitals_process {
	uint64_t pid; /* never unknown */
	uint64_t ppid;
	const char *name;
	const char *exe_path;
	const char *cmd_line;
	double cpu_percent; /* 100 is one CPU */
	uint64_t memory_kb;
	uint64_t disk_read_bytes, disk_write_bytes;
	const char *status;
	const char *start_time;
};

struct vmv_vitals_port {
	const char *protocol; /* never NULL */
	uint64_t port;	      /* never unknown */
	const char *state;
	uint64_t pid;
	const char *process_name;
	const char *exe_path;
	enum vmv_truth is_listening;
	uint64_t connection_count;
};

struct vmv_vitals {
	double cpu_percent; /* 0 to 100, of all CPUs */
	double temperature; /* degrees Celsius */
	double *cores;	    /* percent of each; owned */
	size_t n_cores;
	uint64_t mem_total_kb, mem_used_kb, mem_available_kb;
	uint64_t swap_total_kb, swap_used_kb;
	uint64_t read_bytes_per_sec, write_bytes_per_sec, read_ops_per_sec, write_ops_per_sec;
	double io_percent;
	uint64_t uptime_s;
	double load1, load5, load15;
	const char *os_name, *os_version, *kernel, *hostname;

	struct vmv_vitals_fs *filesystems; /* these four: owned */
	size_t n_filesystems;
	struct vmv_vitals_nic *nics;
	size_t n_nics;
	struct vmv_vitals_process *processes;
	size_t n_processes;
	struct vmv_vitals_port *ports;
	size_t n_ports;

	size_t left_out;	  /* elements beyond a cap, or without their key members */
	size_t bad_values;	  /* values of a wrong type or out of range: unknown */
	struct json_object *data; /* owned; the texts point into it */
};

/* data: the data of a metrics message, or of the answer to GetMetrics; takes a reference of its
 * own. Returns 0, -EINVAL with err set when it is no object with an object 'system', or -ENOMEM.
 * ret is written only on success; free with vmv_vitals_clear. */
int vmv_vitals_parse(struct json_object *data, struct vmv_vitals *ret, struct vmv_err *err);

/* Frees what it owns and makes it all zero; zeroed ones are fine. */
void vmv_vitals_clear(struct vmv_vitals *v);

enum vmv_vital_type {
	VMV_VITAL_INT,	/* uint64_t */
	VMV_VITAL_NUM,	/* double */
	VMV_VITAL_BOOL, /* enum vmv_truth */
	VMV_VITAL_TEXT, /* const char * */
};

/* One value: the only place where its name on the wire is tied to its place in a struct. */
struct vmv_vital {
	const char *path; /* members, separated by dots */
	enum vmv_vital_type type;
	bool is_key;	 /* identifies its element; an element without it is left out */
	double min, max; /* of a number; outside it is unknown */
	size_t offset;
};

/* One list of the message. */
struct vmv_vital_list {
	const char *path;
	bool is_in_system; /* path starts in data.system, else in data */
	const struct vmv_vital *rows;
	size_t n_rows;
	size_t size; /* of an element */
	size_t max;  /* elements kept */
	size_t items_offset, count_offset;
};

extern const struct vmv_vital vmv_vital_scalars[];
extern const size_t vmv_n_vital_scalars;
extern const struct vmv_vital_list vmv_vital_lists[];
extern const size_t vmv_n_vital_lists;

#endif
