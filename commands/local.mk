# The table and what belongs to it, for all programs; the handlers are the agent's.
noinst_LIBRARIES += commands/libtable.a
commands_libtable_a_SOURCES = \
	commands/args.c commands/command.h \
	commands/charset.c commands/charset.h \
	commands/judge.c commands/judge.h \
	commands/qga.h \
	commands/qga_args.c \
	commands/qga_table.c \
	commands/table.c \
	commands/words.c commands/words.h
commands_libtable_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS)

noinst_LIBRARIES += commands/libcommands.a
commands_libcommands_a_SOURCES = \
	commands/advice.c \
	commands/describe.c \
	commands/disks.c \
	commands/families.h \
	commands/freeze.c \
	commands/handlers.c commands/handlers.h \
	commands/health.c \
	commands/jobs.c \
	commands/link.c \
	commands/packages.c \
	commands/qga_cpus.c \
	commands/qga_disk.h \
	commands/qga_families.h \
	commands/qga_fsinfo.c \
	commands/qga_handlers.c \
	commands/qga_info.c \
	commands/qga_network.c \
	commands/qga_reading.c commands/qga_reading.h \
	commands/qga_storage.c \
	commands/qga_system.c \
	commands/qga_vitals.c \
	commands/request.c commands/request.h \
	commands/samples.c \
	commands/services.c \
	commands/software.c commands/software.h \
	commands/system.c \
	commands/updates.c \
	commands/users.c
commands_libcommands_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS)
