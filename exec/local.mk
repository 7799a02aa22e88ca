noinst_LIBRARIES += exec/libexec.a
exec_libexec_a_SOURCES = \
	exec/asker.c exec/asker.h \
	exec/bus.c exec/bus.h
exec_libexec_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(LIBSYSTEMD_CFLAGS)
