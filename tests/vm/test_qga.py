"""The QEMU guest agent's protocol on a real port: clients that come and go, stall, or are the next one."""
import itertools
import json
import time

import agent_guest
import pytest
import vm
from native import DEADLINE
from qga_client import Client, request

QGA = agent_guest.QGA
HELD = agent_guest.HELD
CLIENTS = 1000
ASKED = ["guest-ping", "guest-info", "guest-get-osinfo", "guest-network-get-interfaces", "guest-get-fsinfo",
         "guest-get-vcpus", "guest-get-time", "guest-fsfreeze-status"]


def wait_held(agent):
    agent.guest.wait(f"test -e {HELD}", DEADLINE)


@pytest.fixture(autouse=True)
def held(agent):
    wait_held(agent)


def test_answers_are_all_that_comes(agent):
    with Client(agent) as client:
        assert client.ask("guest-ping") == {}  # the first line of all
        assert client.ask("guest-sync", id=17) == 17
        commands = {c["name"]: c for c in client.ask("guest-info")["supported_commands"]}
        assert commands["guest-ping"] == {"name": "guest-ping", "enabled": True, "success-response": True}
        client.end.send(b"\xff\n\r\n" + request("guest-ping"))
        assert json.loads(client.end.line(DEADLINE)) == {"return": {}}
        assert client.end.buffer == b""


def test_no_reply_is_lost_to_1000_clients_in_a_loaded_guest(agent, figures):
    load = agent.guest.spawn("for i in 1 2 3; do while :; do :; done & done; echo loaded; wait")
    assert load.wait_output("loaded", DEADLINE)
    pid, began, slowest = agent.pid(), time.monotonic(), 0
    try:
        for number, execute in zip(range(1, CLIENTS + 1), itertools.cycle(ASKED)):
            at = time.monotonic()
            with Client(agent) as client:
                client.ask_delimited(number, execute)
            slowest = max(slowest, time.monotonic() - at)
    finally:
        load.send_signal(9)
    figures["qga_loaded_client_ms"] = round((time.monotonic() - began) / CLIENTS * 1000, 1)
    figures["qga_loaded_slowest_ms"] = round(slowest * 1000)
    assert agent.pid() == pid


def stall(agent, client):
    """The client has asked for more than it reads, till everything between is full."""
    client.sync(1)
    client.end.socket.settimeout(5)
    with pytest.raises(TimeoutError):
        while True:  # its requests wait, too, in the end
            client.end.socket.sendall(request("guest-info") * 100)
    agent.wait_calm()


def test_client_that_does_not_read_costs_nothing_and_the_next_gets_its_own(agent, figures):
    pid = agent.pid()
    with Client(agent) as client:
        stall(agent, client)
        cost = agent.guest.measure(pid, 5)
        with agent.host() as other:
            other.greet()
            assert other.ask("Ping")["success"] is True
    figures["qga_stalled_5_s"] = cost
    assert cost["cpu_ms"] <= 100 and cost["voluntary"] <= 10
    with Client(agent) as client:
        client.sync(2)
        assert client.ask("guest-ping") == {}
        assert client.end.buffer == b""
    assert agent.pid() == pid


def test_client_that_comes_at_once_after_one_that_left_in_a_reply(agent):
    for number in range(1, 6):
        with Client(agent) as client:
            client.end.send(request("guest-info") * 30)
            client.end.recv(DEADLINE)
        with Client(agent) as client:
            assert client.ask_delimited(number, "guest-ping") == {}


def test_half_request_of_the_one_before_swallows_nothing(agent):
    with Client(agent) as client:
        client.end.send(b'{"execute": "guest-exec", "arguments": {"path": "')
    with Client(agent) as client:
        client.sync(42)
        assert client.ask("guest-ping") == {}


def test_port_can_be_unplugged_and_plugged_again(agent):
    guest, pid = agent.guest, agent.pid()
    with Client(agent) as client, agent.host() as other:
        other.greet()
        assert client.ask("guest-ping") == {}
        guest.unplug(QGA)
        guest.wait(f"! test -e {HELD}", DEADLINE)  # whoever else wants it may have the next one
        assert other.ask("Ping")["success"] is True
    guest.plug(QGA)
    wait_held(agent)
    with Client(agent) as client:
        assert client.ask("guest-ping") == {}
    assert agent.pid() == pid


def test_killed_agent_comes_back_without_a_word(agent):
    guest, pid = agent.guest, agent.pid()
    with Client(agent) as client:
        assert client.ask("guest-ping") == {}
        # between its death and the next one nobody has the port, and nothing says so
        guest.sh(f"kill -KILL {pid}; until ! test -e {HELD}; do sleep 0.01; done", DEADLINE)
        wait_held(agent)
        client.sync(7)
        assert client.ask("guest-ping") == {}
    assert agent.pid() != pid and agent_guest.holders(guest, QGA) == ["vmvitalsd"]


def test_port_belongs_to_the_agents_group(agent):
    owner = agent.guest.sh(f"stat -L -c '%U:%G %a' /dev/virtio-ports/{QGA}")
    assert owner == "root:vmvitals 660"
    with Client(agent) as client, pytest.raises(vm.LabError):
        client.end.recv(0.5)  # not a byte that was not asked for
