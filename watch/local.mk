noinst_LIBRARIES += watch/libwatch.a
watch_libwatch_a_SOURCES = \
	watch/rtnetlink.c watch/rtnetlink.h
watch_libwatch_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS)
