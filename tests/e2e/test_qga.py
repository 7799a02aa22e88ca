"""The second language, that of the QEMU guest agent: what is answered, in which words, and that nothing else is."""
import ast
import json
import os
import pty
import re
import signal
import time

import pytest
import qga
from harness import DEADLINE, FIXTURES, GOLDEN, SANITIZED, HungUp, put, status_of, wait_for
from qga import Client, client_of, to_line
from test_qga_executor import Fake

PING = to_line("guest-ping")
RSS_MAX = (300 if SANITIZED else 32) * 1024  # KiB
QUICK = 3 if SANITIZED else 1  # seconds; within which a client wants its answer, on a machine with other work


def channel(start, n=0):
    return f"unix-listen:{start.folder}/q{n},dialect=qga"


def start_qga(start, *args, n=0, more=(), **options):
    agent = start("--interval", "3600", *args, channels=[channel(start, n), *more], **options)
    agent.socket = start.folder / f"q{n}"
    agent.wait_log(f"unix-listen:{agent.socket}: open")
    return agent


@pytest.fixture(scope="module")
def shared(start_shared):
    """One agent for all tables below: no input may hurt it."""
    return start_qga(start_shared)


@pytest.fixture(scope="module")
def table(shared):
    """One client likewise."""
    client = client_of(shared)
    yield client
    client.close()


@pytest.fixture
def agent(start):
    return start_qga(start)


@pytest.fixture
def client(agent):
    c = client_of(agent)
    yield c
    c.close()


# -- recorded requests and replies -------------------------------------------------------------------

def cases_of(path):
    """(name, what is sent, [(kind, what is expected)]) of a golden file."""
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        sent, expected = b"", []
        for line in lines[1:]:
            mark, _, rest = line.partition(" ")
            assert mark in (">", ">b", "<", "<b", "<d"), line
            if mark == ">":
                sent += rest.encode() + b"\n"
            elif mark == ">b":
                sent += ast.literal_eval(rest)
            else:
                expected.append((mark, rest))
        yield lines[0].removeprefix("# "), sent, expected


def fits(pattern, value):
    """A string "<regex>" stands for any string like it."""
    if isinstance(pattern, str) and pattern.startswith("<") and pattern.endswith(">"):
        return isinstance(value, str) and re.fullmatch(pattern[1:-1], value)
    if isinstance(pattern, dict) and isinstance(value, dict):
        return pattern.keys() == value.keys() and all(fits(pattern[k], value[k]) for k in pattern)
    if isinstance(pattern, list) and isinstance(value, list):
        return len(pattern) == len(value) and all(map(fits, pattern, value))
    return type(pattern) is type(value) and pattern == value


GOLDEN_CASES = {f"{path.stem}: {name}": (sent, expected) for path in sorted((GOLDEN / "qga").glob("*.txt"))
                for name, sent, expected in cases_of(path)}


def check_golden(client, sent, expected):
    client.send(sent)
    for mark, wanted in expected:
        if mark == "<b":
            wanted = ast.literal_eval(wanted)
            got = b"".join(client.raw_line() + b"\n" for _ in range(wanted.count(b"\n")))
            assert got == wanted
            continue
        line = client.raw_line()
        if mark == "<d":
            assert line[:1] == b"\xff"
            line = line[1:]
        got = qga.check_reply(line)
        assert fits(json.loads(wanted), got), got
    assert client.settle() == []


@pytest.mark.parametrize("name", GOLDEN_CASES)
def test_a_recorded_request_has_its_recorded_reply(table, name):
    check_golden(table, *GOLDEN_CASES[name])


# -- what recorded systems are answered with ---------------------------------------------------------

# What tells of this machine, this moment or this kernel call whatever the root is.
LIVE = {"guest-ping", "guest-sync", "guest-info", "guest-get-time", "guest-fsfreeze-status", "vmvitals-get-health"}
RECORDED = sorted(path.name for path in FIXTURES.iterdir() if (path / "proc").is_dir())


def without_live(command, value):
    """How full a mount point is, only this machine's could tell, and it has others."""
    if command == "guest-get-fsinfo":
        return [{k: v for k, v in row.items() if not k.endswith(("-bytes", "-privileged"))} for row in value]
    return value


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_system_has_its_recorded_replies(start, name):
    """VMV_UPDATE_GOLDEN=1 writes them anew."""
    client = client_of(start_qga(start, "--root", str(FIXTURES / name), "--helper", "/nonexistent"))
    found = {}
    for command in sorted(qga.RETURNS.keys() - LIVE):
        client.send(to_line(command))
        m = client.reply()
        if "return" in m:
            qga.check(command, qga.RETURNS[command], m["return"])
            found[command] = without_live(command, m["return"])
        else:
            found[command] = m["error"]["desc"]
    client.close()
    path = GOLDEN / "qga" / f"{name}.json"
    if os.environ.get("VMV_UPDATE_GOLDEN"):
        lines = (f"{json.dumps(command)}: {json.dumps(value)}" for command, value in found.items())
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))


# -- the stream --------------------------------------------------------------------------------------

def test_replies_come_in_the_order_of_requests(table):
    numbers = range(500)
    asked = []
    for n in numbers:
        asked.append(to_line("guest-info" if n % 50 == 7 else "guest-ping", id=n))
        asked.append(to_line("no-such", id=-n))
    table.send(b"".join(asked), reads=True)
    assert [table.reply()["id"] for _ in range(1000)] == [i for n in numbers for i in (n, -n)]
    assert table.settle() == []


def test_one_byte_at_a_time_is_the_same(table):
    for byte in to_line("guest-sync", {"id": 77}, id={"a": "}{"}):
        table.send(bytes([byte]))
    assert table.reply() == {"return": 77, "id": {"a": "}{"}}
    assert table.settle() == []


def test_a_long_id_comes_back_and_one_that_is_too_long_does_not_take_the_reply_with_it(table):
    table.send(to_line("guest-ping", id="x" * 3_000_000), reads=True)
    assert table.reply() == {"return": {}, "id": "x" * 3_000_000}
    text = "\u00e9" * 2_000_000  # six bytes each, when written as ASCII
    table.send(to_line("guest-ping", id=0).replace(b":0}", f':"{text}"}}'.encode()), reads=True)
    m = table.reply()
    assert m == {"error": {"class": "GenericError", "desc": "the reply is too long"}}
    assert table.settle() == []


def test_what_is_too_long_is_one_error_and_the_next_is_answered(start):
    client = client_of(start_qga(start, config="[protocol]\nline_in = 1\n"))
    for head in (b'{"execute":"guest-ping","id":"', b"x", b"[", b'{"a":' * 1000):
        client.send(head + b"y" * (3 << 20) + b'"}\n' + PING, reads=True)
        m = client.reply()
        assert m == {"error": {"class": "GenericError", "desc": "JSON parse error, the request is too long"}}
        assert client.reply() == {"return": {}}
    client.send(b"x" * (3 << 20) + b"\xff" + PING)
    assert client.reply() == {"return": {}}
    assert client.settle() == []


def test_no_byte_comes_that_nobody_asked_for(start, agent):
    """Neither at the beginning, nor later, nor when metrics would be due, nor at the end."""
    agent = start_qga(start, "--interval", "1", n=1)
    client = client_of(agent)
    assert client.is_silent(1.1)
    client.send(b"\n\r\n \xff\n")
    assert client.settle() == []
    agent.signal(signal.SIGHUP)
    agent.wait_log("configuration read again")
    assert client.settle() == []
    agent.signal(signal.SIGTERM)
    with pytest.raises(HungUp):
        client.fill(DEADLINE)
    assert client.data == b""
    client.close()


# -- the habits of clients ---------------------------------------------------------------------------

PROXMOX = re.compile(rb"^.*\xff([^\n]+}\r?\n[^\n]+})\r?\n", re.S)


def test_proxmox_a_connection_for_each_command_a_thousand_times(agent):
    for n in range(1000):
        client = client_of(agent)
        client.send(qga.DELIMITED % (4711000000 + n) + b'{"execute":"guest-ping","arguments":{}}\n')
        while not PROXMOX.match(client.data):
            assert client.fill(DEADLINE)
        assert client.data == b'\xff{"return":%d}\n{"return":{}}\n' % (4711000000 + n)
        client.close()


def test_libvirt_one_connection_a_sync_and_one_at_a_time(client):
    client.send(qga.SYNC % 1700000000000)
    assert client.raw_line() == b'{"return":1700000000000}'
    for _ in range(20):
        for command in ("guest-ping", "guest-info", "guest-fsfreeze-status"):
            client.ask(command)
            assert client.data == b""
    assert client.error("guest-bogus")[0] == "CommandNotFound"
    client.send(qga.SYNC % 1700000000001)  # as after any timeout
    assert client.raw_line() == b'{"return":1700000000001}'
    assert client.data == b""


# KubeVirt takes an agent for one that it supports when these are enabled.
KUBEVIRT = {"guest-ping", "guest-get-time", "guest-info", "guest-shutdown", "guest-network-get-interfaces",
            "guest-get-fsinfo", "guest-get-host-name", "guest-get-users", "guest-get-timezone", "guest-get-osinfo"}


def test_half_a_request_dies_with_its_connection(agent):
    for half in (b'{"execute":"guest-sync","arguments":{"id":1', b"{", b'{"a":"', b"x", b"[[["):
        first = client_of(agent)
        first.send(half)
        first.close()
        second = client_of(agent)
        second.send(qga.SYNC % 5)
        assert second.reply() == {"return": 5}
        assert second.settle() == []
        second.close()


@pytest.fixture
def terminal(start):
    """A stream that goes on when clients change, as a port's does; the agent's side is raw."""
    master, slave = pty.openpty()
    agent = start("--interval", "3600", channels=[f"path:{os.ttyname(slave)},dialect=qga"])
    agent.wait_log(": open")
    wait_for(lambda: agent.counters()["sessions"] == 1, "it is raw")
    client = Client(master)
    yield client
    agent.stop()
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("half", [b'{"execute":"guest-sync","arguments":{"id":1', b"{", b'{"a":"', b'{"a":"\\', b"x",
                                  b"[[[", b'{"execute":"guest-ping","id":"}'])
def test_half_a_request_takes_no_other_with_it(terminal, half):
    terminal.send(half + b"\xff" + qga.SYNC % 5)
    assert terminal.reply() == {"return": 5}
    terminal.send(half)
    terminal.send(qga.DELIMITED % 6 + PING)  # who does not know that there is something
    assert terminal.raw_line() == b'\xff{"return":6}'
    assert terminal.reply() == {"return": {}}
    assert terminal.settle() == []


# -- what there is, and who may ----------------------------------------------------------------------

def listed(client):
    info = client.ask("guest-info")
    commands = {c["name"]: c for c in info["supported_commands"]}
    assert len(commands) == len(info["supported_commands"])
    return commands


def enabled(client):
    return {name for name, c in listed(client).items() if c["enabled"]}


def test_guest_info_lists_what_there_is_and_enables_what_can_be_done(table):
    commands = listed(table)
    assert sorted(commands) == sorted(qga.READING + qga.OF_OUR_OWN + qga.OPERATING + qga.FULL)
    assert {name for name, c in commands.items() if not c["success-response"]} == set(qga.SILENT)
    # nobody is there to do the others
    assert enabled(table) == set(qga.READING + qga.OF_OUR_OWN)


def test_what_is_disabled_is_refused_and_what_is_enabled_is_not(table):
    for name, c in listed(table).items():
        if name in ("guest-sync", "guest-sync-delimited"):
            continue
        table.send(to_line(name, id=name))
        m = table.reply()
        assert m["id"] == name
        assert c["enabled"] == ("return" in m), m
        if not c["enabled"]:
            assert m["error"] == {"class": "CommandNotFound",
                                  "desc": f"Command {name} has been disabled: the command is not allowed"}


def test_with_an_executor_the_level_decides(start, executor):
    e = executor()
    agent = start_qga(start, "--executor", e.path)
    client = client_of(agent)
    assert enabled(client) == set(qga.READING + qga.OF_OUR_OWN + qga.OPERATING)
    assert KUBEVIRT <= enabled(client)
    for level, more in (("monitor", []), ("full", qga.OPERATING + qga.FULL)):
        reload(agent, f"[qga]\nlevel = {level}\n")
        assert enabled(client) == set(qga.READING + qga.OF_OUR_OWN + more)
    client.close()


def reload(agent, config):
    agent.config.write_text(config)
    was = len(agent.log())
    agent.signal(signal.SIGHUP)
    wait_for(lambda: re.search(r"agent: configuration read again.*\n", agent.log()[was:]), "the reload")


def test_deny_takes_a_command_away_and_a_reload_gives_it_back(start):
    agent = start_qga(start, config="[qga]\ndeny = guest-ping\n")
    client = client_of(agent)
    refused = ("CommandNotFound", "Command guest-ping has been disabled: the command is not allowed")
    assert client.error("guest-ping") == refused
    assert "guest-ping" not in enabled(client)
    client.ask("guest-fsfreeze-status")
    reload(agent, "")
    client.ask("guest-ping")
    reload(agent, "[qga]\ndeny = guest-ping\nallow = guest-ping\n")
    assert client.error("guest-ping") == refused
    client.close()


def test_a_reload_changes_the_language_of_a_channel(start):
    path = start.folder / "s"
    agent = start("--interval", "3600", channels=[], config=f"[agent]\nchannel = unix-listen:{path},dialect=qga\n")
    agent.socket = path
    agent.wait_log("s: open")
    client = client_of(agent)
    client.ask("guest-ping")
    for n in range(2):
        reload(agent, f"[agent]\nchannel = unix-listen:{path}\n")
        with pytest.raises(HungUp):
            client.fill(DEADLINE)
        host = start.host(agent)
        assert host.data_of("Ping")
        reload(agent, f"[agent]\nchannel = unix-listen:{path},dialect=qga\n")
        assert host.until_end() == []
        client = client_of(agent)
        assert client.settle() == [], n
    client.close()


def test_get_state_tells_the_language_of_each_channel(start):
    native = start.folder / "n"
    agent = start_qga(start, more=[f"unix-listen:{native}"])
    client = client_of(agent)
    client.ask("guest-ping")
    host = start.host(agent, socket=native)
    channels = {c["name"]: c for c in host.data_of("GetState")["channels"]}
    assert {name: c["dialect"] for name, c in channels.items()} == {
        f"unix-listen:{agent.socket}": "qga", f"unix-listen:{native}": "native"}
    assert channels[f"unix-listen:{agent.socket}"]["attached"]
    client.close()


# -- clients that do not read ------------------------------------------------------------------------

def waits(agent):
    """How often it has looked whether there is something to do."""
    agent.state()
    return int(re.findall(r"waits (\d+)", agent.log())[-1])


def test_a_client_that_stalls_costs_neither_time_nor_memory(agent, client):
    asked = to_line("guest-info") * 100000
    sent = client.send_until_stuck(asked)
    assert 0 < sent < len(asked), "the agent stops reading"
    before = waits(agent)
    time.sleep(0.3)
    assert waits(agent) - before < 20, "it waits for the client, and for nothing else"
    assert int(status_of(agent.pid)["VmHWM"]) < RSS_MAX
    # now it reads: each reply whole, once
    rest = asked[sent:asked.index(b"\n", sent) + 1]
    client.send(rest, reads=True)
    whole = (sent + len(rest)) // len(to_line("guest-info"))
    first = client.reply()
    for _ in range(whole - 1):
        assert client.reply() == first
    assert client.settle() == []


def test_a_flood_of_pings_that_nobody_reads_is_bounded(agent, client):
    asked = PING * 200000
    sent = client.send_until_stuck(asked)
    assert sent < len(asked)
    assert int(status_of(agent.pid)["VmHWM"]) < RSS_MAX
    assert agent.counters()["queued"] < 256 << 10
    client.send(asked[sent:asked.index(b"\n", sent) + 1], reads=True)
    for _ in range(-(-sent // len(PING))):
        assert client.raw_line() == b'{"return":{}}'
    assert client.settle() == []


def test_a_client_that_leaves_without_reading_leaves_nothing_to_the_next(agent):
    for _ in range(5):
        client = client_of(agent)
        client.send_until_stuck(to_line("guest-info", id="old") * 500, settle=0.1)
        client.close()
        client = client_of(agent)
        assert client.settle() == []
        client.close()
    assert agent.is_running()


# -- what takes its time -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def hindered(start_shared):
    """An agent whose helper takes questions and answers none, and its clients."""
    helper = start_shared.folder / "mute"
    put(helper, "#!/bin/sh\nexec cat >/dev/null\n")
    helper.chmod(0o755)
    agent = start_qga(start_shared, "--helper", str(helper), n=1, more=[channel(start_shared, 2)])
    clients = [client_of(agent), wait_for(lambda: qga.connected(start_shared.folder / "q2"), "the other channel")]
    yield clients
    for c in clients:
        c.close()


@pytest.mark.parametrize("name", sorted(set(qga.READING + qga.OF_OUR_OWN) - {"guest-sync", "guest-sync-delimited"}))
def test_a_helper_that_does_not_answer_delays_no_ping(hindered, name):
    client, other = hindered
    began = time.monotonic()
    client.send(to_line(name, id=1) + to_line("guest-ping", id=2))
    other.ask("guest-ping")
    assert time.monotonic() - began < QUICK
    assert client.reply()["id"] == 1  # with what there is, or an error
    assert client.reply() == {"return": {}, "id": 2}
    assert time.monotonic() - began < QUICK


@pytest.fixture
def operated(start, executor, tmp_path):
    """An agent with an executor whose jobs take as long as a file is not there."""
    fake = Fake(tmp_path)
    fake.plan("guest-fstrim", until=str(tmp_path / "over"), data={"paths": []})
    agent = start_qga(start, "--executor", executor(job=fake.program).path)
    return agent, fake


def test_who_synchronises_no_longer_waits_for_what_he_asked(operated, tmp_path):
    """As libvirt does when a command took too long. The work goes on; its result is for nobody."""
    agent, fake = operated
    client = client_of(agent)
    for n in range(3):
        client.send(to_line("guest-fstrim"))
        wait_for(lambda n=n: len(fake.told()) == n + 1, "it has begun")
        client.send(qga.SYNC % n)
        assert client.reply() == {"return": n}
        client.ask("guest-ping")
    (tmp_path / "over").touch()
    assert client.ask("guest-fstrim") == {"paths": []}  # one at a time: the others are over
    assert client.settle() == [] and len(fake.told()) == 4
    client.close()


def test_what_was_pipelined_is_answered_in_its_order_though_a_sync_is_among_it(operated, tmp_path):
    agent, _ = operated
    (tmp_path / "over").touch()
    client = client_of(agent)
    client.send(to_line("guest-fstrim", id=1) + qga.SYNC % 2 + to_line("guest-ping", id=3))
    assert [client.reply() for _ in range(3)] == [
        {"return": {"paths": []}, "id": 1}, {"return": 2}, {"return": {}, "id": 3}]
    client.close()


def test_who_leaves_takes_his_answer_with_him(operated, tmp_path):
    agent, fake = operated
    client = client_of(agent)
    client.send(to_line("guest-fstrim", id="old") + to_line("guest-fstrim", id="never begun"))
    wait_for(fake.told, "it has begun")
    client.close()
    client = client_of(agent)
    assert client.settle() == []
    (tmp_path / "over").touch()
    client.send(to_line("guest-fstrim", id="new"))
    assert client.reply() == {"return": {"paths": []}, "id": "new"}
    assert client.settle() == [] and len(fake.told()) == 2
    client.close()


def test_who_leaves_while_he_is_not_read_makes_room_for_the_next(operated):
    """As many as may wait stand behind what takes long."""
    agent, fake = operated
    client = client_of(agent)
    client.send(to_line("guest-fstrim", id="old") + PING * 1000)
    wait_for(fake.told, "it has begun")
    client.close()
    wait_for(lambda: served(agent), "the next is served")


def served(agent):
    client = client_of(agent)
    try:
        return client.settle() == []
    except (HungUp, BrokenPipeError):  # turned away
        return False
    finally:
        client.close()


# -- the end -----------------------------------------------------------------------------------------

def test_what_was_asked_before_the_end_is_answered(agent, client):
    """More than one turn's worth, of which the first are answered when the signal comes."""
    client.send(b"".join(to_line("guest-ping", id=n) for n in range(64)))
    client.reply()
    agent.signal(signal.SIGTERM)
    for n in range(1, 64):
        assert client.reply()["id"] == n
    with pytest.raises(HungUp):
        client.fill(DEADLINE)
    assert client.data == b"" and agent.wait_exit() == 0


@pytest.mark.parametrize("grace", [15, 0])
def test_what_waits_behind_something_slow_is_answered_at_the_end(start, grace):
    """In time, or as interrupted."""
    helper = start.folder / "mute"
    put(helper, "#!/bin/sh\nexec cat >/dev/null\n")
    helper.chmod(0o755)
    agent = start_qga(start, "--helper", str(helper), config=f"[agent]\nstop_grace = {grace}\n")
    client = client_of(agent)
    client.send(to_line("guest-get-fsinfo", id=0) + b"".join(to_line("guest-ping", id=n) for n in range(1, 9)))
    wait_for(lambda: agent.counters()["lines"] == 9, "all are taken in")
    agent.signal(signal.SIGTERM)
    replies = [client.reply() for _ in range(9)]
    assert [m["id"] for m in replies] == list(range(9))
    for m in replies:
        assert "return" in m or (grace == 0 and m["error"]["desc"] == "interrupted: the agent stops")
    with pytest.raises(HungUp):
        client.fill(DEADLINE)
    assert client.data == b"" and agent.wait_exit() == 0
    client.close()
