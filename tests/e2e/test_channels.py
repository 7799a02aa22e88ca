"""Transports: sockets, terminals, standard input and output, and ports that are not there."""
import errno
import fcntl
import os
import pty
import signal
import socket
import stat
import subprocess
import time

import pytest
from harness import DEADLINE, QUIET, Host, HungUp, command, cpu_ticks, to_line, wait_for


# -- unix-listen -----------------------------------------------------------------------------------

def test_listening_socket_is_for_owner_and_group_and_goes_with_the_agent(agent):
    mode = agent.socket.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    assert agent.stop() == 0 and not agent.socket.exists()


def test_several_listening_sockets_go_with_the_agent(start):
    sockets = [start.folder / f"s{n}" for n in range(3)]
    agent = start("--interval", "3600", channels=[f"unix-listen:{s}" for s in sockets])
    for s in sockets:
        agent.wait_log(f"unix-listen:{s}: open")
    assert all(s.exists() for s in sockets)
    assert agent.stop() == 0 and not any(s.exists() for s in sockets)


def test_a_socket_left_by_a_dead_agent_is_replaced(start):
    first = start("--interval", "3600")
    first.stops_cleanly = False
    first.process.kill()
    first.wait_exit()
    assert first.socket.exists()
    second = start("--interval", "3600", channels=[f"unix-listen:{first.socket}"])
    second.wait_log("open")
    assert start.host(second, socket=first.socket).data_of("Ping")


def test_a_socket_that_another_agent_listens_on_is_left_alone_until_it_is_free(start, agent):
    second = start("--interval", "3600", channels=[f"unix-listen:{agent.socket}"])
    second.wait_log(f"another process listens on '{agent.socket}'; waiting for it")
    assert start.host(agent).data_of("Ping")
    agent.stop()
    second.wait_log(f"unix-listen:{agent.socket}: open")
    assert start.host(second, socket=agent.socket).data_of("Ping")
    assert second.log().count("another process listens") == 1


def test_what_is_no_socket_is_left_alone(start):
    path = start.folder / "file"
    path.write_text("precious")
    agent = start(channels=[f"unix-listen:{path}"])
    agent.wait_log("is there and is no socket; waiting for it")
    assert agent.stop() == 0 and path.read_text() == "precious"


def folder_that_is_missing(start):
    path = start.folder / "later" / "s"
    agent = start("--interval", "3600", channels=[f"unix-listen:{path}"])
    agent.wait_log("No such file or directory; waiting for it")
    path.parent.mkdir()
    yield 2
    agent.wait_log(f"unix-listen:{path}: open")
    assert start.host(agent, socket=path).data_of("Ping")


@pytest.mark.meanwhile(by=folder_that_is_missing)
def test_a_folder_that_is_missing_is_waited_for(scenario):
    scenario.finish()


def test_an_agent_that_cannot_listen_removes_nothing_at_its_end(start, agent):
    second = start(channels=[f"unix-listen:{agent.socket}"])
    second.wait_log("waiting for it")
    assert second.stop() == 0
    assert start.host(agent).data_of("Ping")


# -- unix-connect ----------------------------------------------------------------------------------

class Server:
    """What QEMU is with its chardev: it listens, and the agent connects."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()

    def accept(self, timeout=DEADLINE):
        self.socket.settimeout(timeout)
        return self.socket.accept()[0]

    def close(self):
        self.socket.close()
        self.path.unlink()


def test_connecting_waits_for_the_server_and_comes_back_to_it(start):
    path = start.folder / "server"
    agent = start("--interval", "3600", channels=[f"unix-connect:{path}"])
    agent.wait_log("cannot connect to .*; waiting for it")
    sessions = set()
    for n in range(3):
        server = Server(path)
        host = Host(server.accept())
        host.greet()
        assert host.data_of("Ping")["session"] == host.session
        sessions.add(host.session)
        host.close()
        if n == 1:  # the server stays, only the connection ends
            host = Host(server.accept())
            host.greet()
            sessions.add(host.session)
            host.close()
        server.close()
    assert len(sessions) == 4


def test_a_server_that_hangs_up_at_once_is_not_stormed(start):
    server = Server(start.folder / "server")
    agent = start("--interval", "3600", channels=[f"unix-connect:{server.path}"])
    server.accept().close()
    ticks, count, end = cpu_ticks(agent.pid), 1, time.monotonic() + 2.5
    while time.monotonic() < end:
        try:
            server.accept(max(0.01, end - time.monotonic())).close()
            count += 1
        except TimeoutError:
            break
    # 0.1 s, doubled each time, each shortened by up to a half at random
    assert 3 <= count <= 8, count
    assert cpu_ticks(agent.pid) - ticks < 50
    server.close()


def no_metrics_for_nobody(start):
    agent = start("--interval", "1", channels=[f"unix-connect:{start.folder}/nobody"])
    agent.wait_log("waiting for it")
    yield 3
    agent.state()
    assert "collector cpu: not read yet" in agent.log()


@pytest.mark.meanwhile(by=no_metrics_for_nobody)
def test_nothing_is_read_while_nobody_is_connected(scenario):
    scenario.finish()


# -- standard input and output ---------------------------------------------------------------------

def stdio(start, **options):
    return start("--interval", "3600", channels=["stdio"], **options)


def test_stdio_over_pipes_serves_until_the_end_of_input(start):
    agent = stdio(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    host = Host(agent.process.stdout, agent.process.stdin.fileno())
    host.greet()
    assert host.data_of("ProcessTop", limit=3)
    host.send(command("ProcessList", "last"))
    agent.process.stdin.close()
    assert [m["id"] for m in host.until_end()] == ["last"]
    assert agent.wait_exit() == 0


def test_stdio_with_no_input_greets_and_ends(start):
    agent = stdio(start, stdout=subprocess.PIPE)
    host = Host(agent.process.stdout)
    host.greet()
    assert host.until_end() == [] and agent.wait_exit() == 0


def test_stdio_from_file_to_file_answers_everything(start, tmp_path, tree):
    asked = [command("Ping", "p"), command("ProcessList", "l"), b"nonsense", command("NoSuch", "n")]
    (tmp_path / "in").write_bytes(b"".join(map(to_line, asked)))
    with open(tmp_path / "in", "rb") as stdin, open(tmp_path / "out", "wb") as stdout:
        agent = start("--root", str(tree), channels=["stdio"], stdin=stdin, stdout=stdout)
        assert agent.wait_exit() == 0
    fd = os.open(tmp_path / "out", os.O_RDONLY)
    host = Host(fd)
    host.greet()
    messages = host.until_end()
    os.close(fd)
    assert sorted(m["id"] for m in messages if m["type"] == "response") == ["l", "n", "p"]


def test_stdio_ends_with_a_whole_line_though_the_reader_is_slow(start):
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, 1031, 4096)  # F_SETPIPE_SZ: less than a metrics message takes
    agent = stdio(start, stdout=write_end)
    os.close(write_end)
    host = Host(read_end)
    time.sleep(1)  # the reading is done, and what fits into the pipe written
    host.greet()
    assert host.until_end() == [] and agent.wait_exit() == 0
    os.close(read_end)


def test_stdio_puts_its_descriptors_back(start):
    ends = os.pipe(), os.pipe()
    agent = stdio(start, stdin=ends[0][0], stdout=ends[1][1])
    os.close(ends[0][1])
    assert agent.wait_exit() == 0
    for fd in (ends[0][0], ends[1][1]):
        assert os.get_blocking(fd)
        os.close(fd)
    os.close(ends[1][0])


def test_stdio_ends_when_nobody_reads_its_output_any_more(start):
    agent = stdio(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    host = Host(agent.process.stdout, agent.process.stdin.fileno())
    host.greet()
    host.close()
    agent.process.stdin.write(to_line(command("Ping", "p")))
    agent.process.stdin.flush()
    assert agent.wait_exit() == 0


def test_the_agent_stays_after_stdio_has_ended_when_it_has_another_channel(start):
    path = start.folder / "s"
    agent = start("--interval", "3600", channels=["stdio", f"unix-listen:{path}"], stdout=subprocess.PIPE)
    host = Host(agent.process.stdout)
    host.greet()
    assert host.collect(QUIET) == []
    assert start.host(agent, socket=path).data_of("Ping")


# -- path: -----------------------------------------------------------------------------------------

class Terminal:
    """A pseudo terminal; the agent finds its side by a link."""

    def __init__(self, link):
        self.master, self.slave = pty.openpty()
        self.host = Host(self.master)
        fresh = link.with_suffix(".new")
        fresh.symlink_to(os.ttyname(self.slave))
        fresh.replace(link)

    def unplug(self):
        os.close(self.master)
        os.close(self.slave)


def test_a_terminal_is_made_raw_and_works_both_ways(start):
    link = start.folder / "tty"
    terminal = Terminal(link)
    agent = start("--interval", "3600", channels=[f"path:{link}"])
    terminal.host.greet()
    # no echo, and lines end as they were sent
    for _ in range(3):
        assert terminal.host.data_of("Ping")["session"] == terminal.host.session
    terminal.host.send(*(command("ProcessList", f"l{n}") for n in range(5)))
    for _ in range(5):
        terminal.host.expect("response")
    assert terminal.host.barrier() == []
    agent.stop()
    terminal.unplug()


def terminal_that_comes_back(start):
    link = start.folder / "tty"
    first = Terminal(link)
    agent = start("--interval", "3600", channels=[f"path:{link}"])
    first.host.greet()
    first.unplug()
    agent.wait_log("port unplugged", timeout=5)
    second = Terminal(link)
    yield 2
    second.host.greet()
    assert second.host.session != first.host.session
    assert second.host.data_of("Ping")
    agent.stop()
    second.unplug()


@pytest.mark.meanwhile(by=terminal_that_comes_back)
def test_a_terminal_that_goes_and_comes_back_is_a_new_session(scenario):
    scenario.finish()


def device_that_is_missing(start):
    link = start.folder / "tty"
    agent = start("--interval", "3600", channels=[f"path:{link}"])
    agent.wait_log(f"cannot open '{link}': No such file or directory; waiting for it")
    terminal = Terminal(link)
    yield 2
    terminal.host.greet()
    assert terminal.host.data_of("Ping")
    agent.stop()
    terminal.unplug()


@pytest.mark.meanwhile(by=device_that_is_missing)
def test_a_device_that_is_missing_is_waited_for(scenario):
    scenario.finish()


# -- vsock, virtio ---------------------------------------------------------------------------------

def vsock_fault():
    """Why vsock cannot be tested here, or None."""
    if not hasattr(socket, "AF_VSOCK"):
        return "this Python knows no vsock"
    try:
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as listener, \
                socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as client:
            listener.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
            listener.listen()
            client.settimeout(0.5)
            client.connect((1, listener.getsockname()[1]))
    except OSError as e:
        if e.errno in (errno.EAFNOSUPPORT, errno.EPERM):
            return f"this kernel has no vsock: {e}"
        return f"vsock has no loopback here: {e}"
    return None


def test_vsock_listens_and_serves(start):
    fault = vsock_fault()
    if fault:
        pytest.skip(fault)
    port = 20000 + os.getpid() % 20000
    agent = start("--interval", "3600", channels=[f"vsock-listen:{port}"])
    agent.wait_log(f"vsock-listen:{port}: open")
    host = Host.connect((1, port), socket.AF_VSOCK)
    host.greet()
    assert host.data_of("Ping")
    with pytest.raises(HungUp):
        Host.connect((1, port), socket.AF_VSOCK).line()
    host.close()


def test_a_vsock_that_cannot_be_had_does_not_stop_the_agent(start):
    """Whether this kernel has it or not."""
    path = start.folder / "s"
    agent = start("--interval", "3600", channels=["vsock-listen:4294967294", f"unix-listen:{path}"])
    agent.wait_log(f"unix-listen:{path}: open")
    agent.wait_log("vsock-listen:4294967294: (open|cannot listen on vsock port .*; waiting for it)")
    assert start.host(agent, socket=path).data_of("Ping")


def port_not_plugged_in(start):
    path = start.folder / "s"
    agent = start("--interval", "3600", channels=["virtio:org.vmvitals.nosuch.0", f"unix-listen:{path}"])
    agent.wait_log("virtio:org.vmvitals.nosuch.0: .*; waiting for it")
    agent.wait_log(f"unix-listen:{path}: open")
    ticks = cpu_ticks(agent.pid)
    yield 2
    assert cpu_ticks(agent.pid) - ticks <= 2
    assert start.host(agent, socket=path).data_of("Ping")
    assert agent.log().count("waiting for it") == 1


@pytest.mark.meanwhile(by=port_not_plugged_in)
def test_a_port_that_is_not_plugged_in_is_waited_for_and_costs_nothing(scenario):
    scenario.finish()


def test_without_a_channel_named_the_ports_are_those_of_the_protocol(start):
    agent = start(channels=[])
    agent.wait_log("started, VM id .*, 3 channels")
    # they may even be there: this may be a guest
    agent.wait_log("virtio:org.vmvitals.agent.0: ")
    agent.wait_log("virtio:org.infinibay.agent: ")
    agent.wait_log("virtio:org.qemu.guest_agent.0: ")


# -- several ---------------------------------------------------------------------------------------

def test_several_channels_of_all_kinds_serve_at_once(start):
    folder, terminal = start.folder, Terminal(start.folder / "tty")
    server = Server(folder / "server")
    agent = start("--interval", "3600", stdin=subprocess.PIPE, stdout=subprocess.PIPE, channels=[
        f"unix-listen:{folder}/1", f"unix-listen:{folder}/2,dialect=native", f"path:{folder}/tty", "stdio",
        f"unix-connect:{folder}/server", "virtio:org.vmvitals.nosuch.0"])
    hosts = [start.host(agent, greeted=False, socket=folder / name) for name in "12"]
    hosts += [terminal.host, Host(agent.process.stdout, agent.process.stdin.fileno()), Host(server.accept())]
    for host in hosts:
        host.greet()
    assert len({host.session for host in hosts}) == len(hosts)
    for n, host in enumerate(hosts):
        host.send(command("ProcessTop", "same", limit=n + 1), command("Ping", "ping"))
    for n, host in enumerate(hosts):
        got = {m["id"]: m["data"] for m in (host.expect("response"), host.expect("response"))}
        assert len(got["same"]) == n + 1 and got["ping"]["session"] == host.session
    hosts[0].close()
    start.hosts.remove(hosts[0])
    for host in hosts[1:]:
        assert host.barrier() == []
    hosts[-1].close()
    server.close()
    agent.stop()
    terminal.unplug()


def test_without_epoll_the_channels_work_as_well(start):
    """libevent's variable: poll or select, as on kernels without epoll."""
    terminal = Terminal(start.folder / "tty")
    path = start.folder / "s"
    agent = start("--interval", "3600", channels=[f"unix-listen:{path}", f"path:{start.folder}/tty"],
                  env={"EVENT_NOEPOLL": "1"})
    agent.wait_log(f"{path}: open")
    host = start.host(agent, socket=path)
    terminal.host.greet()
    for _ in range(3):
        assert host.data_of("ProcessTop") and terminal.host.data_of("Ping")
    host.send(*(command("Ping", f"p{n}") for n in range(3000)), reads=True)
    for n in range(3000):
        assert host.next()["id"] == f"p{n}"
    ticks = cpu_ticks(agent.pid)
    time.sleep(1)
    assert cpu_ticks(agent.pid) - ticks <= 3
    host.send(command("ProcessList", "last"))
    host.end_sending()
    assert [m["id"] for m in host.until_end()] == ["last"]
    agent.stop()
    terminal.unplug()


def test_a_socket_that_another_agent_has_put_there_is_left_alone(start):
    path = start.folder / "s"
    first = start("--interval", "3600", channels=[f"unix-listen:{path}"])
    first.wait_log(f"{path}: open")
    path.unlink()
    second = start("--interval", "3600", channels=[f"unix-listen:{path}"])
    second.wait_log(f"{path}: open")
    first.signal(signal.SIGTERM)
    assert first.wait_exit() == 0
    second.socket = path
    assert start.host(second).data_of("Ping")
