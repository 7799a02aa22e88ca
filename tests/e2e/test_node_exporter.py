"""Every metric that prometheus-node-exporter has, too, against it: same machine, same moment.

The exporter is asked before and after the agent. What the agent says must lie between the two: a
counter always, a gauge in one of many rounds, as it may go up and down in between. Groups that the
agent did not read in that moment, because they are not due, wait for a round in which it does.
"""
import collections
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

from harness import wait_for

PROGRAM = shutil.which("prometheus-node-exporter", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin")
ROUNDS = 3  # at least: counters have to move
PATIENCE = 120  # seconds, until every gauge was met: a busy machine takes more rounds
FLAGS = ("--collector.processes", "--collector.tcpstat", "--collector.netdev.address-info", "--log.level=error",
         "--collector.vmstat.fields=.*", "--collector.netstat.fields=.*")

# Names that stand for the exporter itself, or for its last scrape.
OWN = re.compile(r"node_(exporter_|scrape_|textfile_)")

# What moves by itself between two looks, by so much (of the larger value); everything else has to be
# met exactly in one of the rounds.
DRIFT = {
    "node_load1": 0.2, "node_load5": 0.2, "node_load15": 0.2,
    "node_entropy_available_bits": 1.0,
}
# What the programs of a busy machine do between two looks.
RESTLESS = {"node_processes_state": 20, "node_procs_running": 20, "node_procs_blocked": 20}
# The exporter is asked over a connection of its own, which it counts: both ends are here.
OWN_CONNECTION = {
    "node_netstat_Tcp_CurrEstab": 2, "node_sockstat_TCP_alloc": 2, "node_sockstat_TCP_inuse": 2,
    "node_tcp_connection_states": 2, "node_filefd_allocated": 64,
}

# The kernel reckons them per CPU and may take a little back; exporter and agent each tell the most
# that they themselves have seen.
STEPS_BACK = {("node_cpu_seconds_total", "idle"): 0.1, ("node_cpu_seconds_total", "iowait"): 0.1}

SAMPLE = re.compile(r"(?P<name>[a-z_A-Z0-9]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def labels_of(text):
    return {name: re.sub(r'\\[\\"n]', lambda m: ESCAPES[m[0]], value) for name, value in LABEL.findall(text or "")}


def parse(text):
    """{name: [(labels, value)]}, and {name: type}."""
    found, types = collections.defaultdict(list), {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            types[name] = kind
        elif line and not line.startswith("#"):
            m = SAMPLE.match(line)
            assert m, line
            found[m["name"]].append((labels_of(m["labels"]), float(m["value"])))
    return found, types


def queued_bytes():
    """(sent and not confirmed, received and not read): the queue of a listener holds connections."""
    sums = [0, 0]
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in pathlib.Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
                _, _, _, state, queues, *_ = line.split()
                if state != "0A":
                    sums = [a + int(b, 16) for a, b in zip(sums, queues.split(":"))]
    return sums


def correct_queues(found):
    """The exporter adds the length that a listener's queue may have to bytes, which is a mistake."""
    sums = dict(zip(("tx_queued_bytes", "rx_queued_bytes"), queued_bytes()))
    name = "node_tcp_connection_states"
    found[name] = [(labels, sums.get(labels["state"], value)) for labels, value in found[name]]


class Exporter:
    def __init__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [PROGRAM, f"--web.listen-address=127.0.0.1:{self.port}", *FLAGS], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def text(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
                return answer.read().decode()
        except OSError:
            assert self.process.poll() is None, "the exporter ended"
            return ""

    def scrape(self):
        found, types = parse(self.text())
        correct_queues(found)
        return found, types

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def exporter():
    if not PROGRAM:
        pytest.skip("prometheus-node-exporter is not installed")
    e = Exporter()
    try:
        wait_for(e.text, "the exporter answers")
        yield e
    finally:
        e.stop()


def number(cell):
    return float(cell) if isinstance(cell, (int, float, str)) else None


def constant_labels(field):
    return dict(field.get("labels") or {})


def ours(groups, described):
    """{name: [(labels, value, kind)]} of what was read just now: as a hub would export it."""
    found = collections.defaultdict(list)
    for name, group in groups.items():
        if "age_ms" in group:
            continue
        fields, key = described[name]["fields"], described[name]["key"]
        for row in group["rows"]:
            labels = {f["name"]: cell for f, cell in zip(fields, row[1:]) if f["kind"] == "info" and cell is not None}
            if key:
                labels[key] = row[0]
            for field, cell in zip(fields, row[1:]):
                if field["kind"] != "info" and cell is not None:
                    found[field["name"]].append((labels | constant_labels(field), number(cell), field["kind"]))
    return found


def match(labels, candidates):
    """Ours may have more labels."""
    found = [c for c in candidates if labels.items() <= c[0].items()]
    assert len(found) <= 1, f"{labels}: {found}"
    return found[0] if found else None


def is_between(value, a, b, name, labels):
    low, high = min(a, b), max(a, b)
    slack = DRIFT.get(name, 0) * max(abs(low), abs(high)) + 1e-6 * abs(high) + 1e-9
    slack += OWN_CONNECTION.get(name, 0) + RESTLESS.get(name, 0) + STEPS_BACK.get((name, labels.get("mode")), 0)
    return low - slack <= value <= high + slack


class Comparison:
    def __init__(self):
        self.agreed = set()
        self.missed = {}  # (name, labels) of gauges that have not been met yet
        self.wrong = []  # counters
        self.absent = set()  # of the exporter, and we have the name, but no such row
        self.names = set()
        self.rounds = 0

    def look(self, before, mine, after):
        self.rounds += 1
        for name, samples in before.items():
            if name in mine and not OWN.match(name):
                self.names.add(name)
                for labels, value in samples:
                    self.look_at(name, labels, value, mine[name], after.get(name, []))

    def look_at(self, name, labels, value, mine, after):
        key = (name, tuple(sorted(labels.items())))
        later = [v for other, v in after if other == labels]
        found = match(labels, mine)
        if not later:
            return  # it vanished meanwhile
        if not found:
            self.absent.add(key)
            return
        is_good = is_between(found[1], value, later[0], name, labels)
        if is_good:
            self.agreed.add(key)
            self.missed.pop(key, None)
        elif found[2] == "counter":
            self.wrong.append((key, value, found[1], later[0]))
        elif key not in self.agreed:
            self.missed[key] = (value, found[1], later[0])


@pytest.fixture(scope="module")
def comparison(exporter, start_shared):
    agent = start_shared("--interval", "3600")
    host = start_shared.host(agent)
    described = host.data_of("Describe", what=["groups"])["groups"]
    c = Comparison()
    c.mine, c.theirs, c.described = set(), {}, described
    end = time.monotonic() + PATIENCE
    with contextlib.closing(host):
        while c.rounds < ROUNDS or (c.missed and time.monotonic() < end):
            before, types = exporter.scrape()
            mine = ours(host.data_of("GetSamples", groups=sorted(described))["groups"], described)
            c.look(before, mine, exporter.scrape()[0])
            c.mine |= set(mine)
            c.theirs |= types
    return c


def show(items):
    return "\n".join(map(str, items))


def test_counters_lie_between_two_looks_of_the_exporter(comparison):
    assert not comparison.wrong, show(comparison.wrong)


def test_gauges_agree(comparison):
    assert not comparison.missed, show(comparison.missed.items())


def test_many_are_compared(comparison):
    assert len(comparison.names) >= 180, sorted(comparison.names)
    has_root = any(line.split()[4] == "/" for line in open("/proc/self/mountinfo", encoding="utf-8"))
    for group in ("cpu", "disk", *(["filesystem"] if has_root else []), "filefd", "load", "memory", "netstat", "network", "pressure",
                  "processes", "procs", "sockstat", "tcp", "timex", "vmstat"):
        assert any(n.startswith(f"node_{group}") for n in comparison.names), group


def test_rows_of_the_exporter_are_there(comparison):
    absent = sorted(k for k in comparison.absent if not is_left_out(*k))
    assert not absent, show(absent)


def is_left_out(name, labels):
    """What PROTOCOL.md leaves out and the exporter shows: pseudo filesystems, loop and RAM disks; and the
    bytes in queues, among which the exporter counts the backlog of listening sockets: ours have another name."""
    labels = dict(labels)
    if name == "node_tcp_connection_states":
        return labels["state"].endswith("_bytes")
    if name.startswith("node_filesystem"):
        return True  # one row per filesystem here, one per mount point there
    if name.startswith("node_disk"):
        return bool(re.match(r"(loop|ram|zram|sr|fd)\d", labels.get("device", "")))
    return False


def test_kinds_agree(comparison):
    """A counter there is one here; what the exporter calls untyped may be either."""
    kinds = {f["name"]: f["kind"] for g in comparison.described.values() for f in g["fields"]}
    for name in comparison.names:
        theirs = comparison.theirs.get(name, "untyped")
        if theirs in ("counter", "gauge"):
            assert kinds[name] == theirs, name


def test_no_name_is_borrowed_for_something_else(comparison):
    """A name of ours that begins with node_ is one of the exporter's: of this machine, or of those in
    the list, which it shows on others only."""
    elsewhere = re.compile("|".join((
        r"node_(disk|network|memory|vmstat|netstat|sockstat|nf_conntrack|pressure|processes|systemd|timex|hwmon)_",
        r"node_(os|uname)_info", r"node_scrape_collector_")))
    strangers = [n for n in comparison.mine if n.startswith("node_") and n not in comparison.theirs
                 and not elsewhere.match(n)]
    assert not strangers, strangers
