# vmvitals-execd: the only part that changes anything.
noinst_LIBRARIES += execd/libexecd.a
execd_libexecd_a_SOURCES = \
	execd/audit.c \
	execd/counters.c execd/counters.h \
	execd/execd.c execd/execd.h \
	execd/execd_impl.h \
	execd/jobs.c execd/jobs.h \
	execd/jobs_describe.c \
	execd/jobs_end.c \
	execd/jobs_impl.h \
	execd/jobs_kept.c \
	execd/jobs_output.c \
	execd/jobs_qga.c \
	execd/jobs_record.c \
	execd/jobs_status.c \
	execd/keyring.c execd/keyring.h \
	execd/nonces.c execd/nonces.h \
	execd/options.c execd/options.h \
	execd/peer.c \
	execd/qga.c execd/qga.h \
	execd/qga_children.c execd/qga_children.h \
	execd/qga_files.c execd/qga_files.h \
	execd/reply.c execd/reply.h \
	execd/script_file.c execd/script_file.h \
	execd/scriptq.c execd/scriptq.h \
	execd/scripts.c execd/scripts.h \
	execd/secret.c execd/secret.h \
	execd/sessions.c execd/sessions.h \
	execd/submit.c
execd_libexecd_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(JSONC_CFLAGS) $(NETTLE_CFLAGS) \
	-DSYSCONFDIR='"$(sysconfdir)"' \
	-DVMV_EXECD_RUN_DIR='"$(runstatedir)/vmvitals-execd"' \
	-DVMV_EXECD_STATE_DIR='"$(localstatedir)/lib/vmvitals-execd"' \
	-DVMV_JOB_PATH='"$(pkglibexecdir)/vmvitals-job"'

execd_libs = execd/libexecd.a config/libconfig.a exec/libexec.a commands/libtable.a \
	reports/libreports.a collectors/libcollectors.a virtio/libvirtio.a proto/libproto.a base/libbase.a \
	$(EVENT_LIBS) $(JSONC_LIBS) $(NETTLE_LIBS) $(INIH_LIBS) -lm

pkglibexec_PROGRAMS += vmvitals-execd
vmvitals_execd_SOURCES = execd/main.c
vmvitals_execd_CPPFLAGS = $(AM_CPPFLAGS)
vmvitals_execd_LDADD = $(execd_libs)

dist_man_MANS += man/vmvitals-execd.8
