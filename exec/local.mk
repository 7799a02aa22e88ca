noinst_LIBRARIES += exec/libexec.a
exec_libexec_a_SOURCES = \
	exec/asker.c exec/asker.h \
	exec/bus.c exec/bus.h \
	exec/capture.c exec/capture.h \
	exec/cgroup.c exec/cgroup.h \
	exec/child.c exec/child.h \
	exec/due.h \
	exec/fetcher.c exec/fetcher.h \
	exec/job.c exec/job.h \
	exec/kin.c exec/kin.h \
	exec/leftover.c exec/leftover.h \
	exec/link.c exec/link.h \
	exec/memfd.c exec/memfd.h \
	exec/packet.c exec/packet.h \
	exec/spawn.c exec/spawn.h \
	exec/workers.c exec/workers.h
exec_libexec_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(LIBSYSTEMD_CFLAGS)
