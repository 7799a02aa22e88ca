noinst_LIBRARIES += collectors/libcollectors.a
collectors_libcollectors_a_SOURCES = \
	collectors/all.c collectors/collector.h \
	collectors/cpu.c collectors/cpu.h \
	collectors/disk.c collectors/disk.h \
	collectors/filesystem.c collectors/filesystem.h \
	collectors/load.c collectors/load.h \
	collectors/memory.c collectors/memory.h \
	collectors/network.c collectors/network.h \
	collectors/os.c collectors/os.h \
	collectors/process.c collectors/process.h \
	collectors/socket.c collectors/socket.h \
	collectors/temperature.c collectors/temperature.h
collectors_libcollectors_a_CPPFLAGS = $(AM_CPPFLAGS) $(MOUNT_CFLAGS)
