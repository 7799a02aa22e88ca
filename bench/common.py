"""What the benchmarks share: figures of the kernel, programs under measurement, a host."""
import contextlib
import math
import os
import socket
import subprocess
import time

PATIENCE_S = 20


class Skip(Exception):
    """A row that cannot be measured here; the text says why."""


# -- what the kernel says of a process -------------------------------------------------------


def read_text(path):
    with open(path, encoding="ascii", errors="replace") as f:
        return f.read()


def tasks(pid):
    return [f"/proc/{pid}/task/{t}" for t in os.listdir(f"/proc/{pid}/task")]


def cpu_ns(pid):
    """Of all threads, to the nanosecond when they sleep."""
    return sum(int(read_text(t + "/schedstat").split()[0]) for t in tasks(pid))


def switches(pid):
    total = 0
    for t in tasks(pid):
        for line in read_text(t + "/status").splitlines():
            if "ctxt_switches:" in line:
                total += int(line.split()[1])
    return total


def memory_kb(pid):
    fields = dict(line.split(":", 1) for line in read_text(f"/proc/{pid}/smaps_rollup").splitlines()
                  if ":" in line and line.endswith("kB"))
    return {k: int(fields[k].split()[0]) for k in ("Pss", "Private_Dirty", "Rss")}


def process_count():
    return sum(name.isdigit() for name in os.listdir("/proc"))


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * p / 100) - 1)]


# -- programs under measurement --------------------------------------------------------------


class Place:
    """Where the programs are, and a directory for sockets."""

    def __init__(self, build, qemu_ga, scratch):
        self.agent = os.path.join(build, "vmvitalsd")
        self.floor = os.path.join(build, "bench", "floor")
        self.crowd = os.path.join(build, "bench", "crowd")
        self.verify = os.path.join(build, "bench", "verify")
        self.execd = os.path.join(build, "vmvitals-execd")
        self.job = os.path.join(build, "vmvitals-job")
        self.qemu_ga = qemu_ga
        self.scratch = scratch
        self.config = os.path.join(scratch, "agent.conf")  # empty: the defaults, whatever /etc says
        with open(self.config, "w", encoding="ascii"):
            pass


@contextlib.contextmanager
def running(argv, **kwargs):
    process = subprocess.Popen(argv, **kwargs)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def agent_argv(place, channel, *options):
    return [place.agent, "--config", place.config, "--channel", channel, "--log-level", "error",
            *options]


def connect(path):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            s.settimeout(PATIENCE_S)
            return s
        except (FileNotFoundError, ConnectionRefusedError):
            s.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Host:
    """The host's end of a channel."""

    def __init__(self, path):
        self.sock = connect(path)
        self.buf = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def fill(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionResetError("the agent hung up")
        self.buf += data

    def line(self):
        while b"\n" not in self.buf:
            self.fill()
        line, self.buf = self.buf.split(b"\n", 1)
        return line + b"\n"

    def message(self, kind):
        """The next message of this type: its bytes."""
        needle = b'"type":"%s"' % kind.encode()
        while True:
            line = self.line()
            if needle in line[:64]:
                return line


@contextlib.contextmanager
def agent(place, *options):
    """A running agent with a listening socket."""
    path = os.path.join(place.scratch, "agent.sock")
    with running(agent_argv(place, f"unix-listen:{path}", *options)) as process:
        yield process, path


@contextlib.contextmanager
def agent_and_host(place, *options):
    with agent(place, *options) as (process, path), Host(path) as host:
        yield process, host


@contextlib.contextmanager
def crowd(place, n):
    """So many more idle processes."""
    with running([place.crowd, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if int(process.stdout.readline() or 0) != n:
            raise Skip(f"cannot make {n} processes here")
        yield
        process.stdin.close()
        process.wait(PATIENCE_S)
