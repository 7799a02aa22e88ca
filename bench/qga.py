"""The second language beside the program that it comes from: the same clients for both."""
import contextlib
import os
import select
import subprocess
import time

from common import PATIENCE_S, Host, Skip, agent_argv, cpu_ns, percentile, running, switches

ROUNDS, PINGS, READS, CONNECTIONS = 10, 500, 20, 50
AWAY_S, STALL_S = 20, 10
UNREAD = 3000  # requests whose replies fill every buffer there is
LEAVES = 10

READ_COMMANDS = ("guest-get-osinfo", "guest-network-get-interfaces", "guest-get-fsinfo",
                 "guest-get-cpustats", "guest-get-diskstats", "guest-info")


def request(command):
    return b'{"execute":"%s"}\n' % command.encode()


class Agent:
    """A program that speaks it, its socket, and what was measured of it."""

    def __init__(self, name, process, path):
        self.name, self.process, self.path = name, process, path
        self.took, self.cpu, self.n = {}, {}, {}

    def ask(self, host, command, n):
        """So many round trips of one command, added to what there is."""
        before, took = cpu_ns(self.process.pid), self.took.setdefault(command, [])
        for _ in range(n):
            began = time.perf_counter()
            host.sock.sendall(request(command))
            if not host.line().startswith(b'{"return"'):
                raise Skip(f"{self.name} does not answer {command}")
            took.append((time.perf_counter() - began) * 1e6)
        self.cpu[command] = self.cpu.get(command, 0) + cpu_ns(self.process.pid) - before

    def connect_and_ask(self, n):
        """As Proxmox does: a connection for each command, with the sync before it."""
        line = b'{"execute":"guest-sync-delimited","arguments":{"id":%d}}\n' + request("guest-ping")
        took = self.took.setdefault("connection", [])
        for i in range(n):
            began = time.perf_counter()
            with Host(self.path) as host:
                host.sock.sendall(line % i)
                replies = host.line() + host.line()
            if replies.replace(b" ", b"") != b'\xff{"return":%d}\n{"return":{}}\n' % i:
                raise Skip(f"{self.name}: unexpected {replies!r}")
            took.append((time.perf_counter() - began) * 1e6)

    def p50(self, what):
        return percentile(self.took[what], 50)

    def cpu_us(self, what):
        return self.cpu[what] / len(self.took[what]) / 1e3


@contextlib.contextmanager
def ours(place):
    path = os.path.join(place.scratch, "ours-qga.sock")
    argv = agent_argv(place, f"unix-listen:{path},dialect=qga")
    with running(argv) as process:
        yield Agent("vmvitalsd", process, path)


@contextlib.contextmanager
def theirs(place):
    if not place.qemu_ga:
        raise Skip("not installed (package qemu-guest-agent), and no --qemu-ga PATH given")
    path = os.path.join(place.scratch, "theirs-qga.sock")
    argv = [place.qemu_ga, "-m", "unix-listen", "-p", path, "-t", place.scratch]
    with running(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield Agent("qemu-ga", process, path)


def agents(place, results, stack):
    """Ours, and theirs where it can be had."""
    found = [stack.enter_context(ours(place))]
    try:
        found.append(stack.enter_context(theirs(place)))
    except Skip as e:
        results.skip("qemu-ga", str(e))
    return found


def bench_commands(found, results):
    """In turns: where the scheduler puts the two ends of a socket decides more than what they do."""
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(Host(a.path)) for a in found]
        for a, host in zip(found, hosts):
            a.ask(host, "guest-ping", 200)  # warms up
            a.took, a.cpu = {}, {}
        for _ in range(ROUNDS):
            for a, host in zip(found, hosts):
                a.ask(host, "guest-ping", PINGS)
        for _ in range(ROUNDS):
            for a, host in zip(found, hosts):
                for command in READ_COMMANDS:
                    a.ask(host, command, READS)
    peer = found[1] if len(found) > 1 else None
    for a in reversed(found):
        limit = peer if a is not peer else None
        for command in ("guest-ping", *READ_COMMANDS):
            bounded = limit if command == "guest-ping" else None
            results.add(f"{a.name}_{command}_p50", f"{a.name} {command}: p50", a.p50(command), "us",
                        limit=bounded and bounded.p50(command))
            results.add(f"{a.name}_{command}_cpu", f"{a.name} {command}: CPU per request",
                        a.cpu_us(command), "us", limit=bounded and bounded.cpu_us(command))


def bench_connections(found, results):
    for _ in range(ROUNDS):
        for a in found:
            a.connect_and_ask(CONNECTIONS)
    for a in reversed(found):
        results.add(f"{a.name}_connection_p50", f"{a.name} connect, sync, ping, close: p50",
                    a.p50("connection"), "us")


def bench_away(found, results):
    """Nobody is connected."""
    time.sleep(2)  # what the last one left
    before = [(switches(a.process.pid), cpu_ns(a.process.pid)) for a in found]
    time.sleep(AWAY_S)
    for a, (waits, cpu) in reversed(list(zip(found, before))):
        limit = 0.1 if a.name == "vmvitalsd" else None
        results.add(f"{a.name}_away_wakeups", f"{a.name} without a client: wake-ups per second",
                    (switches(a.process.pid) - waits) / AWAY_S, "/s", limit=limit)
        results.add(f"{a.name}_away_cpu", f"{a.name} without a client: CPU",
                    (cpu_ns(a.process.pid) - cpu) / AWAY_S / 1e7, "%", limit=limit)


def stall(a):
    """A host that asks for much and reads nothing."""
    host = Host(a.path)
    host.sock.setblocking(False)
    wanted = request("guest-info") * UNREAD
    with contextlib.suppress(BlockingIOError):
        while wanted:
            wanted = wanted[host.sock.send(wanted):]
    return host


def bench_stalled(found, results):
    for a in reversed(found):
        with stall(a):
            time.sleep(2)  # until every buffer is full
            before = cpu_ns(a.process.pid)
            time.sleep(STALL_S)
            percent = (cpu_ns(a.process.pid) - before) / STALL_S / 1e7
        results.add(f"{a.name}_stalled_cpu", f"{a.name} with a client that does not read: CPU",
                    percent, "%", limit=0.5 if a.name == "vmvitalsd" else None)


def leave(a):
    """Without reading the reply, which is there."""
    with Host(a.path) as host:
        host.sock.sendall(request("guest-ping"))
        select.select([host.sock], [], [], PATIENCE_S)


def bench_leaving(place, results):
    """A client that leaves without reading what it asked for; the program is started again when that
    ended it."""
    for name, start in (("qemu-ga", theirs), ("vmvitalsd", ours)):
        ends, stack = 0, contextlib.ExitStack()
        with stack:
            try:
                a = stack.enter_context(start(place))
            except Skip:
                continue
            for _ in range(LEAVES):
                try:
                    leave(a)
                    with Host(a.path) as host:
                        a.ask(host, "guest-ping", 1)
                except OSError:
                    a.process.wait(PATIENCE_S)
                    ends += 1
                    stack.close()
                    a = stack.enter_context(start(place))
        results.add(f"{name}_ends", f"{name}: ended by {LEAVES} clients that left without reading",
                    ends, "times", limit=0 if name == "vmvitalsd" else None)


def bench_qga(place, results):
    with contextlib.ExitStack() as stack:
        found = agents(place, results, stack)
        bench_commands(found, results)
        bench_connections(found, results)
        bench_away(found, results)
        bench_stalled(found, results)
    bench_leaving(place, results)
