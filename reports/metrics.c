#include "reports/metrics.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "collectors/cpu.h"
#include "collectors/disk.h"
#include "collectors/filesystem.h"
#include "collectors/load.h"
#include "collectors/memory.h"
#include "collectors/network.h"
#include "collectors/os.h"
#include "collectors/process.h"
#include "collectors/socket.h"
#include "collectors/temperature.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/interfaces.h"
#include "reports/processes.h"
#include "reports/rates.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GIB	 (1024.0 * 1024.0 * 1024.0)
#define RATE_MAX 9007199254740992.0 /* 2^53: beyond, readers of JSON lose digits */

static int missing(struct vmv_err *err, const char *what)
{
	return vmv_fail(err, VMV_E_IO, ENODATA, "no metrics: %s cannot be read", what);
}

/* False, and the element is taken back, when it leaves too little room for what must follow. */
static bool fits(struct vmv_jw *w, struct vmv_jw_mark before)
{
	if (vmv_jw_remaining(w) >= VMV_JW_TAIL)
		return true;
	vmv_jw_rewind(w, before);
	return false;
}

/* -- system ------------------------------------------------------------------------------ */

static double hottest(const struct vmv_facts *f)
{
	size_t n;
	const struct vmv_temperature_sample *t = vmv_facts_rows(f, &vmv_collector_temperature, &n);
	double best[2] = { (double)NAN, (double)NAN };

	for (size_t i = 0; i < n; i++)
		if (!(best[t[i].is_hwmon == 1] >= t[i].celsius))
			best[t[i].is_hwmon == 1] = t[i].celsius;
	return isnan(best[1]) ? best[0] : best[1];
}

static int write_cpu(struct vmv_jw *w, const struct vmv_facts *f, const struct vmv_rates *rates,
		     struct vmv_err *err)
{
	if (isnan(rates->cpu) || rates->n_cores == 0)
		return missing(err, "/proc/stat");
	vmv_jw_open(w, "cpu");
	vmv_jw_num(w, "usage_percent", rates->cpu, 1);
	vmv_jw_array(w, "cores_usage");
	for (size_t i = 0; i < rates->n_cores; i++)
		vmv_jw_num(w, NULL, rates->cores[i], 1);
	vmv_jw_end(w);
	vmv_jw_num(w, "temperature", hottest(f), 1);
	vmv_jw_close(w);
	return 0;
}

static uint64_t kib(uint64_t bytes)
{
	return bytes == VMV_UNSET ? VMV_UNSET : bytes / 1024;
}

static int write_memory(struct vmv_jw *w, const struct vmv_facts *f, struct vmv_err *err)
{
	const struct vmv_memory_sample *m = vmv_facts_row(f, &vmv_collector_memory);
	uint64_t available, swap_used = VMV_UNSET;

	if (!m || m->total == VMV_UNSET)
		return missing(err, "/proc/meminfo");
	/* kernels before 3.14 say no MemAvailable: this is what free(1) then shows */
	available = m->available != VMV_UNSET
			    ? m->available
			    : vmv_add_sat(m->free, vmv_add_sat(m->buffers, m->cached));
	if (available == VMV_UNSET)
		return missing(err, "MemAvailable");
	if (available > m->total)
		available = m->total;
	if (m->swap_total != VMV_UNSET && m->swap_free != VMV_UNSET &&
	    m->swap_free <= m->swap_total)
		swap_used = m->swap_total - m->swap_free;
	vmv_jw_open(w, "memory");
	vmv_jw_u64(w, "total_kb", kib(m->total));
	vmv_jw_u64(w, "used_kb", kib(m->total) - kib(available));
	vmv_jw_u64(w, "available_kb", kib(available));
	vmv_jw_u64(w, "swap_total_kb", kib(m->swap_total));
	vmv_jw_u64(w, "swap_used_kb", kib(swap_used));
	vmv_jw_close(w);
	return 0;
}

static void write_filesystems(struct vmv_jw *w, const struct vmv_facts *f)
{
	size_t n, shown = 0;
	const struct vmv_filesystem_sample *s = vmv_facts_rows(f, &vmv_collector_filesystem, &n);

	vmv_jw_array(w, "usage_stats");
	for (size_t i = 0; i < n && shown < VMV_METRICS_MOUNTS; i++) {
		struct vmv_jw_mark mark = vmv_jw_mark(w);

		if (s[i].size == VMV_UNSET || s[i].free == VMV_UNSET || s[i].avail == VMV_UNSET ||
		    s[i].free > s[i].size)
			continue;
		shown++;
		vmv_jw_open(w, NULL);
		vmv_jw_str(w, "mount_point", s[i].mount_point);
		vmv_jw_num(w, "total_gb", (double)s[i].size / GIB, 2);
		vmv_jw_num(w, "used_gb", (double)(s[i].size - s[i].free) / GIB, 2);
		vmv_jw_num(w, "available_gb", (double)s[i].avail / GIB, 2);
		vmv_jw_str(w, "filesystem", s[i].fstype);
		vmv_jw_close(w);
		if (!fits(w, mark))
			break;
	}
	vmv_jw_end(w);
}

static void write_rate(struct vmv_jw *w, const char *name, const struct vmv_rates *r, double v)
{
	/* a counter may jump by anything, and what does not fit would come out below zero */
	if (v > RATE_MAX)
		v = RATE_MAX;
	vmv_jw_int(w, name, r->has_io ? (int64_t)(v + 0.5) : 0);
}

static void write_disk(struct vmv_jw *w, const struct vmv_facts *f, const struct vmv_rates *r)
{
	vmv_jw_open(w, "disk");
	write_filesystems(w, f);
	vmv_jw_open(w, "io_stats");
	write_rate(w, "read_bytes_per_sec", r, r->read_bytes);
	write_rate(w, "write_bytes_per_sec", r, r->write_bytes);
	write_rate(w, "read_ops_per_sec", r, r->read_ops);
	write_rate(w, "write_ops_per_sec", r, r->write_ops);
	vmv_jw_num(w, "io_utilization_percent", r->io_utilization, 1);
	vmv_jw_close(w);
	vmv_jw_close(w);
}

static void write_addresses(struct vmv_jw *w, const struct vmv_network_sample *s,
			    const struct vmv_address_memory *m, const struct vmv_metrics_options *o)
{
	const struct vmv_address_entry *e;
	struct vmv_address_entry now;

	vmv_interface_addresses(s, o, &now);
	e = s->addresses_known == 1 && !m->is_doubted ? &now : vmv_address_memory_find(m, s->name);
	vmv_jw_array(w, "ip_addresses");
	for (size_t i = 0; e && i < e->n; i++)
		vmv_jw_str(w, NULL, e->address[i]);
	vmv_jw_end(w);
}

static int write_interfaces(struct vmv_jw *w, const struct vmv_facts *f,
			    const struct vmv_address_memory *m, const struct vmv_metrics_options *o,
			    struct vmv_err *err)
{
	size_t n, shown = 0;
	const struct vmv_network_sample *s = vmv_facts_rows(f, &vmv_collector_network, &n);

	/* there is at least 'lo': the reading failed, and hosts would forget all addresses */
	if (n == 0 && m->had_any)
		return missing(err, "/proc/net/dev");
	vmv_jw_open(w, "network");
	vmv_jw_array(w, "interfaces");
	for (size_t i = 0; i < n && shown < VMV_METRICS_INTERFACES; i++) {
		struct vmv_jw_mark mark = vmv_jw_mark(w);

		if (!vmv_interface_is_shown(&s[i], o) || s[i].rx_bytes == VMV_UNSET ||
		    s[i].tx_bytes == VMV_UNSET || s[i].rx_packets == VMV_UNSET ||
		    s[i].tx_packets == VMV_UNSET || s[i].is_up == VMV_UNSET)
			continue;
		shown++;
		vmv_jw_open(w, NULL);
		vmv_jw_str(w, "name", s[i].name);
		vmv_jw_u64(w, "bytes_received", s[i].rx_bytes);
		vmv_jw_u64(w, "bytes_sent", s[i].tx_bytes);
		vmv_jw_u64(w, "packets_received", s[i].rx_packets);
		vmv_jw_u64(w, "packets_sent", s[i].tx_packets);
		vmv_jw_u64(w, "errors_in", s[i].rx_errors);
		vmv_jw_u64(w, "errors_out", s[i].tx_errors);
		write_addresses(w, &s[i], m, o);
		vmv_jw_bool(w, "is_up", s[i].is_up == 1);
		vmv_jw_close(w);
		if (!fits(w, mark))
			break;
	}
	vmv_jw_end(w);
	vmv_jw_close(w);
	return 0;
}

static void write_load(struct vmv_jw *w, const struct vmv_load_sample *l)
{
	vmv_jw_u64(w, "uptime_seconds", l->uptime / 100);
	vmv_jw_open(w, "load_average");
	vmv_jw_num(w, "load_1min", (double)l->load1 / 100.0, 2);
	vmv_jw_num(w, "load_5min", (double)l->load5 / 100.0, 2);
	vmv_jw_num(w, "load_15min", (double)l->load15 / 100.0, 2);
	vmv_jw_close(w);
}

static void write_identity(struct vmv_jw *w, const struct vmv_facts *f,
			   const struct vmv_load_sample *l)
{
	const struct vmv_os_sample *os = vmv_facts_row(f, &vmv_collector_os);

	vmv_jw_open(w, "system");
	vmv_jw_str_or_null(w, "name", os ? os->name : NULL);
	vmv_jw_str_or_null(w, "os_version", os ? os->version_id : NULL);
	vmv_jw_str_or_null(w, "kernel_version", os ? os->kernel : NULL);
	vmv_jw_str_or_null(w, "hostname", os ? os->hostname : NULL);
	write_load(w, l);
	vmv_jw_close(w);
}

static int write_system(struct vmv_jw *w, const struct vmv_facts *f, const struct vmv_rates *rates,
			const struct vmv_address_memory *m, const struct vmv_metrics_options *o,
			struct vmv_err *err)
{
	const struct vmv_load_sample *l = vmv_facts_row(f, &vmv_collector_load);
	int r;

	if (!l || l->uptime == VMV_UNSET || l->load1 == VMV_UNSET)
		return missing(err, "/proc/loadavg or /proc/uptime");
	vmv_jw_open(w, "system");
	r = write_cpu(w, f, rates, err);
	if (r < 0)
		return r;
	r = write_memory(w, f, err);
	if (r < 0)
		return r;
	write_disk(w, f, rates);
	r = write_interfaces(w, f, m, o, err);
	if (r < 0)
		return r;
	write_load(w, l);
	write_identity(w, f, l);
	vmv_jw_close(w);
	return 0;
}

/* -- ports --------------------------------------------------------------------------------- */

static void write_port(struct vmv_jw *w, const struct vmv_port_sample *s)
{
	bool is_tcp = strcmp(s->protocol, "tcp") == 0;

	vmv_jw_open(w, NULL);
	vmv_jw_u64(w, "port", s->port);
	vmv_jw_str(w, "protocol", is_tcp ? "TCP" : "UDP");
	vmv_jw_str(w, "state", is_tcp ? "Listen" : "UDP");
	vmv_jw_u64(w, "pid", s->pid);
	vmv_jw_str_or_null(w, "process_name", s->comm);
	vmv_jw_str_or_null(w, "exe_path", s->exe);
	vmv_jw_bool(w, "is_listening", true);
	vmv_jw_u64(w, "connection_count", s->connections == VMV_UNSET ? 0 : s->connections);
	vmv_jw_close(w);
}

static void write_ports(struct vmv_jw *w, const struct vmv_facts *f)
{
	size_t n;
	const struct vmv_port_sample *s = vmv_facts_rows(f, &vmv_collector_port, &n);

	vmv_jw_array(w, "ports");
	for (size_t i = 0; i < n && i < VMV_METRICS_PORTS; i++) {
		struct vmv_jw_mark mark = vmv_jw_mark(w);

		write_port(w, &s[i]);
		if (!fits(w, mark))
			break;
	}
	vmv_jw_end(w);
}

vmv_groups vmv_metrics_groups(void)
{
	static const struct vmv_collector *const needed[] = {
		&vmv_collector_cpu,  &vmv_collector_disk,	 &vmv_collector_filesystem,
		&vmv_collector_load, &vmv_collector_memory,	 &vmv_collector_network,
		&vmv_collector_os,   &vmv_collector_port,	 &vmv_collector_process,
		&vmv_collector_stat, &vmv_collector_temperature,
	};
	vmv_groups set = 0;

	for (size_t i = 0; i < VMV_COUNTOF(needed); i++)
		set |= vmv_group(needed[i]);
	return set;
}

/* -- the message --------------------------------------------------------------------------- */

int vmv_metrics_write(struct vmv_jw *w, const char *name, const struct vmv_facts *f,
		      const struct vmv_rates *rates, const struct vmv_address_memory *m,
		      const struct vmv_metrics_options *o, struct vmv_err *err)
{
	int r;

	vmv_jw_open(w, name);
	r = write_system(w, f, rates, m, o, err);
	if (r < 0)
		return r;
	r = vmv_processes_write_top(w, "processes", f, rates, o->processes, o->has_cmdline);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "out of memory");
	write_ports(w, f);
	vmv_jw_close(w);
	return 0;
}

int vmv_metrics_message(struct vmv_jw *w, const char *stamp, const struct vmv_facts *f,
			const struct vmv_rates *rates, const struct vmv_address_memory *m,
			const struct vmv_metrics_options *o, struct vmv_err *err)
{
	int r;

	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "metrics");
	vmv_jw_str(w, "timestamp", stamp);
	r = vmv_metrics_write(w, "data", f, rates, m, o, err);
	if (r < 0)
		return r;
	vmv_jw_close(w);
	r = vmv_jw_finish(w);
	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "cannot write the metrics message: %s",
				strerror(-r))
		     : 0;
}
