"""Programs that do similar work, started as their packages ship them, on loopback and in a scratch
directory only."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
PATIENCE_S = 20

COLLECTD = """\
Hostname "bench"
FQDNLookup false
Interval 1
BaseDir "{scratch}"
PIDFile "{scratch}/collectd.pid"
{plugins}
<Plugin csv>
 DataDir "{scratch}/csv"
</Plugin>
<Plugin processes>
 ProcessMatch "all" ".*"
</Plugin>
"""
COLLECTD_PLUGINS = ("cpu", "memory", "load", "disk", "df", "interface", "swap", "uptime", "processes",
                    "tcpconns", "csv")


def find(name):
    return shutil.which(name, path=PATH)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the peer does not start")
        time.sleep(0.05)


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.read()
    except OSError:
        return b""


class NodeExporter:
    """Reads when it is asked, over HTTP."""

    name = "node_exporter with processes"
    program = "prometheus-node-exporter"

    def __init__(self, _scratch):
        self.port = free_port()

    def argv(self, program):
        return [program, f"--web.listen-address=127.0.0.1:{self.port}", "--collector.processes",
                "--log.level=error"]

    def wait_ready(self):
        wait_for(lambda: fetch(f"http://127.0.0.1:{self.port}/"))

    def collect(self):
        assert b"node_cpu_seconds_total" in fetch(f"http://127.0.0.1:{self.port}/metrics")


class Collectd:
    """Reads each second, by itself; what it reads goes into files."""

    name = "collectd"
    program = "collectd"

    def __init__(self, scratch):
        self.config = os.path.join(scratch, "collectd.conf")
        self.csv = os.path.join(scratch, "csv")
        plugins = "\n".join(f"LoadPlugin {p}" for p in COLLECTD_PLUGINS)
        with open(self.config, "w", encoding="ascii") as f:
            f.write(COLLECTD.format(scratch=scratch, plugins=plugins))

    def argv(self, program):
        return [program, "-f", "-C", self.config]

    def wait_ready(self):
        wait_for(lambda: os.path.isdir(self.csv))

    def collect(self):
        """It is on its way already."""


PEERS = (NodeExporter, Collectd)


@contextlib.contextmanager
def running(peer, program):
    process = subprocess.Popen(peer.argv(program), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        peer.wait_ready()
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
