# One program per parser of outside bytes. Here they replay their corpora, with any compiler; 'make
# fuzz' builds them once more with clang's libFuzzer and lets them search.
fuzz_tests = \
	tests/fuzz/fuzz_cgroup \
	tests/fuzz/fuzz_diag \
	tests/fuzz/fuzz_diskstats \
	tests/fuzz/fuzz_envelope \
	tests/fuzz/fuzz_inet6 \
	tests/fuzz/fuzz_json \
	tests/fuzz/fuzz_json_write \
	tests/fuzz/fuzz_loadavg \
	tests/fuzz/fuzz_meminfo \
	tests/fuzz/fuzz_mountinfo \
	tests/fuzz/fuzz_ndjson \
	tests/fuzz/fuzz_netdev \
	tests/fuzz/fuzz_netstat \
	tests/fuzz/fuzz_os_release \
	tests/fuzz/fuzz_outq \
	tests/fuzz/fuzz_packages \
	tests/fuzz/fuzz_passwd \
	tests/fuzz/fuzz_pressure \
	tests/fuzz/fuzz_process \
	tests/fuzz/fuzz_qga \
	tests/fuzz/fuzz_route \
	tests/fuzz/fuzz_socket \
	tests/fuzz/fuzz_sockstat \
	tests/fuzz/fuzz_spec \
	tests/fuzz/fuzz_stat \
	tests/fuzz/fuzz_systemd \
	tests/fuzz/fuzz_utmp \
	tests/fuzz/fuzz_virtual \
	tests/fuzz/fuzz_vitals \
	tests/fuzz/fuzz_vmstat
check_PROGRAMS += $(fuzz_tests)
TESTS += $(fuzz_tests)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/dict tests/fuzz/run.sh

fuzz_driver = tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_cgroup_SOURCES = tests/fuzz/fuzz_cgroup.c $(fuzz_driver)
tests_fuzz_fuzz_diag_SOURCES = tests/fuzz/fuzz_diag.c $(fuzz_driver)
tests_fuzz_fuzz_diskstats_SOURCES = tests/fuzz/fuzz_diskstats.c $(fuzz_driver)
tests_fuzz_fuzz_envelope_SOURCES = tests/fuzz/fuzz_envelope.c $(fuzz_driver)
tests_fuzz_fuzz_inet6_SOURCES = tests/fuzz/fuzz_inet6.c $(fuzz_driver)
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c $(fuzz_driver)
tests_fuzz_fuzz_json_write_SOURCES = tests/fuzz/fuzz_json_write.c $(fuzz_driver)
tests_fuzz_fuzz_loadavg_SOURCES = tests/fuzz/fuzz_loadavg.c $(fuzz_driver)
tests_fuzz_fuzz_meminfo_SOURCES = tests/fuzz/fuzz_meminfo.c $(fuzz_driver)
tests_fuzz_fuzz_mountinfo_SOURCES = tests/fuzz/fuzz_mountinfo.c $(fuzz_driver)
tests_fuzz_fuzz_ndjson_SOURCES = tests/fuzz/fuzz_ndjson.c $(fuzz_driver)
tests_fuzz_fuzz_netdev_SOURCES = tests/fuzz/fuzz_netdev.c $(fuzz_driver)
tests_fuzz_fuzz_netstat_SOURCES = tests/fuzz/fuzz_netstat.c $(fuzz_driver)
tests_fuzz_fuzz_os_release_SOURCES = tests/fuzz/fuzz_os_release.c $(fuzz_driver)
tests_fuzz_fuzz_outq_SOURCES = tests/fuzz/fuzz_outq.c $(fuzz_driver)
tests_fuzz_fuzz_packages_SOURCES = tests/fuzz/fuzz_packages.c $(fuzz_driver)
tests_fuzz_fuzz_packages_LDADD = packages/libpackages.a $(LDADD)
tests_fuzz_fuzz_passwd_SOURCES = tests/fuzz/fuzz_passwd.c $(fuzz_driver)
tests_fuzz_fuzz_pressure_SOURCES = tests/fuzz/fuzz_pressure.c $(fuzz_driver)
tests_fuzz_fuzz_process_SOURCES = tests/fuzz/fuzz_process.c $(fuzz_driver)
tests_fuzz_fuzz_qga_SOURCES = tests/fuzz/fuzz_qga.c $(fuzz_driver)
tests_fuzz_fuzz_route_SOURCES = tests/fuzz/fuzz_route.c $(fuzz_driver)
tests_fuzz_fuzz_socket_SOURCES = tests/fuzz/fuzz_socket.c $(fuzz_driver)
tests_fuzz_fuzz_sockstat_SOURCES = tests/fuzz/fuzz_sockstat.c $(fuzz_driver)
tests_fuzz_fuzz_spec_SOURCES = tests/fuzz/fuzz_spec.c $(fuzz_driver)
tests_fuzz_fuzz_stat_SOURCES = tests/fuzz/fuzz_stat.c $(fuzz_driver)
tests_fuzz_fuzz_systemd_SOURCES = tests/fuzz/fuzz_systemd.c $(fuzz_driver)
tests_fuzz_fuzz_utmp_SOURCES = tests/fuzz/fuzz_utmp.c $(fuzz_driver)
tests_fuzz_fuzz_virtual_SOURCES = tests/fuzz/fuzz_virtual.c $(fuzz_driver)
tests_fuzz_fuzz_vitals_SOURCES = tests/fuzz/fuzz_vitals.c $(fuzz_driver)
tests_fuzz_fuzz_vmstat_SOURCES = tests/fuzz/fuzz_vmstat.c $(fuzz_driver)

# make fuzz [FUZZ_SECONDS=60] [FUZZ_TARGETS='json outq'] [CC=clang]
fuzz_sources = \
	$(base_libbase_a_SOURCES) $(collectors_libcollectors_a_SOURCES) \
	$(proto_libproto_a_SOURCES) $(virtio_libvirtio_a_SOURCES) \
	$(packages_libpackages_a_SOURCES) \
	$(watch_libwatch_a_SOURCES) $(reports_libreports_a_SOURCES) \
	$(commands_libcommands_a_SOURCES) $(commands_libtable_a_SOURCES) $(host_libhost_a_SOURCES)
fuzz_cflags = $(DEFS) $(AM_CPPFLAGS) $(INIH_CFLAGS) $(LIBUDEV_CFLAGS) \
	$(MNL_CFLAGS) $(NETTLE_CFLAGS) $(CPPFLAGS) $(VMV_CFLAGS)
fuzz_libs = $(EVENT_LIBS) $(JSONC_LIBS) $(LIBUDEV_LIBS) $(INIH_LIBS) \
	$(MNL_LIBS) $(NETTLE_LIBS) -lm

fuzz:
	@srcdir='$(srcdir)' CC='$(CC)' AR='$(AR)' FUZZ_CFLAGS='$(fuzz_cflags)' \
	FUZZ_SOURCES='$(fuzz_sources)' FUZZ_LIBS='$(fuzz_libs)' FUZZ_SECONDS='$(FUZZ_SECONDS)' \
	FUZZ_TARGETS='$(FUZZ_TARGETS)' $(SHELL) '$(srcdir)/tests/fuzz/run.sh'

clean-local: clean-fuzz
clean-fuzz:
	rm -rf fuzz-build
