"""The agent as a service: killed, restarted, reloaded, stopped, idle."""
import time

import agent_guest
import pytest
from native import DEADLINE

IDLE = 20  # seconds
# In that time: the agent's own timers are at 30 s. With a host, an evaluation of its health (each 60 s) may
# fall into it, with a question to the helper, its answer, and the helper's end.
WAKEUPS = {True: 14, False: 6}


def test_start_and_stop_are_in_the_journal(agent, figures):
    since = agent.now()
    agent.restart()
    agent.stop()
    ids = set()
    for event in ("agent_start", "agent_stop"):
        entry = agent.wait_event(event, since)
        assert entry["SYSLOG_IDENTIFIER"] == "vmvitalsd"
        assert entry["MESSAGE"]
        ids.add(entry["MESSAGE_ID"])
    assert len(ids) == 2
    show = agent.guest.sh(f"systemctl show -p Result,ExecMainCode,ExecMainStatus {agent_guest.UNIT}")
    assert set(show.splitlines()) == {"Result=success", "ExecMainCode=1", "ExecMainStatus=0"}
    agent.start()
    stop = agent.guest.sh(f"a=$(cut -d' ' -f1 /proc/uptime); systemctl stop {agent_guest.UNIT}; "
                          "cut -d' ' -f1 /proc/uptime; echo $a").split()
    figures["systemctl_stop_s"] = round(float(stop[0]) - float(stop[1]), 2)
    assert figures["systemctl_stop_s"] < 5


def test_agent_that_was_killed_is_started_again_and_greets(agent):
    with agent.host() as host:
        before, pid = host.greet(), agent.pid()
        agent.guest.sh(f"kill -KILL {pid}")
        # Whatever the dead one left unfinished is ended by the LF of the new one.
        after = host.wait("handshake", first=True)
        assert after["session"] != before["session"]
        assert host.ask("Ping")["data"]["session"] == after["session"]
        assert agent.pid() != pid


def test_restart_begins_a_new_session_with_a_blank_line(agent):
    with agent.fresh_host() as host:
        before = host.wait("handshake")
        host.wait("metrics")
        agent.wait_calm()
        agent.restart()
        assert host.end.line(DEADLINE) == b""
        assert host.message()["session"] != before["session"]
        assert host.message()["type"] == "metrics"


def test_reload_keeps_the_old_settings_when_the_new_are_bad(agent):
    guest, pid = agent.guest, agent.pid()
    dropin = "/etc/vmvitals/agent.conf.d/90-test.conf"
    with agent.host() as host:
        host.greet()

        def in_force():
            """The value of the setting that the test changes, as a reply shows it."""
            return host.ask("Ping")["command_type"]

        assert in_force() == "safe"
        try:
            since = agent.now()
            guest.sh(f"printf '[compat]\ncommand_type = action\n[agent\nnonsense' >{dropin}")
            guest.sh(f"systemctl reload {agent_guest.UNIT}")
            wait_for(lambda: any("90-test.conf" in entry["MESSAGE"] and int(entry["PRIORITY"]) <= 4
                                 for entry in agent.journal(since)))
            assert in_force() == "safe"

            since = agent.now()
            guest.sh(f"printf '[compat]\ncommand_type = action\n' >{dropin}")
            guest.sh(f"systemctl reload {agent_guest.UNIT}")
            assert len(agent.wait_event("config_reloaded", since)["MESSAGE_ID"]) == 32
            assert in_force() == "Ping"
        finally:
            guest.sh(f"rm -f {dropin}; systemctl reload {agent_guest.UNIT}")
        wait_for(lambda: in_force() == "safe")
    assert agent.pid() == pid


def test_bad_settings_at_start_are_not_retried_for_ever(agent):
    guest, dropin = agent.guest, "/etc/vmvitals/agent.conf.d/90-test.conf"
    agent.stop()
    try:
        guest.sh(f"printf '[agent]\\nchannel = carrier-pigeon:7\\n' >{dropin}")
        assert guest.run("vmvitalsd --check-config").status == 78
        guest.run(f"systemctl start {agent_guest.UNIT}")
        guest.wait(f"systemctl is-failed {agent_guest.UNIT}")
        assert guest.sh(f"systemctl show -p ExecMainStatus,NRestarts {agent_guest.UNIT}").splitlines() == [
            "NRestarts=0", "ExecMainStatus=78"]
    finally:
        guest.sh(f"rm -f {dropin}")
    assert guest.run("vmvitalsd --check-config").status == 0


@pytest.mark.parametrize("connected", [True, False], ids=["host connected", "host away"])
def test_idle_agent_sleeps(agent, figures, connected):
    agent.wait_left()
    agent.guest.sh(f"test -e {agent_guest.HELD}")  # with a port of qemu-ga that nobody has come to
    if connected:
        with agent.host() as host:
            host.greet()
            host.wait("metrics")
            cost = idle(agent)
    else:
        cost = idle(agent)
    figures[f"idle_{IDLE}_s {'connected' if connected else 'away'}"] = cost
    assert cost["voluntary"] <= WAKEUPS[connected]
    assert cost["cpu_ms"] <= 500  # one metrics message may fall into the time; a spin is 20,000


def idle(agent):
    agent.wait_calm()
    return agent.guest.measure(agent.pid(), IDLE)


def test_agent_works_without_epoll(agent, figures):
    """libevent's fall-back: level-triggered poll, which spins on a port unless it is left alone."""
    guest, folder = agent.guest, f"/run/systemd/system/{agent_guest.UNIT}.d"
    guest.sh(f"mkdir -p {folder}; printf '[Service]\\nEnvironment=EVENT_NOEPOLL=1\\n' >{folder}/noepoll.conf; "
             "systemctl daemon-reload")
    try:
        agent.restart()
        assert "anon_inode:[eventpoll]" not in guest.sh(f"ls -l /proc/{agent.pid()}/fd")
        for _ in range(3):
            with agent.host() as host:
                host.greet()
                assert host.ask("Ping")["success"] is True
            agent.wait_left()
        away = guest.measure(agent.pid(), 5)
        with agent.host() as host:
            host.greet()
            connected = guest.measure(agent.pid(), 5)
    finally:
        guest.sh(f"rm -r {folder}; systemctl daemon-reload")
        agent.restart()
    figures["idle_5_s without epoll"] = {"connected": connected, "away": away}
    for cost in (connected, away):
        assert cost["voluntary"] <= 50
        assert cost["cpu_ms"] <= 500


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
