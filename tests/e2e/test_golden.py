"""The recorded lines of golden/, and every action of the protocol: to an agent without executor, and bare to one
that has an executor which may do everything. test_signed_golden.py has what is signed for one."""
import base64
import hashlib
import hmac
import json
import re
import time

import pytest
import schema
from executor import Executor, trust
from harness import GOLDEN, command

READS = {"CheckApplicationUpdates", "CheckDiskSpace", "CheckLinuxUpdates", "CheckResourceOptimization", "Describe",
         "FsFreezeStatus", "GetAvailableUpdates", "GetHealth", "GetInstalledApplicationsWMI", "GetLinuxSecurityUpdates",
         "GetMetrics", "GetPendingLinuxUpdates", "GetSamples", "GetSecurityUpdates", "GetState", "JobStatus", "OsInfo",
         "PackageList", "Ping", "ProcessList", "ProcessTop", "RunAllHealthChecks", "RunHealthCheck", "SystemInfo",
         "UserList"}

# What reads too, but not without an argument: one that finds something here.
READS_ONE = {"CheckSpecificAppUpdates": {"app_id": "bash"}, "EstimateUpdateSize": {"app_id": "bash"},
             "GetApplicationDetails": {"app_id": "bash"}, "PackageSearch": {"query": "bash"}}

# These ask the package manager, which is not known on every system that tests run on.
OF_PACKAGES = set(READS_ONE) | {action for action in READS if "Update" in action or "Package" in action
                                or "Applications" in action}

# Monitor actions that this version knows but cannot carry out yet.
LATER = {"Subscribe", "Unsubscribe"}

CHANGES = {"DiskCleanup", "FileRead", "FileStat", "FileWrite", "FsFreeze", "FsThaw", "FsTrim", "JoinDomain",
           "PackageInstall", "PackageRemove", "PackageUpdate", "PowerOff", "PrepareGoldenImage", "ProcessKill",
           "RebootSystem", "ServiceControl", "SetHostname", "SetTime", "UpdateSystemSoftware"}

NEVER = {"AutoFixDefender", "AutoFixWindowsUpdates", "AutoOptimizeDisk", "CheckFirewallStatus", "CheckLinuxSecurity",
         "CheckSecurityModules", "CheckSystemIntegrity", "CheckWindowsDefender", "CheckWindowsUpdates",
         "CleanTemporaryFiles", "ExecutePowerShellScript", "GetDefenderStatus", "GetLinuxFirewallStatus",
         "GetLinuxSecurityStatus", "GetLinuxUpdateHistory", "GetPendingUpdates", "GetThreatHistory",
         "GetUpdateHistory", "RestartServices", "RunDefenderQuickScan", "RunMaintenanceTask", "ValidateSystemHealth"}

# Lines of host-to-guest.ndjson that need one of LATER: answered UNSUPPORTED until it is there. An
# entry whose answer has become what the golden file says fails its test: take it out then.
NOT_YET = {
    "Subscribe with events and replay", "Subscribe, interval too short", "Subscribe, interval with a fraction",
    "Subscribe, unknown group", "Unsubscribe",
}

# These need a systemd, which is not to be had where there is no dbus-daemon for the one of the tests.
ASK_SYSTEMD = {"ServiceList, no arguments", "service status, nested"}


def lines_of(name):
    return (GOLDEN / f"{name}.ndjson").read_bytes().split(b"\n")[:-1]


def cases_of(name):
    """(line, what is expected of it) of a golden file, by name."""
    cases = json.loads((GOLDEN / f"{name}.expect.json").read_text())["cases"]
    lines = lines_of(name)
    assert len(cases) == len(lines)
    return {case["name"]: (lines[case["line"] - 1], case) for case in cases}


@pytest.fixture(scope="module")
def shared(start_shared):
    agent = start_shared("--interval", "3600", *start_shared.systemd())
    return agent, start_shared.host(agent)


@pytest.fixture(scope="module")
def guarded(start_shared):
    """With an executor of level full, a secret and a key. It could not start a job: nothing may get so far."""
    folder = start_shared.folder / "guarded"
    folder.mkdir()
    executor = Executor(folder, job="/bin/false")
    trust(executor, bytes(32))
    agent = start_shared("--interval", "3600", "--executor", executor.path, "--vm-id", "lab", *start_shared.systemd(),
                         config="[scripts]\nenabled = no\n")
    yield agent, start_shared.host(agent)
    executor.stop()


def note_actions(host, line):
    """So that data of answers to golden lines are checked against their schema."""
    message = json.loads(line)
    if message.get("type") == "signed":
        try:
            message = json.loads(message["payload"])
        except (ValueError, TypeError):
            return None
    if not isinstance(message, dict):
        return None
    kind = message.get("command_type")
    if isinstance(message.get("id"), str) and isinstance(kind, dict):
        host.actions[message["id"]] = kind.get("action")
    return message


def outcome(host, line, message, awaited):
    """What comes back: a list of 'ok', error codes and message types."""
    host.send_bytes(line + b"\n")
    if awaited == "none":
        came = host.barrier()
    elif awaited in ("metrics", "keep_alive"):
        came = [host.next()] + host.barrier()
    else:
        answer, before = host.answer_to(message["id"])
        came = before + [answer] + host.barrier()
    return [m.get("error_code", "ok") if m["type"] == "response" else m["type"] for m in came]


HOST_TO_GUEST = cases_of("host-to-guest")


@pytest.mark.parametrize("config", ["agent_only", "bare"])
@pytest.mark.parametrize("name", HOST_TO_GUEST)
def test_host_to_guest(request, name, config):
    agent, host = request.getfixturevalue({"agent_only": "shared", "bare": "guarded"}[config])
    line, case = HOST_TO_GUEST[name]
    awaited = "UNSUPPORTED" if name in NOT_YET else case[config]
    if name in ASK_SYSTEMD and "--helper" not in agent.options:
        awaited = "UNSUPPORTED"
    if awaited == "BAD_SIGNATURE":
        host.barrier()
        wait_for_refusals()
    message = note_actions(host, line)
    came = outcome(host, line, message, awaited)
    if "new_session" in line.decode():
        assert came == ["handshake", "metrics", "ok"]
    else:
        assert came == ([] if awaited == "none" else [awaited])


def wait_for_refusals():
    """What nobody vouches for is answered five times a second: more lines than the bucket holds follow each other."""
    time.sleep(0.2)


def test_not_yet_names_only_lines_that_exist():
    assert NOT_YET <= set(HOST_TO_GUEST)
    assert all(HOST_TO_GUEST[name][1]["agent_only"] != "UNSUPPORTED" for name in NOT_YET)


# -- every action ----------------------------------------------------------------------------------

@pytest.mark.parametrize("action", sorted(READS))
def test_action_that_reads_is_carried_out(shared, action):
    _, host = shared
    r = host.ask(action)
    assert r["success"] or (action in OF_PACKAGES and r["error_code"] == "UNSUPPORTED"), r


@pytest.mark.parametrize("action", sorted(READS_ONE))
def test_action_that_reads_of_one_thing_is_carried_out(shared, action):
    _, host = shared
    r = host.ask(action, **READS_ONE[action])
    if not r["success"] and r["error_code"] == "UNSUPPORTED":
        pytest.skip(r["error"])
    assert r["success"], r
    assert host.ask(action)["error_code"] == "BAD_ARGUMENT"


def test_job_that_nobody_knows_is_not_found(shared, guarded):
    for _, host in (shared, guarded):
        assert host.data_of("JobStatus") == {"jobs": []}
        assert host.ask("JobStatus", job="x")["error_code"] == "NOT_FOUND"
        assert host.ask("JobCancel", job="x")["error_code"] == "NOT_FOUND"
        assert host.ask("JobCancel")["error_code"] == "BAD_ARGUMENT"


@pytest.mark.parametrize("action", sorted(LATER))
def test_action_of_a_later_version_is_unsupported(shared, action):
    _, host = shared
    r = host.ask(action)
    assert (r["error_code"], r["command_type"]) == ("UNSUPPORTED", "safe")
    assert r["error"] == r["stderr"] and action in r["error"]


@pytest.mark.parametrize("action", sorted(NEVER))
def test_action_of_other_systems_is_unsupported(shared, action):
    _, host = shared
    r = host.ask(action)
    assert r["error"] == f"refused: not supported on linux: {action}"
    assert (r["error_code"], r["exit_code"], r["data"]) == ("UNSUPPORTED", 1, {"supported": False, "platform": "linux"})


@pytest.mark.parametrize("action", sorted(CHANGES))
def test_action_that_changes_something_needs_the_executor(shared, action):
    _, host = shared
    r = host.ask(action)
    assert (r["error_code"], r["data"]) == ("NO_EXECUTOR", None)


def test_raw_command_needs_the_executor(shared):
    _, host = shared
    host.send({"type": "UnsafeCommand", "id": "raw", "raw_command": "touch /tmp/never", "timeout": 30})
    r = host.answer_to("raw")[0]
    assert (r["error_code"], r["command_type"]) == ("NO_EXECUTOR", "unsafe")


def test_raw_command_with_everything_wrong_is_answered_all_the_same(shared):
    _, host = shared
    host.send({"type": "UnsafeCommand", "id": "raw", "raw_command": 7, "shell": None, "timeout": "x"})
    assert host.answer_to("raw")[0]["error_code"] == "NO_EXECUTOR"


def test_unknown_action_is_named(shared):
    _, host = shared
    r = host.ask("NoSuchAction")
    assert (r["error_code"], r["error"], r["data"]) == ("UNKNOWN_ACTION", "refused: unknown action: NoSuchAction", None)


def test_scripts_are_neither_run_nor_answered(shared):
    _, host = shared
    host.send({"type": "pending_scripts_response", "scripts": [{"execution_id": "e", "script_content": "true"}]})
    assert host.barrier() == []


# -- signed ----------------------------------------------------------------------------------------

def awaited_of(message):
    """What an agent without executor does with a message, in an envelope or bare."""
    kind = message.get("type") if isinstance(message, dict) else None
    if kind == "keep_alive_request":
        return "keep_alive"
    if kind == "Metrics":
        return "metrics"
    if kind not in ("SafeCommand", "UnsafeCommand") or not isinstance(message.get("id"), str):
        return "none"
    action = (message.get("command_type") or {}).get("action")
    if action in READS:
        return "ok"
    if action in READS_ONE:
        return "BAD_ARGUMENT"
    if kind == "UnsafeCommand" or action in CHANGES:
        return "NO_EXECUTOR"
    return "UNSUPPORTED" if action in LATER | NEVER else "UNKNOWN_ACTION"


SIGNED = {f"v{v}: {name}": case for v in (1, 2) for name, case in cases_of(f"signed-v{v}").items()}


@pytest.mark.parametrize("name", SIGNED)
def test_signed(shared, name):
    agent, host = shared
    line, _ = SIGNED[name]
    message = note_actions(host, line)
    awaited = awaited_of(message)
    was = agent.counters()["ignored"]
    came = outcome(host, line, message, awaited)
    assert came == ([] if awaited == "none" else [awaited])
    if message is None or (awaited == "none" and message.get("type") != "keep_alive_response"):
        assert agent.counters()["ignored"] == was + 1


@pytest.mark.parametrize("payload", ['""', '"no JSON"', '"[]"', '"{"', "7", "null", '{"type":"Metrics"}',
                                     json.dumps('{"a":' + "[" * 32 + "]" * 32 + "}"), '"{}\\u0000"', '"\\ufeff{}"'])
def test_envelope_with_a_payload_that_is_none_is_counted_and_not_answered(shared, payload):
    agent, host = shared
    was = agent.counters()["ignored"]
    host.send(b'{"type":"signed","v":1,"ts":1,"nonce":"n","id":"outer","payload":%s,"sig":""}' % payload.encode())
    assert host.barrier() == []
    assert agent.counters()["ignored"] == was + 1


def test_payload_may_be_as_deep_as_a_line(shared):
    _, host = shared
    payload = '{"type":"SafeCommand","id":"deep","command_type":{"action":"Ping"},"x":%s}' % ("[" * 31 + "]" * 31)
    host.send({"type": "signed", "v": 1, "ts": 1, "nonce": "n", "payload": payload, "sig": ""})
    assert host.answer_to("deep")[0]["success"]


def test_envelope_in_an_envelope_is_not_opened(shared):
    _, host = shared
    inner = json.dumps({"type": "signed", "v": 1, "payload": json.dumps(command("Ping", "inner"))})
    host.send({"type": "signed", "v": 1, "payload": inner})
    assert host.barrier() == []


@pytest.mark.parametrize("action", sorted(CHANGES))
def test_action_that_changes_something_must_be_signed(guarded, action):
    _, host = guarded
    wait_for_refusals()
    r = host.ask(action)
    assert (r["error_code"], r["error"], r["data"]) == ("BAD_SIGNATURE", "refused: not signed", None)


def test_raw_command_must_be_signed(guarded):
    _, host = guarded
    wait_for_refusals()
    host.send({"type": "UnsafeCommand", "id": "raw", "raw_command": 7, "shell": None, "timeout": "x"})
    r = host.answer_to("raw")[0]
    assert (r["error_code"], r["command_type"]) == ("BAD_SIGNATURE", "unsafe")


def test_correctly_signed_change_needs_the_executor(shared):
    """An envelope made here, with a right signature and time: it makes no difference to the agent."""
    _, host = shared
    payload = json.dumps(command("RebootSystem", "signed-now"))
    ts = 1784030400000
    sig = hmac.new(b"secret", f"1\n{ts}\nn\n{payload}".encode(), hashlib.sha256).hexdigest()
    host.send({"type": "signed", "v": 1, "ts": ts, "nonce": "n", "payload": payload, "sig": sig})
    assert host.answer_to("signed-now")[0]["error_code"] == "NO_EXECUTOR"


def test_envelope_of_version_2_makes_a_host_one_of_ours(start, agent, host):
    host.send({"type": "signed", "v": 2, "key": "0" * 16, "session": host.session, "counter": 1,
               "payload": '{"type":"keep_alive_response"}', "sig": base64.b64encode(bytes(64)).decode()})
    host.send(b"no JSON")
    assert host.next()["type"] == "error"


# -- policy ----------------------------------------------------------------------------------------

def test_require_signature_refuses_what_reads(start):
    host = start.host(start("--interval", "3600", config="[policy]\nrequire_signature = yes\n"))
    assert host.handshake["policy"]["require_signature"] is True
    for action in sorted(READS | READS_ONE.keys() | CHANGES):
        assert host.ask(action)["error_code"] == "NO_EXECUTOR"
    host.send({"type": "Metrics"}, {"type": "keep_alive_request", "sequence_number": 1},
              {"type": "signed", "v": 1, "payload": '{"type":"Metrics"}'}, {"type": "ack", "bytes": 1})
    assert host.barrier() == []
    assert host.ask("CheckWindowsUpdates")["error_code"] == "UNSUPPORTED"
    assert host.ask("NoSuchAction")["error_code"] == "UNKNOWN_ACTION"


def test_deny_refuses_the_actions_it_names(start):
    host = start.host(start("--interval", "3600", config="[policy]\ndeny = ProcessList Ping\ndeny = RebootSystem\n"))
    for action in ("ProcessList", "Ping"):
        r = host.ask(action)
        assert r["error_code"] == "NOT_ALLOWED" and action in r["error"]
    assert host.ask("ProcessTop")["success"]
    assert host.ask("RebootSystem")["error_code"] == "NO_EXECUTOR"
    # the deny list is looked at before the arguments
    assert host.ask("ProcessList", limit="x")["error_code"] == "NOT_ALLOWED"


def test_deny_holds_for_signed_envelopes_too(start):
    host = start.host(start("--interval", "3600", config="[policy]\ndeny = Ping\n"))
    host.send({"type": "signed", "v": 1, "payload": json.dumps(command("Ping", "p"))})
    assert host.answer_to("p")[0]["error_code"] == "NOT_ALLOWED"


def test_level_is_told_and_changes_nothing_without_executor(start):
    host = start.host(start("--interval", "3600", config="[policy]\nlevel = full\n"))
    assert host.handshake["policy"] == {"level": "full", "executor": False, "require_signature": False}
    assert host.handshake["capabilities"] == ["metrics", "safe_commands"]
    assert host.ask("FileRead", path="/etc/passwd")["error_code"] == "NO_EXECUTOR"


def test_command_type_can_be_the_action(start):
    host = start.host(start("--interval", "3600", config="[compat]\ncommand_type = action\n"))
    assert host.ask("SystemInfo")["command_type"] == "SystemInfo"
    assert host.ask("RebootSystem")["command_type"] == "RebootSystem"
    host.send({"type": "UnsafeCommand", "id": "u", "raw_command": "x"})
    assert host.answer_to("u")[0]["command_type"] == "unsafe"


# -- what the agent says ---------------------------------------------------------------------------

def golden_line(name):
    index = {e["name"]: e["line"] for e in json.loads((GOLDEN / "guest-to-host.index.json").read_text())["lines"]}
    return lines_of("guest-to-host")[index[name] - 1]


@pytest.mark.parametrize("name, action", [
    ("metrics", None), ("keep-alive answering host-to-guest line 1", None), ("malformed input reported", None),
    ("oversize input reported to a vmvitals host", None), ("ProcessTop", "ProcessTop"), ("SystemInfo", "SystemInfo"),
    ("OsInfo", "OsInfo"), ("Windows-only action", None), ("unknown action", None), ("bad argument", None),
    ("not allowed", None), ("no executor", None), ("busy", None), ("internal", None),
    ("Describe, of the lab field table", "Describe"), ("GetSamples", "GetSamples"), ("GetHealth", "GetHealth"),
])
def test_golden_line_of_the_agent_passes_the_validator(name, action):
    """Else it would hold the agent to something else than the protocol."""
    schema.check(golden_line(name), action)


GOOD = golden_line("metrics")

SPOILT = {
    "not ASCII": GOOD.replace(b"nginx", b"ngin\xc3\xa9"),
    "a NUL": GOOD.replace(b'"nginx"', b'"ng\\u0000"'),
    "a member twice": GOOD.replace(b'"type":"metrics"', b'"type":"metrics","type":"metrics"'),
    "a member missing": re.sub(rb'"usage_percent":[^,]*,', b"", GOOD),
    "a member of another type": re.sub(rb'"uptime_seconds":(\d+)', rb'"uptime_seconds":"\1"', GOOD, count=1),
    "a member nobody knows": GOOD.replace(b'"ports":', b'"pots":[],"ports":'),
    "a float where an integer is due": re.sub(rb'"total_kb":(\d+)', rb'"total_kb":\1.0', GOOD),
    "a percentage over 100": re.sub(rb'"usage_percent":[^,]*', b'"usage_percent":100.1', GOOD),
    "two decimals": re.sub(rb'"usage_percent":[^,]*', b'"usage_percent":1.25', GOOD),
    "another form of time": GOOD.replace(b"120Z", b"12Z"),
    "another type": GOOD.replace(b'"type":"metrics"', b'"type":"metrics_batch"'),
}


@pytest.mark.parametrize("name", SPOILT)
def test_validator_notices(name):
    schema.check(GOOD)
    assert SPOILT[name] != GOOD
    with pytest.raises(AssertionError):
        schema.check(SPOILT[name])
