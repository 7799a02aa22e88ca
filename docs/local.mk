# docs/METRICS.md and the help of the host tools come from the field tables of collectors/,
# docs/COMMANDS.md and vmvitals-commands(7) from the command table.
check_PROGRAMS += docs/generate
docs_generate_SOURCES = docs/generate.c docs/commands.c docs/commands.h
docs_generate_CPPFLAGS = $(AM_CPPFLAGS)
docs_generate_LDADD = $(agent_libs)

dist_check_SCRIPTS += docs/check.sh
TESTS += docs/check.sh

.PHONY: update-docs
update-docs: docs/generate
	./docs/generate metrics >docs/update.tmp && cp docs/update.tmp '$(srcdir)/docs/METRICS.md'
	./docs/generate groups >docs/update.tmp && cp docs/update.tmp '$(srcdir)/host/groups.inc'
	./docs/generate names >docs/update.tmp && cp docs/update.tmp '$(srcdir)/host/metrics.inc'
	./docs/generate schema >docs/update.tmp && cp docs/update.tmp '$(srcdir)/reports/schema.inc'
	./docs/generate commands >docs/update.tmp && cp docs/update.tmp '$(srcdir)/docs/COMMANDS.md'
	./docs/generate commands-man >docs/update.tmp && \
		cp docs/update.tmp '$(srcdir)/man/vmvitals-commands.7'
	rm -f docs/update.tmp
