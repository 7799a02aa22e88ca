#include "collectors/agent.h"
#include "collectors/cgroup.h"
#include "collectors/collector.h"
#include "collectors/cpu.h"
#include "collectors/disk.h"
#include "collectors/filesystem.h"
#include "collectors/kernel.h"
#include "collectors/load.h"
#include "collectors/memory.h"
#include "collectors/netstat.h"
#include "collectors/network.h"
#include "collectors/os.h"
#include "collectors/pressure.h"
#include "collectors/process.h"
#include "collectors/route.h"
#include "collectors/socket.h"
#include "collectors/systemd.h"
#include "collectors/tcp.h"
#include "collectors/temperature.h"
#include "collectors/time.h"
#include "collectors/user.h"
#include "collectors/virtual.h"
#include "collectors/vmstat.h"

/* Explicit, so that order is fixed, grep finds it, and the linker cannot drop an unreferenced
 * object from libcollectors.a. Sorted by name. */
/* clang-format off: one a line */
const struct vmv_collector *const vmv_collectors[] = {
	&vmv_collector_agent,
	&vmv_collector_cgroup,
	&vmv_collector_channel,
	&vmv_collector_collector,
	&vmv_collector_cpu,
	&vmv_collector_disk,
	&vmv_collector_filesystem,
	&vmv_collector_kernel,
	&vmv_collector_load,
	&vmv_collector_memory,
	&vmv_collector_netstat,
	&vmv_collector_network,
	&vmv_collector_os,
	&vmv_collector_port,
	&vmv_collector_pressure,
	&vmv_collector_process,
	&vmv_collector_processes,
	&vmv_collector_route,
	&vmv_collector_sockstat,
	&vmv_collector_stat,
	&vmv_collector_systemd,
	&vmv_collector_tcp,
	&vmv_collector_temperature,
	&vmv_collector_time,
	&vmv_collector_unit,
	&vmv_collector_user,
	&vmv_collector_virtual,
	&vmv_collector_vmstat,
	NULL,
};
