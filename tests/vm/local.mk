EXTRA_DIST += \
	.ci/run \
	tests/bare.sh tests/summary.py \
	tests/vm/agent_guest.py tests/vm/conftest.py tests/vm/native.py tests/vm/qga_client.py \
	tests/vm/test_boot.py tests/vm/test_commands.py tests/vm/test_executor.py \
	tests/vm/test_facts.py tests/vm/test_freeze.py tests/vm/test_install.py \
	tests/vm/test_libvirt.py tests/vm/test_qga.py tests/vm/test_qga_control.py \
	tests/vm/test_ports.py tests/vm/test_service.py tests/vm/test_sessions.py \
	tests/vm/test_stuck.py tests/vm/test_values.py \
	tests/vm/lab/README.md tests/vm/lab/build-image tests/vm/lab/libvirt.py tests/vm/lab/vm.py \
	tests/vm/lab/guest/labexecd.c tests/vm/lab/guest/labinit.c \
	tests/vm/lab/guest/masked tests/vm/lab/guest/modules \
	tests/vm/lab/guest/etc/dpkg/dpkg.cfg.d/lab \
	tests/vm/lab/guest/etc/hostname tests/vm/lab/guest/etc/hosts \
	tests/vm/lab/guest/etc/systemd/journald.conf.d/lab.conf \
	tests/vm/lab/guest/etc/systemd/system.conf.d/lab.conf \
	tests/vm/lab/guest/etc/systemd/system/lab-execd.service
