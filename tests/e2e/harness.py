"""Starts the shipped programs and talks to them as hosts and service managers do."""
import collections
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

import schema

BUILD = pathlib.Path(os.environ.get("VMV_BUILD", ".")).resolve()
AGENT = BUILD / "vmvitalsd"
CLI = BUILD / "vmvitals"
HELPER = BUILD / "vmvitals-helper"
SYSTEMD = BUILD / "tests/e2e/fake-systemd"
HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
FIXTURES = HERE.parent / "fixtures"

SANITIZED = AGENT.exists() and b"__asan_init" in AGENT.read_bytes()
DEADLINE = 30  # seconds; for whatever surely comes: the machine can be slow
QUIET = 0.3  # seconds without a line, where nothing is expected

# What this environment sets must not reach the agent by chance.
HIDDEN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INFINIBAY_VM_ID", "JOURNAL_STREAM",
          "VMVITALS_SOCKET", "NO_COLOR", "EVENT_NOEPOLL")
COMPLAINT = re.compile(r"runtime error|AddressSanitizer|LeakSanitizer")

# All traffic from agents, in all tests: Counters by message type, and by (action, success or error_code).
TYPES_SEEN = collections.Counter()
ANSWERS_SEEN = collections.Counter()


class HungUp(Exception):
    """The agent closed the connection."""


def wait_for(condition, what, timeout=DEADLINE):
    """Returns the first true value of condition()."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.01)


def environment(**extra):
    env = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    if SANITIZED:  # else memory that was freed, and is kept for a while, would look like a leak
        env["ASAN_OPTIONS"] = ":".join(filter(None, ["quarantine_size_mb=8", env.get("ASAN_OPTIONS")]))
    return env | {"LC_ALL": "C"} | extra


def status_of(pid):
    """/proc/PID/status as a dict of the first words."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.split()[0] if rest.split() else "" for name, rest in (line.split(":", 1) for line in lines)}


def cpu_ticks(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(stat[11]) + int(stat[12])


def command(action, ident, **arguments):
    return {"type": "SafeCommand", "id": ident, "command_type": {"action": action, **arguments}}


def to_line(message):
    if isinstance(message, dict):
        message = json.dumps(message, separators=(",", ":")).encode()
    return message + b"\n"


class Agent:
    """A running vmvitalsd."""

    def __init__(self, folder, *args, config="", env=None, **popen):
        self.folder = folder
        self.options = args
        self.config = folder / "agent.conf"
        self.config.write_text(config)
        self.stderr = folder / "stderr"
        self.stops_cleanly = True  # looked at when the test is over
        with open(self.stderr, "ab") as log:
            popen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "executable": AGENT} | popen
            self.process = subprocess.Popen(
                ["vmvitalsd", "--config", str(self.config), "--helper", str(HELPER), *args], stderr=log, env=environment(**(env or {})),
                cwd="/", **popen)
        self.pid = self.process.pid

    def log(self):
        return self.stderr.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def wait_log(self, regex, timeout=DEADLINE):
        def look():
            found = re.search(regex, self.log())
            assert found or self.is_running(), f"exit {self.process.returncode}: {self.log()}"
            return found
        return wait_for(look, f"{regex} in the log:\n{self.log()}", timeout)

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, timeout=DEADLINE):
        return self.process.wait(timeout)

    def stop(self):
        """The way of a service manager. Returns the exit status."""
        if self.is_running():
            self.signal(signal.SIGTERM)
        return self.wait_exit()

    def clean_up(self):
        """Ends it in any case; says what is wrong with the way it ended."""
        try:
            if self.is_running() and not self.stops_cleanly:
                return
            assert self.stop() == 0 or not self.stops_cleanly, f"exit {self.process.returncode}:\n{self.log()}"
        finally:
            if self.is_running():
                self.process.kill()
                self.process.wait()
        assert not COMPLAINT.search(self.log()), self.log()

    def state(self):
        """What SIGUSR1 makes it write: {channel: {"word": number}}, and "cost" likewise."""
        was = len(self.log())
        self.signal(signal.SIGUSR1)
        fresh = wait_for(lambda: (re.search(r"(?s).*cost: [^\n]*waits \d+\n", self.log()[was:]) or [None])[0],
                         "a state dump")
        found = {}
        for name, line in re.findall(r"state: channel ([a-z-]+(?::[^ ]*)?): ([^\n]*)", fresh):
            found[name] = {words: int(n) for words, n in re.findall(r"([A-Za-z][A-Za-z ]*?) (\d+)(?= B|,|$)", line)}
            found[name]["lines"] = int(re.search(r"(\d+) lines", line)[1])
            found[name]["text"] = line
        return found

    def counters(self):
        """Of an agent with one channel."""
        return next(iter(self.state().values()))

    def descriptors(self, with_kept=False):
        """Those of other processes' stat files are kept between readings: their number is that of processes."""
        found = []
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{self.pid}/fd/{name}")
            except FileNotFoundError:
                continue
            if with_kept or not re.fullmatch(r"/proc/\d+/stat( \(deleted\))?", target):
                found.append(int(name))
        return sorted(found)


class Systemd:
    """A running fake-systemd: a bus in the folder, and a service manager on it. helper is a program that finds it."""

    def __init__(self, folder, more=0):
        self.folder = folder
        folder.mkdir()
        self.helper = folder / "helper"
        self.helper.write_text(f"#!/bin/sh\nexport DBUS_SYSTEM_BUS_ADDRESS=unix:path={folder}/bus\nexec {HELPER} \"$@\"\n")
        self.helper.chmod(0o755)
        self.process = None
        if SYSTEMD.exists():
            self.process = subprocess.Popen([SYSTEMD, folder, str(more)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.is_running = self.process is not None and self.process.stdout.readline() == b"ready\n"

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait(DEADLINE)
        self.process = None


class Host:
    """The far end of a channel: a connected socket, or descriptors to read from and write to."""

    def __init__(self, end, write_fd=None):
        self.end = end  # kept open: owner of read_fd
        self.read_fd = end if isinstance(end, int) else end.fileno()
        self.write_fd = self.read_fd if write_fd is None else write_fd
        for fd in (self.read_fd, self.write_fd):
            os.set_blocking(fd, False)
        self.data = b""
        self.has_ended = False
        self.actions = {}  # by id of what was asked
        self.blanks = 0  # empty lines before the latest message
        self.session = None
        self.serial = 0
        self.early = []  # what overtook the first metrics
        self.taken = 0  # bytes of this session, from its handshake on
        self.acks = False  # tells the agent so, as who streams must

    @classmethod
    def connect(cls, path, family=socket.AF_UNIX):
        s = socket.socket(family, socket.SOCK_STREAM)
        s.connect(path)
        return cls(s)

    # -- bytes -------------------------------------------------------------------------------

    def fill(self, timeout):
        """Reads what is there, or what comes within the time. Returns whether something was."""
        if self.has_ended or not select.select([self.read_fd], [], [], max(0, timeout))[0]:
            return False
        try:
            data = os.read(self.read_fd, 1 << 20)
        except (ConnectionResetError, OSError) as e:
            assert isinstance(e, ConnectionResetError) or e.errno == 5, e  # EIO: a pty without its other side
            data = b""
        self.data += data
        self.has_ended = not data
        return True

    def send_bytes(self, data, reads=False, timeout=DEADLINE):
        """reads: takes what the agent sends meanwhile, as a host must that asks much."""
        view, deadline = memoryview(data), time.monotonic() + timeout
        while view:
            readable, writable, _ = select.select([self.read_fd] if reads and not self.has_ended else [],
                                                  [self.write_fd], [], max(0, deadline - time.monotonic()))
            assert readable or writable, f"the agent has not read for {timeout} s"
            if readable:
                self.fill(0)
            if writable:
                view = view[os.write(self.write_fd, view[:1 << 16]):]
                deadline = time.monotonic() + timeout

    def send(self, *messages, **options):
        for m in messages:
            if isinstance(m, dict) and m.get("type") == "SafeCommand":
                self.actions[m.get("id")] = (m.get("command_type") or {}).get("action")
        self.send_bytes(b"".join(map(to_line, messages)), **options)

    def end_sending(self):
        self.end.shutdown(socket.SHUT_WR)

    def close(self):
        if isinstance(self.end, int):
            os.close(self.end)
        else:
            self.end.close()

    # -- messages ----------------------------------------------------------------------------

    def line(self, timeout=DEADLINE):
        """The next line, without LF; None when none comes in time."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.data:
            if self.has_ended:
                assert not self.data, f"the last line is cut: {self.data[:200]!r}"
                raise HungUp
            if not self.fill(deadline - time.monotonic()) and time.monotonic() >= deadline:
                return None
        line, self.data = self.data.split(b"\n", 1)
        return line

    def next(self, timeout=DEADLINE):
        """The next message, checked; None when none comes in time."""
        if self.early:
            return self.early.pop(0)
        deadline = time.monotonic() + timeout
        self.blanks = 0
        while True:
            line = self.line(deadline - time.monotonic())
            if line is None:
                return None
            self.taken += len(line) + 1
            if line:
                return self.note(line)
            self.blanks += 1

    def note(self, line):
        action = None
        if line.startswith(b'{"type":"response"'):
            action = self.actions.get(json.loads(line)["id"])
        m = schema.check(line, action)
        TYPES_SEEN[m["type"]] += 1
        if m["type"] == "response":
            ANSWERS_SEEN[action, m.get("error_code", "ok")] += 1
        if m["type"] == "handshake":
            self.session = m["session"]
            self.taken = len(line) + 1
        if self.acks:
            self.send({"type": "ack", "bytes": self.taken})
        return m

    def expect(self, kind, timeout=DEADLINE):
        """The next message of this type; others may come before it."""
        deadline = time.monotonic() + timeout
        while True:
            m = self.next(deadline - time.monotonic())
            assert m, f"no {kind} within {timeout} s"
            if m["type"] == kind:
                return m

    def greet(self):
        """What begins each session. Returns handshake and metrics."""
        first = self.line()
        assert first == b"", f"a session begins with LF, not {first!r:.99}"
        handshake = self.next()
        assert handshake and handshake["type"] == "handshake" and self.blanks == 0
        came = handshake["clock"]["monotonic_ns"] / 1e9  # when it was written: we may be late to read it
        early = []
        while not early or early[-1]["type"] != "metrics":
            early.append(self.next())
            # only when reading takes half a second may others overtake
            assert early[-1]["type"] == "metrics" or time.monotonic() - came > 0.4, early[-1]
        metrics = early.pop()
        self.early = early
        return handshake, metrics

    def fresh_id(self):
        self.serial += 1
        return f"{id(self):x}-{self.serial}"

    def answer_to(self, ident, timeout=DEADLINE):
        """Returns the response, and the messages that came before it."""
        before, deadline = [], time.monotonic() + timeout
        while True:
            m = self.next(deadline - time.monotonic())
            assert m, f"no answer to {ident} within {timeout} s"
            if m["type"] == "response" and m["id"] == ident:
                return m, before
            before.append(m)

    def ask(self, action, **arguments):
        """The response to a command."""
        ident = self.fresh_id()
        self.send(command(action, ident, **arguments))
        return self.answer_to(ident)[0]

    def data_of(self, action, **arguments):
        r = self.ask(action, **arguments)
        assert r["success"], r
        return r["data"]

    def barrier(self):
        """Everything sent so far has been looked at. Returns the messages that came meanwhile."""
        ident = self.fresh_id()
        self.send({"type": "barrier", "id": ident})  # not a Ping: that would tell what kind of host this is
        return self.answer_to(ident)[1]

    def answers(self):
        """Responses among those: to anything that should have none."""
        return [m for m in self.barrier() if m["type"] == "response"]

    def collect(self, timeout):
        """All messages that come within the time."""
        deadline, found = time.monotonic() + timeout, []
        while True:
            m = self.next(deadline - time.monotonic())
            if m is None:
                return found
            found.append(m)

    def until_end(self):
        """All messages until the agent hangs up."""
        found = []
        while True:
            try:
                m = self.next()
            except HungUp:
                return found
            assert m, "the agent does not hang up"
            found.append(m)


def run(program, args, env, options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": DEADLINE} | options
    return subprocess.run([program, *map(str, args)], check=False, env=environment(**(env or {})), **options)


def run_agent(*args, env=None, **options):
    """For runs that end by themselves."""
    return run(AGENT, args, env, options)


def run_cli(*args, env=None, **options):
    return run(CLI, args, env, options)


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.unlink()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
