# make bench [BENCH_FLAGS='--check --only start,stop']: measures vmvitalsd, prints a table and writes
# bench/results.json.
EXTRA_PROGRAMS = bench/floor bench/crowd bench/verify
EXTRA_DIST += bench/commands.py bench/common.py bench/executor.py bench/peers.py bench/qga.py bench/run.py
CLEANFILES += bench/floor bench/crowd bench/verify bench/results.json

bench_floor_SOURCES = bench/floor.c
bench_floor_LDADD =
bench_crowd_SOURCES = bench/crowd.c
bench_crowd_LDADD =
bench_verify_SOURCES = bench/verify.c
bench_verify_LDADD = proto/libproto.a base/libbase.a $(JSONC_LIBS) $(NETTLE_LIBS) -lm

.PHONY: bench
bench: vmvitalsd vmvitals-execd vmvitals-job bench/floor bench/crowd bench/verify
	/usr/bin/python3 '$(srcdir)/bench/run.py' --build . --json bench/results.json $(BENCH_FLAGS)
