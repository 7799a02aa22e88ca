"""Every reading command of the second language against Debian's qemu-ga: same machine, same moment.

qemu-ga is asked before and after the agent. What cannot have changed is the same, member by member; what grows lies
between the two. It is only asked what changes nothing.
"""
import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import time

import pytest
import qga
from harness import DEADLINE, wait_for
from qga import client_of, connected

PROGRAM = shutil.which("qemu-ga", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
ROUNDS = 20  # at most: until what goes up and down was met


class Peer:
    """A running qemu-ga. A client that leaves ends it: there is one, and it stays."""

    def __init__(self, folder):
        self.socket = folder / "peer"
        (folder / "state").mkdir()
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [PROGRAM, "-m", "unix-listen", "-p", str(self.socket), "-t", str(folder / "state"), "-f",
                 str(folder / "pid")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.client = wait_for(lambda: connected(self.socket), "qemu-ga listens")

    def ask(self, command):
        """What it returns, unchecked; None: it does not know that."""
        self.client.send(qga.to_line(command))
        m = json.loads(self.client.raw_line())
        if "error" in m:
            assert m["error"]["class"] == "CommandNotFound", m
            return None
        return m["return"]

    def stop(self):
        self.process.kill()  # when its client leaves at the wrong moment it does not end by itself
        self.process.wait(DEADLINE)
        self.client.close()


@pytest.fixture(scope="module")
def peer(start_shared):
    if not PROGRAM:
        pytest.skip("qemu-ga is not installed")
    if subprocess.run([PROGRAM, "--version"], check=False, capture_output=True).returncode != 0:
        pytest.skip("qemu-ga lacks a library here")
    p = Peer(start_shared.folder)
    yield p
    p.stop()


@pytest.fixture(scope="module")
def ours(start_shared):
    path = start_shared.folder / "s"
    agent = start_shared("--interval", "3600", channels=[f"unix-listen:{path},dialect=qga"])
    agent.socket = path
    client = client_of(agent)
    yield client
    client.close()


# -- how values compare: each raises AssertionError -----------------------------------------------------

def same(where, before, mine, after):
    assert mine in (before, after), f"{where}: {before!r}, {mine!r}, {after!r}"


def between(where, before, mine, after):
    assert min(before, after) <= mine <= max(before, after), f"{where}: {before} <= {mine} <= {after}"


def near(most):
    """It may step back by so much."""
    def look(where, before, mine, after):
        assert before - most <= mine <= after + most, f"{where}: {before} <= {mine} <= {after}"
    return look


def members(default=same, optional=(), **special):
    """Each of theirs is one of ours, and compares; ours has no more than these. a_b: a-b"""
    special = {name.replace("_", "-"): how for name, how in special.items()}

    def look(where, before, mine, after):
        assert mine.keys() - set(optional) == before.keys() - set(optional), f"{where}: {before.keys()}, {mine.keys()}"
        for name in before.keys() & mine.keys() & after.keys():
            special.get(name, default)(f"{where}.{name}", before[name], mine[name], after[name])
    return look


def rows(how, *key):
    """Lists, in any order, of rows that have these members each to tell them apart."""
    def index(where, found):
        named = {tuple(row[k] for k in key): row for row in found}
        assert len(named) == len(found), f"{where}: one twice: {found}"
        return named

    def look(where, before, mine, after):
        before, mine, after = (index(where, found) for found in (before, mine, after))
        assert before.keys() & after.keys() <= mine.keys() <= before.keys() | after.keys(), where
        for name in before.keys() & mine.keys() & after.keys():
            how(f"{where}{list(name)}", before[name], mine[name], after[name])
    return look


def ordered(how, *key):
    """The same, and in the same order."""
    def look(where, before, mine, after):
        names = [[[row[k] for k in key] for row in found] for found in (before, mine, after)]
        assert names[1] in (names[0], names[2]), f"{where}: {names}"
        rows(how, *key)(where, before, mine, after)
    return look


def addresses(where, before, mine, after):
    def plain(found):
        return sorted(map(sorted, (a.items() for a in found)))
    assert plain(mine) in (plain(before), plain(after)), f"{where}: {before}, {mine}"


def interface(where, before, mine, after):
    # qemu-ga forgets the counters of what has no address
    members(optional=() if "ip-addresses" in before else ("statistics",), statistics=members(between),
            ip_addresses=addresses)(where, before, mine, after)


def address(where, before, mine, after):
    # qemu-ga has the serial number from udev, which need not run
    members(optional=() if "serial" in before else ("serial",))(where, before, mine, after)


def disks_below(where, before, mine, after):
    assert len(before) == len(mine) == len(after), f"{where}: {before}, {mine}"
    for i, three in enumerate(zip(before, mine, after)):
        address(f"{where}[{i}]", *three)


# The kernel reckons these per CPU and may take a little back.
CPU = members(near(20), type=same, cpu=same)
DISK = members(stats=members(between, ios_pgr=lambda *_: None))

def load_averages():
    with open("/proc/loadavg", encoding="ascii") as f:
        return dict(zip(("load1m", "load5m", "load15m"), map(float, f.read().split())))


def ipv4(text):
    return socket.inet_ntop(socket.AF_INET, struct.pack("=I", int(text, 16)))


def ipv6(text):
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(text))


def routes():
    """Of the kernel's own lists. What is counted in them moves."""
    found = []
    with open("/proc/net/route", encoding="ascii") as f:
        for line in f.readlines()[1:]:
            iface, to, gateway, flags, _, _, metric, mask, mtu, window, irtt = line.split()
            found.append({"iface": iface, "destination": ipv4(to), "gateway": ipv4(gateway), "flags": int(flags, 16),
                          "metric": int(metric), "mask": ipv4(mask), "mtu": int(mtu), "window": int(window),
                          "irtt": int(irtt), "version": 4})
    with contextlib.suppress(FileNotFoundError), open("/proc/net/ipv6_route", encoding="ascii") as f:
        for line in f:
            to, bits, source, source_bits, hop, metric, _, _, flags, iface = line.split()
            found.append({"iface": iface, "destination": ipv6(to), "desprefixlen": str(int(bits, 16)),
                          "source": ipv6(source), "srcprefixlen": str(int(source_bits, 16)), "nexthop": ipv6(hop),
                          "metric": int(metric, 16), "flags": int(flags, 16), "version": 6})
    return found


def same_routes(where, before, mine, after):
    def plain(found):
        return sorted(sorted((k, v) for k, v in row.items() if k not in ("refcnt", "use")) for row in found)
    before, mine, after = map(lambda found: list(map(repr, plain(found))), (before, mine, after))
    assert mine in (before, after), f"{where}: {set(mine) ^ set(before)}"


# What Debian's does not know yet: then the kernel is asked.
KERNEL = {"guest-get-load": load_averages, "guest-network-get-route": routes}

COMMANDS = {
    "guest-ping": same,
    "guest-get-time": between,
    "guest-get-osinfo": same,
    "guest-get-host-name": same,
    "guest-get-timezone": same,
    "guest-get-users": rows(members(login_time=near(1e-3)), "user"),
    "guest-network-get-interfaces": rows(interface, "name"),
    "guest-network-get-route": same_routes,
    "guest-get-fsinfo": ordered(
        members(used_bytes=between, disk=disks_below, optional=["total-bytes-privileged"]), "mountpoint"),
    "guest-get-disks": rows(members(
        address=address, dependencies=lambda w, b, m, a: same(w, sorted(b), sorted(m), sorted(a))), "name"),
    "guest-get-vcpus": rows(same, "logical-id"),
    "guest-get-memory-blocks": rows(same, "phys-index"),
    "guest-get-memory-block-info": same,
    "guest-get-cpustats": rows(CPU, "cpu"),
    "guest-get-diskstats": rows(DISK, "name"),
    "guest-get-load": members(near(0.5)),
    "guest-fsfreeze-status": same,
}


def reference(command, peer):
    theirs = peer.ask(command)
    return KERNEL[command]() if theirs is None else theirs


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reading_command_returns_what_qemu_ga_returns(peer, ours, command):
    for n in range(ROUNDS):  # something may have changed in between
        before, mine = reference(command, peer), ours.ask(command)
        try:
            COMMANDS[command](command, before, mine, reference(command, peer))
            return
        except AssertionError:
            if n == ROUNDS - 1:
                raise
        time.sleep(0.05)


def test_every_reading_command_is_compared():
    assert COMMANDS.keys() == set(qga.READING) - {"guest-info", "guest-sync", "guest-sync-delimited"}


# What has no meaning on this system: qemu-ga lists it, and it is disabled.
ELSEWHERE = {"guest-get-devices"}


def test_whatever_qemu_ga_knows_is_listed(peer, ours):
    theirs = {c["name"]: c for c in peer.ask("guest-info")["supported_commands"]}
    mine = {c["name"]: c for c in ours.ask("guest-info")["supported_commands"]}
    assert theirs.keys() - mine.keys() <= ELSEWHERE
    for name in theirs.keys() & mine.keys():
        assert mine[name]["success-response"] == theirs[name]["success-response"], name


# -- errors, literally ---------------------------------------------------------------------------------

WRONG = [
    b'{"execute":"no-such-command","id":1}',
    b'{"execute":"guest-ping","arguments":{"foo":1},"id":[]}',
    b'{"execute":"guest-sync"}',
    b'{"execute":"guest-sync","arguments":{"id":"5"}}',
    b'{"execute":"guest-sync","arguments":{"id":1.0}}',
    b'{"execute":"guest-sync","arguments":{"id":null}}',
    b'{"execute":"guest-sync-delimited","arguments":{}}',
    b'{"execute":"guest-sync","arguments":{"foo":1}}',
    b'{"execute":"guest-sync","arguments":{"id":1,"foo":1}}',
    b'{"execute":7}', b'{"execute":null,"id":{}}', b'{}', b'{"id":7}', b'[]', b'5', b'"x"', b'null',
    b'{"execute":"guest-ping","bogus":1}', b'{"exec-oob":"guest-ping"}',
    b'{"execute":"guest-ping","arguments":null}', b'{"execute":"guest-ping","arguments":[]}',
    b'{"execute":"guest-sync","arguments":{"id":9223372036854775807}}',
    b'{"execute":"guest-sync","arguments":{"id":-9223372036854775808}}',
    b'{"execute":"guest-sync","arguments":{"id":9223372036854775808}}',
    b'{"execute":"guest-sync","arguments":{"id":18446744073709551615}}',
]


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line.decode())
def test_an_error_has_the_words_of_qemu_ga(peer, ours, line):
    replies = []
    for client in (peer.client, ours):
        client.send(line + b"\n")
        replies.append(json.loads(client.raw_line()))
    assert replies[0] == replies[1]
