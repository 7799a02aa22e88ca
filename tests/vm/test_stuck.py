"""A filesystem that hangs, in the service's sandbox: the helper can be started there, and held."""
import time

import agent_guest
import pytest
from native import DEADLINE
from qga_client import Client

# A FUSE filesystem without anybody who serves it: not even its first message is answered.
HANG = ("exec 5<>/dev/fuse; mount -i -t fuse.hang "
        "-o fd=5,rootmode=40000,user_id=0,group_id=0,allow_other hang /mnt; exec sleep 1000")


def helpers(guest):
    return guest.sh(f"systemctl show -p TasksCurrent --value {agent_guest.UNIT}")


@pytest.fixture
def hanging(agent):
    """Ends the filesystem when called, at the latest when the test is over."""
    guest = agent.guest

    def end():
        guest.sh("umount -l /mnt 2>/dev/null; systemctl stop hang.service 2>/dev/null; true")
    guest.sh("modprobe fuse; until [ -e /dev/fuse ]; do sleep 0.1; done")
    try:
        guest.sh(f"systemd-run -q --collect --unit=hang sh -c '{HANG}'")
        guest.wait("grep -q fuse.hang /proc/self/mountinfo", DEADLINE)
        yield end
    finally:
        end()


def test_it_holds_up_nothing(agent, hanging, figures):
    since = agent.now()
    with agent.host() as host:
        host.greet()
        row, = host.ask("GetMetrics")["data"]["system"]["disk"]["usage_stats"]
        assert row["mount_point"] == "/"
        entry = agent.wait_event("stuck", since)
        assert entry["VMVITALS_QUESTION"] == "statvfs /mnt"
        assert helpers(agent.guest) == "2"
        began = time.monotonic()
        assert host.ask("Ping")["success"] and host.ask("GetMetrics")["success"]
        figures["answers_while_stuck_s"] = round(time.monotonic() - began, 2)
        assert figures["answers_while_stuck_s"] < 5
        hanging()
        agent.wait_event("unstuck", since)
        assert host.ask("Ping")["success"]


def test_it_is_listed_without_sizes_and_delays_no_other_client(agent, hanging, figures):
    """The other language: nothing is cached when the first client asks."""
    agent.restart()
    agent.guest.wait(f"test -e {agent_guest.HELD}", DEADLINE)
    with Client(agent) as client:
        client.sync(1)
        began = time.monotonic()
        places = {f["mountpoint"]: f for f in client.ask("guest-get-fsinfo")}
        figures["qga_fsinfo_while_stuck_s"] = round(time.monotonic() - began, 2)
        assert places["/"]["total-bytes"] > 0 and "/mnt" not in places  # it is on no disk
        for _ in range(20):
            assert client.ask("guest-ping") == {}
        figures["qga_21_answers_while_stuck_s"] = round(time.monotonic() - began, 2)
        assert figures["qga_21_answers_while_stuck_s"] < 5


def test_the_service_stops_at_once(agent, hanging, figures):
    since = agent.now()
    with agent.host() as host:
        host.greet()
        deadline = time.monotonic() + DEADLINE
        while not agent.journal(since, VMVITALS_EVENT="stuck"):  # that the one before has ended is an answer for 2 s
            assert host.ask("GetMetrics")["success"] and time.monotonic() < deadline
            time.sleep(0.5)
    stop = agent.guest.sh(f"a=$(cut -d' ' -f1 /proc/uptime); systemctl stop {agent_guest.UNIT}; "
                          "cut -d' ' -f1 /proc/uptime; echo $a").split()
    figures["systemctl_stop_while_stuck_s"] = round(float(stop[0]) - float(stop[1]), 2)
    assert figures["systemctl_stop_while_stuck_s"] < 5
    assert agent.guest.sh(f"systemctl show -p Result --value {agent_guest.UNIT}") == "success"
