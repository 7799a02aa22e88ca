EXTRA_DIST += \
	tests/e2e/conftest.py tests/e2e/harness.py tests/e2e/schema.py tests/e2e/test_channels.py \
	tests/e2e/test_cli.py tests/e2e/test_config.py tests/e2e/test_framing.py tests/e2e/test_golden.py tests/e2e/test_health.py \
	tests/e2e/test_life.py tests/e2e/test_limits.py tests/e2e/test_node_exporter.py tests/e2e/test_queue.py \
	tests/e2e/test_samples.py tests/e2e/test_session.py tests/e2e/test_state.py \
	tests/e2e/test_unprivileged.py tests/e2e/test_values.py tests/e2e/test_zz_traffic.py \
	tests/e2e/golden/debian12-6.1.json tests/e2e/golden/guest-to-host.index.json \
	tests/e2e/golden/guest-to-host.ndjson tests/e2e/golden/host-to-guest.expect.json \
	tests/e2e/golden/host-to-guest.ndjson tests/e2e/golden/signed-v1.expect.json \
	tests/e2e/golden/signed-v1.ndjson tests/e2e/golden/signed-v2.expect.json \
	tests/e2e/golden/signed-v2.ndjson tests/fixtures/debian12-6.1/boot/grub \
	tests/fixtures/debian12-6.1/etc/machine-id tests/fixtures/debian12-6.1/etc/os-release \
	tests/fixtures/debian12-6.1/etc/passwd tests/fixtures/debian12-6.1/proc/1/cmdline \
	tests/fixtures/debian12-6.1/proc/1/io tests/fixtures/debian12-6.1/proc/1/stat \
	tests/fixtures/debian12-6.1/proc/1033/cmdline tests/fixtures/debian12-6.1/proc/1033/stat \
	tests/fixtures/debian12-6.1/proc/1200/cmdline tests/fixtures/debian12-6.1/proc/1200/stat \
	tests/fixtures/debian12-6.1/proc/2/cmdline tests/fixtures/debian12-6.1/proc/2/stat \
	tests/fixtures/debian12-6.1/proc/31/cmdline tests/fixtures/debian12-6.1/proc/31/stat \
	tests/fixtures/debian12-6.1/proc/402/cmdline tests/fixtures/debian12-6.1/proc/402/io \
	tests/fixtures/debian12-6.1/proc/402/stat tests/fixtures/debian12-6.1/proc/612/cmdline \
	tests/fixtures/debian12-6.1/proc/612/io tests/fixtures/debian12-6.1/proc/612/stat \
	tests/fixtures/debian12-6.1/proc/845/cmdline tests/fixtures/debian12-6.1/proc/845/io \
	tests/fixtures/debian12-6.1/proc/845/stat tests/fixtures/debian12-6.1/proc/977/cmdline \
	tests/fixtures/debian12-6.1/proc/977/stat tests/fixtures/debian12-6.1/proc/diskstats \
	tests/fixtures/debian12-6.1/proc/loadavg tests/fixtures/debian12-6.1/proc/meminfo \
	tests/fixtures/debian12-6.1/proc/net/dev tests/fixtures/debian12-6.1/proc/net/if_inet6 \
	tests/fixtures/debian12-6.1/proc/net/route tests/fixtures/debian12-6.1/proc/net/tcp \
	tests/fixtures/debian12-6.1/proc/net/tcp6 tests/fixtures/debian12-6.1/proc/net/udp \
	tests/fixtures/debian12-6.1/proc/net/udp6 tests/fixtures/debian12-6.1/proc/self/mountinfo \
	tests/fixtures/debian12-6.1/proc/stat tests/fixtures/debian12-6.1/proc/sys/kernel/hostname \
	tests/fixtures/debian12-6.1/proc/sys/kernel/osrelease \
	tests/fixtures/debian12-6.1/proc/sys/kernel/random/boot_id \
	tests/fixtures/debian12-6.1/proc/uptime tests/fixtures/debian12-6.1/sys/block/dm-0/slaves/vdb \
	tests/fixtures/debian12-6.1/sys/block/loop0/size tests/fixtures/debian12-6.1/sys/block/sr0/size \
	tests/fixtures/debian12-6.1/sys/block/vda/size tests/fixtures/debian12-6.1/sys/block/vdb/size \
	tests/fixtures/debian12-6.1/sys/class/hwmon/hwmon0/name \
	tests/fixtures/debian12-6.1/sys/class/hwmon/hwmon0/temp1_input \
	tests/fixtures/debian12-6.1/sys/class/hwmon/hwmon0/temp2_input \
	tests/fixtures/debian12-6.1/sys/class/hwmon/hwmon0/temp3_input \
	tests/fixtures/debian12-6.1/sys/class/net/docker0/address \
	tests/fixtures/debian12-6.1/sys/class/net/docker0/flags \
	tests/fixtures/debian12-6.1/sys/class/net/docker0/ifindex \
	tests/fixtures/debian12-6.1/sys/class/net/docker0/mtu \
	tests/fixtures/debian12-6.1/sys/class/net/docker0/operstate \
	tests/fixtures/debian12-6.1/sys/class/net/eth0/address \
	tests/fixtures/debian12-6.1/sys/class/net/eth0/flags \
	tests/fixtures/debian12-6.1/sys/class/net/eth0/ifindex \
	tests/fixtures/debian12-6.1/sys/class/net/eth0/mtu \
	tests/fixtures/debian12-6.1/sys/class/net/eth0/operstate \
	tests/fixtures/debian12-6.1/sys/class/net/eth0/speed \
	tests/fixtures/debian12-6.1/sys/class/net/eth1/address \
	tests/fixtures/debian12-6.1/sys/class/net/eth1/flags \
	tests/fixtures/debian12-6.1/sys/class/net/eth1/ifindex \
	tests/fixtures/debian12-6.1/sys/class/net/eth1/mtu \
	tests/fixtures/debian12-6.1/sys/class/net/eth1/operstate \
	tests/fixtures/debian12-6.1/sys/class/net/eth1/speed \
	tests/fixtures/debian12-6.1/sys/class/net/lo/address \
	tests/fixtures/debian12-6.1/sys/class/net/lo/flags \
	tests/fixtures/debian12-6.1/sys/class/net/lo/ifindex \
	tests/fixtures/debian12-6.1/sys/class/net/lo/mtu \
	tests/fixtures/debian12-6.1/sys/class/net/lo/operstate \
	tests/fixtures/debian12-6.1/sys/class/thermal/thermal_zone0/temp \
	tests/fixtures/debian12-6.1/sys/class/thermal/thermal_zone0/type
