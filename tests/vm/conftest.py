"""One guest for all tests of this folder, with the agent installed in it; see lab/README.md.

Environment: VMV_BUILD, the folder with the built programs (default: build/test);
VMV_SKIP_VM=1 skips all of it; VMV_FIGURES, a JSON file that the measured figures go into;
VMV_VM_LOGS, a folder for the guest's console and journal.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "lab")]
import agent_guest  # noqa: E402
import vm  # noqa: E402
from native import DEADLINE, SECRET, Host  # noqa: E402

TOP = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("VMV_BUILD", TOP / "build/test"))


def pytest_collection_modifyitems(items):
    if os.environ.get("VMV_SKIP_VM") == "1":
        for item in items:
            item.add_marker(pytest.mark.skip(reason="VMV_SKIP_VM=1"))


def stamp(entry):
    return int(entry["__MONOTONIC_TIMESTAMP"])


class Agent:
    """The agent in a guest, as the guest's administrator sees it."""

    def __init__(self, guest):
        self.guest = guest

    def port(self, name=agent_guest.NATIVE):
        return self.guest.port(name)

    def host(self, name=agent_guest.NATIVE, blank=True):
        return Host(self.guest.port(name), blank)

    def fresh_host(self, name=agent_guest.NATIVE):
        """A host that comes when the agent knows that the one before has left."""
        self.wait_left(name)
        return self.host(name, blank=False)

    def wait_left(self, name=agent_guest.NATIVE):
        channel = f"VMVITALS_CHANNEL=virtio:{name}"
        self.guest.wait(f"! journalctl -q -o cat --output-fields=VMVITALS_EVENT -n 1 {channel} "
                        "VMVITALS_EVENT=port_opened VMVITALS_EVENT=port_closed "
                        "VMVITALS_EVENT=port_unplugged SYSLOG_IDENTIFIER=vmvitalsd "
                        "| grep -q port_opened", DEADLINE)

    def pid(self):
        return self.guest.pid_of(agent_guest.UNIT)

    def start(self):
        self.guest.sh(f"systemctl reset-failed {agent_guest.UNIT} 2>/dev/null; systemctl start {agent_guest.UNIT}")

    def stop(self):
        self.guest.sh(f"systemctl stop {agent_guest.UNIT}")

    def restart(self):
        self.guest.sh(f"systemctl reset-failed {agent_guest.UNIT} 2>/dev/null; systemctl restart {agent_guest.UNIT}")

    def rss_kib(self):
        return int(self.guest.sh(f"awk '/^VmRSS/ {{print $2}}' /proc/{self.pid()}/status"))

    def wait_calm(self):
        """Till the agent has used no CPU time for half a second."""
        stat = f"cut -d' ' -f14,15 /proc/{self.pid()}/stat"
        self.guest.wait(f"{{ a=$({stat}); sleep 0.5; [ \"$a\" = \"$({stat})\" ]; }}", 2 * DEADLINE)

    def now(self):
        """A place in the journal: what is written from now on has a later time."""
        return stamp(json.loads(self.guest.journal("-q", "-n", "1", "-o", "json")))

    def journal(self, since=0, **fields):
        """The agent's entries later than this that have these fields, as dicts."""
        args = ["-q", "-o", "json", "SYSLOG_IDENTIFIER=vmvitalsd"]
        args += [f"{key}={value}" for key, value in fields.items()]
        entries = map(json.loads, self.guest.journal(*args).splitlines())
        return [entry for entry in entries if stamp(entry) > since]

    def wait_event(self, event, since, channel=None, timeout=DEADLINE):
        """The first entry of this kind after that time."""
        fields = {"VMVITALS_EVENT": event}
        if channel:
            fields["VMVITALS_CHANNEL"] = f"virtio:{channel}"
        deadline = time.monotonic() + timeout
        while True:
            entries = self.journal(since, **fields)
            if entries:
                return entries[0]
            if time.monotonic() > deadline:
                pytest.fail(f"no {event} in the journal within {timeout} s\n{self.guest.journal('-n', '30')}")
            time.sleep(0.1)


class Commanded(Agent):
    """A guest whose executor does what a host has signed with SECRET."""

    def __init__(self, guest, folder):
        super().__init__(guest)
        self.key = folder / "key"  # what the guest may come to trust, too

    def greeted(self, waits=True):
        """A host that has read the handshake. waits: for the one that tells of an executor, which may be
        starting: when it is there at last, a session of its begins."""
        host = self.host()
        host.hello = host.greet()
        if waits and not host.hello["policy"]["executor"] and self.has_executor():
            host.hello = host.wait("handshake", DEADLINE)
        return host

    def has_executor(self):
        """Its socket is there, so it will come."""
        return self.guest.sh(f"systemctl is-active {agent_guest.EXECUTOR.replace('.service', '.socket')} || :") == "active"

    def cli(self, *args):
        """The command line tool at the host's end of the port."""
        self.wait_left()  # else it takes 2 s to ask for a session
        return run_tool("--socket", self.port().path, *args)

    def executor_pid(self):
        """0: it is not running."""
        return int(self.guest.sh(f"systemctl show -p MainPID --value {agent_guest.EXECUTOR}"))

    def policy(self, *lines):
        """Puts the policy in force by a reload of the agent's unit."""
        since = self.now()
        text = "\\n".join(lines)
        self.guest.sh(f"printf '[policy]\\n{text}\\n' >/etc/vmvitals/agent.conf.d/50-policy.conf")
        self.reload(since)

    def reload(self, since=None):
        """Till the executor has read its settings and keys anew, if it runs."""
        since = self.now() if since is None else since
        runs = self.executor_pid()
        self.guest.sh(f"systemctl reload {agent_guest.UNIT}")
        deadline = time.monotonic() + DEADLINE
        while runs and self.executor_pid() == runs and not self.said("read again", since):
            assert time.monotonic() < deadline, self.guest.journal("-n", "30")

    def said(self, text, since):
        """Whether the executor has said this in the journal."""
        entries = self.guest.journal("-q", "-o", "json", "SYSLOG_IDENTIFIER=vmvitals-execd").splitlines()
        return any(text in entry["MESSAGE"] for entry in map(json.loads, entries) if stamp(entry) > since)

    def audit(self, ident):
        """What the journal has of this command."""
        return list(map(json.loads, self.guest.journal("-q", "-o", "json", f"VMVITALS_COMMAND_ID={ident}").splitlines()))


def run_tool(*args):
    return subprocess.run([BUILD / "vmvitals", *map(str, args)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=3 * DEADLINE)


@pytest.fixture(scope="session")
def destdir(tmp_path_factory):
    """The agent installed below a folder of the host."""
    if not (BUILD / "vmvitalsd").exists():
        pytest.fail(f"no vmvitalsd in {BUILD}; set VMV_BUILD")
    image = subprocess.run([HERE / "lab/build-image"], capture_output=True, text=True, check=False)
    if image.returncode:
        pytest.fail(f"no guest to test in (VMV_SKIP_VM=1 skips this): {image.stdout}{image.stderr}")
    folder = tmp_path_factory.mktemp("destdir")
    agent_guest.make_install(BUILD, folder)
    # tests ask the journal whether a host has left: after a burst of sessions that is said at debug only
    (folder / "etc/vmvitals/agent.conf.d/tests.conf").write_text("[agent]\nlog_level = info,session=debug\n")
    return folder


def keep_logs(guest, name):
    if "VMV_VM_LOGS" in os.environ:
        guest.collect(pathlib.Path(os.environ["VMV_VM_LOGS"]) / name)


def make_disk(folder):
    disk = folder / "disk.img"
    with disk.open("wb") as image:
        image.truncate(64 << 20)
    subprocess.run(["/sbin/mkfs.ext4", "-q", disk], check=True)
    return disk


@pytest.fixture(scope="session")
def installed(destdir, tmp_path_factory):
    """A guest with two CPUs, all three ports, an address, a disk that is not mounted and the agent."""
    disk = make_disk(tmp_path_factory.mktemp("disk"))
    with vm.VM(ports=[agent_guest.NATIVE, agent_guest.COMPATIBLE, agent_guest.QGA], disks=[disk], net=True) as guest:
        try:
            guest.sh("mount -t debugfs debugfs /sys/kernel/debug")
            agent_guest.set_address(guest)
            agent_guest.install(guest, destdir)
            yield Agent(guest)
        finally:
            keep_logs(guest, "guest")


@pytest.fixture
def agent(installed):
    """The agent, running, whatever the test before has done to it."""
    installed.start()
    return installed


@contextlib.contextmanager
def boot_commanded(destdir, folder, name):
    with vm.VM(ports=[agent_guest.NATIVE, agent_guest.QGA], disks=[make_disk(folder)]) as guest:
        try:
            agent_guest.install(guest, destdir)
            agent_guest.install_executor(guest, SECRET, "level = full")
            yield Commanded(guest, folder)
        finally:
            keep_logs(guest, name)


@pytest.fixture(scope="session")
def commanded_guest(destdir, tmp_path_factory):
    """A guest with a port of each language, a disk that is not mounted (/dev/vdc), the agent and the executor at level full."""
    with boot_commanded(destdir, tmp_path_factory.mktemp("commanded"), "commanded") as commanded:
        yield commanded


@pytest.fixture
def commanded(commanded_guest):
    """The same, and it runs, whatever the test before has done to it."""
    commanded_guest.guest.sh(f"systemctl reset-failed '{agent_guest.EXECUTOR}' 2>/dev/null; "
                             f"systemctl start {agent_guest.SOCKET}")
    commanded_guest.start()
    return commanded_guest


@pytest.fixture(scope="module")
def spare(destdir, tmp_path_factory):
    """One that is not needed afterwards."""
    with boot_commanded(destdir, tmp_path_factory.mktemp("spare"), "spare") as commanded:
        yield commanded


@pytest.fixture(scope="module")
def bare_guest(destdir):
    """A guest without a port, address or agent; PCI devices can be plugged into it."""
    with vm.VM(machine="pc") as guest:
        try:
            yield guest
        finally:
            keep_logs(guest, "bare_guest")


@pytest.fixture(scope="session")
def figures():
    """Measured values by name: printed, and written to $VMV_FIGURES."""
    values = {}
    yield values
    print("\n" + json.dumps(values, indent=1))
    if "VMV_FIGURES" in os.environ:
        path = pathlib.Path(os.environ["VMV_FIGURES"])
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **values}, indent=1) + "\n")
