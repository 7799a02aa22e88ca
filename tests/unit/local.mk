# One program per module under test; each is a libcheck suite of its own.
unit_tests = \
	tests/unit/test_accounts \
	tests/unit/test_actions \
	tests/unit/test_arguments \
	tests/unit/test_asker \
	tests/unit/test_backoff \
	tests/unit/test_blockdev \
	tests/unit/test_bucket \
	tests/unit/test_buf \
	tests/unit/test_capture \
	tests/unit/test_cgroup \
	tests/unit/test_cgroup_id \
	tests/unit/test_channel \
	tests/unit/test_cleanup \
	tests/unit/test_child \
	tests/unit/test_client \
	tests/unit/test_clock \
	tests/unit/test_clock_action \
	tests/unit/test_command \
	tests/unit/test_config \
	tests/unit/test_counters \
	tests/unit/test_cpu \
	tests/unit/test_cpu_steady \
	tests/unit/test_describe \
	tests/unit/test_diag \
	tests/unit/test_disk \
	tests/unit/test_envelope \
	tests/unit/test_domain \
	tests/unit/test_disks \
	tests/unit/test_facts \
	tests/unit/test_fields \
	tests/unit/test_files \
	tests/unit/test_filesystem \
	tests/unit/test_freeze \
	tests/unit/test_golden \
	tests/unit/test_group \
	tests/unit/test_health \
	tests/unit/test_hello \
	tests/unit/test_helper \
	tests/unit/test_hostname \
	tests/unit/test_identity \
	tests/unit/test_job \
	tests/unit/test_journal \
	tests/unit/test_json_read \
	tests/unit/test_json_write \
	tests/unit/test_judge \
	tests/unit/test_keeper \
	tests/unit/test_kernel \
	tests/unit/test_keyed \
	tests/unit/test_keyfile \
	tests/unit/test_keyring \
	tests/unit/test_kill \
	tests/unit/test_launch \
	tests/unit/test_link \
	tests/unit/test_links \
	tests/unit/test_load \
	tests/unit/test_log \
	tests/unit/test_memory \
	tests/unit/test_metrics \
	tests/unit/test_mountinfo \
	tests/unit/test_ndjson \
	tests/unit/test_netstat \
	tests/unit/test_network \
	tests/unit/test_nonces \
	tests/unit/test_notices \
	tests/unit/test_notify \
	tests/unit/test_num \
	tests/unit/test_options \
	tests/unit/test_os \
	tests/unit/test_outq \
	tests/unit/test_packages_command \
	tests/unit/test_packages_helper \
	tests/unit/test_packages_inventory \
	tests/unit/test_packages_job \
	tests/unit/test_packages_parse \
	tests/unit/test_parts \
	tests/unit/test_poll \
	tests/unit/test_port \
	tests/unit/test_power \
	tests/unit/test_pressure \
	tests/unit/test_process \
	tests/unit/test_processes \
	tests/unit/test_qga_accounts \
	tests/unit/test_qga_actions \
	tests/unit/test_qga_args \
	tests/unit/test_qga_children \
	tests/unit/test_qga_exec \
	tests/unit/test_qga_files \
	tests/unit/test_qga_framer \
	tests/unit/test_qga_handles \
	tests/unit/test_qga_network \
	tests/unit/test_qga_operate \
	tests/unit/test_qga_storage \
	tests/unit/test_qga_system \
	tests/unit/test_qga_table \
	tests/unit/test_rates \
	tests/unit/test_response \
	tests/unit/test_root \
	tests/unit/test_route \
	tests/unit/test_samples \
	tests/unit/test_schema \
	tests/unit/test_scripts \
	tests/unit/test_service_action \
	tests/unit/test_services \
	tests/unit/test_serve \
	tests/unit/test_scope \
	tests/unit/test_sessions \
	tests/unit/test_settings \
	tests/unit/test_show \
	tests/unit/test_socket \
	tests/unit/test_spawn \
	tests/unit/test_spec \
	tests/unit/test_state \
	tests/unit/test_systemd \
	tests/unit/test_tables \
	tests/unit/test_tcp \
	tests/unit/test_temperature \
	tests/unit/test_time \
	tests/unit/test_timezone \
	tests/unit/test_topology \
	tests/unit/test_tree \
	tests/unit/test_units \
	tests/unit/test_usage \
	tests/unit/test_user \
	tests/unit/test_users_list \
	tests/unit/test_utf8 \
	tests/unit/test_uuid \
	tests/unit/test_virtual \
	tests/unit/test_vitals \
	tests/unit/test_vmstat \
	tests/unit/test_walk \
	tests/unit/test_words
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

# Not in the library: from there it would give its clock to any test that asks for the time.
warp = tests/lib/warp.c tests/lib/warp.h
tests_unit_test_disk_SOURCES = tests/unit/test_disk.c $(warp)
tests_unit_test_keeper_SOURCES = tests/unit/test_keeper.c $(warp)
tests_unit_test_network_SOURCES = tests/unit/test_network.c $(warp)
tests_unit_test_poll_SOURCES = tests/unit/test_poll.c $(warp)
tests_unit_test_walk_SOURCES = tests/unit/test_walk.c $(warp)

# Handlers of the QEMU guest agent's protocol.
qga_ask = tests/lib/qga_ask.c tests/lib/qga_ask.h
devices = tests/lib/devices.c tests/lib/devices.h
tests_unit_test_blockdev_SOURCES = tests/unit/test_blockdev.c $(devices)
tests_unit_test_qga_network_SOURCES = tests/unit/test_qga_network.c $(qga_ask)
tests_unit_test_qga_storage_SOURCES = tests/unit/test_qga_storage.c $(qga_ask) $(devices)
tests_unit_test_qga_system_SOURCES = tests/unit/test_qga_system.c $(devices)

# It runs the program.
EXTRA_tests_unit_test_helper_DEPENDENCIES = vmvitals-helper$(EXEEXT)
EXTRA_tests_unit_test_group_DEPENDENCIES = vmvitals-job$(EXEEXT)
EXTRA_tests_unit_test_job_DEPENDENCIES = vmvitals-job$(EXEEXT)
EXTRA_tests_unit_test_launch_DEPENDENCIES = vmvitals-job$(EXEEXT)
EXTRA_tests_unit_test_qga_exec_DEPENDENCIES = vmvitals-job$(EXEEXT)

tests_unit_test_actions_LDADD = $(job_libs) $(CHECK_LIBS)
tests_unit_test_qga_actions_LDADD = $(job_libs) $(CHECK_LIBS)
tests_unit_test_scope_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
tests_unit_test_scope_LDADD = tests/lib/libfixture.a $(job_libs) $(CHECK_LIBS)
tests_unit_test_group_LDADD = tests/lib/libfixture.a $(job_libs) $(CHECK_LIBS)

# The executor's parts.
tests_unit_test_counters_LDADD = execd/libexecd.a $(LDADD)
tests_unit_test_envelope_LDADD = execd/libexecd.a $(LDADD)
tests_unit_test_keyring_LDADD = execd/libexecd.a $(LDADD)
tests_unit_test_nonces_LDADD = execd/libexecd.a $(LDADD)
tests_unit_test_qga_children_LDADD = execd/libexecd.a $(LDADD)
tests_unit_test_qga_handles_LDADD = execd/libexecd.a $(LDADD)
tests_unit_test_sessions_LDADD = execd/libexecd.a $(LDADD)
# Of the agent's libraries none needs these.
tests_unit_test_packages_helper_SOURCES = tests/unit/test_packages_helper.c \
	helper/software.c helper/software_list.c helper/software_run.c helper/software_updates.c
tests_unit_test_packages_helper_LDADD = packages/libpackages.a $(LDADD)
tests_unit_test_packages_inventory_LDADD = packages/libpackages.a $(LDADD)
tests_unit_test_packages_parse_LDADD = packages/libpackages.a $(LDADD)
tests_unit_test_packages_job_LDADD = $(job_libs) $(LDADD)

# The helper is a program of its own: what answers is compiled in here.
tests_unit_test_serve_SOURCES = tests/unit/test_serve.c helper/serve.c
tests_unit_test_units_SOURCES = tests/unit/test_units.c \
	helper/units.c helper/users.c
tests_unit_test_units_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
tests_unit_test_units_LDADD = $(LDADD) $(LIBSYSTEMD_LIBS)

# The executor is no part of the agent.
tests_unit_test_scripts_LDADD = tests/lib/libfixture.a execd/libexecd.a $(agent_libs) $(CHECK_LIBS)

# Actions of the executor, as jobs run them.
action_tests_LDADD = tests/lib/libfixture.a $(job_libs) $(agent_libs) $(CHECK_LIBS) $(LIBSYSTEMD_LIBS)
tests_unit_test_clock_action_LDADD = $(action_tests_LDADD)
tests_unit_test_domain_LDADD = $(action_tests_LDADD)
tests_unit_test_hostname_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
tests_unit_test_hostname_LDADD = $(action_tests_LDADD)
tests_unit_test_kill_LDADD = $(action_tests_LDADD)
tests_unit_test_power_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
tests_unit_test_power_LDADD = $(action_tests_LDADD)
tests_unit_test_service_action_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
tests_unit_test_service_action_LDADD = $(action_tests_LDADD)
tests_unit_test_services_SOURCES = tests/unit/test_services.c \
	helper/services.c $(fake_systemd)
tests_unit_test_services_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
tests_unit_test_services_LDADD = $(LDADD) $(LIBSYSTEMD_LIBS)
# A systemd for end-to-end tests.
fake_systemd = tests/lib/fake_systemd.c tests/lib/fake_systemd.h
check_PROGRAMS += tests/e2e/fake-systemd
tests_e2e_fake_systemd_SOURCES = tests/e2e/fake_systemd.c $(fake_systemd)
tests_e2e_fake_systemd_CPPFLAGS = $(AM_CPPFLAGS) $(LIBSYSTEMD_CFLAGS)
tests_e2e_fake_systemd_LDADD = base/libbase.a $(LIBSYSTEMD_LIBS)

AM_CPPFLAGS += $(CHECK_CFLAGS) $(EVENT_CFLAGS) $(JSONC_CFLAGS)
LDADD = tests/lib/libfixture.a host/libhost.a $(agent_libs) $(CHECK_LIBS)

# Actions of the executor are in no library of the agent's.
action_tests = tests/lib/libfixture.a $(job_libs) $(MNL_LIBS) $(CHECK_LIBS)
acting = tests/lib/acting.c tests/lib/acting.h
tests_unit_test_cleanup_SOURCES = tests/unit/test_cleanup.c $(acting)
tests_unit_test_files_SOURCES = tests/unit/test_files.c $(acting)
tests_unit_test_freeze_SOURCES = tests/unit/test_freeze.c $(acting)
tests_unit_test_golden_SOURCES = tests/unit/test_golden.c $(acting)
tests_unit_test_qga_operate_SOURCES = tests/unit/test_qga_operate.c $(acting)
acting_qga = $(acting) tests/lib/acting_qga.c tests/lib/acting_qga.h
tests_unit_test_qga_accounts_SOURCES = tests/unit/test_qga_accounts.c $(acting_qga)
tests_unit_test_qga_files_SOURCES = tests/unit/test_qga_files.c $(acting_qga)
tests_unit_test_qga_accounts_LDADD = $(action_tests)
tests_unit_test_qga_files_LDADD = $(action_tests)
tests_unit_test_cleanup_LDADD = $(action_tests)
tests_unit_test_files_LDADD = $(action_tests)
tests_unit_test_freeze_LDADD = $(action_tests)
tests_unit_test_golden_LDADD = $(action_tests)
tests_unit_test_qga_operate_LDADD = $(action_tests)
tests_unit_test_tree_LDADD = $(action_tests)
