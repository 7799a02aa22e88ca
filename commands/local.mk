noinst_LIBRARIES += commands/libcommands.a
commands_libcommands_a_SOURCES = \
	commands/args.c commands/command.h \
	commands/describe.c \
	commands/families.h \
	commands/health.c \
	commands/judge.c commands/judge.h \
	commands/link.c \
	commands/request.c commands/request.h \
	commands/samples.c \
	commands/system.c \
	commands/table.c
commands_libcommands_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS)
