"""Rows of commands: what verifying costs, what the executor does, and how both answers and metrics
keep their time while everything else is busy. Method: docs/BENCHMARKS.md."""

import contextlib
import itertools
import json
import select
import statistics
import subprocess
import threading
import time

from common import PATIENCE_S, Host, agent, cpu_ns, crowd, memory_kb, percentile, running
from executor import VM_ID, Executor, check_root, signed

VERIFY_RUNS = 9
VERIFY_LIMITS = {"v1": 60, "v2": 300}  # us
IDLE_EXIT_S, IDLE_SLACK_S = 3, 5  # then the executor asks to be left; as long again, then it goes
WARM_RUNS = 20
JOBS, CROWD = 8, 5000
INTERVAL_S, INTERVALS = 2, 15
PAUSE_S = 0.005  # between two commands
BUSY_S = 15
COMMAND_MS = 2
RHYTHM_PERCENT = 5
ACK_LINES = 16
TICKS_MIN = 2  # lines of a job a second; it writes ten, some of them in one message
TICK = "while :; do echo tick; sleep 0.1; done"

# Ping and SystemInfo are answered from memory, UserList reads a file, JobStatus asks the executor.
ACTIONS = ("Ping", "SystemInfo", "UserList", "JobStatus")
WAITING = ()  # actions without a limit where one reading follows the other


# -- verify ----------------------------------------------------------------------------------


def bench_verify(place, results):
    runs = []
    for _ in range(VERIFY_RUNS):
        with running([place.verify], stdout=subprocess.PIPE) as process:
            runs.append(json.loads(process.communicate(timeout=PATIENCE_S)[0]))
    for version, limit in VERIFY_LIMITS.items():
        values = [run[f"{version}_us"] for run in runs]
        results.add(f"verify_{version}", f"verifying an envelope, {version}: CPU",
                    statistics.median(values), "us", limit=limit, low=min(values), high=max(values))


# -- a host that reads everything ------------------------------------------------------------


class Reader(Host):
    """Acknowledges what it reads, without which no output would come, and notes when."""

    def __init__(self, path):
        super().__init__(path)
        self.bytes = self.lines = 0
        self.metrics_at, self.ticks = [], {}
        self.numbers = itertools.count(1)

    def line(self):
        line = super().line()
        if b'"type":"handshake"' in line[:64]:
            self.bytes = self.lines = 0
        self.bytes += len(line)
        self.lines += 1
        if self.lines % ACK_LINES == 0:
            self.sock.sendall(b'{"type":"ack","bytes":%d}\n' % self.bytes)
        self.note(line)
        return line

    def note(self, line):
        head = line[:64]
        if b'"type":"metrics"' in head:
            self.metrics_at.append(time.monotonic())
        elif b'"type":"output"' in head:
            message = json.loads(line)
            seen = self.ticks.get(message["id"], 0)
            self.ticks[message["id"]] = seen + message["data"].count("tick")

    def rest(self, seconds):
        """Reads what comes meanwhile."""
        end = time.monotonic() + seconds
        while True:
            while b"\n" in self.buf:
                self.line()
            left = end - time.monotonic()
            if left <= 0:
                return
            if select.select([self.sock], [], [], left)[0]:
                self.fill()

    def answer(self, ident):
        needle = b'"id":"%s"' % ident.encode()
        while True:
            line = self.line()
            if b'"type":"response"' in line[:64] and needle in line[:256]:
                return json.loads(line)

    def ask(self, action, **arguments):
        """The answer to a bare command, and how many ms it took."""
        ident = f"c{next(self.numbers)}"
        line = json.dumps({"type": "SafeCommand", "id": ident,
                           "command_type": {"action": action, **arguments}}).encode() + b"\n"
        began = time.perf_counter()
        self.sock.sendall(line)
        answer = self.answer(ident)
        ms = (time.perf_counter() - began) * 1e3
        if not answer["success"]:
            raise RuntimeError(f"{action}: {answer['error']}")
        return answer, ms

    def submit(self, text, **members):
        """Sends a signed raw command; returns its id."""
        ident = f"r{next(self.numbers)}"
        self.sock.sendall(signed({"type": "UnsafeCommand", "id": ident, "raw_command": text,
                                  "timeout": 600, **members}))
        return ident

    def run_ms(self, text):
        began = time.perf_counter()
        answer = self.answer(self.submit(text))
        if not answer["success"]:
            raise RuntimeError(f"{text}: {answer['error']}")
        return (time.perf_counter() - began) * 1e3


@contextlib.contextmanager
def signing_host(place, interval_s, idle_s, *options):
    """An executor, an agent that has it, and a host that may do everything."""
    with Executor(place, idle_s) as executor, \
            agent(place, "--executor", executor.path, "--vm-id", VM_ID,
                  "--interval", str(interval_s), *options) as (process, path), \
            Reader(path) as host:
        handshake = json.loads(host.message("handshake"))
        if not handshake["policy"]["executor"]:
            raise RuntimeError("the agent has not found the executor")
        host.message("metrics")
        yield executor, process, host


# -- the executor alone ----------------------------------------------------------------------


def bench_executor(place, results):
    with signing_host(place, 3600, IDLE_EXIT_S) as (executor, _, host):
        warm = [host.run_ms("true") for _ in range(WARM_RUNS)]
        memory = memory_kb(executor.process.pid)
        since = time.monotonic()
        left = executor.wait_gone(2 * IDLE_EXIT_S + IDLE_SLACK_S)
        idle_s = time.monotonic() - since
        cold = host.run_ms("true")
    results.add("execd_idle", f"executor when idle, --idle-exit {IDLE_EXIT_S}: processes", left, "",
                limit=0)
    results.add("execd_idle_after", "the same: gone after", idle_s, "s")
    results.add("raw", "signed raw command 'true'", statistics.median(warm), "ms", low=min(warm),
                high=max(warm))
    results.add("raw_cold", "the same, which starts the executor", cold, "ms")
    results.add("execd_pss", f"executor after {WARM_RUNS} commands: PSS", memory["Pss"], "kB")
    results.add("execd_dirty", f"executor after {WARM_RUNS} commands: private dirty",
                memory["Private_Dirty"], "kB")


# -- everything at once ----------------------------------------------------------------------


def start_jobs(host):
    idents = [host.submit(TICK, stream=True) for _ in range(JOBS)]
    end = time.monotonic() + PATIENCE_S
    while not all(ident in host.ticks for ident in idents):
        if time.monotonic() > end:
            raise RuntimeError(f"of {JOBS} jobs only {len(host.ticks)} write")
        host.rest(0.1)


def check_jobs(host, seconds):
    """They ran all the time, else what was measured is not what the row says."""
    jobs = host.ask("JobStatus")[0]["data"]["jobs"]
    n = sum(job["state"] == "running" for job in jobs)
    slowest = min(host.ticks.values()) / seconds
    if n != JOBS or slowest < TICKS_MIN:
        raise RuntimeError(f"{n} jobs ran, the slowest wrote {slowest:.1f} lines a second")


def command_times(host, is_over):
    """In ms, by action, in turn and one at a time."""
    took = {action: [] for action in ACTIONS}
    while not is_over():
        for action in ACTIONS:
            took[action].append(host.ask(action)[1])
            host.rest(PAUSE_S)
    return took


def add_commands(results, row_id, what, took, without_limit=()):
    for action, values in took.items():
        results.add(f"{row_id}_{action}_p50", f"{action}, {what}: p50", percentile(values, 50), "ms",
                    limit=None if action in without_limit else COMMAND_MS)
        results.add(f"{row_id}_{action}_p99", f"{action}, {what}: p99", percentile(values, 99), "ms",
                    high=max(values))


def add_rhythm(results, arrivals):
    gaps = [b - a for a, b in zip(arrivals, arrivals[1:])]
    off = [abs(gap - INTERVAL_S) / INTERVAL_S * 100 for gap in gaps]
    middle = abs(statistics.median(gaps) - INTERVAL_S) / INTERVAL_S * 100
    what = f"metrics each {INTERVAL_S} s meanwhile, {len(gaps)} intervals"
    results.add("rhythm", f"{what}: median off by", middle, "%", limit=RHYTHM_PERCENT)
    results.add("rhythm_worst", f"{what}: worst off by", max(off), "%", limit=RHYTHM_PERCENT)


class Collector(threading.Thread):
    """Another host, on a channel of its own, that asks for all processes again and again."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.host = Reader(path)
        self.count, self.error, self.over = 0, None, threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                self.host.ask("GetSamples", groups=["process"])
                self.count += 1
        except (OSError, RuntimeError) as e:
            self.error = e

    def stop(self):
        self.over.set()
        self.join(PATIENCE_S)
        self.host.sock.close()
        if self.error or self.is_alive():
            raise RuntimeError(f"collections stopped: {self.error}")


def measure_rhythm(host, results):
    host.metrics_at.clear()
    took = command_times(host, lambda: len(host.metrics_at) > INTERVALS)
    add_commands(results, "command", f"a collection each {INTERVAL_S} s, {JOBS} jobs, {CROWD} more",
                 took)
    add_rhythm(results, host.metrics_at)


def measure_busy(host, pid, second, results):
    collector = Collector(second)
    before, began = cpu_ns(pid), time.monotonic()
    collector.start()
    took = command_times(host, lambda: time.monotonic() > began + BUSY_S)
    seconds = time.monotonic() - began
    cpu, count = cpu_ns(pid) - before, collector.count
    collector.stop()
    what = "the same, collections without a pause"
    add_commands(results, "command_busy", what, took, WAITING)
    results.add("busy_rate", f"{what}: collections", count / seconds, "1/s")
    results.add("busy_cpu", f"{what}: CPU, agent", cpu / seconds / 1e6, "ms/s")


def bench_commands(place, results):
    """Commands and metrics keep their time though collections with many processes run, and as many
    jobs as the executor runs at once, whose output is streamed."""
    check_root()
    second = f"{place.scratch}/second.sock"
    with crowd(place, CROWD), \
            signing_host(place, INTERVAL_S, 30, "--channel", f"unix-listen:{second}") as \
            (_, process, host):
        start_jobs(host)
        began = time.monotonic()
        measure_rhythm(host, results)
        measure_busy(host, process.pid, second, results)
        check_jobs(host, time.monotonic() - began)
