"""Commands that read the system: services, accounts, filesystems, health checks, advice, the freeze."""
import os
import socket
import time

import pytest
import schema
from harness import HELPER, command

UNSUPPORTED = {"supported": False, "platform": "linux"}


@pytest.fixture
def tree_host(start, tree):
    (tree / "run").mkdir(exist_ok=True)
    return start.host(start("--root", str(tree), "--interval", "3600"))


def refused(host, action, code="BAD_ARGUMENT", **arguments):
    r = host.ask(action, **arguments)
    assert r.get("error_code") == code, (arguments, r)
    return r


# -- services --------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def systemd_host(start_shared):
    options = start_shared.systemd()
    if not options:
        pytest.skip("no fake-systemd, or no dbus-daemon")
    return start_shared.host(start_shared("--interval", "3600", *options))


def test_services_are_listed(systemd_host):
    r = systemd_host.ask("ServiceList")
    assert r["stdout"] == "10 services, 3 running, 1 failed"
    nginx = next(s for s in r["data"] if s["name"] == "nginx.service")
    assert nginx == {
        "name": "nginx.service", "display_name": "A high performance web server", "status": "running",
        "description": "A high performance web server", "can_start": False, "can_stop": True, "can_restart": True,
        "startup_type": "enabled", "unit": "nginx.service", "load": "loaded", "active": "active", "sub": "running"}


def test_a_list_of_five_seconds_ago_is_good_enough(start):
    options = start.systemd()
    if not options:
        pytest.skip("no fake-systemd, or no dbus-daemon")
    host = start.host(start("--interval", "3600", *options))
    began = time.monotonic()
    first = host.data_of("ServiceList")
    start.systemds[0].stop()
    assert refused(host, "ServiceControl", "UNSUPPORTED", service="nginx", operation="status")["data"] == UNSUPPORTED
    r = host.ask("ServiceList")
    if time.monotonic() - began < 4:
        assert r["data"] == first


def test_more_services_than_a_line_holds_are_cut(start):
    options = start.systemd(12000)
    if not options:
        pytest.skip("no fake-systemd, or no dbus-daemon")
    r = start.host(start("--interval", "3600", *options)).ask("ServiceList")
    assert r["truncated"] and r["stdout"] == "12010 services, 12003 running, 1 failed"
    assert 5000 < len(r["data"]) < 12010


@pytest.mark.parametrize("arguments", [
    {"service": "nginx", "operation": "status"},
    {"service": "nginx.service", "operation": "STATUS"},
    {"service_name": "nginx", "operation": "Status"},
    {"params": {"service": "nginx", "action": "status"}},
])
def test_status_of_a_service(systemd_host, arguments):
    r = systemd_host.ask("ServiceControl", **arguments)
    data = r["data"]
    assert (data["name"], data["active"], data["sub"]) == ("nginx.service", "active", "running")
    assert (data["since"], data["result"]) == ("2023-11-14T22:13:20.000Z", "success")
    assert r["stdout"] == (
        "\u25cf nginx.service - A high performance web server\n"
        "     Loaded: loaded (/lib/systemd/system/nginx.service; enabled)\n"
        "     Active: active (running) since 2023-11-14T22:13:20.000Z\n"
        f"   Main PID: {data['main_pid']} (fake manager)")


def test_a_failed_or_inactive_service_is_an_answer(systemd_host):
    assert systemd_host.data_of("ServiceControl", service="broken", operation="status")["result"] == "exit-code"
    assert systemd_host.data_of("ServiceControl", service="odd", operation="status")["active"] == "inactive"
    assert systemd_host.data_of("ServiceControl", service="clean.timer", operation="status")["sub"] == "waiting"


@pytest.mark.parametrize("name, unit", [("nothing", "nothing.service"), ("nothing.socket", "nothing.socket"),
                                        ("data.mount", "data.mount.service"), ("gone", "gone.service"),
                                        ("getty@", "getty@.service"), ("x" * 256, "x" * 256 + ".service")])
def test_a_unit_that_does_not_exist_is_not_found(systemd_host, name, unit):
    r = refused(systemd_host, "ServiceControl", "NOT_FOUND", service=name, operation="status")
    assert r["error"] == r["stderr"] == f"Unit {unit} could not be found"
    assert (r["data"], r["exit_code"]) == (None, 1)


@pytest.mark.parametrize("name", [
    "-oops", "--help", "-H evil", "a\nb", "a\0b", "a;b", "$(id)", "`id`", "a|b", "a b", " a", "../a", "/a", "a\\b", "", "\u00e4",
    "x" * 257, 5, 1.5, True, ["nginx"], {"a": 1}, None])
def test_a_name_that_is_none_is_refused(systemd_host, name):
    r = refused(systemd_host, "ServiceControl", service=name, operation="status")
    assert r["error"].startswith("refused: argument 'service'") and r["data"] is None


def test_without_systemd_services_are_unsupported(start):
    folder = start.folder / "nobody"
    folder.mkdir()
    helper = folder / "helper"
    helper.write_text(f"#!/bin/sh\nexport DBUS_SYSTEM_BUS_ADDRESS=unix:path={folder}/bus\nexec {HELPER} \"$@\"\n")
    helper.chmod(0o755)
    host = start.host(start("--interval", "3600", "--helper", str(helper)))
    for arguments in ({"action": "ServiceList"}, {"action": "ServiceControl", "service": "ssh", "operation": "status"}):
        r = refused(host, code="UNSUPPORTED", **arguments)
        assert r["data"] == UNSUPPORTED and "systemd" in r["error"]


def test_nobody_is_asked_about_services_of_a_recorded_system(tree_host):
    assert refused(tree_host, "ServiceList", "UNSUPPORTED")["data"] == UNSUPPORTED


def test_a_helper_that_is_missing_is_our_fault(start):
    host = start.host(start("--interval", "3600", "--helper", "/nonexistent/helper"))
    assert "helper" in refused(host, "ServiceList", "INTERNAL")["error"]


HANGING_CONFIG = "[agent]\nstop_grace = 0\n{channels}"


@pytest.fixture
def hanging(start):
    """An agent whose bus takes connections, and nothing else."""
    folder = start.folder / "hangs"
    folder.mkdir()
    bus = socket.socket(socket.AF_UNIX)
    bus.bind(str(folder / "bus"))
    bus.listen(64)
    helper = folder / "helper"
    helper.write_text(f"#!/bin/sh\nexport DBUS_SYSTEM_BUS_ADDRESS=unix:path={folder}/bus\nexec {HELPER} \"$@\"\n")
    helper.chmod(0o755)
    agent = start("--interval", "3600", "--helper", str(helper), channels=[],
                  config=HANGING_CONFIG.format(channels=f"channel = unix-listen:{folder}/s\nchannel = unix-listen:{folder}/t\n"))
    agent.socket = folder / "s"
    yield agent
    bus.close()


def status_command(ident, service, **more):
    return command("ServiceControl", ident, service=service, operation="status") | more


def test_a_systemd_that_hangs_is_not_waited_for_beyond_the_deadline(start, hanging):
    host = start.host(hanging)
    began = time.monotonic()
    host.send(status_command("slow", "nginx", timeout=2), command("Ping", "quick"))
    assert host.answer_to("quick")[1] == []  # nobody waits for the other
    r = host.answer_to("slow")[0]
    assert r["error_code"] == "TIMED_OUT" and r["error"].startswith("timed out after ")
    assert time.monotonic() - began < 10
    assert 1000 <= r["execution_time_ms"]


def test_what_waits_for_systemd_is_answered_when_the_agent_stops(start, hanging):
    host = start.host(hanging)
    host.send(status_command("a", "nginx"), status_command("b", "nginx"), command("ServiceList", "c"))
    host.barrier()
    hanging.signal(15)
    answers = {m["id"]: m for m in host.until_end() if m["type"] == "response"}
    assert {ident: m["error_code"] for ident, m in answers.items()} == dict.fromkeys("abc", "INTERNAL")
    assert all("interrupted" in m["error"] for m in answers.values())
    assert hanging.wait_exit() == 0


def test_a_host_that_leaves_meanwhile_gets_nothing_later(start, hanging):
    first = start.host(hanging)
    first.send(status_command("left", "nginx", timeout=1))
    first.barrier()
    first.close()
    start.hosts.remove(first)
    second = start.host(hanging)
    second.send(status_command("mine", "nginx", timeout=1))
    r, before = second.answer_to("mine")
    assert r["error_code"] == "TIMED_OUT" and not [m for m in before if m["type"] == "response"]


def test_a_channel_that_is_given_up_meanwhile_is_forgotten(start, hanging):
    host, other = start.host(hanging), start.host(hanging, socket=hanging.socket.parent / "t")
    host.send(status_command("lost", "nginx", timeout=5), command("ServiceList", "lost, too") | {"timeout": 5})
    host.barrier()
    hanging.config.write_text(HANGING_CONFIG.format(channels=f"channel = unix-listen:{hanging.socket.parent}/t\n"))
    hanging.signal(1)
    assert not [m for m in host.until_end() if m["type"] == "response"]
    # of the same question: its answer comes when the other would have been called back
    other.send(status_command("mine", "nginx", timeout=10))
    r = other.answer_to("mine")[0]
    assert r["error_code"] == "TIMED_OUT", r


# -- accounts --------------------------------------------------------------------------------------

PASSWD = ("root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/:/usr/sbin/nologin\n"
          "ana:x:1000:1000:Ana,,,:/home/ana:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n")


def test_accounts_of_people_are_listed(tree_host, tree):
    (tree / "etc/passwd").write_text(PASSWD)
    r = tree_host.ask("UserList")
    assert r["stdout"] == "2 users"
    assert r["data"]["users"][1] == {"name": "ana", "uid": 1000, "gid": 1000, "description": "Ana", "home": "/home/ana",
                                     "shell": "/bin/bash"}
    (tree / "etc/login.defs").write_text("UID_MIN 1\nUID_MAX 999\n")
    assert [u["name"] for u in tree_host.data_of("UserList")["users"]] == ["root", "daemon"]


def test_accounts_may_hold_anything(tree_host, tree):
    (tree / "etc/passwd").write_bytes(b"r\xff\x01:x:0:0:\xc3\xa4,:/:\nbroken\n")
    r = tree_host.ask("UserList")
    assert r["lossy"] and r["data"]["users"][0]["name"] == "r\ufffd\x01"


def test_more_accounts_than_there_may_be_are_cut(tree_host, tree):
    (tree / "etc/passwd").write_text("".join(f"u{i}:x:{1000 + i}:1::/:/bin/sh\n" for i in range(2500)))
    r = tree_host.ask("UserList")
    assert r["truncated"] and r["data"]["count"] == 2000


def test_without_a_list_of_accounts_there_is_no_answer(tree_host, tree):
    (tree / "etc/passwd").unlink(missing_ok=True)
    assert "No such file" in refused(tree_host, "UserList", "INTERNAL")["error"]


# -- filesystems -----------------------------------------------------------------------------------

def test_space_is_what_the_system_says(host):
    v = host.data_of("CheckDiskSpace")
    assert (v["warning_threshold"], v["critical_threshold"], v["stuck"]) == (80, 90, [])
    for disk in v["disks"]:
        s = os.statvfs(disk["mount_point"])
        assert disk["total_gb"] == pytest.approx(s.f_blocks * s.f_frsize / 2**30, abs=0.01)
        used = s.f_blocks - s.f_bfree
        assert disk["usage_percent"] == pytest.approx(100 * used / (used + s.f_bavail), abs=2)


def test_the_lines_are_the_hosts(host):
    v = host.data_of("CheckDiskSpace", warning_threshold=1, critical_threshold=100)
    assert all(d["status"] == ("critical" if d["usage_percent"] >= 100 else "warning")
               for d in v["disks"] if d["usage_percent"] > 1)
    v = host.data_of("CheckDiskSpace", params={"warning_threshold": 1.5, "critical_threshold": 1.5})
    assert (v["warning_threshold"], v["critical_threshold"]) == (1.5, 1.5)
    assert all(d["status"] == "critical" for d in v["disks"] if d["usage_percent"] > 1.5)


@pytest.mark.parametrize("arguments", [
    {"warning_threshold": 0}, {"warning_threshold": 100.5}, {"warning_threshold": "80"}, {"warning_threshold": True},
    {"warning_threshold": [80]}, {"critical_threshold": -1}, {"critical_threshold": 1e300}, {"critical_threshold": {}},
    {"warning_threshold": 91}, {"critical_threshold": 79}, {"warning_threshold": 50.5, "critical_threshold": 50.4}])
def test_lines_that_make_no_sense_are_refused(host, arguments):
    assert "threshold" in refused(host, "CheckDiskSpace", **arguments)["error"]


# -- health checks ---------------------------------------------------------------------------------

def test_each_check_can_be_asked_for(host):
    for name in sorted(schema.CHECKS):
        r = host.ask("RunHealthCheck", check_name=name)
        assert r["data"]["check_name"] == name and r["stdout"] == f"{name}: {r['data']['status']}"


@pytest.mark.parametrize("arguments", [{}, {"check_name": None}, {"check_name": "all"}, {"check_name": "overall"},
                                       {"params": {"check_name": "overall"}}])
def test_without_a_name_it_is_the_worst_of_all(host, arguments):
    v = host.data_of("RunHealthCheck", **arguments)
    order = ["unknown", "passed", "warning", "failed"]
    assert v["check_name"] == "overall"
    assert v["status"] == max(v["details"].values(), key=order.index)


@pytest.mark.parametrize("name", ["windows_updates", "windows_defender", "registry_health", "disk_fragmentation"])
def test_checks_of_windows_are_unsupported(host, name):
    r = refused(host, "RunHealthCheck", "UNSUPPORTED", check_name=name)
    assert r["error"] == f"refused: not supported on linux: health check {name}"
    assert r["data"] == UNSUPPORTED | {"status": "unknown", "details": {}, "message": r["data"]["message"]}
    assert name in r["data"]["message"]


@pytest.mark.parametrize("name", ["nothing", "DISK_SPACE", "disk_space ", "-a", "\n", "'", "\u00e4", "x" * 64])
def test_an_unknown_check_is_answered_with_those_that_are_known(host, name):
    r = refused(host, "RunHealthCheck", check_name=name)
    assert set(r["data"]["details"]["known"]) == schema.CHECKS
    assert r["data"]["status"] == "unknown" and r["data"]["message"]


@pytest.mark.parametrize("name", ["", "x" * 65, "a\0b", 1, True, [], {}])
def test_what_is_no_name_of_a_check_is_refused(host, name):
    assert refused(host, "RunHealthCheck", check_name=name)["data"] is None


def test_all_checks_in_one_answer(tree_host, tree):
    r = tree_host.ask("RunAllHealthChecks")
    assert r["data"]["overall_health"] in ("Healthy", "Warning")
    assert r["stdout"].endswith("unknown")
    lines = (tree / "proc/meminfo").read_text().splitlines()
    (tree / "proc/meminfo").write_text(
        "\n".join("MemAvailable: 1 kB" if line.startswith("MemAvailable:") else line for line in lines) + "\n")
    v = tree_host.data_of("RunAllHealthChecks")
    assert (v["overall_health"], v["memory_usage"]["status"]) == ("Critical", "failed")
    assert tree_host.data_of("RunHealthCheck")["status"] == "failed"


# -- advice ----------------------------------------------------------------------------------------

def test_an_agent_that_has_just_begun_gives_no_advice(host):
    v = host.data_of("CheckResourceOptimization")
    assert (v["status"], v["recommendations"]) == ("unknown", [])
    assert not v["cpu_optimization_available"] and not v["memory_optimization_available"]
    assert 0 < len(v["processes"]) <= 10
    use = [p["cpuPercent"] for p in v["processes"]]
    assert use == sorted(use, reverse=True)
    assert os.getpid() in {p["pid"] for p in host.data_of("ProcessList")}


def test_the_history_grows_with_evaluations(host):
    host.data_of("GetHealth")
    began = time.monotonic()
    deadline = began + 30
    while host.data_of("CheckResourceOptimization", evaluation_window_days=1)["evaluated_seconds"] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        host.data_of("GetHealth")
    assert time.monotonic() - began >= 2  # no more than has passed


@pytest.mark.parametrize("days", [0, 31, -1, 1.0, 7.5, "7", True, [7], 2**60])
def test_a_window_that_makes_no_sense_is_refused(host, days):
    assert "evaluation_window_days" in refused(host, "CheckResourceOptimization", evaluation_window_days=days)["error"]


# -- freeze ----------------------------------------------------------------------------------------

def test_nothing_is_frozen(host):
    r = host.ask("FsFreezeStatus")
    assert r["data"] == {"status": "thawed", "since": None, "thaw_in_ms": None} and r["stdout"] == "thawed"
