# vmvitals-job: one job of the executor, in a process of its own.
noinst_LIBRARIES += job/libjob.a
job_libjob_a_SOURCES = \
	job/action.h job/actions.c \
	job/caches.c job/caches.h \
	job/cleanup.c \
	job/clock.c \
	job/digest.c job/digest.h \
	job/domain.c \
	job/files.c \
	job/freeze.c job/freezer.c \
	job/golden.c \
	job/guard.c job/guard.h job/guard_impl.h job/guarding.c \
	job/hooks.c job/hooks.h \
	job/hostname.c \
	job/kill.c \
	job/package.c \
	job/points.c job/points.h \
	job/power.c \
	job/safepath.c job/safepath.h \
	job/service.c \
	job/tool.c job/tool.h \
	job/transfer.c \
	job/tree.c job/tree.h \
	job/trim.c
job_libjob_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS) $(LIBSYSTEMD_CFLAGS) $(NETTLE_CFLAGS)

job_libs = job/libjob.a exec/libexec.a packages/libpackages.a commands/libtable.a \
	proto/libproto.a collectors/libcollectors.a base/libbase.a \
	$(LIBSYSTEMD_LIBS) $(JSONC_LIBS) $(NETTLE_LIBS) $(EVENT_LIBS) -lm

pkglibexec_PROGRAMS += vmvitals-job
vmvitals_job_SOURCES = job/main.c
vmvitals_job_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS)
vmvitals_job_LDADD = $(job_libs)
