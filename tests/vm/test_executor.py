"""The executor under systemd: started when it is needed, gone when not; its jobs in scopes of their own."""
import json
import time

import agent_guest
import pytest
from native import DEADLINE

COLD = 10  # seconds till an executor that did not run serves, at most; 0.3 s on an idle machine


def scopes(guest):
    return guest.sh("systemctl list-units --no-legend --plain 'vmvitals-job-*.scope' | cut -d' ' -f1").split()


def wait_scopes(guest, count):
    guest.wait(f"[ $(systemctl list-units --no-legend 'vmvitals-job-*.scope' | wc -l) = {count} ]", 2 * DEADLINE)


@pytest.fixture
def dropin(commanded):
    """Settings of the executor's unit for one test."""
    folder = f"/run/systemd/system/{agent_guest.EXECUTOR}.d"

    def put(text):
        quoted = text.replace("'", "'\\''")
        commanded.guest.sh(f"mkdir -p {folder}; printf '%s\\n' '[Service]' '{quoted}' >{folder}/test.conf; systemctl daemon-reload; "
                           f"systemctl stop {agent_guest.EXECUTOR}")

    yield put
    commanded.guest.sh(f"rm -rf {folder}; systemctl daemon-reload; systemctl stop {agent_guest.EXECUTOR}")


# -- when it runs ----------------------------------------------------------------------------------------


def test_an_idle_executor_goes_and_comes_back(commanded, dropin, figures):
    dropin("ExecStart=\nExecStart=/usr/libexec/vmvitals/vmvitals-execd --idle-exit 1")
    guest = commanded.guest
    with commanded.greeted() as host:
        assert host.hello["policy"]["executor"] is True
        first = commanded.executor_pid()
        guest.wait(f"[ $(systemctl show -p MainPID --value {agent_guest.EXECUTOR}) = 0 ]", DEADLINE)
        show = guest.sh(f"systemctl show -p ActiveState,Result,NRestarts {agent_guest.EXECUTOR}").splitlines()
        assert set(show) == {"ActiveState=inactive", "Result=success", "NRestarts=0"}
        assert guest.run("pgrep -x vmvitals-execd || pgrep -x vmvitals-job").status == 1
        # the session that it opened is still good
        began = time.monotonic()
        answer = host.raw("echo back")
        figures["cold_executor_raw_command_s"] = round(time.monotonic() - began, 2)
        assert answer["stdout"] == "back\n" and time.monotonic() - began < COLD
        assert commanded.executor_pid() not in (0, first)
        assert host.ask("Ping")["data"]["session"] == host.hello["session"]


def test_a_cold_executor_is_there_for_the_greeting(commanded, figures):
    guest = commanded.guest
    guest.sh(f"systemctl stop {agent_guest.EXECUTOR}")
    commanded.wait_left()
    with commanded.host(blank=False) as host:
        hello = host.wait("handshake")
        figures["cold_executor_handshake_s"] = round(time.monotonic() - host.began, 2)
        while not hello["policy"]["executor"]:  # later than a host is let wait: then the session begins anew
            hello = host.wait("handshake", COLD)
        assert "unsafe_commands" in hello["capabilities"]
        assert host.raw("echo here")["stdout"] == "here\n"


def test_a_host_does_not_wait_for_an_executor_that_is_slow(commanded, dropin):
    dropin("ExecStartPre=/bin/sh -c 'until test -e /run/lab-go; do sleep 0.1; done'")
    guest = commanded.guest
    guest.sh("rm -f /run/lab-go")
    commanded.wait_left()
    with commanded.host(blank=False) as host:
        hello = host.wait("handshake")
        assert hello["policy"]["executor"] is False
        host.wait("metrics")
        assert host.do("FsTrim")["error_code"] == "NO_EXECUTOR"
        guest.sh("touch /run/lab-go")
        later = host.wait("handshake", DEADLINE)
        assert later["policy"]["executor"] is True and later["session"] != hello["session"]
        assert host.raw("echo here")["stdout"] == "here\n"
    guest.sh("rm /run/lab-go")


def test_settings_that_cannot_be_read_cost_the_executor_only_as_long_as_they_are_there(commanded):
    guest, bad = commanded.guest, "/etc/vmvitals/agent.conf.d/90-bad.conf"
    guest.sh(f"printf '[policy]\\nlevel = nonsense\\n' >{bad}; systemctl stop {agent_guest.EXECUTOR}")
    try:
        for _ in range(3):
            commanded.wait_left()
            with commanded.host(blank=False) as host:
                assert host.wait("handshake")["policy"]["executor"] is False
                assert host.do("FsTrim")["error_code"] == "NO_EXECUTOR"
        assert guest.run(f"systemctl is-active {agent_guest.SOCKET}").out.strip() == "active"
    finally:
        guest.sh(f"rm {bad}")
    with commanded.fresh_host() as host:
        assert host.wait("handshake")["policy"]["executor"] is True
        assert host.raw("echo here")["stdout"] == "here\n"


def test_an_executor_that_is_killed_is_started_again(commanded):
    guest = commanded.guest
    with commanded.greeted() as host:
        job = host.start("echo begun >/root/lab-killed; sleep 100002")
        guest.wait("test -e /root/lab-killed", DEADLINE)
        assert len(scopes(guest)) == 1
        pid = commanded.executor_pid()
        guest.sh(f"kill -KILL {pid}")
        answer = host.response(job)
        assert (answer["success"], answer["error_code"]) == (False, "INTERNAL")
        guest.wait(f"p=$(systemctl show -p MainPID --value {agent_guest.EXECUTOR}); [ $p != 0 ] && [ $p != {pid} ]", DEADLINE)
        wait_scopes(guest, 0)
        assert guest.run("pgrep -f 'sleep 10000[2]'").status == 1
        assert host.raw("echo here")["stdout"] == "here\n"
    guest.sh("rm /root/lab-killed")


# -- scopes ----------------------------------------------------------------------------------------------


def test_a_raw_command_runs_in_a_scope_of_its_own(commanded):
    with commanded.greeted() as host:
        answer = host.raw("cat /proc/self/cgroup; systemctl show -p Slice,TasksMax,ControlGroup "
                          "$(basename $(cut -d: -f3 /proc/self/cgroup)); cat /proc/self/oom_score_adj; ps -o sid= $$; echo $$")
        lines = answer["stdout"].splitlines()
        tasks = min(4096, int(commanded.guest.sh("cat /proc/sys/kernel/threads-max")) // 4)
        group = lines[0].removeprefix("0::")
        assert group.startswith("/vmvitals.slice/vmvitals-job-") and group.endswith(".scope")
        assert {"Slice=vmvitals.slice", f"TasksMax={tasks}", f"ControlGroup={group}"} <= set(lines)
        assert lines[4] == "0" and lines[5].strip() == lines[6]  # it leads a session
    wait_scopes(commanded.guest, 0)


def test_a_fork_bomb_ends_with_its_deadline(commanded, figures):
    guest = commanded.guest
    with commanded.greeted() as host:
        began = time.monotonic()
        answer = host.raw("bomb() { bomb | bomb & }; bomb; sleep 100003", timeout=6)
        figures["fork_bomb_answer_s"] = round(time.monotonic() - began, 2)
        assert answer["error_code"] == "TIMED_OUT"
        assert figures["fork_bomb_answer_s"] < 4 * 6
        assert host.ask("Ping")["success"]
        wait_scopes(guest, 0)
        # neither alive nor as zombies
        guest.wait("[ $(ls /proc | grep -c '^[0-9]') -lt 150 ]", DEADLINE)
        assert host.raw("echo here")["stdout"] == "here\n"
    assert guest.sh(f"systemctl is-active {agent_guest.UNIT} {agent_guest.EXECUTOR}").split() == ["active", "active"]


DAEMON = "setsid sh -c 'setsid sleep 100004 & exec sleep 100004' >/dev/null 2>&1 </dev/null & "


def test_a_daemon_ends_with_a_deadline_but_not_with_its_command(commanded, dropin):
    dropin("ExecStart=\nExecStart=/usr/libexec/vmvitals/vmvitals-execd --idle-exit 1")
    guest = commanded.guest
    with commanded.greeted() as host:
        late = host.raw(DAEMON + "sleep 100004", timeout=3)
        assert late["error_code"] == "TIMED_OUT"
        guest.wait("! pgrep -f 'sleep 10000[4]'", DEADLINE)
        wait_scopes(guest, 0)

        assert host.raw(DAEMON + "sleep 0.5; echo started")["stdout"] == "started\n"
        assert guest.sh("pgrep -cx sleep") == "2" and len(scopes(guest)) == 1
        guest.wait(f"[ $(systemctl show -p MainPID --value {agent_guest.EXECUTOR}) = 0 ]", DEADLINE)
        assert guest.sh("pgrep -cx sleep") == "2"
        assert host.raw("echo back")["stdout"] == "back\n"
        assert guest.sh("pgrep -cx sleep") == "2"
        guest.sh("pkill -x sleep")
    wait_scopes(guest, 0)


# -- an agent that dies ------------------------------------------------------------------------------------


def test_an_agent_that_is_killed_loses_and_repeats_no_script(commanded):
    guest = commanded.guest
    guest.sh("rm -f /root/lab-scripts /run/lab-go")
    wait = "until test -e /run/lab-go; do sleep 0.1; done"
    with commanded.greeted() as host:
        host.push_scripts(("killed-1", f"echo one >>/root/lab-scripts; {wait}; echo out"),
                          ("killed-2", "echo two >>/root/lab-scripts"))
        guest.wait("test -e /root/lab-scripts", DEADLINE)
        pid = commanded.pid()
        guest.sh(f"kill -KILL {pid}")
        host.wait("handshake", DEADLINE, first=True)
        guest.sh("touch /run/lab-go")
        ends = {}
        while len(ends) < 2:
            message = host.wait("script_completion")
            ends[message["execution_id"]] = (message["exit_code"], message["stdout"])
        assert ends == {"killed-1": (0, "out\n"), "killed-2": (0, "")}
        host.end.send({"type": "ack", "scripts": list(ends)})
        assert host.ask("Ping")["success"]
    assert guest.sh("cat /root/lab-scripts").split() == ["one", "two"]
    wait_scopes(guest, 0)


def test_a_streamed_command_ends_with_its_agent(commanded):
    guest = commanded.guest
    with commanded.greeted() as host:
        host.start("echo $$; exec sleep 100005", stream=True, timeout=600)
        guest.wait("pgrep -f 'sleep 10000[5]'", DEADLINE)
        guest.sh(f"kill -KILL {commanded.pid()}")
        guest.wait("! pgrep -f 'sleep 10000[5]'", DEADLINE)
        host.wait("handshake", DEADLINE, first=True)
    wait_scopes(guest, 0)
    assert json.loads(commanded.cli("ping", "--json").stdout)["jobs"] == 0
