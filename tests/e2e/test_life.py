"""Signals, reload, service manager, and the end."""
import os
import re
import signal
import socket
import time

import pytest
from harness import DEADLINE, QUIET, Host, HungUp, command, run_agent, wait_for
from test_queue import fill_until_stuck


# -- the end ---------------------------------------------------------------------------------------

def test_what_is_logged_goes_to_no_channel_when_standard_error_is_closed(start):
    path = start.folder / "host"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        agent = start("--interval", "3600", channels=[f"unix-connect:{path}"], preexec_fn=lambda: os.closerange(0, 3))
        host = Host(listener.accept()[0])
        start.hosts.append(host)
        host.greet()
        for n in range(3):
            assert os.readlink(f"/proc/{agent.pid}/fd/{n}") == "/dev/null"
        agent.signal(signal.SIGUSR1)  # it writes its state to the log
        assert host.ask("Ping")["success"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_agent_stops_when_asked(start, agent, number):
    host = start.host(agent)
    agent.signal(number)
    assert agent.wait_exit() == 0
    assert host.until_end() == []
    assert "stopped after" in agent.log()


def test_the_agent_stops_with_nobody_there(agent):
    assert agent.stop() == 0


def test_what_is_running_is_finished_before_the_end(start, agent):
    host = start.host(agent)
    host.send(command("ProcessList", "list"))
    host.send(command("Ping", "done"))
    host.answer_to("done")  # so the other has been taken up; it takes 250 ms
    agent.signal(signal.SIGTERM)
    answer, _ = host.answer_to("list")
    assert answer["success"] and host.until_end() == []
    assert agent.wait_exit() == 0


def test_what_cannot_be_finished_is_answered_as_interrupted(start):
    agent = start("--interval", "3600", config="[agent]\nstop_grace = 0\n")
    host = start.host(agent)
    host.send(*(command("ProcessList", f"l{n}") for n in range(5)), command("Ping", "done"))
    host.answer_to("done")  # so the others have been taken up; they take 250 ms
    agent.signal(signal.SIGTERM)
    answers = [m for m in host.until_end() if m["type"] == "response"]
    assert sorted(m["id"] for m in answers) == [f"l{n}" for n in range(5)]
    for m in answers:
        assert m["success"] or (m["error_code"] == "INTERNAL" and "interrupted" in m["error"])
    assert not all(m["success"] for m in answers)
    assert agent.wait_exit() == 0


def test_a_greeting_that_has_begun_is_finished_before_the_end(start, agent):
    host = start.host(agent, greeted=False)
    host.send(command("Ping", "p"))
    wait_for(lambda: agent.counters()["in"] > 0, "the request is read")
    agent.signal(signal.SIGTERM)
    host.greet()
    assert [m["id"] for m in host.until_end()] == ["p"]
    assert agent.wait_exit() == 0


def test_a_host_that_does_not_read_cannot_keep_the_agent(start, agent):
    host = start.host(agent)
    fill_until_stuck(host, [command("Ping", f"p{n}") for n in range(100000)])
    agent.signal(signal.SIGTERM)
    assert agent.wait_exit() == 0


def test_a_second_signal_ends_it_at_once(start, agent):
    host = start.host(agent)
    fill_until_stuck(host, [command("Ping", f"p{n}") for n in range(100000)])
    agent.signal(signal.SIGTERM)
    agent.signal(signal.SIGTERM)
    assert agent.wait_exit() == 0
    assert not agent.socket.exists()


def test_nothing_is_taken_in_any_more_after_the_signal(start, agent):
    host = start.host(agent)
    host.send(command("ProcessList", "l"), command("Ping", "done"))
    host.answer_to("done")
    agent.signal(signal.SIGTERM)
    time.sleep(0.05)
    host.send(command("Ping", "late"))
    assert [m["id"] for m in host.until_end() if m["type"] == "response"] == ["l"]
    assert agent.wait_exit() == 0


def test_signals_of_a_terminal_and_a_broken_pipe_do_not_hurt(start, agent):
    for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG):
        agent.signal(number)
    assert start.host(agent).data_of("Ping")


# -- reload ----------------------------------------------------------------------------------------

def reload(agent, config, result="configuration read again"):
    agent.config.write_text(config)
    was = len(agent.log())
    agent.signal(signal.SIGHUP)
    wait_for(lambda: re.search(r"agent: configuration .*\n", agent.log()[was:]), "the reload")
    assert result in agent.log()[was:]


def channels(*paths):
    return "[agent]\n" + "".join(f"channel = unix-listen:{p}\n" for p in paths)


def test_reload_adds_and_removes_channels_and_leaves_the_others_alone(start):
    one, two, three = (start.folder / name for name in "123")
    agent = start("--interval", "3600", channels=[], config=channels(one, two))
    stays, goes = start.host(agent, socket=one), start.host(agent, socket=two)
    stays.send_bytes(b'{"type":"SafeCommand","id":"half",')  # half a line must survive it, too
    reload(agent, channels(one, three))
    with pytest.raises(HungUp):
        goes.line()
    assert not two.exists()
    assert start.host(agent, socket=three).data_of("Ping")
    stays.send_bytes(b'"command_type":{"action":"Ping"}}\n')
    assert stays.answer_to("half")[0]["data"]["session"] == stays.session
    assert "agent.channel" in agent.log()


def test_reload_changes_the_interval(start):
    agent = start(config="[metrics]\ninterval = 3600\n")
    host = start.host(agent)
    reload(agent, "[metrics]\ninterval = 1\n")
    assert "metrics.interval" in agent.log()
    for _ in range(2):  # the pause that has begun is not waited for
        host.expect("metrics", timeout=5)


def test_reload_changes_the_longest_line_as_the_next_handshake_says(start):
    agent = start("--interval", "3600", config="[protocol]\nline_in = 1\n")
    start.host(agent).close()
    start.hosts.clear()
    reload(agent, "[protocol]\nline_in = 2\n")
    host = start.host(agent)
    limit = host.handshake["limits"]["line_in"]
    host.send(command("Ping", "long", x="y" * (limit - 200)), command("Ping", "behind"))
    assert [m["id"] for m in host.answer_to("behind")[1] if m["type"] == "response"] == ["long"]


def test_reload_changes_policy_and_limits_of_a_session_that_goes_on(start):
    agent = start("--interval", "3600", config="")
    host = start.host(agent)
    reload(agent, "[policy]\ndeny = ProcessList\n[metrics]\nprocesses = 2\n")
    assert host.ask("ProcessList")["error_code"] == "NOT_ALLOWED"
    assert len(host.data_of("GetMetrics")["processes"]) == 2
    reload(agent, "")
    assert host.ask("ProcessList")["success"]


@pytest.mark.parametrize("text, fault", [
    ("[metrics]\ninterval = x\n", ":2: [metrics] interval: 'x'"), ("[nonsense]\nx = 1\n", ":2: there is no setting"),
    ("[agent]\nchannel = bogus\n", ":2: channel 'bogus'"),
])
def test_a_bad_file_keeps_the_old_settings(start, text, fault):
    agent = start("--interval", "3600", config="[metrics]\nprocesses = 2\n[policy]\ndeny = ProcessList\n")
    host = start.host(agent)
    reload(agent, text, "configuration refused, the old one stays: ")
    assert f"{agent.config}{fault}" in agent.log()
    assert len(host.data_of("GetMetrics")["processes"]) == 2
    assert host.ask("ProcessList")["error_code"] == "NOT_ALLOWED"


def test_a_file_that_has_gone_keeps_the_old_settings(start, agent):
    host = start.host(agent)
    agent.config.unlink()
    agent.signal(signal.SIGHUP)
    agent.wait_log("configuration refused, the old one stays: .*No such file")
    assert host.data_of("Ping")


def test_many_reloads_leave_nothing_behind(start):
    agent = start("--interval", "3600")
    host = start.host(agent)
    host.barrier()
    before = agent.descriptors()
    for n in range(20):
        reload(agent, f"[metrics]\nprocesses = {n}\n")
    assert host.data_of("Ping") and agent.descriptors() == before


def test_reload_of_an_unchanged_file_says_so(start, agent):
    reload(agent, "", "nothing changed")


# -- state -----------------------------------------------------------------------------------------

def test_sigusr1_writes_the_state_to_the_log(start, agent):
    host = start.host(agent)
    host.send(b"nonsense", b"{}", command("RebootSystem", "r"))
    host.barrier()
    c = agent.counters()
    assert (c["malformed"], c["ignored"], c["refused"], c["sessions"]) == (1, 1, 2, 1)
    assert f"session {host.session}" in c["text"] and "host attached" in c["text"]
    for name in ("cpu", "memory", "process", "network", "filesystem", "port"):
        assert f"collector {name}: ok" in agent.log()
    assert host.data_of("Ping")["session"] == host.session


def test_the_log_tells_of_hosts_that_come_and_go(start, agent):
    host = start.host(agent)
    agent.wait_log(f"host attached, session {host.session}")
    host.close()
    start.hosts.remove(host)
    agent.wait_log(f"host gone, session {host.session}")


def test_log_levels_filter_by_subsystem(start):
    quiet = start("--interval", "3600", "--log-level", "error", channels=["unix-listen:" + str(start.folder / "s")])
    start.host(quiet, socket=start.folder / "s")
    assert quiet.log() == ""
    debug = start("--interval", "3600", "--log-level", "info,session=debug")
    start.host(debug).ask("NoSuch")
    assert "command refused: UNKNOWN_ACTION" in debug.log()


def test_what_hosts_send_cannot_forge_log_lines(start):
    agent = start("--interval", "3600", "--log-level", "debug")
    host = start.host(agent)
    host.ask("evil\nvmvitalsd: forged: line\x1b[31m")
    host.ask("RebootSystem", x="\nforged")
    assert all(line.startswith("vmvitalsd: ") and "forged" not in line for line in agent.log().splitlines())
    assert "\x1b" not in agent.log()


# -- service manager -------------------------------------------------------------------------------

class Manager:
    """The datagram socket of a service manager."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(DEADLINE)
        self.env = {"NOTIFY_SOCKET": str(self.path)}

    def next(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def expect(self, name):
        while True:
            m = self.next()
            if name in m:
                return m


@pytest.fixture
def manager(start):
    return Manager(start.folder)


def test_the_service_manager_is_told_what_goes_on(start, manager):
    agent = start("--interval", "3600", env=manager.env)
    ready = manager.expect("READY")
    assert ready["READY"] == "1" and ready["STATUS"] == "0 of 1 channels have a host"
    start.host(agent)
    assert manager.expect("STATUS")["STATUS"] == "1 of 1 channels have a host"
    agent.signal(signal.SIGHUP)
    reloading = manager.expect("RELOADING")
    assert reloading["RELOADING"] == "1" and 0 < int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() / 1000
    assert manager.expect("READY")["READY"] == "1"
    agent.signal(signal.SIGTERM)
    assert manager.expect("STOPPING")["STOPPING"] == "1"
    assert agent.wait_exit() == 0


def test_a_refused_reload_ends_with_ready_as_well(start, manager):
    agent = start("--interval", "3600", env=manager.env)
    manager.expect("READY")
    agent.config.write_text("nonsense\n")
    agent.signal(signal.SIGHUP)
    manager.expect("RELOADING")
    manager.expect("READY")


def test_the_watchdog_is_fed_at_half_its_time(start, manager):
    start("--interval", "3600", env=manager.env | {"WATCHDOG_USEC": "400000"})
    manager.expect("READY")
    times = []
    for _ in range(4):
        assert manager.expect("WATCHDOG")["WATCHDOG"] == "1"
        times.append(time.monotonic())
    assert times[-1] - times[0] > 0.4


def test_no_watchdog_is_fed_when_it_is_another_process_s(start, manager):
    start("--interval", "3600", env=manager.env | {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    manager.expect("READY")
    manager.socket.settimeout(QUIET)
    with pytest.raises(TimeoutError):
        manager.expect("WATCHDOG")


def test_a_service_manager_that_has_gone_does_no_harm(start, manager):
    manager.socket.close()
    agent = start("--interval", "3600", env=manager.env)
    assert start.host(agent).data_of("Ping")


# -- once ------------------------------------------------------------------------------------------

def test_once_prints_one_message_and_opens_no_channel(tmp_path):
    (tmp_path / "c").write_text(f"[agent]\nchannel = unix-listen:{tmp_path}/s\n")
    done = run_agent("--config", tmp_path / "c", "--once")
    assert done.returncode == 0 and done.stdout.count("\n") == 1 and not (tmp_path / "s").exists()
    assert done.stderr == ""


def test_start_in_a_folder_that_has_gone(start, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()

    def leave():
        os.chdir(gone)
        gone.rmdir()
    assert start.host(start("--interval", "3600", preexec_fn=leave)).data_of("Ping")
