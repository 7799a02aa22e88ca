"""What whoever has the agent, or the host's end of the port, may try with the commands of the QEMU guest agent that root
does: the executor is asked directly. A job stands in, as in test_qga_executor.py."""
import json
import os
import pathlib
import signal
import subprocess
import time

from executor import Link, run
from harness import wait_for
from test_qga_executor import (client, error, fake, is_frozen, made, open_file, qga,  # noqa: F401
                               read_file, start_program, started, value)


def jobs(link):
    return link.ask("job", op="status", job=None)["data"]["jobs"]


def memory_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


# -- freezing and thawing ---------------------------------------------------------------------------

def test_a_freeze_that_waits_is_over_when_somebody_thaws(made, fake, tmp_path):
    """Else it would freeze when its turn comes: after the thaw, when nobody thinks of thawing any more."""
    _, link = made("[exec]\njobs = 1")
    fake.plan("guest-fstrim", until=str(tmp_path / "go"))
    fake.plan("guest-fsfreeze-thaw", data=0)
    trim = link.send("qga", channel="q", command="guest-fstrim", arguments=None)
    fake.wait_told("guest-fstrim")
    frozen = [link.send("qga", channel="q", command=f"guest-fsfreeze-freeze{what}", arguments=None)
              for what in ("", "-list")]
    wait_for(lambda: len(jobs(link)) == 3, "they wait")
    thawed = link.send("qga", channel="r", command="guest-fsfreeze-thaw", arguments=None)
    results = {m["ref"]: m for m in (link.next() for _ in range(3))}
    assert value(results[thawed]) == 0
    assert [results[ref]["error"] for ref in frozen] == ["thawed before it began"] * 2
    (tmp_path / "go").touch()
    m = link.next()
    assert m["ref"] == trim and m["error"] is None
    assert [t["message"]["command"] for t in fake.told()] == ["guest-fstrim", "guest-fsfreeze-thaw"]


def test_the_thaw_has_a_place_where_no_other_has(made, fake, tmp_path):
    """But not any number of them: each is a process."""
    _, link = made("[exec]\njobs = 1")
    fake.plan("guest-fstrim", until=str(tmp_path / "never"))
    fake.plan("guest-fsfreeze-thaw", data=0)
    for _ in range(65):
        link.send("qga", channel="q", command="guest-fstrim", arguments=None)
    assert error(qga(link, "guest-set-time"))[0] == "BUSY"
    assert value(qga(link, "guest-fsfreeze-thaw")) == 0
    fake.plan("guest-fsfreeze-thaw", data=0, until=str(tmp_path / "go"))
    thaws = [link.send("qga", channel="q", command="guest-fsfreeze-thaw", arguments=None) for _ in range(20)]
    refused = [link.next() for _ in range(12)]
    assert {error(m)[0] for m in refused} == {"BUSY"} and {m["ref"] for m in refused} <= set(thaws)
    (tmp_path / "go").touch()
    assert [value(link.next()) for _ in range(8)] == [0] * 8


def test_a_guard_that_was_killed_has_thawed_nothing(client, fake):
    """The executor would hang on what it writes, and with it the thaw."""
    e, c = client("level = full")
    assert c.value("guest-set-time") == {}
    gone = subprocess.Popen(["sleep", "1000"])
    began, now = started(gone.pid), time.monotonic_ns() // 1000000
    gone.kill()
    gone.wait()
    record = e.folder / "run" / "fsfreeze"
    record.write_text(f"{int(time.time() * 1000)} {now} {now + 600000} {gone.pid} {began} 2\n")
    record.chmod(0o644)
    with Link(e.path) as link:
        assert is_frozen(qga(link, "guest-set-time")) and is_frozen(qga(link, "guest-exec", path="/bin/true"))
    assert c.value("guest-fsfreeze-status") == "frozen"
    assert c.error("guest-set-time")[1].endswith("the agent is in frozen state")
    fake.plan("guest-fsfreeze-thaw", data=2)
    assert c.value("guest-fsfreeze-thaw") == 2
    record.unlink()
    assert c.value("guest-set-time") == {} and c.value("guest-fsfreeze-status") == "thawed"


# -- who does not read ------------------------------------------------------------------------------

def test_answers_that_nobody_reads_do_not_fill_the_memory(made, fake, tmp_path):
    e, link = made("level = full\n[exec]\njobs = 2")
    big = tmp_path / "big"
    big.write_bytes(bytes(2 << 20))
    handles = [open_file(link, big) for _ in range(20)]
    before = memory_kib(e.pid)
    refs = [link.send("qga", channel="q", command="guest-file-read", arguments={"handle": h, "count": 2 << 20})
            for h in handles]

    def reads():
        return sum(t.get("message", {}).get("command") == "guest-file-read" for t in fake.told())

    wait_for(lambda: reads() >= 3, "some are done")
    with Link(e.path) as other:  # who reads has its answer, and thaws
        fake.plan("guest-fsfreeze-thaw", data=0)
        for _ in range(3):
            assert value(qga(other, "guest-set-time")) is None
        assert value(qga(other, "guest-fsfreeze-thaw")) == 0
    assert memory_kib(e.pid) - before < 40 << 10 and reads() < 12
    results = {m["ref"]: m for m in (link.next() for _ in refs)}
    assert {value(results[ref])["count"] for ref in refs} == {2 << 20}


def test_what_is_not_signed_leaves_a_place_to_what_is(pair, fake, tmp_path):
    e, _, host = pair(config="[qga]\nlevel = full\n[exec]\njobs = 3\n", job=fake.program)
    fake.plan("guest-fstrim", until=str(tmp_path / "never"))
    with Link(e.path) as link:
        for _ in range(76):
            link.send("qga", channel="q", command="guest-fstrim", arguments=None)
        assert [error(link.next())[0] for _ in range(10)] == ["BUSY"] * 10
        assert run(host, "echo here")["stdout"] == "here\n"
        assert [j["state"] for j in jobs(link)].count("running") == 2


def test_the_position_moves_though_nobody_hears_of_it(made, fake, tmp_path):
    """A write that is not told of would be overwritten by the next one."""
    e, link = made("level = full")
    text = tmp_path / "text"
    text.write_text("0123456789")
    handle = open_file(link, text)
    fake.plan("guest-file-read", until=str(tmp_path / "go"))
    link.send("qga", channel="q", command="guest-file-read", arguments={"handle": handle, "count": 4})
    fake.wait_told("guest-file-read")
    link.close()
    (tmp_path / "go").touch()
    with Link(e.path) as again:
        wait_for(lambda: jobs(again) == [], "it has ended")
        assert read_file(again, handle, 4) == b"4567"


# -- what is said -----------------------------------------------------------------------------------

def test_secrets_are_not_told_where_everybody_reads(made, fake):
    """Neither one that was not encoded, as it has to be."""
    e, link = made("level = full", args=("--log-level", "debug"))
    words = {"guest-set-user-password": {"username": "root", "password": "Tr0ub4dor&3", "crypted": False},
             "guest-exec": {"path": "/bin/true", "input-data": "Tr0ub4dor&3"},
             "guest-file-write": {"handle": 1000, "buf-b64": "Tr0ub4dor&3"}}
    for name, arguments in words.items():
        code, text = error(qga(link, name, **arguments))
        assert code == "BAD_ARGUMENT" and "Tr0ub" not in text, name
    fake.plan("guest-set-user-password", code="INTERNAL", error="no such luck")
    assert error(qga(link, "guest-set-user-password", username="root", password="VHIwdWI0ZG9yJjM=", crypted=False))
    assert e.log().count("guest-set-user-password") == 2, "that somebody tried is told"
    assert "Tr0ub" not in e.log() and "VHIwdWI0" not in e.log()


def test_no_name_forges_a_line_of_the_journal(made):
    e, link = made()
    name = "guest-x\nvmvitals-execd: audit: forged\x1b[2J" + "n" * 10_000_000
    code, text = error(link.ask("qga", channel="q", command=name, arguments=None))
    assert code == "UNKNOWN_ACTION" and len(text) < 200
    line, = [line for line in e.log().splitlines() if "forged" in line]
    assert "guest-x?vmvitals-execd" in line and "\x1b" not in line and len(line) < 1000


# -- shapes -----------------------------------------------------------------------------------------

def deep(n):
    return "[" * n + "]" * n


def test_what_is_no_request_is_answered_once_or_dropped(made, fake):
    e, link = made("level = full")
    lines = ['{"type":"qga","ref":7,"channel":"q","command":"guest-fstrim","arguments":%s}' % deep(31),
             '{"type":"qga","ref":7,"channel":"q","command":"guest-fstrim","arguments":{"minimum":%s}}' % deep(100),
             '{"type":"qga","ref":7,"channel":"q","command":"guest-set-vcpus","arguments":{"vcpus":[%s0]}}' % ("0," * 9_000_000),
             '{"type":"qga","ref":7,"channel":"q","channel":"r","command":"guest-ping"}',
             '{"type":"qga","ref":-1,"channel":"q","command":"guest-ping"}',
             '{"type":"qga","ref":1e3,"channel":"q","command":"guest-ping"}',
             '{"type":"qga","channel":"q","command":"guest-ping"}',
             '{"type":"qga","ref":7}', '{"type":"qga"}', '{"type":["qga"]}', "[]", "0", ""]
    for line in lines:
        link.send_line(line.encode())
    ref = link.send("qga", channel="q", command="guest-set-time", arguments=None)
    seen = []
    while not seen or seen[-1]["ref"] != ref:
        seen.append(link.next())
    assert value(seen.pop()) is None
    assert len(seen) <= len(lines) and {m["error"] is None for m in seen} == {False}
    assert {m["ref"] for m in seen} == {0, 7}
    assert [t["message"]["command"] for t in fake.told()] == ["guest-set-time"]
    assert memory_kib(e.pid) < 160 << 10


def test_what_no_job_has_memory_for_is_an_error(made, fake, tmp_path):
    _, link = made("level = full")
    code, text = error(qga(link, "guest-exec", path="/bin/true", arg=["x" * (8 << 20)]))
    assert code == "INTERNAL" and "cannot be passed on" in text
    assert fake.told() == []
    (tmp_path / "text").touch()
    handle = open_file(link, tmp_path / "text")
    fake.plan("guest-file-write", data={"return": {"count": 5 << 20, "eof": False}, "position": 5 << 20})
    assert value(qga(link, "guest-file-write", handle=handle, **{"buf-b64": "A" * ((5 << 20) // 3 * 4)}))["count"]


def test_one_number_for_two_requests_has_two_answers(made, fake, tmp_path):
    _, link = made()
    for _ in range(2):
        link.send_line(json.dumps({"type": "qga", "ref": 5, "channel": "q", "command": "guest-fstrim"}).encode())
    assert [link.next()["ref"] for _ in range(2)] == [5, 5]
    assert len(fake.told()) == 2


# -- policy in the middle ---------------------------------------------------------------------------

def test_what_is_open_is_of_no_use_when_the_policy_forbids_it(made, tmp_path):
    e, link = made("level = full")
    (tmp_path / "text").write_text("0123456789")
    handle, pid = open_file(link, tmp_path / "text"), start_program(link, "exec sleep 1000")
    e.set_config(e.config.read_text().replace("level = full", "level = operate"))
    e.reload()
    wait_for(lambda: "read again" in e.log(), "the configuration is read again")
    for name, arguments in {"guest-file-read": {"handle": handle}, "guest-file-close": {"handle": handle},
                            "guest-exec-status": {"pid": pid}, "guest-exec": {"path": "/bin/true"}}.items():
        assert error(qga(link, name, **arguments))[0] == "NOT_ALLOWED", name
    assert value(qga(link, "guest-set-time")) is None
    os.kill(pid, signal.SIGKILL)


# -- the other language -----------------------------------------------------------------------------

def test_handles_and_programs_are_those_of_all_channels(made, tmp_path):
    """One guest has one table of them, as clients know it; a channel is no account."""
    _, link = made("level = full")
    pid = start_program(link, "exit 4")
    (tmp_path / "text").write_text("0123456789")
    handle = open_file(link, tmp_path / "text")
    wait_for(lambda: jobs(link) == [], "it has ended")
    m = qga(link, "guest-exec-status", channel="other", pid=pid)
    assert value(m)["exitcode"] == 4
    assert value(qga(link, "guest-file-read", channel="other", handle=handle, count=1))["count"] == 1
