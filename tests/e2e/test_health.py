"""GetHealth, and what the agent says in its log when the health of a guest changes."""
import time

import pytest
import schema


def checks_of(host):
    return {c["name"]: c for c in host.data_of("GetHealth")["checks"]}


@pytest.fixture
def recorded(start, tree):
    (tree / "run").mkdir(exist_ok=True)
    return start.host(start("--root", str(tree), "--interval", "3600"))


def set_memory(tree, available):
    """In place: the agent keeps the file open."""
    lines = (tree / "proc/meminfo").read_text().splitlines()
    lines = [f"MemAvailable: {available} kB" if line.startswith("MemAvailable:") else line for line in lines]
    (tree / "proc/meminfo").write_text("\n".join(lines) + "\n")


def test_every_check_of_the_protocol_is_answered(host):
    assert set(checks_of(host)) == schema.CHECKS


def test_checks_without_data_are_unknown_with_the_reason(recorded):
    """Of a recorded system neither units nor the clock are known, and nothing over time."""
    checks = checks_of(recorded)
    for name in ("critical_services", "clock_sync", "disk_health", "security_updates", "cpu_usage", "cpu_steal"):
        assert (checks[name]["status"], checks[name]["value"]) == ("unknown", None), name
        assert len(checks[name]["message"]) > 10
    assert checks["memory_usage"]["status"] == "passed"
    assert checks["reboot_required"]["status"] == "passed"


def test_each_answer_is_of_a_reading_of_its_own(recorded, tree):
    total = next(int(line.split()[1]) for line in (tree / "proc/meminfo").read_text().splitlines()
                 if line.startswith("MemTotal:"))
    set_memory(tree, total // 10)
    check = checks_of(recorded)["memory_usage"]
    assert (check["status"], check["value"], check["warning"], check["critical"]) == ("warning", 10.0, 15, 5)
    set_memory(tree, total // 50)
    answer = recorded.ask("GetHealth")
    assert answer["stdout"] == answer["data"]["status"] == "failed"
    set_memory(tree, total // 2)
    assert recorded.data_of("GetHealth")["status"] == "passed"


def test_changes_are_logged_when_a_second_evaluation_agrees(start, tree):
    (tree / "run").mkdir(exist_ok=True)
    agent = start("--root", str(tree), "--interval", "3600")
    host = start.host(agent)
    first = checks_of(host)["reboot_required"]
    time.sleep(0.01)
    (tree / "run/reboot-required").write_text("*** System restart required ***\n")
    (tree / "run/reboot-required.pkgs").write_text("linux-image-6.1\nd\u00e4ten\n")
    check = checks_of(host)["reboot_required"]
    assert check["status"] == "warning" and check["details"] == {"packages": ["linux-image-6.1", "d\u00e4ten"]}
    assert "reboot_required" not in agent.log()
    time.sleep(1.1)
    again = checks_of(host)["reboot_required"]
    assert first["since"] < check["since"] == again["since"]
    agent.wait_log("health: reboot_required was passed, now warning: installed updates take a reboot")
    (tree / "run/reboot-required").unlink()
    checks_of(host)
    time.sleep(1.1)
    checks_of(host)
    agent.wait_log("health: reboot_required was warning, now passed")


def agent_evaluates_by_itself(start):
    agent = start("--interval", "3600", config="[health]\ninterval = 10\n")
    host = start.host(agent)
    state = {c["name"]: c for c in host.data_of("GetState")["collectors"]}
    assert state["vmstat"]["age_ms"] is None  # nobody has asked for it
    yield 11  # GetState reads nothing: whoever has read it is the agent
    state = {c["name"]: c for c in host.data_of("GetState")["collectors"]}
    assert state["vmstat"]["age_ms"] is not None
    yield 11
    state = {c["name"]: c for c in host.data_of("GetState")["collectors"]}
    assert state["vmstat"]["age_ms"] < 11000


@pytest.mark.meanwhile(by=agent_evaluates_by_itself)
def test_agent_evaluates_by_itself_while_a_host_is_there(scenario):
    scenario.finish()


def cpu_use_is_known(start):
    host = start.host(start("--interval", "3600"))
    assert checks_of(host)["cpu_usage"]["status"] == "unknown"
    yield 61
    check = checks_of(host)["cpu_usage"]
    assert check["status"] != "unknown" and 0 <= check["value"] <= 100


@pytest.mark.meanwhile(by=cpu_use_is_known)
def test_cpu_use_is_known_after_a_minute(scenario):
    scenario.finish()
