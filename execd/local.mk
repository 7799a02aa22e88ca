# vmvitals-execd: the only part that changes anything.
noinst_LIBRARIES += execd/libexecd.a
execd_libexecd_a_SOURCES = \
	execd/options.c execd/options.h
execd_libexecd_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(JSONC_CFLAGS) \
	-DVMV_JOB_PATH='"$(pkglibexecdir)/vmvitals-job"'

execd_libs = execd/libexecd.a config/libconfig.a exec/libexec.a commands/libtable.a \
	reports/libreports.a collectors/libcollectors.a virtio/libvirtio.a proto/libproto.a base/libbase.a \
	$(EVENT_LIBS) $(JSONC_LIBS) $(NETTLE_LIBS) $(INIH_LIBS) -lm

pkglibexec_PROGRAMS += vmvitals-execd
vmvitals_execd_SOURCES = execd/main.c
vmvitals_execd_CPPFLAGS = $(AM_CPPFLAGS)
vmvitals_execd_LDADD = $(execd_libs)
