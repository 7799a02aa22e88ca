noinst_LIBRARIES += base/libbase.a
base_libbase_a_SOURCES = \
	base/asker.h base/backoff.c base/backoff.h \
	base/bucket.c base/bucket.h \
	base/buf.c base/buf.h \
	base/cleanup.h \
	base/clock.c base/clock.h \
	base/settings.c base/settings.h \
	base/err.c base/err.h \
	base/freeze.c base/freeze.h \
	base/journal.c base/journal.h \
	base/limits.h \
	base/log.c base/log.h \
	base/metric.h \
	base/notify.c base/notify.h \
	base/num.c base/num.h \
	base/rfc3339.c base/rfc3339.h \
	base/root.c base/root.h \
	base/utf8.c base/utf8.h \
	base/uuid.c base/uuid.h
base_libbase_a_CPPFLAGS = $(AM_CPPFLAGS) $(INIH_CFLAGS)
