"""Frozen filesystems: what is done meanwhile, and that they are thawed whoever dies."""
import time

import agent_guest
import pytest
from native import DEADLINE

HOOK = "#!/bin/sh\\necho {name} $1 >>/run/lab-hooks\\n"
PLACE = "/mnt/lab"


@pytest.fixture
def disk(commanded):
    """A filesystem of its own on which somebody writes all the time; thawed afterwards."""
    guest = commanded.guest
    for name in ("10-first", "20-second"):
        guest.sh(f"printf '{HOOK.format(name=name)}' >/etc/vmvitals/fsfreeze.d/{name}; chmod 755 /etc/vmvitals/fsfreeze.d/{name}")
    guest.sh(f"mkdir -p {PLACE}; mount /dev/vdc {PLACE}; rm -f /run/lab-hooks; "
             f"systemd-run -q --collect --unit lab-writer sh -c 'i=0; while :; do i=$((i + 1)); echo $i >{PLACE}/file; "
             "echo $i >/run/lab-written; sleep 0.05; done'")
    guest.wait("test -s /run/lab-written", DEADLINE)
    yield guest
    with commanded.greeted() as host:
        host.done("FsThaw")
    guest.run(f"systemctl stop lab-writer; umount {PLACE}; rm /etc/vmvitals/fsfreeze.d/*")


def written(guest):
    """Between two writes the file is empty for a moment."""
    return int(guest.sh('while x=$(cat /run/lab-written); [ -z "$x" ]; do :; done; echo "$x"'))


def is_writing(guest):
    """The writer has come on within a second."""
    before = written(guest)
    time.sleep(1)
    return written(guest) > before


def wait_writing(guest):
    deadline = time.monotonic() + DEADLINE
    while not is_writing(guest):
        assert time.monotonic() < deadline


def hooks(guest):
    return guest.sh("cat /run/lab-hooks").splitlines()


def wait_thawed(commanded, guest):
    """The record is gone, hooks have run, the writer goes on."""
    guest.wait("! test -e /run/vmvitals-execd/fsfreeze && [ $(wc -l </run/lab-hooks) = 4 ]", DEADLINE)
    assert hooks(guest) == ["10-first freeze", "20-second freeze", "20-second thaw", "10-first thaw"]
    wait_writing(guest)
    with commanded.greeted() as host:
        assert host.ask("FsFreezeStatus")["data"]["status"] == "thawed"
        assert host.done("FsThaw")["thawed"] == 0


def freeze(host, timeout_s):
    data = host.done("FsFreeze", mountpoints=[PLACE], timeout_s=timeout_s)
    assert (data["frozen"], data["mountpoints"]) == (1, [PLACE]) and 0 < data["thaw_in_ms"] <= timeout_s * 1000


def test_writers_wait_while_it_is_frozen_and_so_do_commands(commanded, disk):
    with commanded.greeted() as host:
        freeze(host, 300)
        assert not is_writing(disk)
        assert hooks(disk) == ["10-first freeze", "20-second freeze"]
        status = host.ask("FsFreezeStatus")["data"]
        assert status["status"] == "frozen" and 200_000 < status["thaw_in_ms"] <= 300_000
        assert host.ask("GetState")["data"]["fs_frozen"] is True
        for action in ("FsTrim", "FsFreeze", "DiskCleanup"):
            assert (action, host.do(action)["error_code"]) == (action, "BUSY")
        assert host.raw("true")["error_code"] == "BUSY"
        assert host.ask("ServiceList")["error_code"] == "BUSY"
        assert host.ask("Ping")["success"] and host.ask("GetHealth")["success"] and host.ask("JobStatus")["success"]
        host.end.send({"type": "Metrics"})
        assert host.wait("metrics")["data"]["system"]
        assert disk.sh(f"systemctl is-active {agent_guest.UNIT} {agent_guest.EXECUTOR}").split() == ["active", "active"]
        data = host.done("FsThaw")
        assert data["thawed"] == 1 and 0 < data["frozen_ms"] < 300_000
        assert host.raw("echo again")["stdout"] == "again\n"
    wait_thawed(commanded, disk)


def test_it_is_thawed_in_time_by_itself(commanded, disk):
    with commanded.greeted() as host:
        freeze(host, 5)
        began = time.monotonic()
        while host.ask("FsFreezeStatus")["data"]["status"] == "frozen":
            assert time.monotonic() - began < DEADLINE
            time.sleep(0.2)
        assert time.monotonic() - began > 2
    wait_thawed(commanded, disk)


def test_the_agents_death_leaves_it_to_the_next_one(commanded, disk):
    with commanded.greeted() as host:
        freeze(host, 300)
        pid = commanded.pid()
        disk.sh(f"kill -KILL {pid}")
        host.wait("handshake", DEADLINE, first=True)
        assert host.ask("FsFreezeStatus")["data"]["status"] == "frozen"
        assert not is_writing(disk)
        assert host.done("FsThaw")["thawed"] == 1
    wait_thawed(commanded, disk)


def test_it_is_thawed_in_time_though_the_agent_is_killed_and_stays_dead(commanded, disk):
    with commanded.greeted() as host:
        freeze(host, 8)
    disk.sh(f"systemctl mask --runtime --now {agent_guest.UNIT} 2>/dev/null; systemctl kill -s KILL {agent_guest.UNIT} "
            "2>/dev/null; ! pgrep -x vmvitalsd")
    try:
        disk.wait("! test -e /run/vmvitals-execd/fsfreeze", DEADLINE)
        wait_writing(disk)
        disk.sh("! pgrep -x vmvitalsd")  # nobody came to its help
    finally:
        disk.sh(f"systemctl unmask --runtime {agent_guest.UNIT}; systemctl start {agent_guest.UNIT}")
    wait_thawed(commanded, disk)


def test_the_executors_death_thaws(commanded, disk):
    with commanded.greeted() as host:
        freeze(host, 300)
        disk.sh(f"kill -KILL {commanded.executor_pid()}")
    wait_thawed(commanded, disk)


def test_a_stop_of_the_executor_thaws(commanded, disk):
    with commanded.greeted() as host:
        freeze(host, 300)
        disk.sh(f"systemctl stop {agent_guest.EXECUTOR}")
    wait_thawed(commanded, disk)


def test_a_hook_that_fails_prevents_it(commanded, disk):
    disk.sh("cd /etc/vmvitals/fsfreeze.d; printf '#!/bin/sh\\n[ $1 = thaw ]\\n' >15-refuses; chmod 755 15-refuses")
    with commanded.greeted() as host:
        answer = host.do("FsFreeze", mountpoints=[PLACE])
        assert (answer["error_code"], "15-refuses" in answer["error"]) == ("INTERNAL", True)
        assert host.ask("FsFreezeStatus")["data"]["status"] == "thawed"
    assert is_writing(disk) and hooks(disk) == ["10-first freeze", "10-first thaw"]


@pytest.fixture
def journal_on_disk(commanded):
    """As most systems have it: while the root is frozen journald hangs, and nobody may wait for it."""
    conf = "/run/systemd/journald.conf.d/on-disk.conf"
    commanded.guest.sh(f"conf={conf}; mkdir -p ${{conf%/*}} /var/log/journal; "
                       "printf '[Journal]\\nStorage=persistent\\n' >$conf; systemctl restart systemd-journald; "
                       "journalctl --flush; ls /var/log/journal/*/system.journal")
    yield
    commanded.guest.sh(f"rm {conf}; systemctl restart systemd-journald; rm -r /var/log/journal")


def test_all_of_them_are_frozen_and_thawed_in_time(commanded, disk, journal_on_disk):
    """The root, too: nothing is asked of the guest meanwhile but by its port."""
    with commanded.greeted() as host:
        pids = commanded.pid(), commanded.executor_pid()
        began = time.monotonic()
        data = host.done("FsFreeze", timeout_s=8)
        assert set(data["mountpoints"]) == {"/", PLACE} and data["frozen"] == 2
        while host.ask("FsFreezeStatus")["data"]["status"] == "frozen":
            assert time.monotonic() - began < 2 * DEADLINE
            assert host.do("FsTrim").get("error_code") in ("BUSY", None)  # each is a line for the journal
            host.end.send({"type": "Metrics"})
            assert host.wait("metrics")["data"]["system"]["uptime_seconds"] > 0
        assert time.monotonic() - began > 2
        assert host.raw("echo again >/root/again; cat /root/again")["stdout"] == "again\n"
    wait_thawed(commanded, disk)
    assert (commanded.pid(), commanded.executor_pid()) == pids
