# One program per module under test; each is a libcheck suite of its own.
unit_tests = \
	tests/unit/test_client \
	tests/unit/test_cpu \
	tests/unit/test_disk \
	tests/unit/test_filesystem \
	tests/unit/test_load \
	tests/unit/test_memory \
	tests/unit/test_network \
	tests/unit/test_num \
	tests/unit/test_os \
	tests/unit/test_process \
	tests/unit/test_root \
	tests/unit/test_show \
	tests/unit/test_socket \
	tests/unit/test_temperature \
	tests/unit/test_utf8 \
	tests/unit/test_vitals
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

AM_CPPFLAGS += $(CHECK_CFLAGS) $(EVENT_CFLAGS) $(JSONC_CFLAGS)
LDADD = tests/lib/libfixture.a host/libhost.a $(agent_libs) $(CHECK_LIBS) -lm
