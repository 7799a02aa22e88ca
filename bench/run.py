#!/usr/bin/python3
"""Measures vmvitalsd as it is shipped: prints a table, writes JSON. Method: docs/BENCHMARKS.md.

A row with a limit is a figure that the program has to meet.
"""

import argparse
import contextlib
import datetime
import json
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import commands
import peers
import qga
from common import (PATIENCE_S, Host, Place, Skip, agent, agent_and_host, agent_argv, connect, cpu_ns,
                    crowd, memory_kb, percentile, process_count, running, switches)

IDLE_S = 20
RUNS = 20
PINGS = 5000
PING_ROUNDS = 10
COLLECTIONS = 50  # before memory is looked at
MESSAGES = 10  # with all there is to read
PACED_S = 15
SOCKETS_S = 6  # between two messages when each shall read the sockets, too: they are good for 5 s
CROWDS = (1000, 5000)
PEER_ROUNDS = 15
SOAK = 5000  # readings of all groups, one behind the other
RATIO_FEW, RATIO_MANY = 1.5, 0.8  # of the floor: as things are; with the largest crowd
PSS_KB, DIRTY_KB = 2048, 600


# -- rows ------------------------------------------------------------------------------------


class Results:
    def __init__(self):
        self.rows = []
        self.skipped = []

    def add(self, row_id, what, value, unit, *, limit=None, low=None, high=None):
        row = {"id": row_id, "what": what, "value": value, "unit": unit}
        extra = {"limit": limit, "min": low, "max": high}
        row.update({k: v for k, v in extra.items() if v is not None})
        self.rows.append(row)
        print(".", end="", file=sys.stderr, flush=True)

    def skip(self, what, why):
        self.skipped.append({"what": what, "why": why})


def number(value):
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}"


def verdict(row):
    if "limit" not in row:
        return ""
    return "ok" if row["value"] <= row["limit"] else "MISSED"


def print_table(results, check):
    head = ["what", "value", "unit", "min", "max", "limit"] + (["verdict"] if check else [])
    lines = [head]
    for row in results.rows:
        bound = number(row["limit"]) if "limit" in row else ""
        line = [row["what"], number(row["value"]), row["unit"]]
        line += [number(row[k]) if k in row else "" for k in ("min", "max")] + [bound]
        lines.append(line + ([verdict(row)] if check else []))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        cells = [c.rjust(w) if i in (1, 3, 4, 5) else c.ljust(w)
                 for i, (c, w) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())
    print_skipped(results)


def print_skipped(results):
    for skipped in results.skipped:
        print(f"skipped: {skipped['what']}: {skipped['why']}")


def print_markdown(results):
    print("| what | value | unit | min | max | limit | |\n| --- | ---: | --- | ---: | ---: | ---: | --- |")
    for row in results.rows:
        low, high, limit = (number(row[k]) if k in row else "" for k in ("min", "max", "limit"))
        cells = [row["what"], number(row["value"]), row["unit"], low, high, limit, verdict(row)]
        print("| " + " | ".join(cells) + " |")
    print_skipped(results)


# -- idle ------------------------------------------------------------------------------------


def measure_idle(pid, seconds):
    before = switches(pid), cpu_ns(pid)
    time.sleep(seconds)
    after = switches(pid), cpu_ns(pid)
    return (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds / 1e6


def add_idle(results, row_id, what, pid, limit=None):
    wakeups, cpu_ms = measure_idle(pid, IDLE_S)
    results.add(f"{row_id}_wakeups", f"{what}: wake-ups per second", wakeups, "1/s", limit=limit)
    results.add(f"{row_id}_cpu", f"{what}: CPU time per second", cpu_ms, "ms/s")


def bench_idle(place, results):
    # 0.1/s: a health check each 60 s may fall into the 20 s, with its few switches
    with agent(place, "--interval", "3600") as (process, path):
        with Host(path) as host:
            host.message("metrics")
            time.sleep(3)
            add_idle(results, "idle_connected", "idle, host connected", process.pid, limit=0.1)
        time.sleep(3)
        add_idle(results, "idle_away", "idle, host away", process.pid, limit=0.1)


def bench_naive(_place, results):
    """A level-triggered wait on a descriptor whose other end is gone: what must not be done."""
    here, there = socket.socketpair()
    there.close()
    poller = select.epoll()
    poller.register(here, 0)
    n, end = 0, time.monotonic() + 1
    while time.monotonic() < end:
        poller.poll()
        n += 1
    poller.close()
    here.close()
    results.add("naive_wakeups", "contrast: level-triggered wait, host away (in Python)", n, "1/s")


# -- start and stop --------------------------------------------------------------------------


def start_ms(place):
    began = time.perf_counter()
    with running(agent_argv(place, "stdio"), stdin=subprocess.PIPE,
                 stdout=subprocess.PIPE) as process:
        seen = b""
        while b"{" not in seen:
            data = os.read(process.stdout.fileno(), 4096)
            if not data:
                raise ConnectionResetError("the agent ended")
            seen += data
        ms = (time.perf_counter() - began) * 1e3
        process.stdin.close()
        return ms


def add_runs(results, row_id, what, values, limit):
    results.add(row_id, what, statistics.median(values), "ms", limit=limit, low=min(values),
                high=max(values))


def bench_start(place, results):
    add_runs(results, "start", "start to first byte of the handshake",
             [start_ms(place) for _ in range(RUNS)], limit=25)


def term_ms(process):
    fd = os.pidfd_open(process.pid)
    try:
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        if not select.select([fd], [], [], PATIENCE_S)[0]:
            raise TimeoutError("the agent does not end")
        ms = (time.perf_counter() - began) * 1e3
    finally:
        os.close(fd)
    if process.wait() != 0:
        raise ChildProcessError(f"the agent ended with {process.returncode}")
    return ms


def stop_connected_ms(place):
    with agent_and_host(place) as (process, host):
        host.message("metrics")
        time.sleep(0.2)
        return term_ms(process)


def stop_away_ms(place):
    with agent(place) as (process, path):
        connect(path).close()
        time.sleep(0.5)
        return term_ms(process)


def bench_stop(place, results):
    add_runs(results, "stop_connected", "SIGTERM to exit, idle, host connected",
             [stop_connected_ms(place) for _ in range(RUNS)], limit=50)
    add_runs(results, "stop_away", "SIGTERM to exit, idle, host away",
             [stop_away_ms(place) for _ in range(RUNS)], limit=50)


# -- messages --------------------------------------------------------------------------------


def bench_size(place, results):
    with agent_and_host(place) as (_, host):
        handshake = len(host.message("handshake"))
        metrics = len(host.message("metrics"))
    results.add("size_handshake", "handshake message", handshake, "bytes", limit=2 * 1024)
    results.add("size_metrics", "metrics message, default settings", metrics, "bytes",
                limit=16 * 1024)


def round_trips(host, n, request, is_answer):
    """Seconds that each of n requests took."""
    took = []
    for i in range(n):
        line = request(i)
        began = time.perf_counter()
        host.sock.sendall(line)
        while not is_answer(host.line()):
            pass
        took.append(time.perf_counter() - began)
    return took


def ping(i):
    return b'{"type":"SafeCommand","id":"%d","command_type":{"action":"Ping"}}\n' % i


def is_pong(line):
    return b'"type":"response"' in line[:64] and b'"success":true' in line


def guest_ping(_):
    return b'{"execute":"guest-ping"}\n'


def is_return(line):
    return line.startswith(b'{"return"')


class Pinged:
    """A program that answers, and how it did."""

    def __init__(self, pid, host, request, is_answer):
        self.pid, self.host, self.request, self.is_answer = pid, host, request, is_answer
        self.took, self.cpu = [], 0
        round_trips(host, 200, request, is_answer)  # warms up

    def round(self, n):
        before = cpu_ns(self.pid)
        self.took += [s * 1e6 for s in round_trips(self.host, n, self.request, self.is_answer)]
        self.cpu += cpu_ns(self.pid) - before

    def figures(self):
        return (percentile(self.took, 50), percentile(self.took, 99),
                self.cpu / len(self.took) / 1e3)


def add_pings(results, row_id, what, figures, limits):
    p50, p99, cpu_us = figures
    results.add(f"{row_id}_p50", f"{what}: p50", p50, "us", limit=limits[0])
    results.add(f"{row_id}_p99", f"{what}: p99", p99, "us")
    results.add(f"{row_id}_cpu", f"{what}: CPU per request", cpu_us, "us", limit=limits[1])


def bench_ping(place, results):
    """The agent and its peer take turns: where the scheduler puts the two ends of a socket decides
    more than what they do."""
    with contextlib.ExitStack() as stack:
        process, host = stack.enter_context(agent_and_host(place, "--interval", "3600"))
        host.message("metrics")
        pinged = [Pinged(process.pid, host, ping, is_pong)]
        try:
            pinged.append(start_qemu_ga(place, stack))
        except Skip as e:
            results.skip("qemu-ga", str(e))
        for _ in range(PING_ROUNDS):
            for p in pinged:
                p.round(PINGS // PING_ROUNDS)
        if len(pinged) > 1:
            add_peer(results, pinged[1])
    peer = pinged[1].figures() if len(pinged) > 1 else (None, None, None)
    add_pings(results, "ping", "Ping", pinged[0].figures(), (peer[0], peer[2]))


def start_qemu_ga(place, stack):
    if not place.qemu_ga:
        raise Skip("not installed (package qemu-guest-agent), and no --qemu-ga PATH given")
    path = os.path.join(place.scratch, "qga.sock")
    argv = [place.qemu_ga, "-m", "unix-listen", "-p", path, "-t", place.scratch]
    process = stack.enter_context(running(argv, stdout=subprocess.DEVNULL))
    host = stack.enter_context(Host(path))
    return Pinged(process.pid, host, guest_ping, is_return)


def add_peer(results, peer):
    add_pings(results, "qga_ping", "qemu-ga guest-ping", peer.figures(), (None, None))
    memory = memory_kb(peer.pid)
    results.add("qga_pss", "qemu-ga: PSS", memory["Pss"], "kB")
    results.add("qga_dirty", "qemu-ga: private dirty", memory["Private_Dirty"], "kB")


# -- what a reading costs --------------------------------------------------------------------


def floor_ns(process):
    out = process.communicate(timeout=PATIENCE_S)[0].decode().split("\n")
    return [int(line.split()[0]) for line in out if line][1:]


def message_ns(pid, host, n):
    """CPU time of the agent per metrics message: a reading, its encoding, its sending."""
    host.message("metrics")
    time.sleep(0.1)
    costs, before = [], cpu_ns(pid)
    for _ in range(n):
        host.message("metrics")
        time.sleep(0.1)  # the agent is asleep again
        now = cpu_ns(pid)
        costs.append(now - before)
        before = now
    return costs


def measure_cost(place, rhythm_s, n):
    """Agent and floor at the same rhythm and at the same time, half a period apart: equally cold,
    and whatever else the machine does disturbs both. Also the agent's memory at the end."""
    lean = ["lean"] if rhythm_s < SOCKETS_S else []
    with agent_and_host(place, "--interval", str(rhythm_s)) as (process, host):
        host.message("metrics")
        host.message("metrics")  # the first pause is shortened at random
        time.sleep(rhythm_s / 2)
        with running([place.floor, str(n + 3), str(rhythm_s * 1000), *lean],
                     stdout=subprocess.PIPE) as floor:
            costs = message_ns(process.pid, host, n)
            memory = memory_kb(process.pid)
            return costs, floor_ns(floor), memory


def add_cost(results, row_id, what, measured, limit):
    of_agent, of_floor, _ = measured
    for name, values in (("agent", of_agent), ("floor", of_floor)):
        ms = [v / 1e6 for v in values]
        results.add(f"{row_id}_{name}", f"{what}: CPU, {name}", statistics.median(ms), "ms",
                    low=min(ms), high=max(ms))
    results.add(f"{row_id}_ratio", f"{what}: ratio",
                statistics.median(of_agent) / statistics.median(of_floor), "x", limit=limit)


def add_memory(results, row_id, what, memory, is_ours):
    results.add(f"{row_id}_pss", f"{what}: PSS", memory["Pss"], "kB",
                limit=PSS_KB if is_ours else None)
    results.add(f"{row_id}_dirty", f"{what}: private dirty", memory["Private_Dirty"], "kB",
                limit=DIRTY_KB if is_ours else None)


def measure_peer(place, peer, program, n):
    """The peer against the floor, like the agent."""
    with peers.running(peer, program) as process:
        peer.collect()
        with running([place.floor, str(n + 3), "1000", "lean"], stdout=subprocess.PIPE) as floor:
            time.sleep(0.5)
            costs, before = [], cpu_ns(process.pid)
            for _ in range(n):
                peer.collect()
                time.sleep(1)
                now = cpu_ns(process.pid)
                costs.append(now - before)
                before = now
            memory = memory_kb(process.pid)
            return costs, floor_ns(floor), memory


def bench_peers(place, results, row_id, what):
    for kind in peers.PEERS:
        program = peers.find(kind.program)
        if not program:
            results.skip(kind.name, f"{kind.program} is not installed")
            continue
        with tempfile.TemporaryDirectory(dir=place.scratch) as scratch:
            measured = measure_peer(place, kind(scratch), program, PEER_ROUNDS)
        add_cost(results, f"{row_id}_{kind.program}", f"{kind.name}, {what}", measured, None)
        add_memory(results, f"{row_id}_{kind.program}", f"{kind.name}, {what}", measured[2], False)


def bench_cost(place, results):
    n = process_count()
    lean = measure_cost(place, 1, COLLECTIONS)
    add_cost(results, "cost_lean", f"message without sockets, {n} processes", lean, RATIO_FEW)
    add_memory(results, "memory", f"memory after {COLLECTIONS} readings", lean[2], True)
    full = measure_cost(place, SOCKETS_S, MESSAGES)
    add_cost(results, "cost", f"message, {n} processes", full, RATIO_FEW)
    everything = measure_samples(place, SOCKETS_S, MESSAGES)
    add_cost(results, "cost_all", f"samples of all groups, {n} processes", everything, RATIO_FEW)
    bench_peers(place, results, "peer", f"{n} processes")


def get_samples(groups):
    def request(i):
        arguments = {"action": "GetSamples", "groups": groups}
        return json.dumps({"type": "SafeCommand", "id": str(i), "command_type": arguments}).encode() + b"\n"
    return request


def all_groups(host):
    describe = {"action": "Describe", "what": ["groups"]}
    host.sock.sendall(json.dumps({"type": "SafeCommand", "id": "d",
                                  "command_type": describe}).encode() + b"\n")
    return list(json.loads(host.message("response"))["data"]["groups"])


def measure_samples(place, rhythm_s, n):
    """The same as measure_cost, of GetSamples with all groups there are."""
    with agent_and_host(place, "--interval", "3600") as (process, host):
        host.message("metrics")
        request = get_samples(all_groups(host))
        with running([place.floor, str(n + 3), str(rhythm_s * 1000), "all"],
                     stdout=subprocess.PIPE) as floor:
            costs = []
            time.sleep(rhythm_s / 2)
            for i in range(n + 1):
                before = cpu_ns(process.pid)
                round_trips(host, 1, request, is_pong)
                time.sleep(0.1)
                costs.append(cpu_ns(process.pid) - before)
                time.sleep(rhythm_s - 0.1)
            return costs[1:], floor_ns(floor), memory_kb(process.pid)


def bench_soak(place, results):
    """Memory must not grow with the number of readings: all groups, again and again."""
    with agent_and_host(place, "--interval", "3600") as (process, host):
        host.message("metrics")
        groups = all_groups(host)
        seen = {}
        for i in range(SOAK + 1):
            round_trips(host, 1, get_samples(groups), is_pong)
            if i in (COLLECTIONS, SOAK):
                seen[i] = memory_kb(process.pid)
    for i, memory in seen.items():
        add_memory(results, f"soak_{i}", f"memory after {i} readings of all groups", memory, True)


def paced_pings(place, interval_s):
    """Round trips in us, one each ms, while messages go out each so many seconds."""
    with agent_and_host(place, "--interval", str(interval_s)) as (_, host):
        host.message("metrics")
        took, end = [], time.monotonic() + PACED_S
        while time.monotonic() < end:
            took += [s * 1e6 for s in round_trips(host, 1, ping, is_pong)]
            time.sleep(0.001)
        return took


def bench_crowd(place, results):
    idle = percentile(paced_pings(place, 3600), 99)
    results.add("ping_paced_p99", "Ping each ms, no readings: p99", idle, "us")
    for n in CROWDS:
        with crowd(place, n):
            limit = RATIO_MANY if n == CROWDS[-1] else None
            lean = measure_cost(place, 1, COLLECTIONS // 2)
            add_cost(results, f"cost_lean_{n}", f"message without sockets, {n} more", lean, limit)
            full = measure_cost(place, SOCKETS_S, MESSAGES)
            add_cost(results, f"cost_{n}", f"message, {n} more", full, limit)
            took = paced_pings(place, 1)
            if limit:
                bench_peers(place, results, f"peer_{n}", f"{n} more")
        results.add(f"ping_{n}_p99", f"Ping each ms, a reading each second, {n} more: p99",
                    percentile(took, 99), "us", limit=3 * idle if limit else None, high=max(took))


# -- the whole -------------------------------------------------------------------------------

BENCHES = {
    "start": bench_start,
    "stop": bench_stop,
    "size": bench_size,
    "idle": bench_idle,
    "naive": bench_naive,
    "ping": bench_ping,
    "cost": bench_cost,
    "soak": bench_soak,
    "crowd": bench_crowd,
    "verify": commands.bench_verify,
    "executor": commands.bench_executor,
    "commands": commands.bench_commands,
    "qga": qga.bench_qga,
}


def find_qemu_ga(given):
    return given or shutil.which("qemu-ga", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def options():
    p = argparse.ArgumentParser(description="Measures vmvitalsd.")
    p.add_argument("--build", default=".", help="build directory (default: here)")
    p.add_argument("--json", help="write the results there")
    p.add_argument("--check", action="store_true", help="compare with limits; exit 1 on a miss")
    p.add_argument("--markdown", action="store_true", help="print the table as in BENCHMARKS.md")
    p.add_argument("--only", default=",".join(BENCHES), help=f"some of {','.join(BENCHES)}")
    p.add_argument("--qemu-ga", help="program to compare with, where it is not installed")
    return p.parse_args()


def machine():
    return {"cpus": os.cpu_count(), "kernel": os.uname().release, "arch": os.uname().machine,
            "processes": process_count(), "load": os.getloadavg()[0]}


def measure(place, names, results):
    for name in names:
        try:
            BENCHES[name](place, results)
        except Skip as e:
            results.skip(name, str(e))
    print(file=sys.stderr)


def write_json(path, where, results):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    whole = {"date": now, "machine": where, "rows": results.rows, "skipped": results.skipped}
    with open(path, "w", encoding="ascii") as f:
        json.dump(whole, f, indent=1)
        f.write("\n")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    opts = options()
    names = opts.only.split(",")
    unknown = set(names) - set(BENCHES)
    if unknown:
        sys.exit(f"no such bench: {', '.join(sorted(unknown))}")
    os.sync()  # pages of a program just built would count as its private dirty memory
    results, where = Results(), machine()
    with tempfile.TemporaryDirectory(prefix="vmvitals-bench.") as scratch:
        measure(Place(os.path.abspath(opts.build), find_qemu_ga(opts.qemu_ga), scratch), names,
                results)
    print(f"{where['cpus']} CPUs, Linux {where['kernel']} {where['arch']}, "
          f"{where['processes']} processes, load {where['load']:.2f} at the start")
    if opts.markdown:
        print_markdown(results)
    else:
        print_table(results, opts.check)
    if opts.json:
        write_json(opts.json, where, results)
    missed = [r for r in results.rows if verdict(r) == "MISSED"]
    return 1 if opts.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
