#!/bin/sh
# What is written from the tables is what is checked in, and the manual has every verb and option.
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
same commands docs/COMMANDS.md
same commands-man man/vmvitals-commands.7
# The first words of the two lists in the help, which comes from the tables of verbs and options.
roff() {
	sed 's/-/\\-/g'
}
./vmvitals --help >docs/help.tmp
sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p' docs/help.tmp >docs/verbs.tmp
sed -n '/^Options:/,/^$/s/^ *\(-., \)\{0,1\}--\([a-z-]*\).*/\2/p' docs/help.tmp | roff >docs/options.tmp
sed -n '/^\.SH VERBS/,/^\.SH OPTIONS/s/^\.BR* \([a-z]*\).*/\1/p' "$src/man/vmvitals.1" >docs/man.tmp
while read -r verb; do
	if ! grep -qx "$verb" docs/man.tmp; then
		echo "man/vmvitals.1 does not explain the verb $verb"
		status=1
	fi
done <docs/verbs.tmp
while read -r option; do
	if ! grep -qF "\-\-$option" "$src/man/vmvitals.1"; then
		echo "man/vmvitals.1 does not explain the option $option"
		status=1
	fi
done <docs/options.tmp
# lists that are empty would agree with everything
if [ ! -s docs/verbs.tmp ] || [ ! -s docs/options.tmp ]; then
	echo 'the help lists no verbs, or no options'
	status=1
fi
rm -f docs/help.tmp docs/verbs.tmp docs/options.tmp docs/man.tmp
exit $status
