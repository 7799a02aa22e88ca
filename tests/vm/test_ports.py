"""Ports are unplugged, replugged, and held by somebody else."""
import time

import agent_guest
import pytest
import vm
from native import DEADLINE


def test_port_can_be_unplugged_and_plugged_again(agent):
    guest, pid, since = agent.guest, agent.pid(), agent.now()
    with agent.host() as host, agent.host(agent_guest.COMPATIBLE) as other:
        host.greet()
        other.greet()
        guest.unplug(agent_guest.NATIVE)
        entry = agent.wait_event("port_unplugged", since, agent_guest.NATIVE)
        assert len(entry["MESSAGE_ID"]) == 32
        assert other.ask("Ping")["success"] is True
    guest.plug(agent_guest.NATIVE)
    with agent.host() as host:
        hello = host.greet()
        assert host.wait("metrics")["data"]["system"]["uptime_seconds"] > 0
        assert host.ask("Ping")["data"]["session"] == hello["session"]
    assert agent.pid() == pid
    owner = guest.sh(f"stat -L -c '%U:%G %a' /dev/virtio-ports/{agent_guest.NATIVE}")
    assert owner == "root:vmvitals 660"


def test_port_held_by_another_process_is_taken_when_it_is_free(agent, figures):
    guest = agent.guest
    agent.stop()
    since = agent.now()
    holder = guest.spawn(f"exec 3<>/dev/virtio-ports/{agent_guest.NATIVE}; echo held; exec sleep 600")
    assert holder.wait_output("held", DEADLINE)
    agent.start()
    with agent.host(agent_guest.COMPATIBLE) as other:
        other.greet()
        deadline = time.monotonic() + DEADLINE
        while not busy_lines(agent, since):
            assert time.monotonic() < deadline, agent.journal(since)
            time.sleep(0.2)
        with agent.host(blank=False) as host, pytest.raises(vm.LabError):
            host.message(3)
        assert len(busy_lines(agent, since)) == 1
        freed = time.monotonic()
        holder.send_signal(9)
        with agent.host() as host:
            assert host.wait("handshake", 2 * DEADLINE, first=True)
            figures["busy_port_taken_s"] = round(time.monotonic() - freed, 1)
        assert other.ask("Ping")["success"] is True


def busy_lines(agent, since):
    return [entry for entry in agent.journal(since) if "busy" in entry["MESSAGE"].lower()
            and agent_guest.NATIVE in entry["MESSAGE"] + entry.get("VMVITALS_CHANNEL", "")]
