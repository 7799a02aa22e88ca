"""End-to-end tests of the shipped programs; VMV_BUILD is the folder with vmvitalsd and vmvitals.

Every line that an agent sends in any test goes through schema.py.
"""
import os
import pathlib
import shutil
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from executor import EXECD, JOB, Executor  # noqa: E402
from harness import AGENT, CLI, FIXTURES, HELPER, Agent, Host, Systemd, put, wait_for  # noqa: E402


def pytest_sessionstart(session):
    for program in (AGENT, CLI, HELPER, EXECD, JOB):
        if not program.exists():
            pytest.exit(f"no {program}: set VMV_BUILD to the folder with the built programs", 4)


# -- tests that wait for long: others run meanwhile ------------------------------------------------

class Scenario:
    """A test as a generator: it yields for how many seconds it has nothing to do."""

    def __init__(self, function):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vmv"))
        self.start = Starter(self.folder)
        self.steps = function(self.start)
        self.due = 0.0
        self.is_done = False
        self.fault = None
        self.go_on()

    def go_on(self):
        try:
            self.due = time.monotonic() + next(self.steps)
        except StopIteration:
            self.is_done = True
        except BaseException as e:  # pylint: disable=broad-except
            self.is_done, self.fault = True, e

    def go_on_when_due(self):
        if not self.is_done and time.monotonic() >= self.due:
            self.go_on()

    def finish(self):
        while not self.is_done:
            time.sleep(max(0.0, self.due - time.monotonic()))
            self.go_on()
        if self.fault:
            raise self.fault

    def clean_up(self):
        self.steps.close()
        try:
            self.start.stop_all()
        finally:
            shutil.rmtree(self.folder)


SCENARIOS = {}  # by the name of the test


def pytest_runtestloop(session):
    for item in session.items:
        marker = item.get_closest_marker("meanwhile")
        if marker and not session.config.option.collectonly:
            SCENARIOS[item.nodeid] = Scenario(marker.kwargs["by"])


def pytest_runtest_logfinish():
    for scenario in SCENARIOS.values():
        scenario.go_on_when_due()


def pytest_configure(config):
    config.addinivalue_line("markers", "meanwhile(by=generator): the test waits for long, others run in that time")


def pytest_sessionfinish():
    for scenario in SCENARIOS.values():
        scenario.clean_up()
    SCENARIOS.clear()


@pytest.fixture
def scenario(request):
    """Goes with the mark: scenario.finish() is the test."""
    mine = SCENARIOS.pop(request.node.nodeid)
    yield mine
    mine.clean_up()


# -- agents and hosts ------------------------------------------------------------------------------

@pytest.fixture
def sockets():
    """A folder whose path is short enough for sockets, and open to everybody."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vmv"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def connected(path):
    try:
        return Host.connect(str(path))
    except (ConnectionRefusedError, FileNotFoundError):
        return None


class Starter:
    """Starts agents, each with a listening socket unless it is to have other channels."""

    def __init__(self, folder):
        self.folder = folder
        self.agents = []
        self.hosts = []
        self.systemds = []

    def __call__(self, *args, channels=None, **options):
        folder = self.folder / f"a{len(self.agents)}"
        folder.mkdir()
        folder.chmod(0o777)
        socket = folder / "s"
        if channels is None:
            channels = [f"unix-listen:{socket}"]
        for channel in channels:
            args += ("--channel", channel)
        agent = Agent(folder, *args, **options)
        self.agents.append(agent)
        agent.socket = socket
        if f"unix-listen:{socket}" in channels:
            agent.wait_log(f"unix-listen:{socket}: open")
        return agent

    def host(self, agent, greeted=True, socket=None):
        host = wait_for(lambda: connected(socket or agent.socket), "the agent listens")
        self.hosts.append(host)
        if greeted:
            host.handshake, host.metrics = host.greet()
        return host

    def systemd(self, more=0):
        """Options for an agent that finds a systemd; none where there can be none."""
        self.systemds.append(Systemd(self.folder / f"d{len(self.systemds)}", more))
        return ("--helper", str(self.systemds[-1].helper)) if self.systemds[-1].is_running else ()

    def stop_all(self):
        for host in self.hosts:
            host.close()
        faults = []
        for agent in self.agents:
            try:
                agent.clean_up()
            except Exception as e:  # pylint: disable=broad-except
                faults.append(str(e))
        for systemd in self.systemds:
            systemd.stop()
        assert not faults, "\n".join(faults)


@pytest.fixture
def start(sockets):
    """start(*options, channels=None, config="") gives a running Agent; start.host(agent) a Host."""
    starter = Starter(sockets)
    yield starter
    starter.stop_all()


@pytest.fixture(scope="module")
def start_shared():
    """The same for agents that all tests of a file share."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vmv"))
    starter = Starter(folder)
    yield starter
    try:
        starter.stop_all()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def agent(start):
    return start("--interval", "3600")


@pytest.fixture
def host(start, agent):
    return start.host(agent)


def make_tree(top):
    """The recorded system, writable, with what cannot be checked in: links and an odd name."""
    for path in sorted((FIXTURES / "debian12-6.1").rglob("*")):
        if path.is_file():
            put(top / path.relative_to(FIXTURES / "debian12-6.1"), path.read_bytes())
    (top / "srv" / "d\u00e4ten").mkdir(parents=True)
    for link, target in (("proc/612/exe", "/usr/sbin/sshd"), ("proc/612/fd/3", "socket:[15873]"),
                         ("proc/612/fd/4", "socket:[15875]"), ("proc/845/exe", "/usr/lib/postgresql/15/bin/postgres"),
                         ("proc/845/fd/0", "/dev/null"), ("proc/845/fd/5", "socket:[16902]")):
        (top / link).parent.mkdir(exist_ok=True)
        os.symlink(target, top / link)
    return top


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "root")


# -- the executor ----------------------------------------------------------------------------------

@pytest.fixture
def executor(start):
    executors = []

    def make(**options):
        folder = start.folder / f"executor{len(executors)}"
        folder.mkdir()
        executors.append(Executor(folder, **options))
        return executors[-1]

    yield make
    for e in executors:
        e.stop()


@pytest.fixture
def pair(start, executor):
    """An agent with an executor of level full and a secret, and a host that may do everything."""
    def make(**options):
        e = executor(**options)
        agent = start("--executor", e.path, "--vm-id", "lab")
        return e, agent, start.host(agent)
    return make
