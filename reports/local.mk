noinst_LIBRARIES += reports/libreports.a
reports_libreports_a_SOURCES = \
	reports/accounts.c reports/accounts.h \
	reports/addresses.c reports/interfaces.h \
	reports/advice.c reports/advice.h \
	reports/checks.c reports/checks.h \
	reports/describe.c reports/describe.h \
	reports/disks.c reports/disks.h \
	reports/facts.c reports/facts.h \
	reports/health.c reports/health.h \
	reports/hello.c reports/hello.h \
	reports/history.c \
	reports/metrics.c reports/metrics.h \
	reports/notices.c reports/notices.h \
	reports/pick.c reports/pick.h \
	reports/processes.c reports/processes.h \
	reports/rates.c reports/rates.h \
	reports/response.c reports/response.h \
	reports/samples.c reports/samples.h \
	reports/fingerprint.c \
	reports/schema.c reports/schema.h reports/schema.inc \
	reports/state.c reports/state.h \
	reports/system.c reports/system.h \
	reports/usage.c reports/usage.h \
	reports/users.c reports/users.h
reports_libreports_a_CPPFLAGS = $(AM_CPPFLAGS) $(NETTLE_CFLAGS)
