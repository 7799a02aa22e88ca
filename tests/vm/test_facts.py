"""What only a real guest shows: units, sessions, sockets of other users, control groups, the hypervisor,
the state of the clock. The agent is what the package installs: an unprivileged service."""
import json
import time

import pytest
from native import DEADLINE

BROKEN = "vmv-broken.service"
LISTENER = "vmv-listener.service"
PORT = 5599


@pytest.fixture(scope="module")
def guest_with_units(installed):
    """A failed unit, and a service of another user with a port."""
    installed.start()
    guest = installed.guest
    guest.sh(f"systemd-run --quiet --unit={BROKEN} /bin/false; true")
    guest.sh(f"systemd-run --quiet --unit={LISTENER} -p User=nobody systemd-socket-activate -l {PORT} cat")
    guest.wait(f"ss -Hltn 'sport = :{PORT}' | grep -q LISTEN")
    guest.wait(f"systemctl is-failed {BROKEN}")
    try:
        yield installed
    finally:
        guest.sh(f"systemctl stop {LISTENER}; systemctl reset-failed {BROKEN}; true")


class Samples:
    def __init__(self, host):
        self.host = host
        self.described = host.ask("Describe", what=["groups"])["data"]["groups"]

    def read(self, *groups):
        """When all of them have answers: what the service manager is asked for may come a little later."""
        deadline = time.monotonic() + DEADLINE
        while True:
            answer = self.host.ask("GetSamples", groups=list(groups))
            assert answer["success"], answer
            found = answer["data"]["groups"]
            if all(g["ok"] for g in found.values()):
                return {g: self.rows(g, v) for g, v in found.items()}
            assert time.monotonic() < deadline, found
            time.sleep(0.5)

    def rows(self, name, group):
        names = [f["name"] + "".join(f"{{{k}={v}}}" for k, v in (f.get("labels") or {}).items())
                 for f in self.described[name]["fields"]]
        return {row[0]: dict(zip(names, row[1:])) for row in group["rows"]}


@pytest.fixture
def samples(guest_with_units):
    with guest_with_units.host() as host:
        host.greet()
        yield Samples(host)


def until(look, condition):
    """Some groups are read at most every few seconds."""
    deadline = time.monotonic() + DEADLINE
    while True:
        value = look()
        if condition(value) or time.monotonic() > deadline:
            return value
        time.sleep(0.5)


def test_units_are_what_systemctl_says(guest_with_units, samples):
    guest = guest_with_units.guest
    rows = until(lambda: samples.read("systemd", "unit"), lambda g: BROKEN in g["unit"])
    listed = json.loads(guest.sh("systemctl list-units --all --output=json"))
    failed = {u["unit"] for u in listed if u["active"] == "failed"}
    assert BROKEN in failed
    assert {name for name, row in rows["unit"].items() if row["vmvitals_unit_failed"] == 1} == failed
    assert rows["unit"][BROKEN]["active"] == "failed"
    systemd = rows["systemd"][None]
    assert systemd["node_systemd_units{state=failed}"] == len(failed)
    active = sum(u["active"] == "active" for u in listed)
    assert systemd["node_systemd_units{state=active}"] == pytest.approx(active, abs=5)


def test_a_port_of_another_user_has_its_unit(samples):
    """The agent sees neither the descriptors of that process nor its program, but the socket's group."""
    rows = until(lambda: samples.read("port"), lambda g: f"tcp:{PORT}" in g["port"])["port"]
    row = rows[f"tcp:{PORT}"]
    assert row["vmvitals_port_owner_pid"] is None
    assert row["unit"] == LISTENER


def test_control_groups_have_the_services(guest_with_units, samples):
    rows = samples.read("cgroup")["cgroup"]
    path = guest_with_units.guest.sh("systemctl show -P ControlGroup vmvitalsd.service").strip()
    row = rows[path]
    assert 1_000_000 < row["vmvitals_cgroup_memory_bytes"] < 64_000_000
    assert row["vmvitals_cgroup_processes"] >= 1
    assert "/" in rows and "/system.slice" in rows


def test_the_hypervisor_is_known(guest_with_units, samples):
    row = samples.read("virtual")["virtual"][None]
    assert row["hypervisor"] == guest_with_units.guest.sh("systemd-detect-virt --vm").strip() == "qemu"
    assert row["container"] in ("none", None)
    assert row["vmvitals_virtual_is_guest"] == 1


def test_the_clock_is_what_the_kernel_says(guest_with_units, samples):
    row = samples.read("time")["time"][None]
    assert row["clocksource"] == guest_with_units.guest.sh(
        "cat /sys/devices/system/clocksource/clocksource0/current_clocksource").strip()
    assert row["node_timex_sync_status"] == 0  # nothing sets the clock here
    assert row["node_time_seconds"] == pytest.approx(float(guest_with_units.guest.sh("date +%s")), abs=5)


def test_a_clock_step_is_counted_and_hurts_nothing(guest_with_units, samples):
    guest = guest_with_units.guest
    before = samples.read("time", "load", "cpu")
    guest.sh("date -s @$(( $(date +%s) - 3600 ))")
    try:
        after = samples.read("time", "load", "cpu")
        jumps = "vmvitals_time_jumps_total"
        assert after["time"][None][jumps] == before["time"][None][jumps] + 1
        assert after["time"][None]["vmvitals_time_last_jump_seconds"] == pytest.approx(-3600, abs=5)
        assert after["load"][None]["vmvitals_uptime_seconds"] >= before["load"][None]["vmvitals_uptime_seconds"]
        metrics = samples.host.ask("GetMetrics")["data"]
        assert all(0 <= p["cpu_percent"] <= 800 for p in metrics["processes"])
    finally:
        guest.sh("date -s @$(( $(date +%s) + 3600 ))")


def test_a_processor_may_go_and_come(guest_with_units, samples):
    guest = guest_with_units.guest
    cpu1 = "/sys/devices/system/cpu/cpu1/online"
    if guest.sh(f"test -w {cpu1} && echo yes || true").strip() != "yes":
        pytest.skip("this guest's processors cannot be taken offline")
    assert set(samples.read("cpu")["cpu"]) == {"0", "1"}
    try:
        guest.sh(f"echo 0 > {cpu1}")
        assert set(samples.read("cpu")["cpu"]) == {"0"}
        assert len(samples.host.ask("GetMetrics")["data"]["system"]["cpu"]["cores_usage"]) == 1
    finally:
        guest.sh(f"echo 1 > {cpu1}")
    rows = samples.read("cpu")["cpu"]
    assert set(rows) == {"0", "1"}
    assert all(value is None or 0 <= value < 1e9 for row in rows.values() for value in row.values())


def test_a_disk_may_vanish(guest_with_units, samples):
    """As far as the kernel lets one: a scsi or virtio disk is removed through sysfs or unplugged."""
    guest = guest_with_units.guest
    assert "vdc" in samples.read("disk")["disk"]
    guest.sh("echo $(basename $(readlink /sys/block/vdc/device)) > /sys/bus/virtio/drivers/virtio_blk/unbind")
    try:
        assert "vdc" not in samples.read("disk")["disk"]
        metrics = samples.host.ask("GetMetrics")["data"]["system"]["disk"]
        assert metrics["io_stats"]["read_bytes_per_sec"] >= 0
    finally:
        guest.sh("for d in /sys/bus/virtio/devices/*; do test -e $d/driver || "
                 "echo $(basename $d) > /sys/bus/virtio/drivers/virtio_blk/bind || true; done 2>/dev/null")
    guest.wait("test -e /sys/block/vdc")


def test_health_names_the_failed_unit(guest_with_units, samples):
    answer = until(lambda: samples.host.ask("GetHealth")["data"],
                   lambda d: next(c for c in d["checks"] if c["name"] == "critical_services")["status"] == "warning")
    checks = {c["name"]: c for c in answer["checks"]}
    assert checks["critical_services"]["status"] == "warning"
    assert BROKEN in json.dumps(checks["critical_services"])
    assert checks["memory_usage"]["status"] == "passed"
    assert checks["network_connectivity"]["status"] == "passed"
    assert checks["filesystem_stuck"]["status"] == "passed"
    assert answer["status"] in ("warning", "failed")


def test_the_helper_is_there_only_while_it_has_work(guest_with_units, samples):
    guest = guest_with_units.guest
    samples.read("systemd")
    guest.wait("! pgrep -x vmvitals-helper", timeout=DEADLINE)
