noinst_LIBRARIES += exec/libexec.a
exec_libexec_a_SOURCES = \
	exec/asker.c exec/asker.h \
	exec/child.c exec/child.h \
	exec/due.h \
	exec/fetcher.c exec/fetcher.h \
	exec/packet.c exec/packet.h \
	exec/spawn.c exec/spawn.h \
	exec/workers.c exec/workers.h
exec_libexec_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS)
