pkglibexec_PROGRAMS += vmvitals-helper
vmvitals_helper_SOURCES = \
	helper/main.c helper/question.h \
	helper/services.c \
	helper/software.c helper/software.h \
	helper/software_list.c \
	helper/software_run.c \
	helper/software_updates.c \
	helper/serve.c \
	helper/statvfs.c \
	helper/units.c \
	helper/users.c
vmvitals_helper_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
vmvitals_helper_LDADD = exec/libexec.a packages/libpackages.a proto/libproto.a base/libbase.a \
	$(LIBSYSTEMD_LIBS) -lm
