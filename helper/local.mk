pkglibexec_PROGRAMS += vmvitals-helper
vmvitals_helper_SOURCES = \
	helper/main.c helper/question.h \
	helper/services.c \
	helper/statvfs.c \
	helper/units.c \
	helper/users.c
vmvitals_helper_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
vmvitals_helper_LDADD = exec/libexec.a proto/libproto.a base/libbase.a $(LIBSYSTEMD_LIBS) -lm
