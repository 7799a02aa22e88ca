noinst_LIBRARIES += collectors/libcollectors.a
collectors_libcollectors_a_SOURCES = \
	collectors/agent.c collectors/agent.h \
	collectors/all.c collectors/collector.h \
	collectors/answer.c collectors/answer.h \
	collectors/address.c collectors/address.h \
	collectors/blockdev.c collectors/blockdev.h \
	collectors/blockdev_address.c \
	collectors/blockfs.c collectors/blockfs.h \
	collectors/cgroup.c collectors/cgroup.h \
	collectors/cgroup_files.c collectors/cgroup_files.h \
	collectors/cgroup_id.c collectors/cgroup_id.h \
	collectors/cpu.c collectors/cpu.h \
	collectors/cpu_steady.c collectors/cpu_steady.h \
	collectors/diag.c collectors/diag.h \
	collectors/disk.c collectors/disk.h \
	collectors/filesystem.c collectors/filesystem.h \
	collectors/groups.c \
	collectors/interface.c collectors/interface.h \
	collectors/hypervisor.c collectors/hypervisor.h \
	collectors/kernel.c collectors/kernel.h \
	collectors/keyed.c collectors/keyed.h \
	collectors/links.c collectors/links.h \
	collectors/load.c collectors/load.h \
	collectors/memory.c collectors/memory.h \
	collectors/mountinfo.c collectors/mountinfo.h \
	collectors/netstat.c collectors/netstat.h \
	collectors/network.c collectors/network.h \
	collectors/os.c collectors/os.h \
	collectors/owner.c collectors/owner.h \
	collectors/parts.c collectors/parts.h \
	collectors/pressure.c collectors/pressure.h \
	collectors/pids.c collectors/pids.h \
	collectors/process.c collectors/process.h \
	collectors/process_detail.c \
	collectors/route.c collectors/route.h \
	collectors/socket.c collectors/socket.h \
	collectors/systemd.c collectors/systemd.h \
	collectors/tcp.c collectors/tcp.h \
	collectors/temperature.c collectors/temperature.h \
	collectors/time.c collectors/time.h \
	collectors/timezone.c collectors/timezone.h \
	collectors/topology.c collectors/topology.h \
	collectors/tzrule.c \
	collectors/user.c collectors/user.h \
	collectors/virtual.c collectors/virtual.h \
	collectors/vmstat.c collectors/vmstat.h \
	collectors/walk.c collectors/walk.h
collectors_libcollectors_a_CPPFLAGS = $(AM_CPPFLAGS) $(MNL_CFLAGS)
