#!/bin/sh
# What is written from the field tables is what is checked in.
set -eu
src=${top_srcdir:-.}
status=0
same() { # PART FILE
	if ! ./docs/generate "$1" | diff -u "$src/$2" -; then
		echo "^ $2 differs from the tables: make update-docs"
		status=1
	fi
}
same metrics docs/METRICS.md
same schema reports/schema.inc
same groups host/groups.inc
same names host/metrics.inc
exit $status
