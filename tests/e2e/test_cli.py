"""vmvitals, the command line tool, against the agent."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest
import schema
from harness import CLI, DEADLINE, environment, run_cli, wait_for
from test_channels import Server

ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def agent(start_shared):
    """One for the whole file, but for the tests that end it."""
    return start_shared("--interval", "3600")


@pytest.fixture
def mortal(start):
    """One that the test ends."""
    agent = start("--interval", "3600")
    agent.stops_cleanly = False
    return agent


@pytest.fixture
def cli(agent):
    return lambda *args, **options: run_cli("--socket", agent.socket, *args, **options)


def good(done):
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_metrics_json_is_the_data_of_the_message(cli):
    out = good(cli("metrics", "--json"))
    assert out.count("\n") == 1
    schema.metrics_data("metrics", json.loads(out))


def test_metrics_lists_what_the_message_has(cli):
    out = good(cli("metrics"))
    total = int(re.search(r"MemTotal: +(\d+)", open("/proc/meminfo", encoding="ascii").read())[1])
    assert str(total) in out and ESCAPE not in out and len(out.splitlines()) > 20


def test_show_is_a_page_about_this_machine(cli):
    out = good(cli("show"))
    with open("/proc/sys/kernel/hostname", encoding="ascii") as f:
        assert f.read().strip() in out
    assert os.uname().release in out and ESCAPE not in out


def test_show_json_has_handshake_and_metrics(cli):
    found = json.loads(good(cli("show", "--json")))
    assert set(found) == {"handshake", "metrics"} and found["handshake"]["type"] == "handshake"


@pytest.mark.parametrize("verb, action", [("describe", "Describe"), ("state", "GetState"), ("samples", "GetSamples")])
def test_json_of_an_inquiry_is_the_data_of_the_answer(cli, verb, action):
    schema.DATA[action](verb, json.loads(good(cli(verb, "--json"))))


def test_describe_names_groups_and_actions(cli):
    out = good(cli("describe"))
    assert re.search(r"(?m)^cpu +default +cpu +\d+ ", out)
    assert re.search(r"(?m)^RebootSystem .*\(no executor\)$", out) and ESCAPE not in out


def test_samples_prints_the_groups_that_are_named(cli):
    out = good(cli("samples", "load", "memory"))
    total = int(re.search(r"MemTotal: +(\d+)", open("/proc/meminfo", encoding="ascii").read())[1])
    assert re.search(rf"(?m)^  node_memory_MemTotal_bytes +{total * 1024}$", out)
    assert re.search(r"(?m)^  node_load1 +\d+\.\d+$", out) and "node_cpu" not in out


def test_samples_of_rows_begin_with_their_id(cli):
    out = good(cli("samples", "cpu"))
    assert re.search(r'(?m)^  0 +node_cpu_seconds_total\{mode="user"\} +\d+\.\d+$', out)


def test_samples_of_no_group_is_a_mistake_of_the_user(cli):
    done = cli("samples", "cpus")
    assert (done.returncode, done.stdout) == (64, "") and "no group named 'cpus'" in done.stderr


def test_samples_help_lists_the_groups_that_the_agent_has(cli):
    out = good(cli("samples", "--help"))
    groups = json.loads(good(cli("describe", "--json")))["groups"]
    for name, group in groups.items():
        assert f" {'*' if group['default'] else ' '} {name:<18}  {group['help']}\n" in out


def test_metrics_help_lists_names_that_metrics_prints(cli):
    names = re.findall(r"(?m)^  ([a-z][a-z_0-9.]+)$", good(cli("metrics", "--help")))
    printed = {line.split()[0] for line in good(cli("metrics")).splitlines()}
    assert len(names) > 10 and set(names) <= printed


def test_metrics_help_lists_every_metric_of_the_tables(cli):
    """With its labels, kind and unit, as the agent describes it."""
    out = good(cli("metrics", "--help"))
    groups = json.loads(good(cli("describe", "--json")))["groups"]
    for name, group in groups.items():
        part = out[out.index(f"\nGroup {name}:\n"):]
        for field in group["fields"]:
            labels = ",".join(f'{k}="{v}"' for k, v in (field.get("labels") or {}).items())
            words = field["kind"] + ("" if field["unit"] == "none" else f", {field['unit']}")
            assert f"  {field['name']}{'{' + labels + '}' if labels else ''}  ({words})\n      {field['help']}\n" in part


def test_metrics_of_groups_are_their_samples(cli):
    lines = good(cli("metrics", "load", "memory")).splitlines()
    assert any("node_load1" in line for line in lines) and any("node_memory_MemTotal_bytes" in line for line in lines)
    assert cli("metrics", "no_such_group").returncode == 64


HEALTH = {"passed": 0, "warning": 1, "failed": 2, "unknown": 3}


def test_health_exits_as_monitoring_plugins_do(cli):
    done = cli("health")
    assert done.stderr == ""
    status = done.stdout.split()[0]
    assert done.returncode == HEALTH[status]
    found = re.findall(r"(?m)^(\w+) +(\w+)  (.+)$", done.stdout)
    assert {name for _, name, _ in found} >= schema.CHECKS
    done = cli("health", "--json")
    data = json.loads(done.stdout)
    schema.health("health", data)
    assert done.returncode == HEALTH[data["status"]]


def test_health_of_a_guest_that_lacks_memory_is_2(start, tree):
    lines = (tree / "proc/meminfo").read_text().splitlines()
    (tree / "proc/meminfo").write_text(
        "\n".join("MemAvailable: 1 kB" if line.startswith("MemAvailable") else line for line in lines) + "\n")
    agent = start("--root", str(tree), "--interval", "3600")
    done = run_cli("--socket", agent.socket, "health")
    assert done.returncode == 2 and done.stdout.startswith("failed since ")
    assert done.stdout.splitlines()[1].startswith("failed   memory_usage ")


def test_state_shows_the_channel_that_asks(agent, cli):
    out = good(cli("state"))
    assert f"unix-listen:{agent.socket}  host since " in out and "\nCost\n  CPU " in out


def test_ping_says_who_answered_and_how_fast(cli):
    assert re.fullmatch(r"pong from \S+ \(vmvitals \d+\.\d+\.\d+, session [0-9a-f-]{36}\) in \d+\.\d\d ms\n",
                        good(cli("ping")))


def test_ping_json_has_the_data_of_the_answer(cli):
    found = json.loads(good(cli("ping", "--json")))
    assert found["rtt_ms"] >= 0 and found["agent"]["name"] == "vmvitals"


def test_watch_ends_after_as_many_frames_as_asked(cli):
    out = good(cli("watch", "--count", "2", "--interval", "1"))
    assert ESCAPE not in out
    with open("/proc/sys/kernel/hostname", encoding="ascii") as f:
        assert out.count(f.read().strip()) >= 2


def test_watch_json_prints_a_message_a_line(cli):
    lines = good(cli("watch", "--json", "--count", "2", "--interval", "1")).splitlines()
    assert len(lines) == 2 and all(isinstance(json.loads(line), dict) for line in lines)


def test_the_socket_can_be_named_in_the_environment(agent):
    assert good(run_cli("ping", env={"VMVITALS_SOCKET": str(agent.socket)})).startswith("pong")


# -- when there is nobody --------------------------------------------------------------------------

@pytest.mark.parametrize("verb", [["show"], ["metrics", "--json"], ["ping"], ["watch", "--count", "1"]])
def test_nobody_there_is_69(sockets, verb):
    done = run_cli("--socket", sockets / "none", *verb)
    assert (done.returncode, done.stdout) == (69, "") and str(sockets / "none") in done.stderr


def test_a_socket_nobody_listens_on_is_69(mortal):
    mortal.process.kill()
    mortal.wait_exit()
    assert run_cli("--socket", mortal.socket, "ping").returncode == 69


def test_an_agent_that_says_nothing_is_69(sockets):
    server = Server(sockets / "mute")
    done = run_cli("--socket", server.path, "--timeout", "0.3", "ping")
    server.close()
    assert done.returncode == 69 and done.stderr


def test_an_agent_that_is_taken_is_no_success(start, agent):
    start.host(agent)
    done = run_cli("--socket", agent.socket, "--timeout", "1", "ping")
    assert done.returncode in (69, 75) and done.stderr


def test_the_agent_killed_during_watch_is_69(mortal):
    with subprocess.Popen([CLI, "--socket", str(mortal.socket), "watch", "--interval", "1"], env=environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        try:
            assert watch.stdout.readline()
            mortal.process.kill()
            _, err = watch.communicate(timeout=DEADLINE)
            assert watch.returncode == 69 and "hung up" in err
        finally:
            watch.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_ends_well_on_a_signal(agent, number):
    with subprocess.Popen([CLI, "--socket", str(agent.socket), "watch", "--interval", "1"], env=environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        try:
            assert watch.stdout.readline()
            watch.send_signal(number)
            _, err = watch.communicate(timeout=DEADLINE)
            assert (watch.returncode, err) == (0, "")
        finally:
            watch.kill()


def test_the_agent_serves_the_next_after_each(cli):
    for _ in range(5):
        good(cli("ping"))


# -- usage, colours --------------------------------------------------------------------------------

@pytest.mark.parametrize("args", [[], ["nonsense"], ["--nonsense"], ["show", "extra"], ["ping", "--count", "1"],
                                  ["watch", "--interval", "0"], ["show", "--timeout", "x"], ["watch", "--count", "-1"]])
def test_bad_usage_is_64(args):
    done = run_cli(*args)
    assert (done.returncode, done.stdout) == (64, "") and done.stderr


def test_help_and_version():
    assert all(verb in good(run_cli("--help")) for verb in ("show", "metrics", "ping", "watch"))
    assert re.fullmatch(r"vmvitals \d+\.\d+\.\d+\n", good(run_cli("--version")))


def on_terminal(args, **env):
    """What the tool prints on a terminal."""
    master, slave = pty.openpty()
    with subprocess.Popen([CLI, *args], stdin=slave, stdout=slave, stderr=slave,
                          env=environment(TERM="xterm", **env)) as tool:
        os.close(slave)
        out, end = b"", time.monotonic() + DEADLINE
        try:
            while time.monotonic() < end and select.select([master], [], [], 1)[0] or tool.poll() is None:
                out += os.read(master, 65536)
        except OSError:  # the tool has gone
            pass
        finally:
            tool.kill()
            os.close(master)
    assert tool.returncode == 0
    return out.decode()


def test_a_terminal_gets_colours_and_no_color_none(agent):
    args = ["--socket", str(agent.socket), "show"]
    assert ESCAPE in on_terminal(args)
    assert ESCAPE not in on_terminal(args, NO_COLOR="1")
    assert ESCAPE not in on_terminal(args + ["--no-color"])


def test_a_dumb_terminal_gets_no_colours(agent):
    out = run_cli("--socket", agent.socket, "show", env={"TERM": "dumb"})
    assert ESCAPE not in good(out)


def test_a_full_disk_is_74(agent):
    with open("/dev/full", "w", encoding="ascii") as full:
        assert run_cli("--socket", agent.socket, "show", stdout=full).returncode == 74


def test_what_guests_send_cannot_steer_a_terminal(start, tree):
    (tree / "proc/sys/kernel/hostname").write_text("evil\x1b[31m\n")
    (tree / "proc/612/stat").write_text((tree / "proc/612/stat").read_text().replace("(sshd)", "(\x1b]0;x\x07)"))
    agent = start("--interval", "3600", "--root", str(tree))
    for verb in ("show", "metrics", "ping"):
        assert ESCAPE not in good(run_cli("--socket", agent.socket, verb))
    wait_for(lambda: "host gone" in agent.log(), "the end")
