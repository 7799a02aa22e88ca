pkglibexec_PROGRAMS += vmvitals-helper
vmvitals_helper_SOURCES = \
	helper/main.c helper/question.h \
	helper/serve.c \
	helper/statvfs.c \
	helper/bus.c helper/bus.h \
	helper/units.c \
	helper/users.c
vmvitals_helper_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
vmvitals_helper_LDADD = base/libbase.a $(LIBSYSTEMD_LIBS)
