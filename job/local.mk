# vmvitals-job: one job of the executor, in a process of its own.
noinst_LIBRARIES += job/libjob.a
job_libjob_a_SOURCES = \
	job/action.h \
	job/actions.c \
	job/caches.c job/caches.h \
	job/cleanup.c \
	job/clock.c job/clock.h \
	job/describe.c job/describe.h \
	job/digest.c job/digest.h \
	job/domain.c \
	job/files.c \
	job/freeze.c job/freeze.h \
	job/freezer.c \
	job/golden.c \
	job/group.c job/group.h \
	job/guard.c job/guard.h \
	job/guard_impl.h \
	job/guarding.c \
	job/hooks.c job/hooks.h \
	job/hostname.c \
	job/kill.c \
	job/launch.c job/launch.h \
	job/margin.h \
	job/package.c job/package.h \
	job/points.c job/points.h \
	job/power.c job/power.h \
	job/program.c job/program.h \
	job/qga.c job/qga.h \
	job/qga_accounts.c \
	job/qga_exec.c \
	job/qga_files.c \
	job/qga_hotplug.c \
	job/qga_operate.c \
	job/qga_power.c \
	job/relay.c job/relay.h \
	job/safepath.c job/safepath.h \
	job/scrub.c job/scrub.h \
	job/service.c \
	job/tool.c job/tool.h \
	job/transfer.c \
	job/tree.c job/tree.h \
	job/trim.c job/trim.h \
	job/unit.h
job_libjob_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS) $(LIBSYSTEMD_CFLAGS) $(NETTLE_CFLAGS)

job_libs = job/libjob.a exec/libexec.a packages/libpackages.a commands/libtable.a \
	reports/libreports.a collectors/libcollectors.a proto/libproto.a base/libbase.a \
	$(LIBSYSTEMD_LIBS) $(JSONC_LIBS) $(NETTLE_LIBS) $(EVENT_LIBS) $(MNL_LIBS) -lm

pkglibexec_PROGRAMS += vmvitals-job
vmvitals_job_SOURCES = job/main.c
vmvitals_job_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS)
vmvitals_job_LDADD = $(job_libs)
