# Recorded machines have links in them: whole directories keep them.
EXTRA_DIST += \
	tests/e2e/conftest.py tests/e2e/executor.py tests/e2e/fake_guest.py tests/e2e/fuse.py \
	tests/e2e/harness.py tests/e2e/qga.py tests/e2e/schema.py tests/e2e/test_channels.py \
	tests/e2e/test_qga.py tests/e2e/test_qga_peer.py \
	tests/e2e/test_cli.py tests/e2e/test_cli_executor.py tests/e2e/test_cli_run.py \
	tests/e2e/test_config.py \
	tests/e2e/test_executor.py tests/e2e/test_executor_more.py tests/e2e/test_faults.py tests/e2e/test_framing.py \
	tests/e2e/test_golden.py tests/e2e/test_health.py tests/e2e/test_life.py \
	tests/e2e/test_limits.py tests/e2e/test_node_exporter.py tests/e2e/test_opening.py tests/e2e/test_queue.py \
	tests/e2e/test_qga_executor.py tests/e2e/test_qga_hostile.py \
	tests/e2e/test_reading.py tests/e2e/test_samples.py tests/e2e/test_scripts.py \
	tests/e2e/test_session.py tests/e2e/test_state.py tests/e2e/test_stuck.py \
	tests/e2e/test_unprivileged.py tests/e2e/test_values.py tests/e2e/test_zz_traffic.py \
	tests/e2e/conftest.py tests/e2e/fuse.py tests/e2e/harness.py tests/e2e/schema.py tests/e2e/test_channels.py \
	tests/e2e/test_cli.py tests/e2e/test_config.py tests/e2e/test_faults.py tests/e2e/test_framing.py \
	tests/e2e/test_golden.py tests/e2e/test_health.py tests/e2e/test_keys.py \
	tests/e2e/test_life.py tests/e2e/test_limits.py tests/e2e/test_node_exporter.py tests/e2e/test_queue.py \
	tests/e2e/conftest.py tests/e2e/fake_guest.py tests/e2e/fuse.py tests/e2e/harness.py tests/e2e/schema.py tests/e2e/test_channels.py \
	tests/e2e/test_cli.py tests/e2e/test_cli_run.py tests/e2e/test_config.py tests/e2e/test_faults.py tests/e2e/test_framing.py \
	tests/e2e/test_golden.py tests/e2e/test_health.py \
	tests/e2e/test_life.py tests/e2e/test_limits.py tests/e2e/test_node_exporter.py tests/e2e/test_packages.py tests/e2e/test_queue.py \
	tests/e2e/test_reading.py \
	tests/e2e/test_samples.py tests/e2e/test_session.py tests/e2e/test_state.py \
	tests/e2e/test_stuck.py tests/e2e/test_unprivileged.py tests/e2e/test_values.py tests/e2e/test_zz_traffic.py \
	tests/e2e/conftest.py tests/e2e/ed25519.py tests/e2e/executor.py tests/e2e/fake_guest.py tests/e2e/fuse.py \
	tests/e2e/harness.py tests/e2e/schema.py tests/e2e/test_channels.py tests/e2e/test_cli.py \
	tests/e2e/test_cli_executor.py tests/e2e/test_cli_run.py tests/e2e/test_commands_hostile.py \
	tests/e2e/test_config.py tests/e2e/test_executor.py tests/e2e/test_faults.py tests/e2e/test_framing.py \
	tests/e2e/test_golden.py tests/e2e/test_health.py tests/e2e/test_keys.py tests/e2e/test_life.py \
	tests/e2e/test_limits.py tests/e2e/test_node_exporter.py tests/e2e/test_queue.py tests/e2e/test_reading.py \
	tests/e2e/test_refusals.py tests/e2e/test_samples.py tests/e2e/test_scripts.py tests/e2e/test_session.py \
	tests/e2e/test_signed_golden.py tests/e2e/test_state.py tests/e2e/test_stuck.py \
	tests/e2e/golden tests/fixtures
