# The settings that both daemons read.
noinst_LIBRARIES += config/libconfig.a
config_libconfig_a_SOURCES = \
	config/identity.c config/identity.h \
	config/owner.c config/owner.h \
	config/settings.c config/settings.h
config_libconfig_a_CPPFLAGS = $(AM_CPPFLAGS) -DSYSCONFDIR='"$(sysconfdir)"' \
	-DVMV_HELPER_PATH='"$(pkglibexecdir)/vmvitals-helper"' \
	-DVMV_EXECUTOR_PATH='"$(runstatedir)/vmvitals-execd/execd.sock"'
