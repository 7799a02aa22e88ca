"""The QEMU guest agent's commands that change something: through the executor, by its own policy, one result each. What
a job does is not asked here: one stands in for it that says what it was told."""
import base64
import json
import os
import pathlib
import random
import signal
import stat
import sys
import time

import pytest
from executor import JOB, Executor, Link, do, raw
from harness import DEADLINE, wait_for

# It writes down what it was told; what it answers stands in the file "answers", by command.
FAKE = """#!{python}
import base64, json, os, signal, sys, time
parent = os.getppid()
told = json.loads(open(3, closefd=False).read())
if told["kind"] in ("raw", "action"):
    os.lseek(3, 0, os.SEEK_SET), os.set_inheritable(3, True), os.set_inheritable(4, True)
    os.execv("{job}", ["vmvitals-job"])
os.write(4, b"\\n")
message = told.get("message") or {{"command": "after"}}
name, arguments = message["command"], message.get("arguments") or {{}}
with open("{folder}/told", "a") as f:
    f.write(json.dumps(told) + "\\n")
try:
    plan = json.load(open("{folder}/answers")).get(name, {{}})
except FileNotFoundError:
    plan = {{}}
while plan.get("until") and not os.path.exists(plan["until"]) and os.getppid() == parent:
    time.sleep(0.01)
if plan.get("dies"):
    os.kill(os.getpid(), signal.SIGKILL)
file, data = message.get("file"), plan.get("data")
if name == "guest-file-open" and "data" not in plan:
    data = {{"file": {{"path": arguments["path"], "mode": arguments.get("mode", "r"), "dev": 1, "ino": 2,
                       "position": 0}}}}
elif name == "guest-file-read":
    text = open(file["path"], "rb").read()[file["position"]:][:arguments.get("count", 4096)]
    data = {{"return": {{"count": len(text), "buf-b64": base64.b64encode(text).decode(), "eof": False}},
             "position": file["position"] + len(text)}}
elif name == "guest-exec" and "error" not in plan:
    os.set_inheritable(3, False), os.set_inheritable(4, False)
    os.execv(arguments["path"], [arguments["path"], *arguments.get("arg", [])])
os.write(4, json.dumps({{"error_code": plan.get("code"), "error": plan.get("error"), "text": "", "data": data,
                         "is_childs": False, "exit_code": 0, "after": plan.get("after"), "after_forced": False,
                         "after_delay_s": 0}}).encode())
"""


class Fake:
    """A job program in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.program = folder / "job"
        self.program.write_text(FAKE.format(python=sys.executable, folder=folder, job=JOB))
        self.program.chmod(0o755)
        self.plans = {}

    def plan(self, name, **plan):
        self.plans[name] = plan
        new = self.folder / "answers.new"
        new.write_text(json.dumps(self.plans))
        new.rename(self.folder / "answers")

    def told(self):
        path = self.folder / "told"
        return [json.loads(line) for line in path.read_text().splitlines(True) if line.endswith("\n")] \
            if path.exists() else []

    def wait_told(self, name):
        def look():
            return [t for t in self.told() if t.get("message", {}).get("command") == name]
        return wait_for(look, f"{name} has begun", DEADLINE)[-1]


@pytest.fixture
def fake(tmp_path):
    return Fake(tmp_path)


@pytest.fixture
def made(fake, executor):
    """made(lines of [qga], **options): the executor, and a connection to it."""
    links = []

    def make(config="", **options):
        e = executor(job=fake.program, config=f"[qga]\n{config}\n", **options)
        links.append(Link(e.path))
        return e, links[-1]

    yield make
    for link in links:
        link.close()


def qga(link, name, channel="q", **arguments):
    return link.ask("qga", channel=channel, command=name, arguments=arguments or None)


def value(m):
    assert m["error_code"] is None and m["error"] is None, m
    return m["data"]


def error(m):
    assert m["data"] is None and m["error"], m
    return m["error_code"], m["error"]


def is_disabled(m, why="the command is not allowed"):
    code, text = error(m)
    return code == "NOT_ALLOWED" and text.endswith(f"has been disabled: {why}")


def exec_status(link, pid):
    """Of a program that has ended, or will."""
    return wait_for(lambda: (lambda s: s["exited"] and s)(value(qga(link, "guest-exec-status", pid=pid))), "it has ended",
                    DEADLINE)


def start_program(link, text, **arguments):
    return value(qga(link, "guest-exec", path="/bin/sh", arg=["-c", text], **arguments))["pid"]


# -- one command ------------------------------------------------------------------------------------

def test_a_command_is_a_job_and_its_data_is_the_value(made, fake):
    _, link = made()
    fake.plan("guest-set-vcpus", data=2)
    vcpus = [{"logical-id": 1, "online": False}, {"logical-id": 2, "online": True}]
    assert value(qga(link, "guest-set-vcpus", vcpus=vcpus)) == 2
    told = fake.wait_told("guest-set-vcpus")
    assert told["kind"] == "qga" and told["group"] is None
    assert told["message"] == {"command": "guest-set-vcpus", "arguments": {"vcpus": vcpus}}
    assert value(qga(link, "guest-set-time")) is None
    assert fake.wait_told("guest-set-time")["message"] == {"command": "guest-set-time", "arguments": None}


def test_a_freeze_is_told_when_it_is_to_thaw(made, fake):
    _, link = made("thaw_after = 77")
    fake.plan("guest-fsfreeze-freeze-list", data=0)
    assert value(qga(link, "guest-fsfreeze-freeze-list", mountpoints=["/srv"])) == 0
    assert fake.wait_told("guest-fsfreeze-freeze-list")["message"]["thaw_after_s"] == 77


def test_what_the_job_says_of_failure_is_the_answer(made, fake):
    _, link = made()
    fake.plan("guest-fstrim", code="UNSUPPORTED", error="nothing here can be trimmed")
    assert error(qga(link, "guest-fstrim")) == ("UNSUPPORTED", "nothing here can be trimmed")
    for code in ("NOT_ALLOWED", "UNKNOWN_ACTION"):  # or the client would take the command for a disabled one
        fake.plan("guest-fstrim", code=code, error="not this one")
        assert error(qga(link, "guest-fstrim")) == ("BAD_ARGUMENT", "not this one")


def test_a_job_that_dies_is_an_error_and_the_next_one_runs(made, fake):
    e, link = made()
    fake.plan("guest-fstrim", dies=True)
    code, text = error(qga(link, "guest-fstrim"))
    assert code == "INTERNAL" and "signal 9" in text
    fake.plan("guest-fstrim", data={"paths": []})
    assert value(qga(link, "guest-fstrim")) == {"paths": []}
    assert "guest-fstrim qga-" in e.log()


def test_what_cannot_be_started_is_an_error(made, fake):
    _, link = made()
    fake.program.unlink()
    code, text = error(qga(link, "guest-fstrim"))
    assert code == "INTERNAL" and "cannot start" in text


# -- policy -----------------------------------------------------------------------------------------

LEVELS = {"monitor": set(), "operate": {"guest-set-time"}, "full": {"guest-set-time", "guest-set-user-password"}}
ASKED = {"guest-set-time": {}, "guest-set-user-password": {"username": "u", "password": "eA==", "crypted": False}}


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_lets_its_commands_run(made, fake, level):
    _, link = made(f"level = {level}")
    allowed = {name for name in ASKED if error_or_none(qga(link, name, **ASKED[name])) is None}
    assert allowed == LEVELS[level]
    assert {t["message"]["command"] for t in fake.told()} == allowed


def error_or_none(m):
    if m["error"] is not None:
        assert is_disabled(m), m
    return m["error"]


def test_lists_add_and_take_away_and_deny_wins(made):
    _, link = made("level = monitor\nallow = guest-set-time guest-fstrim\ndeny = guest-fstrim")
    value(qga(link, "guest-set-time"))
    assert is_disabled(qga(link, "guest-fstrim")) and is_disabled(qga(link, "guest-set-vcpus", vcpus=[]))


def test_the_native_level_is_another_matter(made):
    _, link = made("level = full", level="monitor")
    value(qga(link, "guest-set-time"))


def test_what_waited_is_judged_again_when_its_turn_comes(made, fake, tmp_path):
    e, link = made("level = operate\n[exec]\njobs = 1")
    fake.plan("guest-fstrim", until=str(tmp_path / "go"))
    first = link.send("qga", channel="q", command="guest-fstrim", arguments=None)
    fake.wait_told("guest-fstrim")
    second = link.send("qga", channel="r", command="guest-set-time", arguments=None)
    e.set_config(e.config.read_text().replace("level = operate", "level = monitor"))
    wait_for(lambda: link.ask("job", op="status", job=None)["data"]["jobs"][1:], "the second one waits")
    e.reload()
    wait_for(lambda: "read again" in e.log(), "the configuration is read again")
    (tmp_path / "go").touch()
    results = {m["ref"]: m for m in (link.next(), link.next())}
    value(results[first])
    assert is_disabled(results[second])
    assert [t["message"]["command"] for t in fake.told()] == ["guest-fstrim"]


# -- what nobody should send ------------------------------------------------------------------------

BAD = {
    "no command": ({}, "UNKNOWN_ACTION"),
    "a command that is no text": ({"command": ["guest-fstrim"]}, "UNKNOWN_ACTION"),
    "one with a NUL": ({"command": "guest-fstrim\0"}, "UNKNOWN_ACTION"),
    "an unknown one": ({"command": "guest-x"}, "UNKNOWN_ACTION"),
    "a native one": ({"command": "RebootSystem"}, "UNKNOWN_ACTION"),
    "one of the agent's": ({"command": "guest-ping"}, "UNSUPPORTED"),
    "no channel": ({"command": "guest-fstrim", "channel": None}, "BAD_ARGUMENT"),
    "a channel with a line feed": ({"command": "guest-fstrim", "channel": "a\nb"}, "BAD_ARGUMENT"),
    "too long a channel": ({"command": "guest-fstrim", "channel": "a" * 256}, "BAD_ARGUMENT"),
    "arguments that are a list": ({"command": "guest-fstrim", "arguments": [1]}, "BAD_ARGUMENT"),
    "an argument too many": ({"command": "guest-fstrim", "arguments": {"x": 1}}, "BAD_ARGUMENT"),
    "one of the wrong type": ({"command": "guest-fstrim", "arguments": {"minimum": "1"}}, "BAD_ARGUMENT"),
    "one that is missing": ({"command": "guest-file-read"}, "BAD_ARGUMENT"),
    "one out of range": ({"command": "guest-fstrim", "arguments": {"minimum": 1 << 64}}, "BAD_ARGUMENT"),
    "a handle nobody has": ({"command": "guest-file-read", "arguments": {"handle": 99}}, "NOT_FOUND"),
    "a negative one": ({"command": "guest-file-close", "arguments": {"handle": -1}}, "NOT_FOUND"),
    "a process of somebody else": ({"command": "guest-exec-status", "arguments": {"pid": 1}}, "NOT_FOUND"),
}


def test_nonsense_has_one_answer_and_no_job(made, fake):
    _, link = made("level = full")
    for what, (members, code) in BAD.items():
        m = link.ask("qga", **{"channel": "q", **members})
        assert error(m)[0] == code, what
    assert error(qga(link, "guest-file-read", handle=99))[1] == "handle '99' has not been found"
    assert error(qga(link, "guest-exec-status", pid=99))[1] == "PID 99 does not exist"
    assert fake.told() == []
    value(qga(link, "guest-set-time"))


def test_more_than_may_wait_is_refused_and_each_has_one_answer(made, fake, tmp_path):
    e, link = made("[exec]\njobs = 1")
    fake.plan("guest-set-time", until=str(tmp_path / "go"))
    refs = [link.send("qga", channel=f"c{n}", command="guest-set-time", arguments=None) for n in range(100)]
    early = [link.next() for _ in range(35)]
    assert {error(m) for m in early} == {("BUSY", "too many jobs wait; ask again later")}
    fake.plan("guest-set-time")
    (tmp_path / "go").touch()
    late = [link.next() for _ in range(65)]
    assert {m["error"] for m in late} == {None} and sorted(m["ref"] for m in early + late) == refs
    assert e.log().count("too many jobs wait") < 35, "who can send without end does not fill the journal"


def test_the_work_goes_on_when_who_asked_has_gone(made, fake, tmp_path):
    e, link = made()
    fake.plan("guest-fstrim", until=str(tmp_path / "go"))
    link.send("qga", channel="q", command="guest-fstrim", arguments=None)
    fake.wait_told("guest-fstrim")
    link.close()
    (tmp_path / "go").touch()
    wait_for(lambda: "guest-fstrim qga-1: ok" in e.log(), "it has ended well")
    with Link(e.path) as again:
        assert value(qga(again, "guest-set-time")) is None


def test_answers_to_native_commands_are_not_pushed_out(pair, fake):
    e, _, host = pair(job=fake.program)
    ident = host.fresh_id()
    do(host, raw("true", ident))
    with Link(e.path) as link:
        for _ in range(66):
            value(qga(link, "guest-set-time"))
        jobs = link.ask("job", op="status", job=None)["data"]["jobs"]
    assert [j["id"] for j in jobs] == [ident]


def test_what_waits_or_runs_is_listed_and_can_be_cancelled(made, fake, tmp_path):
    _, link = made("level = full")
    fake.plan("guest-fstrim", until=str(tmp_path / "never"))
    ref = link.send("qga", channel="q", command="guest-fstrim", arguments=None)
    fake.wait_told("guest-fstrim")
    job, = link.ask("job", op="status", job=None)["data"]["jobs"]
    assert (job["action"], job["state"], job["response"]) == ("guest-fstrim", "running", None)
    link.send("job", op="cancel", job=job["id"])
    results = {m["ref"]: m for m in (link.next(), link.next())}
    assert results[ref]["error"] == "cancelled" and results[ref]["data"] is None
    assert link.ask("job", op="status", job=None)["data"]["jobs"] == []


def one_question(link, rng):
    """Sends something that has one answer."""
    name = rng.choice(["guest-fstrim", "guest-set-vcpus", "guest-exec", "guest-exec-status", "guest-file-open",
                       "guest-file-flush", "guest-file-close", "guest-ping", "cancel", "status"])
    arguments = {"guest-set-vcpus": {"vcpus": []}, "guest-exec-status": {"pid": rng.randrange(100)},
                 "guest-exec": {"path": rng.choice(["/bin/true", "/bin/cat", "/bin/sleep"]), "arg": ["60"]},
                 "guest-file-open": {"path": "/x"}, "guest-file-flush": {"handle": 1000 + rng.randrange(9)},
                 "guest-file-close": {"handle": 1000 + rng.randrange(9)}}
    if name in ("cancel", "status"):
        return link.send("job", op=name, job=f"qga-{rng.randrange(200)}")
    return link.send("qga", channel=f"c{rng.randrange(3)}", command=name, arguments=arguments.get(name))


def test_in_a_storm_each_request_has_one_answer(made, fake):
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    e, link = made("level = full")
    fake.plan("guest-fstrim", dies=True)
    for _ in range(3):
        with Link(e.path) as gone:
            for _ in range(15):
                one_question(gone, rng)
    refs = [one_question(link, rng) for _ in range(150)]
    assert sorted(link.next()["ref"] for _ in refs) == refs, f"seed {seed}"
    wait_for(lambda: {j["action"] for j in link.ask("job", op="status", job=None)["data"]["jobs"]} <= {"guest-exec"},
             f"what those asked that have gone has ended, seed {seed}")


# -- filesystems that are frozen --------------------------------------------------------------------

def is_frozen(m):
    return is_disabled(m, "the agent is in frozen state")


@pytest.mark.parametrize("name", ["guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list"])
def test_while_filesystems_are_being_frozen_nothing_else_begins(made, fake, tmp_path, name):
    _, link = made("level = full")
    fake.plan(name, until=str(tmp_path / "go"), data=1)
    ref = link.send("qga", channel="q", command=name, arguments=None)
    fake.wait_told(name)
    assert is_frozen(qga(link, "guest-set-time")) and is_frozen(qga(link, "guest-exec", path="/bin/true"))
    assert is_frozen(qga(link, "guest-exec-status", pid=1)) and is_frozen(qga(link, name))
    fake.plan("guest-fsfreeze-thaw", data=1)
    assert value(qga(link, "guest-fsfreeze-thaw")) == 1
    (tmp_path / "go").touch()
    m = link.next()
    assert m["ref"] == ref and value(m) == 1
    assert value(qga(link, "guest-set-time")) is None


# -- programs ---------------------------------------------------------------------------------------

def test_a_program_is_told_of_once_with_its_output(made, fake):
    e, link = made("level = full")
    pid = start_program(link, "echo out; echo err >&2; exit 3")
    assert exec_status(link, pid) == {"exited": True, "exitcode": 3, "out-data": base64.b64encode(b"out\n").decode(),
                                      "err-data": base64.b64encode(b"err\n").decode()}
    assert error(qga(link, "guest-exec-status", pid=pid)) == ("NOT_FOUND", f"PID {pid} does not exist")
    assert fake.wait_told("guest-exec")["group"]
    wait_for(lambda: "guest-exec qga-1: exit 3" in e.log(), "its end is in the journal")
    assert "guest-exec qga-1: started" in e.log() and "echo" not in e.log()


def test_a_program_runs_under_the_number_that_was_told(made):
    _, link = made("level = full")
    pid = start_program(link, "echo $$; exec sleep 1000")
    assert value(qga(link, "guest-exec-status", pid=pid)) == {"exited": False}
    wait_for(lambda: pathlib.Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "it has gone on")
    os.kill(pid, signal.SIGTERM)
    assert exec_status(link, pid) == {"exited": True, "signal": 15,
                                      "out-data": base64.b64encode(b"%d\n" % pid).decode()}


def test_a_program_that_cannot_begin_is_an_error(made, fake):
    _, link = made("level = full")
    fake.plan("guest-exec", code="INTERNAL", error="Failed to execute child process")
    assert error(qga(link, "guest-exec", path="/none")) == ("INTERNAL", "Failed to execute child process")
    assert link.ask("job", op="status", job=None)["data"]["jobs"] == []


def slow_programs(start):
    """One whose file lies where nobody answers, and one that waits for its place."""
    for name in ("job", "executor"):
        (start.folder / name).mkdir()
    fake = Fake(start.folder / "job")
    e = Executor(start.folder / "executor", job=fake.program, config="[qga]\nlevel = full\n[exec]\njobs = 1\n")
    try:
        with Link(e.path) as link:
            fake.plan("guest-exec", until=str(start.folder / "never"))
            first = link.send("qga", channel="q", command="guest-exec", arguments={"path": "/bin/true"})
            fake.wait_told("guest-exec")
            second = link.send("qga", channel="r", command="guest-exec", arguments={"path": "/bin/true"})
            yield 50
            results = {m["ref"]: m for m in (link.next(), link.next())}
            assert error(results[second]) == ("BUSY", "its turn did not come in time")
            assert error(results[first]) == ("TIMED_OUT", "the program did not begin in time")
            fake.plan("guest-exec")
            assert exec_status(link, start_program(link, "exit 2"))["exitcode"] == 2
    finally:
        e.stop()


@pytest.mark.meanwhile(by=slow_programs)
def test_a_program_that_does_not_begin_is_answered_in_time(scenario):
    scenario.finish()


def test_programs_take_no_place_from_others(made):
    _, link = made("level = full\n[exec]\njobs = 1")
    pids = [start_program(link, "exec sleep 1000") for _ in range(3)]
    assert value(qga(link, "guest-set-time")) is None
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        assert exec_status(link, pid) == {"exited": True, "signal": 9}


def test_of_too_much_output_the_beginning_is_kept(made):
    _, link = made("level = full")
    pid = start_program(link, "head -c 3000000 /dev/zero; echo end >&2")
    s = exec_status(link, pid)
    out = base64.b64decode(s.pop("out-data"))
    assert out == bytes(2 << 20)
    assert s == {"exited": True, "exitcode": 0, "out-truncated": True, "err-data": "ZW5kCg=="}


def test_bytes_that_are_no_text_are_told_as_they_are(made):
    _, link = made("level = full")
    s = exec_status(link, start_program(link, r"printf '\377\000\303'"))
    assert base64.b64decode(s["out-data"]) == b"\xff\x00\xc3" and "out-truncated" not in s


def test_so_many_programs_and_no_more(made):
    _, link = made("level = full")
    refs = [link.send("qga", channel="q", command="guest-exec", arguments={"path": "/bin/sleep", "arg": ["1000"]})
            for _ in range(65)]
    results = {m["ref"]: m for m in (link.next() for _ in refs)}
    assert error(results[refs[-1]]) == ("BUSY", "too many programs run")
    pids = [value(results[ref])["pid"] for ref in refs[:-1]]
    os.kill(pids[0], signal.SIGKILL)
    assert exec_status(link, pids[0])["signal"] == 9
    start_program(link, "exec sleep 1000")


def test_programs_end_with_the_executor(made):
    e, link = made("level = full")
    pid = start_program(link, "exec sleep 1000")
    e.process.terminate()
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the program has ended")
    e.wait_gone()
    assert e.log().count("guest-exec qga-1: ") == 1, "it was answered when it began"


def test_an_executor_whose_program_nobody_asked_after_stays(made):
    e, link = made("level = full", idle=1)
    pid = start_program(link, "exit 7")
    wait_for(lambda: "exit 7" in e.log(), "it has ended")
    link.close()
    time.sleep(1.6)  # with nothing to do it would have gone
    with Link(e.path) as again:
        assert exec_status(again, pid)["exitcode"] == 7
        assert again.ask("job", op="status", job=None)["data"] == {"jobs": []}
        assert again.next()["type"] == "bye", "there is nothing left to be asked after"
    e.wait_gone()
    assert e.starts == 1


# -- files ------------------------------------------------------------------------------------------

def open_file(link, path, **arguments):
    return value(qga(link, "guest-file-open", path=str(path), **arguments))


def read_file(link, handle, count):
    return base64.b64decode(value(qga(link, "guest-file-read", handle=handle, count=count))["buf-b64"])


def test_a_file_is_read_on_from_where_it_was_left(made, fake, tmp_path):
    _, link = made("level = full")
    path = tmp_path / "text"
    path.write_text("0123456789")
    handle = open_file(link, path)
    assert (handle, open_file(link, path)) == (1000, 1001)
    assert [read_file(link, handle, 4), read_file(link, handle, 4), read_file(link, 1001, 3)] == [
        b"0123", b"4567", b"012"]
    assert fake.wait_told("guest-file-read")["message"]["file"] == {
        "path": str(path), "mode": "r", "dev": 1, "ino": 2, "position": 0}
    assert value(qga(link, "guest-file-flush", handle=handle)) is None
    assert fake.wait_told("guest-file-flush")["message"]["file"]["position"] == 8
    assert value(qga(link, "guest-file-close", handle=handle)) is None
    for name in ("guest-file-close", "guest-file-read", "guest-file-flush"):
        assert error(qga(link, name, handle=handle)) == ("NOT_FOUND", "handle '1000' has not been found")
    assert open_file(link, path) == 1002, "a handle is never given twice"


def test_an_executor_that_comes_after_goes_on_with_files(made, tmp_path):
    e, link = made("level = full", idle=1)
    path = tmp_path / "text"
    path.write_text("0123456789")
    handle, other = open_file(link, path), open_file(link, path)
    assert read_file(link, handle, 4) == b"0123"
    value(qga(link, "guest-file-close", handle=other))
    folder = e.folder / "run" / "qga-files"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    e.kill()
    link.close()
    with Link(e.path) as again:
        assert read_file(again, handle, 4) == b"4567"
        assert error(qga(again, "guest-file-read", handle=other))[0] == "NOT_FOUND"
        assert open_file(again, path) == other + 1


def test_one_request_at_a_time_for_each_file(made, fake, tmp_path):
    _, link = made("level = full")
    path = tmp_path / "text"
    path.write_text("0123456789")
    handle, other = open_file(link, path), open_file(link, path)
    fake.plan("guest-file-read", until=str(tmp_path / "go"))
    ref = link.send("qga", channel="q", command="guest-file-read", arguments={"handle": handle, "count": 4})
    for name in ("guest-file-read", "guest-file-close"):
        assert error(qga(link, name, channel="r", handle=handle)) == (
            "BUSY", f"handle '{handle}' is busy with another request")
    assert value(qga(link, "guest-file-close", handle=other)) is None
    (tmp_path / "go").touch()
    m = link.next()
    assert m["ref"] == ref and value(m)["count"] == 4
    assert value(qga(link, "guest-file-close", handle=handle)) is None


def test_so_many_files_and_no_more(made):
    _, link = made("level = full")
    refs = [link.send("qga", channel="q", command="guest-file-open", arguments={"path": "/x"}) for _ in range(65)]
    results = {m["ref"]: m for m in (link.next() for _ in refs)}
    assert error(results[refs[-1]]) == ("BUSY", "too many files are open")
    assert {value(results[ref]) for ref in refs[:-1]} == set(range(1000, 1064))
    assert value(qga(link, "guest-file-close", handle=1000)) is None
    assert open_file(link, "/x") == 1064


def test_what_says_nothing_of_the_file_has_not_opened_one(made, fake):
    _, link = made("level = full")
    for data in (None, {}, {"file": 1}, {"file": {"path": "x", "position": 0}}, {"file": {"path": "/x"}}):
        fake.plan("guest-file-open", data=data)
        assert error(qga(link, "guest-file-open", path="/x"))[0] == "INTERNAL"


# -- the end of the machine -------------------------------------------------------------------------

@pytest.mark.parametrize("word", ["poweroff", "reboot", "halt"])
def test_the_machine_ends_after_the_answer(made, fake, word):
    _, link = made()
    fake.plan("guest-shutdown", after=word)
    assert value(qga(link, "guest-shutdown")) is None
    after = wait_for(lambda: [t for t in fake.told() if t["kind"] == "after"], "it is done")
    assert [(t["after"], t["forced"]) for t in after] == [(word, False)]


# -- through the agent ------------------------------------------------------------------------------

class Client:
    """One that talks to the agent as libvirt does."""

    def __init__(self, host):
        self.host = host

    def send(self, name, **arguments):
        request = {"execute": name} | ({"arguments": arguments} if arguments else {})
        self.host.send_bytes(json.dumps(request).encode() + b"\n")

    def answer(self):
        line = self.host.line()
        assert line, "no answer"
        return json.loads(line)

    def ask(self, name, **arguments):
        self.send(name, **arguments)
        return self.answer()

    def value(self, name, **arguments):
        return self.ask(name, **arguments)["return"]

    def error(self, name, **arguments):
        e = self.ask(name, **arguments)["error"]
        return e["class"], e["desc"]


@pytest.fixture
def client(start, fake, executor):
    """client(lines of the executor's [qga], those of the agent's): executor and client."""
    def make(config="", agents="level = full", **options):
        e = executor(job=fake.program, config=f"[qga]\n{config}\n", **options)
        path = start.folder / "qga.sock"
        agent = start("--executor", e.path, channels=[f"unix-listen:{path},dialect=qga"], config=f"[qga]\n{agents}\n")
        agent.wait_log("qga.sock.*: open")
        return e, Client(start.host(agent, greeted=False, socket=path))
    return make


def test_a_client_has_its_value_and_its_error(client, fake):
    e, c = client()
    fake.plan("guest-set-vcpus", data=1)
    assert c.value("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": True}]) == 1
    assert c.value("guest-set-time") == {}
    fake.plan("guest-set-time", code="UNSUPPORTED", error="no clock")
    assert c.error("guest-set-time") == ("GenericError", "no clock")
    assert c.error("guest-file-open", path="/x") == (
        "CommandNotFound", "Command guest-file-open has been disabled: the command is not allowed")
    assert e.starts == 1


def test_what_succeeds_in_silence_is_not_answered(client, fake):
    _, c = client()
    c.send("guest-suspend-ram")
    fake.wait_told("guest-suspend-ram")
    assert c.ask("guest-sync", id=5) == {"return": 5}
    fake.plan("guest-suspend-ram", code="UNSUPPORTED", error="no")
    assert c.error("guest-suspend-ram") == ("GenericError", "no")


def test_the_executors_file_counts_whatever_the_agents_says(client, fake):
    _, c = client("level = monitor", "level = full")
    assert c.error("guest-set-time") == (
        "CommandNotFound", "Command guest-set-time has been disabled: the command is not allowed")
    assert fake.told() == []


def test_programs_and_files_through_the_agent(client, tmp_path):
    _, c = client("level = full")
    pid = c.value("guest-exec", path="/bin/sh", arg=["-c", "echo hello"])["pid"]
    s = wait_for(lambda: (lambda s: s["exited"] and s)(c.value("guest-exec-status", pid=pid)), "it has ended")
    assert s == {"exited": True, "exitcode": 0, "out-data": "aGVsbG8K"}
    assert c.error("guest-exec-status", pid=pid) == ("GenericError", f"PID {pid} does not exist")
    (tmp_path / "text").write_text("abc")
    handle = c.value("guest-file-open", path=str(tmp_path / "text"))
    assert c.value("guest-file-read", handle=handle) == {"count": 3, "buf-b64": "YWJj", "eof": False}
    assert c.value("guest-file-close", handle=handle) == {}
    assert c.error("guest-file-read", handle=handle) == ("GenericError", f"handle '{handle}' has not been found")


def test_without_an_executor_what_it_does_is_disabled(start):
    path = start.folder / "qga.sock"
    agent = start("--executor", str(start.folder / "none"), channels=[f"unix-listen:{path},dialect=qga"])
    agent.wait_log("qga.sock.*: open")
    c = Client(start.host(agent, greeted=False, socket=path))
    assert c.error("guest-set-time") == (
        "CommandNotFound", "Command guest-set-time has been disabled: the command is not allowed")
    assert c.value("guest-ping") == {}


def test_an_executor_that_is_killed_is_an_error_and_the_next_command_works(client, fake, tmp_path):
    e, c = client()
    fake.plan("guest-fstrim", until=str(tmp_path / "never"))
    c.send("guest-fstrim")
    fake.wait_told("guest-fstrim")
    e.kill()
    assert c.answer()["error"]["class"] == "GenericError"
    fake.plan("guest-fstrim", data={"paths": []})
    assert c.value("guest-fstrim") == {"paths": []}
    assert e.starts == 2


def test_an_executor_that_stops_says_so(client, fake, tmp_path):
    e, c = client()
    fake.plan("guest-fstrim", until=str(tmp_path / "never"))
    c.send("guest-fstrim")
    fake.wait_told("guest-fstrim")
    e.process.terminate()
    assert c.answer()["error"] == {"class": "GenericError", "desc": "interrupted: the executor stops"}
    e.wait_gone()
    assert c.value("guest-set-time") == {}


def test_a_frozen_guest_serves_little(client, fake):
    e, c = client("level = full")
    handle = c.value("guest-file-open", path="/x")
    record, now = e.folder / "run" / "fsfreeze", time.monotonic_ns() // 1000000
    record.write_text(f"{int(time.time() * 1000)} {now} {now + 600000} {os.getpid()} {started(os.getpid())} 2\n")
    record.chmod(0o644)
    frozen = [c.error(name, **arguments) for name, arguments in {
        "guest-set-time": {}, "guest-file-close": {"handle": handle}, "guest-exec": {"path": "/bin/true"}}.items()]
    assert {cls for cls, _ in frozen} == {"CommandNotFound"}
    assert all(text.endswith("has been disabled: the agent is in frozen state") for _, text in frozen)
    fake.plan("guest-fsfreeze-thaw", data=2)
    assert (c.value("guest-fsfreeze-thaw"), c.value("guest-fsfreeze-status")) == (2, "frozen")
    with Link(e.path) as link:
        assert is_frozen(qga(link, "guest-set-time")), "the executor looks for itself"
    record.unlink()
    assert c.value("guest-set-time") == {} and c.value("guest-file-close", handle=handle) == {}


def started(pid):
    """When that process began, in ticks after boot."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
