# vmvitals-job: one job of the executor, in a process of its own.
noinst_LIBRARIES += job/libjob.a
job_libjob_a_SOURCES = \
	job/action.h job/actions.c \
	job/cleanup.c \
	job/clock.c job/clock.h \
	job/domain.c \
	job/files.c \
	job/freeze.c \
	job/golden.c \
	job/hostname.c \
	job/kill.c \
	job/package.c \
	job/margin.h \
	job/power.c job/power.h \
	job/program.c job/program.h \
	job/scrub.c job/scrub.h \
	job/service.c job/unit.h \
	job/trim.c
job_libjob_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS) $(LIBSYSTEMD_CFLAGS)

job_libs = job/libjob.a exec/libexec.a packages/libpackages.a commands/libtable.a \
	proto/libproto.a base/libbase.a \
	$(LIBSYSTEMD_LIBS) $(JSONC_LIBS) $(NETTLE_LIBS) $(EVENT_LIBS) -lm

pkglibexec_PROGRAMS += vmvitals-job
vmvitals_job_SOURCES = job/main.c
vmvitals_job_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS)
vmvitals_job_LDADD = $(job_libs)
