#!/bin/sh
# Builds the fuzz targets with clang's libFuzzer, AddressSanitizer and UBSan and runs each for
# FUZZ_SECONDS. Called by 'make fuzz', which sets what is used here. Everything is below fuzz-build/
# of the build directory: corpora that grow from run to run, and the inputs of findings.
set -eu

: "${srcdir:?}" "${CC:?}" "${FUZZ_SECONDS:=60}" "${FUZZ_TARGETS:=}"
san='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
out=fuzz-build

if ! "${CC%% *}" --version 2>/dev/null | grep -q clang; then
	echo "make fuzz needs clang: make fuzz CC=clang" >&2
	exit 1
fi
if [ -z "$FUZZ_TARGETS" ]; then
	for f in "$srcdir"/tests/fuzz/fuzz_*.c; do
		t=${f##*/fuzz_}
		FUZZ_TARGETS="$FUZZ_TARGETS ${t%.c}"
	done
fi

rm -rf "$out/obj"
mkdir -p "$out/obj"
# One source: compiler, flags, source, directory for the object.
# shellcheck disable=SC2016
compile='o=$(echo "$3" | tr / _)
exec $1 -g -O1 $2 -fsanitize=fuzzer-no-link -I. -c "$srcdir/$3" -o "$4/${o%.c}.o"'
for f in $FUZZ_SOURCES; do
	case $f in
	*.c) echo "$f" ;;
	esac
done | xargs -P "$(nproc)" -I{} sh -c "$compile" sh "$CC" "$FUZZ_CFLAGS $san" {} "$out/obj"
rm -f "$out/lib.a"
"$AR" cr "$out/lib.a" "$out"/obj/*.o

failed=
for t in $FUZZ_TARGETS; do
	# shellcheck disable=SC2086
	$CC -g -O1 $FUZZ_CFLAGS $san -fsanitize=fuzzer -I. "$srcdir/tests/fuzz/fuzz_$t.c" \
		"$out/lib.a" $FUZZ_LIBS -o "$out/fuzz_$t"
	mkdir -p "$out/corpus/$t"
	dict=
	[ -e "$srcdir/tests/fuzz/dict/$t" ] && dict="-dict=$srcdir/tests/fuzz/dict/$t"
	echo "== $t"
	# shellcheck disable=SC2086
	"$out/fuzz_$t" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=1024 -verbosity=0 \
		-print_final_stats=1 $dict -artifact_prefix="$out/$t-" \
		"$out/corpus/$t" "$srcdir/tests/fuzz/corpus/$t" || failed="$failed $t"
done
if [ -n "$failed" ]; then
	echo "findings:$failed; the inputs are in $out/" >&2
	exit 1
fi
