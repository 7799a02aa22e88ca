"""Filesystems that can hang: asked of the helper, never waited for."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import fuse
import pytest
import qga
from harness import SANITIZED, wait_for

FUSE_PY = pathlib.Path(__file__).resolve().parent / "fuse.py"
QUICK = 3 if SANITIZED else 1  # seconds; what is done at once, on a machine with other work

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root"),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse: this kernel has no FUSE"),
]


class Fuse:
    """A running fuse.py."""

    def __init__(self, folder, mode):
        self.folder = str(folder)
        self.process = subprocess.Popen([sys.executable, FUSE_PY, self.folder, mode], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        if first != "mounted\n":
            self.end()
            pytest.skip(f"no FUSE filesystem can be mounted here: {first.strip()}")

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self):
        """Whoever waits for an answer of it gets an error."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def mounted(start):
    """mounted("hang") or mounted("answer") gives a Fuse."""
    running = []

    def mount(mode):
        folder = start.folder / f"fuse{len(running)}"
        folder.mkdir()
        running.append(Fuse(folder, mode))
        return running[-1]
    yield mount
    for f in running:
        f.end()


def start_beside(start, filesystem, *args):
    """An agent that sees it."""
    pid = filesystem.process.pid
    return start("--interval", "1", *args, preexec_fn=lambda: fuse.enter(pid))


def mounts(message):
    return {row["mount_point"]: row for row in message["data"]["system"]["disk"]["usage_stats"]}


def next_mounts(host):
    return mounts(host.expect("metrics"))


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    return os.path.exists(f"/proc/{pid}")


def test_a_filesystem_that_answers_has_its_true_size(start, mounted):
    filesystem = mounted("answer")
    host = start.host(start_beside(start, filesystem))
    row = mounts(host.metrics)[filesystem.folder]
    gib = 1 << 30
    assert row["filesystem"] == "fuse.vmvtest"
    assert row["total_gb"] == fuse.BLOCKS * fuse.BLOCK / gib
    assert row["used_gb"] == (fuse.BLOCKS - fuse.FREE) * fuse.BLOCK / gib
    assert row["available_gb"] == fuse.AVAIL * fuse.BLOCK / gib


def test_one_that_hangs_holds_up_nothing_and_comes_back(start, mounted):
    filesystem = mounted("hang")
    agent = start_beside(start, filesystem)
    host = start.host(agent)
    others = set(mounts(host.metrics))
    assert "/" in others and filesystem.folder not in others

    agent.wait_log(f"no answer to 'statvfs {filesystem.folder}' for 2[0-9]{{3}} ms")
    host.barrier()
    for _ in range(3):  # metrics keep their rhythm, and commands are answered at once
        began = time.monotonic()
        assert set(next_mounts(host)) == others
        assert time.monotonic() - began < 1 + QUICK
        began = time.monotonic()
        assert host.ask("Ping")["success"]
        assert time.monotonic() - began < QUICK
    assert len(children(agent.pid)) == 1  # the one that hangs

    filesystem.tell("answer")
    agent.wait_log(f"'statvfs {filesystem.folder}' is stuck no longer, after [0-9]+ ms")
    wait_for(lambda: filesystem.folder in next_mounts(host), "it is reported with its size")
    filesystem.tell("hang")
    wait_for(lambda: filesystem.folder not in next_mounts(host), "its old size is not reported for ever")
    filesystem.tell("answer")
    wait_for(lambda: filesystem.folder in next_mounts(host), "it is reported again")
    filesystem.tell("unmount")
    wait_for(lambda: filesystem.folder not in next_mounts(host), "it is gone")


def test_one_that_hangs_delays_no_request_in_the_second_language(start, mounted):
    """Neither a ping behind what asks for filesystems, nor one of somebody else, nor that itself."""
    filesystem = mounted("hang")
    sockets = [start.folder / name for name in ("q1", "q2")]
    pid = filesystem.process.pid
    agent = start(channels=[f"unix-listen:{s},dialect=qga" for s in sockets], preexec_fn=lambda: fuse.enter(pid))
    one, other = (wait_for(lambda s=s: qga.connected(s), "the agent listens") for s in sockets)
    for command in ("guest-get-fsinfo", "vmvitals-get-health", "guest-get-fsinfo", "guest-get-disks"):
        began = time.monotonic()
        one.send(qga.to_line(command, id=1) + qga.to_line("guest-ping", id=2))
        other.ask("guest-ping")
        assert time.monotonic() - began < QUICK
        m = one.reply()
        assert m["id"] == 1 and "return" in m
        assert one.reply() == {"return": {}, "id": 2}
        assert time.monotonic() - began < QUICK
    agent.wait_log(f"no answer to 'statvfs {filesystem.folder}'")
    for client in (one, other):
        client.close()


def test_one_whose_daemon_died_is_an_error_and_not_stuck(start, mounted):
    filesystem = mounted("hang")
    agent = start_beside(start, filesystem)
    host = start.host(agent)
    agent.wait_log("no answer to 'statvfs ")
    filesystem.end()
    agent.wait_log("is stuck no longer")
    assert filesystem.folder not in next_mounts(host)
    assert host.ask("Ping")["success"]


def test_the_agent_stops_at_once_while_one_hangs(start, mounted):
    filesystem = mounted("hang")
    agent = start_beside(start, filesystem)
    host = start.host(agent)
    agent.wait_log("no answer to 'statvfs ")
    helpers = children(agent.pid)
    assert len(helpers) == 1
    host.barrier()
    began = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - began < QUICK
    # The helper was killed; in the kernel it can be held until its question has an end.
    filesystem.end()
    wait_for(lambda: not is_running(helpers[0]), "the helper ends")


def test_the_helper_goes_with_an_agent_that_is_killed(start, mounted):
    filesystem = mounted("answer")
    agent = start_beside(start, filesystem)
    start.host(agent)
    helpers = wait_for(lambda: children(agent.pid), "a helper")
    agent.stops_cleanly = False
    agent.signal(signal.SIGKILL)
    agent.wait_exit()
    wait_for(lambda: not any(map(is_running, helpers)), "the helper ends")


def test_without_the_helper_all_else_works(start, mounted):
    filesystem = mounted("answer")
    agent = start_beside(start, filesystem, "--helper", "/nonexistent")
    host = start.host(agent)
    for _ in range(2):
        assert "/" in next_mounts(host) and filesystem.folder not in next_mounts(host)
    assert host.ask("Ping")["success"]
