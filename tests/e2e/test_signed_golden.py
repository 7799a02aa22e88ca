"""The recorded signed lines, at the executor's own socket and through the agent to the executor.

Nothing that they ask for is ever done: the level is monitor, and there is no program to do it with.
"""
import hashlib
import hmac
import json
import time

import pytest
from executor import SECRET, Link
from harness import GOLDEN, wait_for

GUARD = {"level": "monitor", "job": "/bin/false"}
MARGIN_MS = 20000  # between a line's time and the end of the window: lines take time to arrive


def golden(name):
    lines = (GOLDEN / f"{name}.ndjson").read_bytes().split(b"\n")[:-1]
    told = json.loads((GOLDEN / f"{name}.expect.json").read_text())
    assert len(lines) == len(told["cases"])
    return told, [(case, lines[case["line"] - 1]) for case in told["cases"]]


V1, V1_CASES = golden("signed-v1")
V2, V2_CASES = golden("signed-v2")


# -- the lines of version 1, as if they had been signed now ------------------------------------------

def mac_of(m):
    text = f"{m['v']}\n{m['ts']}\n{m['nonce']}\n{m['payload']}"
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_rightly_signed(m):
    return (m.get("type") == "signed" and all(isinstance(m.get(name), str) for name in ("nonce", "payload", "sig"))
            and type(m["ts"]) is int and m["ts"] >= 0 and m["sig"].lower() == mac_of(m))


def as_of_now(case, line):
    """Only the time is another, and what follows from it. What was not rightly signed stays as old as it is:
    of two faults the signature's comes first."""
    m = json.loads(line)
    if not is_rightly_signed(m):
        return line
    offset = m["ts"] - case["now_ms"]
    if abs(offset) >= 300000:
        margin = MARGIN_MS if case["verdict"] == "STALE" else -MARGIN_MS
        offset += margin if offset > 0 else -margin
    was, sig = m["ts"], m["sig"]
    m["ts"] = int(time.time() * 1000) + offset
    fresh = mac_of(m)
    return (line.replace(str(was).encode(), str(m["ts"]).encode(), 1)
            .replace(sig.encode(), (fresh.upper() if sig.isupper() else fresh).encode(), 1))


def test_times_are_all_that_is_changed():
    """Else the lines would not be the recorded ones any more."""
    changed = 0
    for case, line in V1_CASES:
        fresh = as_of_now(case, line)
        before, after = json.loads(line), json.loads(fresh)
        assert {**before, "ts": 0, "sig": 0} == {**after, "ts": 0, "sig": 0} and len(line) == len(fresh)
        changed += line != fresh
        assert is_rightly_signed(before) == is_rightly_signed(after)
    assert changed > 20
    assert V1["secret"] == SECRET


# -- the verdicts, at the executor's socket ----------------------------------------------------------

def verdict_of(link, session, line):
    m = link.ask("verify", channel="c", session=session, line=line.decode())
    assert m["type"] == "verdict" and (m["error"] is None) == (m["error_code"] is None)
    return m


def check_data(m, session):
    if m["error_code"] == "STALE":
        data = m["data"]
        assert data.keys() == {"guest_time_ms", "ts", "skew_ms"} and data["skew_ms"] == data["ts"] - data["guest_time_ms"]
        assert abs(data["skew_ms"]) > 300000 and abs(data["guest_time_ms"] - time.time() * 1000) < 10000
    elif session and m["error_code"] in ("WRONG_SESSION", "REPLAYED"):
        assert m["data"].keys() == {"session", "last_counter"} and m["data"]["session"] == session
    else:
        assert m["data"] is None


# What the signature was looked at for, and found right.
VOUCHED = {None, "STALE", "REPLAYED", "WRONG_SESSION"}


def test_verdicts_on_version_1(executor):
    e = executor(**GUARD)
    with Link(e.path) as link:
        session = link.ask("session_open", channel="c")["session"]
        for case, line in V1_CASES:
            if case["verdict"] == "LOCKED":
                continue
            m = verdict_of(link, session, as_of_now(case, line))
            assert m["error_code"] == {"ACCEPTED": None}.get(case["verdict"], case["verdict"]), (case, m)
            check_data(m, None)
            if case["verdict"] != "BAD_ARGUMENT":  # which of them it is depends on the check
                assert m["vouched"] == (m["error_code"] in VOUCHED), case


def test_without_a_secret_version_1_is_locked(executor):
    e = executor(**GUARD, secret=None)
    with Link(e.path) as link:
        session = link.ask("session_open", channel="c")["session"]
        for case, line in V1_CASES:
            m = verdict_of(link, session, as_of_now(case, line))
            is_v2 = json.loads(line).get("v") == 2  # and its members are checked first
            assert m["error_code"] == ("BAD_ARGUMENT" if is_v2 else "LOCKED"), case


def plant_session(e, channel, session):
    """The executor comes back with the session that the recorded lines were signed for."""
    wait_for(e.is_running, "it is there")
    e.kill()
    sessions = e.folder / "run" / "sessions"
    assert sessions.read_text().endswith(f" {channel}\n")
    sessions.write_text(f"{session} {channel}\n")


def install_keys(e, ids):
    folder = e.folder / "etc" / "trusted-keys.d"
    for key in V2["keys"]:
        path = folder / f"{key['n']}.pub"
        if key["id"] in ids:
            path.write_text(f"# a host's\n\n{key['public']} key {key['n']}\n")
            path.chmod(0o644)
        elif path.exists():
            path.unlink()


@pytest.fixture
def planted(executor):
    """An executor in the session of the recorded lines, verbatim, and a link to it."""
    e = executor(**GUARD, vm_id=V2["vm_id"])
    install_keys(e, V2["trusted"])
    with Link(e.path) as link:
        assert sorted(link.ask("session_open", channel="c")["keys"]) == sorted(V2["trusted"])
    plant_session(e, "c", V2["session"])
    with Link(e.path) as link:
        assert link.ask("job", op="status")["data"] == {"jobs": []}  # by then it is there
        yield e, link


def test_verdicts_on_version_2(planted):
    e, link = planted
    last = {}
    for case, line in V2_CASES:
        if "trusted" in case:
            continue
        sent = json.loads(line)
        m = verdict_of(link, V2["session"], line)
        assert m["error_code"] == {"ACCEPTED": None}.get(case["verdict"], case["verdict"]), (case, m)
        check_data(m, V2["session"])
        if m["data"]:
            assert m["data"]["last_counter"] == last.get(sent["key"], 0), case
        if m["vouched"] and case["verdict"] not in ("WRONG_SESSION", "REPLAYED"):
            last[sent["key"]] = sent["counter"]
        if case["verdict"] != "BAD_ARGUMENT":
            assert m["vouched"] == (m["error_code"] in VOUCHED), case


def test_without_a_key_version_2_is_locked(planted):
    e, link = planted
    install_keys(e, [])
    e.reload()
    wait_for(lambda: "configuration and keys read again" in e.log(), "the keys are read again")
    for case, line in V2_CASES:
        if case["verdict"] != "BAD_ARGUMENT" or "signature right" in case["name"]:
            assert verdict_of(link, V2["session"], line)["error_code"] == "LOCKED", case
    with Link(e.path) as other:
        h = other.ask("session_open", channel="d")
        assert h["keys"] == [] and "signed_v2" not in h["capabilities"] and "signed_v1" in h["capabilities"]


# -- the answers, through the agent ------------------------------------------------------------------

def payload_of(line):
    m = json.loads(line)
    if m.get("type") == "signed":
        m = json.loads(m["payload"]) if isinstance(m["payload"], str) else None
    return m if isinstance(m, dict) else None


def accepted(message):
    """What a good envelope leads to at level monitor, of which nothing but reading is allowed."""
    kind, action = message["type"], (message.get("command_type") or {}).get("action")
    if kind == "UnsafeCommand" or (kind == "SafeCommand" and action not in ("Ping", "ProcessTop", "SystemInfo")):
        return "NOT_ALLOWED"
    return {"SafeCommand": "ok", "keep_alive_request": "keep_alive", "keep_alive_response": "none",
            "pending_scripts_response": "script_completion"}[kind]


def awaited(case, message):
    if message is None:
        return "none"
    if case["verdict"] != "ACCEPTED":
        return case.get("answer_require_signature", case["verdict"])
    return case.get("answer") or accepted(message)


def note_action(host, message):
    if message and isinstance(message.get("id"), str) and isinstance(message.get("command_type"), dict):
        host.actions[message["id"]] = message["command_type"]["action"]


def came_of(host, line, message, what):
    note_action(host, message)
    if what in ("BAD_SIGNATURE", "LOCKED", "UNKNOWN_KEY", "BAD_ARGUMENT"):
        time.sleep(0.2)  # what nobody vouches for is answered five times a second
    host.send_bytes(line + b"\n")
    if what in ("keep_alive", "script_completion"):
        return [host.expect(what)]
    if what == "none":
        return host.barrier()
    answer, before = host.answer_to(message["id"])
    assert answer.get("error_code", "ok") == what, answer
    return before + [answer]


STRICT = "[policy]\nrequire_signature = yes\n[scripts]\nenabled = no\n"


def test_answers_to_version_1(start, executor):
    e = executor(**GUARD)
    host = start.host(start("--executor", e.path, "--vm-id", "lab", "--interval", "3600", config=STRICT))
    for case, line in V1_CASES:
        message = None if "payload is no JSON" in case["name"] or "array" in case["name"] else payload_of(line)
        what = awaited(case, message)
        if case["verdict"] == "LOCKED":
            continue
        if "nonce of the line before" in case["name"]:
            # the line before has no id, so that the agent has kept it to itself: its nonce was never seen
            what = "NOT_ALLOWED"
        came = came_of(host, as_of_now(case, line), message, what)
        assert len(came) == (what != "none"), (case, came)
        if what == "STALE":
            check_data(came[0], None)
        elif what == "UNSUPPORTED" and case["verdict"] == "ACCEPTED":
            assert came[0]["data"] == {"supported": False, "platform": "linux"}
        elif what == "script_completion":
            assert came[0]["exit_code"] == -1 and came[0]["stderr"].startswith("refused: ")
        elif what not in ("none", "keep_alive", "ok"):
            assert came[0]["data"] is None and came[0]["exit_code"] == 1


def test_answers_to_version_2(start, executor):
    e = executor(**GUARD, vm_id=V2["vm_id"])
    install_keys(e, V2["trusted"])
    agent = start("--executor", e.path, "--vm-id", V2["vm_id"], "--interval", "3600", config=STRICT)
    host = start.host(agent)
    assert "signed_v2" in host.handshake["capabilities"]
    plant_session(e, f"unix-listen:{agent.socket}", V2["session"])
    for case, line in V2_CASES:
        message = None if "no object" in case["name"] else payload_of(line)
        what = awaited(case, message)
        if "trusted" in case:
            continue
        if case["name"] == "the counter of the line before":  # which the agent has kept to itself
            what = "NOT_ALLOWED"
        came = came_of(host, line, message, what)
        assert len(came) == (what != "none"), (case, came)
        if what != "none" and what != "ok":
            check_data(came[0], V2["session"])
