"""What is refused, by whom, in which order, with what beside it: the closed list of codes, through the real sockets."""
import base64
import hashlib
import json
import os
import subprocess
import time

import pytest
from executor import SECRET, do, envelope_v1, envelope_v2, key_id, raw, run, trust
from harness import command, wait_for

SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
QUIET_SCRIPTS = "[scripts]\nenabled = no\n"


@pytest.fixture
def made(start, executor):
    """made(config of the agent, **options of the executor): an executor with a secret and a key, and a host."""
    def make(config="", has_key=True, args=(), **options):
        e = executor(**options)
        if has_key:
            trust(e, SEED)
        agent = start("--executor", e.path, "--vm-id", "lab", "--interval", "3600", *args, config=QUIET_SCRIPTS + config)
        return e, agent, start.host(agent)
    return make


def signed_command(host, action, arguments=None, **options):
    """The answer to a command in an envelope of version 1; arguments: those of the action."""
    return do(host, command(action, host.fresh_id(), **(arguments or {})), **options)[0]


def signed_v2(host, payload, number, seed=SEED, session=None, **changed):
    host.actions[payload["id"]] = (payload.get("command_type") or {}).get("action", "UnsafeCommand")
    host.send(envelope_v2(payload, seed, session or host.session, number, **changed))
    return host.answer_to(payload["id"])[0]


def outcome(r):
    return r.get("error_code", "ok"), r["data"]


def reload(e, times=1):
    e.reload()
    wait_for(lambda: e.log().count("read again") == times, "the configuration is read again")


# -- each code ---------------------------------------------------------------------------------------

def test_what_is_not_signed_is_told_so(made):
    _, _, host = made()
    for r in (host.ask("RebootSystem"), host.ask("FileRead", path="/etc/passwd")):
        assert (outcome(r), r["error"]) == (("BAD_SIGNATURE", None), "refused: not signed")


def test_a_wrong_signature_is_told_so_by_both_versions(made):
    _, _, host = made()
    r = signed_command(host, "SetHostname", {"hostname": "x"}, secret="0" * 64)
    assert (outcome(r), r["error"]) == (("BAD_SIGNATURE", None), "refused: wrong signature")
    r = signed_v2(host, raw("true", "v2"), 1, sig=base64.b64encode(bytes(64)).decode())
    assert (outcome(r), r["error"]) == (("BAD_SIGNATURE", None), "refused: wrong signature")


def test_what_is_stale_comes_with_the_clock_of_the_guest(made):
    _, _, host = made()
    for seconds in (-400, 400):
        ts = int((time.time() + seconds) * 1000)
        code, data = outcome(signed_command(host, "SetHostname", {"hostname": "x"}, ts=ts))
        assert code == "STALE" and data["ts"] == ts and data["skew_ms"] == ts - data["guest_time_ms"]
        assert abs(data["skew_ms"] - seconds * 1000) < 30000


def test_what_was_used_before_is_told_so_by_both_versions(made):
    _, _, host = made()
    assert signed_command(host, "FileStat", {"path": "/etc/passwd"}, nonce="n")["success"]
    assert outcome(signed_command(host, "FileStat", {"path": "/etc/passwd"}, nonce="n")) == ("REPLAYED", None)
    assert signed_v2(host, raw("true", "a"), 7)["success"]
    for counter in (7, 6, 1):
        assert outcome(signed_v2(host, raw("true", "b"), counter)) == (
            "REPLAYED", {"session": host.session, "last_counter": 7})
    assert signed_v2(host, raw("true", "c"), 8)["success"]


def test_a_key_that_is_not_trusted_is_named(made):
    _, _, host = made()
    r = signed_v2(host, raw("true", "a"), 1, seed=OTHER_SEED)
    assert outcome(r) == ("UNKNOWN_KEY", None) and key_id(OTHER_SEED) in r["error"]


def test_another_session_is_told_the_right_one(made):
    _, _, host = made()
    former = host.session
    assert signed_v2(host, raw("true", "a"), 5)["success"]
    host.ask("Ping", new_session=True)
    assert host.session != former
    wrong = signed_v2(host, raw("true", "b"), 6, session=former)
    assert outcome(wrong) == ("WRONG_SESSION", {"session": host.session, "last_counter": 0})
    assert signed_v2(host, raw("true", "c"), 1)["success"], "counters begin anew with a session"


def test_what_no_policy_allows_names_the_rule(made):
    _, _, host = made(level="operate", config="", job="/bin/false")
    r = run(host, "true")
    assert outcome(r) == ("NOT_ALLOWED", None)
    assert "level full" in r["error"] and "level operate is in force" in r["error"]


def test_without_executor_nothing_changes(start):
    host = start.host(start("--interval", "3600", "--executor", str(start.folder / "none")))
    r = signed_command(host, "SetHostname", {"hostname": "x"})
    assert outcome(r) == ("NO_EXECUTOR", None) and "SetHostname" in r["error"]


def test_an_executor_that_cannot_be_reached_any_more_is_none(made):
    e, _, host = made()
    e.is_over.set()
    e.thread.join()
    os.unlink(e.path)
    e.kill()
    r = run(host, "true")
    assert outcome(r) == ("NO_EXECUTOR", None)


def test_without_secret_and_key_it_is_locked(made):
    _, _, host = made(secret=None, has_key=False)
    assert not {"unsafe_commands", "streaming", "files", "signed_v1", "signed_v2"} & set(host.handshake["capabilities"])
    assert outcome(host.ask("RebootSystem")) == ("LOCKED", None)
    assert outcome(run(host, "true")) == ("LOCKED", None)
    assert outcome(signed_v2(host, raw("true", "a"), 1)) == ("LOCKED", None)
    assert host.ask("Ping")["success"]


def test_a_version_that_is_switched_off_is_locked(made):
    _, _, host = made(config="", **{"has_key": True}, level="full\naccept_v1 = no")
    assert "signed_v1" not in host.handshake["capabilities"] and "signed_v2" in host.handshake["capabilities"]
    r = run(host, "true")
    assert outcome(r) == ("LOCKED", None) and "version 1" in r["error"]
    assert signed_v2(host, raw("true", "a"), 1)["success"]
    assert outcome(host.ask("RebootSystem")) == ("BAD_SIGNATURE", None), "there is a key"


def test_a_version_that_nobody_knows_is_unsupported(made):
    _, _, host = made()
    host.actions["x"] = "UnsafeCommand"
    host.send(envelope_v1(raw("true", "x")) | {"v": 3})
    assert outcome(host.answer_to("x")[0]) == ("UNSUPPORTED", None)


def test_too_many_in_flight_are_busy(made):
    _, _, host = made("[protocol]\nin_flight = 8\n")
    idents = [host.fresh_id() for _ in range(9)]
    for ident in idents:
        host.actions[ident] = "UnsafeCommand"
        host.send(envelope_v1(raw("sleep 600", ident, timeout=600)))
    assert outcome(host.answer_to(idents[8])[0]) == ("BUSY", None)
    for ident in idents[:8]:
        assert host.ask("JobCancel", job=ident)["success"]
    wait_for(lambda: {j["state"] for j in host.data_of("JobStatus")["jobs"]} == {"cancelled"}, "all are cancelled")


def test_while_filesystems_are_frozen_most_is_busy(made):
    """No filesystem is: what says so is the file of the guard that would have frozen them, this process."""
    e, _, host = made("[cache]\npackages = 1\n", job="/bin/false")
    host.ask("Ping")
    with open("/proc/self/stat") as f:
        began = f.read().rsplit(")", 1)[1].split()[19]
    record, now = e.folder / "run" / "fsfreeze", time.monotonic_ns() // 1000000
    record.write_text(f"{int(time.time() * 1000)} {now} {now + 60000} {os.getpid()} {began} 1\n")
    record.chmod(0o644)
    for action, arguments in (("SystemInfo", {}), ("ProcessList", {}), ("UserList", {}), ("JobCancel", {"job": "x"})):
        assert outcome(host.ask(action, **arguments)) == ("BUSY", None), action
    assert outcome(signed_command(host, "SetHostname", {"hostname": "x"})) == ("BUSY", None)
    assert outcome(run(host, "true")) == ("BUSY", None)
    assert host.data_of("FsFreezeStatus")["status"] == "frozen" and host.data_of("GetState")["fs_frozen"] is True
    for action in ("Ping", "GetMetrics", "GetSamples", "GetHealth", "JobStatus"):
        assert host.ask(action)["success"], action
    assert signed_command(host, "FsThaw")["error_code"] == "INTERNAL", "it was begun"
    record.unlink()
    assert host.ask("SystemInfo")["success"] and signed_command(host, "SetHostname", {"hostname": "x"})["error_code"] == "INTERNAL"


def test_a_job_that_runs_is_not_begun_again_by_another_session(made, start, tmp_path):
    """It must not run twice, and whoever asks must not wait for an answer that never comes."""
    _, agent, host = made()
    host.actions["same"] = "UnsafeCommand"
    host.send(envelope_v1(raw(f"echo x >> {tmp_path}/log; sleep 600", "same", timeout=600)))
    wait_for(lambda: (tmp_path / "log").exists(), "the job runs")
    host.close()
    start.hosts.remove(host)
    host = start.host(agent)
    r = do(host, raw("true", "same"))[0]
    assert outcome(r) == ("BUSY", None) and "job of that id" in r["error"]
    assert host.data_of("JobStatus", job="same")["jobs"][0]["state"] == "running"
    host.data_of("JobCancel", job="same")
    wait_for(lambda: host.data_of("JobStatus", job="same")["jobs"][0]["state"] == "cancelled", "it is cancelled")
    assert (tmp_path / "log").read_text() == "x\n"


def test_an_id_in_flight_is_answered_once(made, tmp_path):
    _, _, host = made()
    host.actions["twice"] = "UnsafeCommand"
    host.send(*(envelope_v1(raw(f"echo x >> {tmp_path}/log; sleep 0.5", "twice")) for _ in range(3)))
    assert host.answer_to("twice")[0]["success"]
    assert run(host, "true")["success"]
    assert not [m for m in host.barrier() if m["type"] == "response"]
    assert (tmp_path / "log").read_text() == "x\n"


def test_a_bad_argument_is_named_and_nothing_is_begun(made):
    e, _, host = made(job="/bin/false")
    # hosts try again when they read "timeout" in an error, whatever it means there: it is told as time-out
    for action, arguments, name in (
            ("SetHostname", {}, "hostname"), ("SetHostname", {"hostname": 7}, "hostname"),
            ("ProcessKill", {"pid": 0}, "pid"), ("ProcessKill", {"pid": 1.0}, "pid"), ("ProcessKill", {"pid": True}, "pid"),
            ("ProcessKill", {"pid": "1"}, "pid"), ("ServiceControl", {"service": "a", "operation": "explode"}, "operation"),
            ("ServiceControl", {"service": "", "operation": "stop"}, "service"), ("FsFreeze", {"timeout_s": 4}, "time-out_s"),
            ("RebootSystem", {"delay_s": 61}, "delay_s"), ("DiskCleanup", {"targets": ["/"]}, "targets"),
            ("DiskCleanup", {"targets": "logs"}, "targets"), ("SetTime", {"realtime_ms": 1e3}, "realtime_ms")):
        r = signed_command(host, action, arguments)
        assert outcome(r) == ("BAD_ARGUMENT", None) and f"'{name}'" in r["error"], (action, arguments, r)
    assert "ended without a result" not in e.log()


def test_what_is_not_known_is_said_by_the_agent_whatever_the_signature(made):
    _, _, host = made()
    for options in ({}, {"secret": "0" * 64}, {"ts": 1}):
        r = signed_command(host, "NoSuchAction", **options)
        assert (outcome(r), r["error"]) == (("UNKNOWN_ACTION", None), "refused: unknown action: NoSuchAction")
        r = signed_command(host, "CheckWindowsUpdates", **options)
        assert outcome(r) == ("UNSUPPORTED", {"supported": False, "platform": "linux"})
        assert r["error"] == "refused: not supported on linux: CheckWindowsUpdates"


def test_what_is_too_large_is_told_so(made, tmp_path):
    _, _, host = made()
    data = base64.b64encode(bytes((512 << 10) + 1)).decode()
    r = signed_command(host, "FileWrite", {"path": f"{tmp_path}/f", "transfer": "t", "offset": 0, "data": data})
    assert outcome(r) == ("TOO_LARGE", None)
    with open(tmp_path / "sparse", "wb") as f:
        f.truncate((1 << 30) + 1)
    assert outcome(signed_command(host, "FileStat", {"path": f"{tmp_path}/sparse", "hash": True})) == ("TOO_LARGE", None)
    assert os.listdir(tmp_path) == ["sparse"]


def test_a_line_that_is_too_long_for_the_executor_is_told_so(made):
    """Characters that grow sixfold on the way: 24 MiB is what it takes."""
    _, _, host = made()
    payload = '{"type":"UnsafeCommand","id":"long","timeout":20,"raw_command":"%s"}' % ("\x7f" * (5 << 20))
    host.actions["long"] = "UnsafeCommand"
    line = json.dumps(envelope_v1(payload), ensure_ascii=False, separators=(",", ":")).encode()
    assert len(line) < 8 << 20
    host.send_bytes(line + b"\n")
    assert outcome(host.answer_to("long")[0]) == ("TOO_LARGE", None)
    assert run(host, "echo well")["stdout"] == "well\n"


def test_what_is_not_there_is_no_refusal(made, tmp_path):
    _, _, host = made()
    r = signed_command(host, "FileStat", {"path": f"{tmp_path}/none"})
    assert outcome(r) == ("NOT_FOUND", None) and not r["error"].startswith("refused")


def test_a_job_that_breaks_is_our_fault(made):
    _, _, host = made(job="/bin/false")
    r = signed_command(host, "SetHostname", {"hostname": "x"})
    assert outcome(r) == ("INTERNAL", None) and "exit code 1" in r["error"]


def test_a_job_that_cannot_be_started_is_our_fault(made):
    _, _, host = made(job="/nonexistent/vmvitals-job")
    assert outcome(signed_command(host, "SetHostname", {"hostname": "x"})) == ("INTERNAL", None)
    assert host.data_of("JobStatus")["jobs"][0]["state"] == "finished"


def test_what_is_let_through_is_done(made, tmp_path):
    """One of each kind, as far as this machine is not changed by it."""
    _, _, host = made()
    child = subprocess.Popen(["sleep", "600"])
    data = signed_command(host, "ProcessKill", {"pid": child.pid})["data"]
    assert data == {"pid": child.pid, "name": "sleep", "signal": "SIGTERM"} and child.wait() == -15
    assert signed_command(host, "ProcessKill", {"pid": 1})["error_code"] == "NOT_ALLOWED"
    assert signed_command(host, "FsThaw")["data"]["thawed"] == 0
    r = signed_command(host, "DiskCleanup", {"targets": ["temp_files"], "dry_run": True})
    assert r["success"] and r["data"]["targets_processed"] == ["temp_files"]
    text = b"some\0bytes\xff"
    r = signed_command(host, "FileWrite", {"path": f"{tmp_path}/f", "transfer": "t", "offset": 0, "last": True,
                                           "data": base64.b64encode(text).decode(), "sha256": hashlib.sha256(text).hexdigest()})
    assert r["data"] == {"next_offset": len(text), "written": True} and (tmp_path / "f").read_bytes() == text
    data = signed_command(host, "FileRead", {"path": f"{tmp_path}/f"})["data"]
    assert base64.b64decode(data["data"]) == text and data["sha256"] == hashlib.sha256(text).hexdigest()


# -- in which order ----------------------------------------------------------------------------------

BAD = {"secret": "0" * 64}
OLD = {"ts": 1}


def test_of_several_faults_the_first_in_order_is_told(made):
    _, _, host = made(level="operate\ndeny = SetHostname", job="/bin/false")
    signed_command(host, "FsThaw", nonce="used")
    used = {"nonce": "used"}
    cases = [
        # version 1: signature, time, nonce, then policy, then arguments
        ("FsThaw", {}, {**BAD, **OLD, **used}, "BAD_SIGNATURE"),
        ("FsThaw", {}, {**BAD, **used}, "BAD_SIGNATURE"),
        ("FsThaw", {}, {**OLD, **used}, "STALE"),
        ("SetHostname", {"hostname": "-x"}, used, "REPLAYED"),
        ("SetHostname", {"hostname": "-x"}, OLD, "STALE"),
        ("SetHostname", {"hostname": "-x"}, {}, "NOT_ALLOWED"),
        ("FileRead", {"path": "relative"}, {}, "NOT_ALLOWED"),
        ("FileRead", {"path": "relative"}, BAD, "BAD_SIGNATURE"),
        ("ProcessKill", {"pid": -1}, {}, "BAD_ARGUMENT"),
        ("ProcessKill", {"pid": -1}, BAD, "BAD_SIGNATURE"),
    ]
    for action, arguments, options, code in cases:
        assert signed_command(host, action, arguments, **options)["error_code"] == code, (action, options)
    # what was refused by policy or for its arguments has used its nonce up
    assert signed_command(host, "ProcessKill", {"pid": -1}, nonce="spent")["error_code"] == "BAD_ARGUMENT"
    assert signed_command(host, "ProcessKill", {"pid": -1}, nonce="spent")["error_code"] == "REPLAYED"
    # what was refused before has not
    assert signed_command(host, "ProcessKill", {"pid": -1}, nonce="kept", **OLD)["error_code"] == "STALE"
    assert signed_command(host, "ProcessKill", {"pid": -1}, nonce="kept")["error_code"] == "BAD_ARGUMENT"


def test_of_several_faults_the_first_in_order_is_told_by_version_2(made):
    _, _, host = made(level="operate")
    other = "00000000-0000-4000-8000-000000000000"
    wrong = base64.b64encode(bytes(64)).decode()
    assert signed_v2(host, raw("true", "a"), 9)["error_code"] == "NOT_ALLOWED"
    cases = [
        ({"seed": OTHER_SEED, "session": other, "sig": wrong}, 1, "UNKNOWN_KEY"),
        ({"session": other, "sig": wrong}, 1, "BAD_SIGNATURE"),
        ({"session": other}, 1, "WRONG_SESSION"),
        ({}, 1, "REPLAYED"),
        ({}, 9, "REPLAYED"),
        ({"counter": "10"}, 10, "BAD_ARGUMENT"),
        ({}, 10, "NOT_ALLOWED"),
    ]
    for i, (options, counter, code) in enumerate(cases):
        assert signed_v2(host, raw("true", f"b{i}"), counter, **options)["error_code"] == code, options


def test_without_executor_that_is_said_before_all_else_but_unknown_names(start):
    host = start.host(start("--interval", "3600", config="[policy]\ndeny = SetHostname\n"))
    assert signed_command(host, "SetHostname", {"hostname": "-"}, **BAD)["error_code"] == "NO_EXECUTOR"
    assert signed_command(host, "NoSuchAction", **BAD)["error_code"] == "UNKNOWN_ACTION"


# -- policy ------------------------------------------------------------------------------------------

# One action of each level that does no harm, and what it says when it is let through.
PROBES = {"monitor": ("Ping", {}, "ok"), "operate": ("ProcessKill", {"pid": 4194304}, "NOT_FOUND"),
          "full": ("FileStat", {"path": "/nonexistent/file"}, "NOT_FOUND")}

POLICIES = [
    ("monitor", {"monitor"}), ("operate", {"monitor", "operate"}), ("full", {"monitor", "operate", "full"}),
    ("monitor\nallow = ProcessKill", {"monitor", "operate"}), ("monitor\nallow = FileStat", {"monitor", "full"}),
    ("full\ndeny = ProcessKill", {"monitor", "full"}), ("operate\nallow = FileStat\ndeny = ProcessKill", {"monitor", "full"}),
    ("full\nallow = FileStat\ndeny = FileStat", {"monitor", "operate"}),
]


@pytest.mark.parametrize("policy, allowed", POLICIES, ids=[p[0].replace("\n", ", ") for p in POLICIES])
def test_policy_decides_what_is_done(made, policy, allowed):
    e, agent, host = made(level=policy)
    for level, (action, arguments, usual) in PROBES.items():
        r = signed_command(host, action, arguments)
        assert r.get("error_code", "ok") == (usual if level in allowed else "NOT_ALLOWED"), (level, r)
        if level not in allowed:
            assert action in r["error"] and ("deny" in r["error"] or "level" in r["error"])


def test_what_the_agent_believes_of_the_policy_changes_nothing(made):
    """It is not trusted: its own level is not looked at, and its deny list holds for what it does itself."""
    _, _, host = made("[policy]\nlevel = full\ndeny = Ping ProcessKill\n", level="operate", job="/bin/false")
    assert host.handshake["policy"]["level"] == "operate" and "unsafe_commands" not in host.handshake["capabilities"]
    assert run(host, "true")["error_code"] == "NOT_ALLOWED"
    assert host.ask("Ping")["error_code"] == "NOT_ALLOWED"
    assert signed_command(host, "ProcessKill", {"pid": 2})["error_code"] == "INTERNAL", "the job program was started"


def test_signatures_may_be_demanded_of_everything(made):
    _, agent, host = made("[policy]\nrequire_signature = yes\n")
    assert host.handshake["policy"]["require_signature"] is True
    r = host.ask("Ping")
    assert (outcome(r), r["error"]) == (("BAD_SIGNATURE", None), "refused: not signed")
    assert host.ask("SystemInfo")["error_code"] == "BAD_SIGNATURE"
    assert signed_command(host, "Ping", **BAD)["error_code"] == "BAD_SIGNATURE"
    assert outcome(signed_command(host, "Ping", **OLD))[0] == "STALE"
    assert signed_command(host, "Ping")["success"] and signed_command(host, "ProcessTop", {"limit": 1})["success"]
    assert signed_command(host, "ProcessTop", {"limit": "x"})["error_code"] == "BAD_ARGUMENT"
    assert signed_v2(host, command("Ping", "v2"), 1)["success"]
    assert signed_v2(host, command("Ping", "again"), 1)["error_code"] == "REPLAYED"
    assert run(host, "echo full")["stdout"] == "full\n"


def test_messages_without_an_answer_are_verified_too(made):
    _, agent, host = made("[policy]\nrequire_signature = yes\n")
    alive = {"type": "keep_alive_request", "sequence_number": 5, "timestamp": "2026-07-14T12:00:00Z"}
    host.send(alive, {"type": "Metrics"}, {"type": "keep_alive_response", "sequence_number": 1, "timestamp": "x"})
    host.send(envelope_v1(alive, **BAD), envelope_v1({"type": "Metrics"}, **OLD))
    host.send(envelope_v1({**alive, "sequence_number": 6}, nonce="alive"))
    assert host.expect("keep_alive")["sequence_number"] == 6
    time.sleep(1)  # one metrics message a second
    host.send(envelope_v1({"type": "Metrics"}, nonce="metrics"))
    assert host.expect("metrics")
    host.send(envelope_v1({**alive, "sequence_number": 7}, nonce="alive"), envelope_v1({"type": "Metrics"}, nonce="metrics"))
    assert signed_command(host, "Ping")["success"]
    assert host.barrier() == []
    assert agent.counters()["ignored"] == 6


def test_an_agent_stops_while_signatures_are_being_checked(made):
    """What waits for a verdict is let go of."""
    e, agent, host = made("[policy]\nrequire_signature = yes\n[agent]\nstop_grace = 0\n")
    os.kill(e.pid, 19)
    host.send(*(envelope_v1({"type": "Metrics"}) for _ in range(5)))
    assert host.barrier() == []
    assert agent.stop() == 0
    os.kill(e.pid, 18)


def test_the_policy_is_read_again_on_a_signal(made):
    e, agent, host = made(level="operate")
    assert run(host, "true")["error_code"] == "NOT_ALLOWED"
    e.set_config("[agent]\nvm_id = lab\n[policy]\nlevel = full\n")
    reload(e)
    assert run(host, "echo now")["stdout"] == "now\n", "in the session that there is"
    host.ask("Ping", new_session=True)
    h = host.data_of("Ping")
    assert h["policy"]["level"] == "full" and "unsafe_commands" in h["capabilities"]
    e.set_config("[agent]\nvm_id = lab\n[policy]\nlevel = monitor\n")
    reload(e, 2)
    assert run(host, "true")["error_code"] == "NOT_ALLOWED"
    e.set_config("[policy]\nlevel = everything\n")
    e.reload()
    wait_for(lambda: "configuration refused" in e.log(), "the configuration is refused")
    assert run(host, "true")["error_code"] == "NOT_ALLOWED", "the old one stays"


def test_keys_come_and_go_on_a_signal(made):
    e, _, host = made()
    assert signed_v2(host, raw("true", "a"), 1, seed=OTHER_SEED)["error_code"] == "UNKNOWN_KEY"
    path = trust(e, OTHER_SEED, "other")
    assert signed_v2(host, raw("true", "b"), 1, seed=OTHER_SEED)["error_code"] == "UNKNOWN_KEY", "not read yet"
    reload(e)
    assert signed_v2(host, raw("echo in", "c"), 1, seed=OTHER_SEED)["stdout"] == "in\n"
    path.unlink()
    reload(e, 2)
    assert signed_v2(host, raw("true", "d"), 2, seed=OTHER_SEED)["error_code"] == "UNKNOWN_KEY"
    assert signed_v2(host, raw("true", "e"), 1)["success"]


def test_keys_that_others_could_have_written_are_not_trusted(made):
    e, _, host = made()
    path = trust(e, OTHER_SEED, "other")
    for spoil in (lambda: path.chmod(0o666), lambda: (path.chmod(0o644), os.chown(path, 65534, 65534))):
        spoil()
        times = e.log().count("read again") + 1
        reload(e, times)
        assert signed_v2(host, raw("true", f"k{times}"), times, seed=OTHER_SEED)["error_code"] == "UNKNOWN_KEY"
    assert "other.pub" in e.log()


def test_a_secret_comes_and_goes_on_a_signal(made):
    e, _, host = made()
    e.secret.unlink()
    reload(e)
    assert run(host, "true")["error_code"] == "LOCKED"
    e.secret.write_text(f"INFINISERVICE_SHARED_SECRET={'1' * 64}\n")
    e.secret.chmod(0o600)
    reload(e, 2)
    assert run(host, "true")["error_code"] == "BAD_SIGNATURE"
    host.actions["x"] = "UnsafeCommand"
    host.send(envelope_v1(raw("echo new", "x"), secret="1" * 64))
    assert host.answer_to("x")[0]["stdout"] == "new\n"


def test_a_secret_that_others_can_read_is_none(made):
    e, _, host = made()
    e.secret.chmod(0o644)
    reload(e)
    assert run(host, "true")["error_code"] == "LOCKED"
    assert str(e.secret) in e.log()


# -- how many refusals are answered ------------------------------------------------------------------

def answers_in(host, idents):
    return [m["id"] for m in host.barrier() if m["type"] == "response" and m["id"] in idents]


@pytest.mark.parametrize("kind", ["not signed", "wrongly signed", "locked"])
def test_refusals_that_anybody_can_ask_for_are_few(made, kind):
    e, agent, host = made("[protocol]\nin_flight = 512\n", **({"secret": None, "has_key": False} if kind == "locked" else {}))
    make = (lambda i: command("RebootSystem", i)) if kind != "wrongly signed" else (
        lambda i: envelope_v1(command("RebootSystem", i), secret="0" * 64))
    idents = {f"many-{i}" for i in range(200)}
    began = time.monotonic()
    host.send(*map(make, sorted(idents)))
    told = answers_in(host, idents)
    wait_for(lambda: agent.counters()["refused"] >= 200, "the agent has counted all")
    told += answers_in(host, idents)
    elapsed = time.monotonic() - began
    assert 20 <= len(told) <= 20 + 5 * elapsed + 1 and len(told) < 200
    wait_for(lambda: (host.send(make(f"later-{time.monotonic()}")), [m for m in host.barrier() if m["type"] == "response"])[1],
             "the bucket is filled again")


def test_refusals_of_what_was_signed_well_are_all_answered(made):
    _, _, host = made(level="monitor", config="[protocol]\nin_flight = 256\n")
    idents = {f"many-{i}" for i in range(100)}
    host.send(*(envelope_v1(command("RebootSystem", i)) for i in idents))
    while idents:
        m = host.expect("response")
        assert m["error_code"] == "NOT_ALLOWED"
        idents.remove(m["id"])


# -- what is written down ----------------------------------------------------------------------------

MARK = "Xy7marker"


def test_refusals_and_commands_are_audited(made):
    e, agent, host = made(level="operate\nallow = UnsafeCommand FileStat\ndeny = SetHostname")
    idents = [do(host, command("SetHostname", "audit-denied", hostname="x"))[0]["id"],
              do(host, command("ProcessKill", "audit-argument", pid=-1))[0]["id"],
              do(host, command("FsThaw", "audit-forged"), secret="0" * 64)[0]["id"],
              do(host, command("FileStat", "audit-done", path="/etc/passwd"))[0]["id"],
              do(host, raw("exit 3", "audit-exit"))[0]["id"]]
    log = e.log()
    for ident, action, result in zip(idents, ("SetHostname", "ProcessKill", "FsThaw", "FileStat", "UnsafeCommand"),
                                     ("NOT_ALLOWED", "BAD_ARGUMENT", "BAD_SIGNATURE", "ok", "exit 3")):
        assert f"{action} {ident}: {result}" in log, (ident, log)


def test_what_was_said_is_not_written_down(made, tmp_path):
    """Neither payloads nor arguments, neither output nor the secret, at any level of the log."""
    e, agent, host = made(args=("--log-level", "debug"))
    assert run(host, f"echo {MARK}out; echo {MARK}err >&2; exit 1", env_vars={"VALUE": f"{MARK}env"})["exit_code"] == 1
    run(host, "true", working_dir=f"/{MARK}dir")
    run(host, "true", shell=f"{MARK}shell")
    run(host, "true", run_as=f"{MARK}account")
    run(host, "true", env_vars={f"LD_{MARK}": "x"})
    for action, arguments in (("FileStat", {"path": f"/{MARK}path"}), ("SetHostname", {"hostname": f"{MARK}_host"}),
                              ("ServiceControl", {"service": f"{MARK} unit", "operation": "stop"}),
                              ("PackageInstall", {"package": f"{MARK} package"}), ("FsTrim", {"mountpoints": [f"/{MARK}mount"]}),
                              ("DiskCleanup", {"targets": [f"{MARK}target"]})):
        for options in ({}, BAD, OLD):
            signed_command(host, action, arguments, **options)
    data = base64.b64encode(f"{MARK}data".encode()).decode()
    signed_command(host, "FileWrite", {"path": f"{tmp_path}/f", "transfer": "t", "offset": 0, "data": data})
    host.send({"type": "UnsafeCommand", "id": "bare", "raw_command": f"{MARK}bare"})
    host.answer_to("bare")
    for where, text in (("the executor's log", e.log()), ("the agent's log", agent.log())):
        lines = [line for line in text.splitlines() if MARK.lower() in line.lower() or data in line or SECRET in line]
        assert not lines, f"{where}: {lines}"
    kept = e.folder / "run" / "done"  # answers, for JobStatus: in memory, and root's alone
    assert kept.stat().st_mode & 0o77 == 0
    for folder in ("run", "state"):
        for path in (e.folder / folder).rglob("*"):
            if path.is_file() and kept not in path.parents:
                content = path.read_bytes()
                assert MARK.encode() not in content and SECRET.encode() not in content, path
