dist_check_SCRIPTS += tests/layers.sh tests/banned.sh
TESTS += tests/layers.sh tests/banned.sh
AM_TESTS_ENVIRONMENT = top_srcdir='$(top_srcdir)'; export top_srcdir;

if ENABLE_TESTS
check_LIBRARIES += tests/lib/libfixture.a
tests_lib_libfixture_a_SOURCES = tests/lib/fixture.c tests/lib/fixture.h \
	tests/lib/action.h \
	tests/lib/bus.h \
	tests/lib/fake_asker.h \
	tests/lib/guest.c tests/lib/guest.h \
	tests/lib/jobs.c tests/lib/jobs.h
tests_lib_libfixture_a_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

include tests/unit/local.mk
include tests/fuzz/local.mk
endif

include tests/e2e/local.mk
include tests/vm/local.mk
