"""Scripts of hosts through the real sockets: accepted durably, run in order, told once, never run twice."""
import os
import subprocess

import pytest
from executor import envelope_v1
from harness import DEADLINE, wait_for


def script(ident, text, **members):
    return {"execution_id": ident, "script_id": "s", "script_name": "name", "script_content": text, "shell": "BASH",
            "execution_type": "ON_DEMAND", "input_values": {}, "timeout_seconds": 600, "run_as": None, **members}


def push(host, *scripts):
    host.send(envelope_v1({"type": "pending_scripts_response", "timestamp": "2026-07-14T12:00:00Z",
                           "scripts": list(scripts)}))


def completion(host, timeout=DEADLINE):
    return host.expect("script_completion", timeout)


def test_scripts_are_asked_for_where_they_can_run(pair):
    _, _, host = pair()
    assert host.expect("request_pending_scripts")["vm_id"] == "lab"


def test_scripts_are_not_asked_for_below_level_full(pair):
    _, _, host = pair(level="operate")
    assert all(m["type"] != "request_pending_scripts" for m in host.barrier())


def test_scripts_run_in_order_and_are_told_once(pair, tmp_path):
    _, _, host = pair()
    push(host, *(script(f"s{i}", f"echo {i} >> {tmp_path}/log; echo out{i}; exit {i}") for i in range(4)))
    told = [completion(host) for _ in range(4)]
    assert [(c["execution_id"], c["exit_code"], c["stdout"]) for c in told] == [(f"s{i}", i, f"out{i}\n") for i in range(4)]
    assert (tmp_path / "log").read_text() == "0\n1\n2\n3\n"
    assert not [m for m in host.barrier() if m["type"] == "script_completion"]


def test_a_script_that_came_twice_runs_once(pair, tmp_path):
    _, _, host = pair()
    one = script("twice", f"echo x >> {tmp_path}/log")
    push(host, one)
    push(host, one)
    assert completion(host)["exit_code"] == 0
    host.send({"type": "ack", "scripts": ["twice"]})
    push(host, one)
    again = completion(host)
    assert (again["execution_id"], again["exit_code"], again["stderr"]) == ("twice", 0, "already run")
    assert (tmp_path / "log").read_text() == "x\n"


def test_a_completion_nobody_acknowledged_is_told_again(start, pair):
    _, agent, host = pair()
    push(host, script("again", "echo told"))
    assert completion(host)["stdout"] == "told\n"
    host.close()
    start.hosts.remove(host)
    other = start.host(agent)
    assert completion(other)["stdout"] == "told\n"
    other.send({"type": "ack", "scripts": ["again"]})
    other.barrier()
    other.close()
    start.hosts.remove(other)
    third = start.host(agent)
    assert not [m for m in third.collect(1.5) if m["type"] == "script_completion"]


def test_an_executor_killed_in_a_script_reports_it_and_runs_the_rest(start, pair, tmp_path):
    e, agent, host = pair()
    push(host, script("killed", f"echo k >> {tmp_path}/log; sleep 600"), script("later", f"echo l >> {tmp_path}/log; echo later"))
    wait_for(lambda: (tmp_path / "log").exists() and "k" in (tmp_path / "log").read_text(), "the first runs")
    e.kill()
    host.close()
    start.hosts.remove(host)
    host = start.host(agent)  # its session brings the executor back
    first, second = completion(host), completion(host)
    assert (first["execution_id"], first["exit_code"]) == ("killed", -1) and first["stderr"].startswith("interrupted: ")
    assert (second["execution_id"], second["exit_code"], second["stdout"]) == ("later", 0, "later\n")
    assert (tmp_path / "log").read_text() == "k\nl\n"


def test_an_agent_killed_in_a_script_loses_nothing(start, pair, tmp_path):
    e, agent, host = pair()
    push(host, script("alone", f"sleep 1; echo x >> {tmp_path}/log; echo done"))
    wait_for(lambda: (e.folder / "state" / "scripts").exists(), "it is accepted")
    wait_for(lambda: "accepted" in e.log(), "it is accepted")
    agent.stops_cleanly = False
    agent.process.kill()
    agent.process.wait()
    host.close()
    start.hosts.remove(host)
    host = start.host(start("--executor", e.path, "--vm-id", "lab"))
    assert completion(host)["stdout"] == "done\n"
    assert (tmp_path / "log").read_text() == "x\n"


def test_scripts_below_level_full_are_refused(pair, tmp_path):
    _, _, host = pair(level="operate")
    push(host, script("no", f"echo x >> {tmp_path}/log"))
    told = completion(host)
    assert told["exit_code"] == -1 and told["stderr"].startswith("refused: ") and not (tmp_path / "log").exists()


def test_bare_scripts_are_never_run(pair, tmp_path):
    _, _, host = pair()
    host.send({"type": "pending_scripts_response", "timestamp": "x", "scripts": [script("bare", f"echo > {tmp_path}/log")]})
    assert not [m for m in host.collect(1) if m["type"] == "script_completion"] and not (tmp_path / "log").exists()


def test_a_script_timed_out_has_code_124(pair):
    _, _, host = pair()
    push(host, script("slow", "echo begun; sleep 600", timeout_seconds=2))
    told = completion(host)
    assert (told["exit_code"], told["stdout"]) == (124, "begun\n") and told["stderr"]


def test_when_the_disk_is_full_no_script_runs(start, executor, tmp_path):
    """What cannot be written down is refused, not run."""
    e = executor()
    state = e.folder / "state"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", state], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        host = start.host(start("--executor", e.path, "--vm-id", "lab"))
        push(host, script("first", "echo fits"))
        assert completion(host)["stdout"] == "fits\n"
        with open(state / "filler", "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 4096):
                    pass
            except OSError:  # full
                pass
        envelope = envelope_v1({"type": "pending_scripts_response", "timestamp": "x",
                                "scripts": [script("full", f"echo x >> {tmp_path}/log")]})
        host.send(envelope)
        told = [m for m in host.collect(3) if m["type"] == "script_completion"]
        assert not (tmp_path / "log").exists()
        assert all(m["exit_code"] == -1 for m in told)
        os.unlink(state / "filler")
        push(host, script("full", f"echo x >> {tmp_path}/log"))
        assert completion(host)["exit_code"] == 0
    finally:
        e.stop()
        subprocess.run(["umount", state], check=True)
