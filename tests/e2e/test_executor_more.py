"""The executor under an agent that is not to be trusted, and in moments that are not convenient: by its
link, as whoever had the agent would speak to it, and through the agent."""
import itertools
import json
import os
import random
import resource
import select
import signal
import socket
import time

from executor import do, envelope_v1, raw, run
from harness import DEADLINE, wait_for

PIECE = 32 << 10
FREEZE_FILE = "fsfreeze"


class Link:
    """The agent's end of exec/link.h, in hands that send what they like."""

    def __init__(self, executor):
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.settimeout(DEADLINE)
        self.end.connect(str(executor.path))
        self.refs = itertools.count(1)
        self.part = b""
        self.sessions = {}

    def send(self, kind, **members):
        ref = next(self.refs)
        data = json.dumps({"type": kind, "ref": ref, **members}).encode()
        pieces = [data[i:i + PIECE] for i in range(0, len(data), PIECE)]
        for i, piece in enumerate(pieces):
            self.end.send((b"." if i == len(pieces) - 1 else b"+") + piece)
        return ref

    def next(self):
        """The next message, or None when the executor has hung up."""
        while True:
            packet = self.end.recv(PIECE + 2)
            if not packet:
                return None
            self.part += packet[1:]
            if packet[:1] == b".":
                whole, self.part = self.part, b""
                return json.loads(whole)

    def responses_to(self, refs):
        found = {}
        while len(found) < len(refs):
            m = self.next()
            assert m, "the executor has hung up"
            if m["type"] == "forward" and m["final"] and m["ref"] in refs:
                assert m["ref"] not in found
                found[m["ref"]] = json.loads(m["line"])
        return [found[ref] for ref in refs]

    def answer_to(self, ref):
        """What ends the question, and what came before it."""
        before = []
        while True:
            m = self.next()
            assert m, "the executor has hung up"
            if m.get("ref") == ref and (m["type"] != "forward" or m["final"]):
                return m, before
            before.append(m)

    def open(self, channel="c"):
        m, _ = self.answer_to(self.send("session_open", channel=channel))
        if m["type"] == "session_opened":
            self.sessions[channel] = m["session"]
        return m

    def submit(self, message, channel="c"):
        line = message if isinstance(message, str) else json.dumps(message)
        return self.send("submit", channel=channel, session=self.sessions[channel], line=line)

    def response_to(self, ref):
        m, before = self.answer_to(ref)
        return json.loads(m["line"]), before

    def do(self, payload, channel="c"):
        return self.response_to(self.submit(envelope_v1(payload), channel))[0]

    def status(self, job=None):
        m, _ = self.answer_to(self.send("job", op="status", **({"job": job} if job else {})))
        return m

    def state(self, job):
        m = self.status(job)
        return m["data"]["jobs"][-1]["state"] if m["data"] else None

    def close(self):
        self.end.close()


def linked(executor, channel="c", **options):
    e = executor(**options)
    link = Link(e)
    assert link.open(channel)["type"] == "session_opened"
    return e, link


def action(name, ident, timeout=20, **arguments):
    stream = {"stream": arguments.pop("stream")} if "stream" in arguments else {}
    return {"type": "SafeCommand", "id": ident, "command_type": {"action": name, **arguments}, "timeout": timeout,
            **stream}


def stand_in(folder, text):
    """A program in the place of vmvitals-job, for what the real one would do to this machine."""
    path = folder / "job"
    path.write_text("#!/bin/bash\nread -r -d '' what <&3\necho >&4\n"
                    'done_() { echo \'{"error_code":null,"error":null,"text":"done","data":null,"is_childs":false,'
                    '"exit_code":0,"after":null,"after_forced":false,"after_delay_s":0}\' >&4; }\n' + text)
    path.chmod(0o755)
    return "--job", str(path)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def memory_of(pid):
    """The most that it ever used, in KiB."""
    return int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM")).split()[1])


# -- exactly one answer ------------------------------------------------------------------------------

def test_each_question_is_settled_once(executor):
    """One that stays open is kept by the agent for ever, and keeps it from letting the executor go."""
    e, link = linked(executor)
    refs = [link.submit("no JSON"), link.submit({"type": "SafeCommand"}), link.submit(envelope_v1("{}")),
            link.submit(envelope_v1({"type": "pending_scripts_response", "timestamp": "", "scripts": []})),
            link.submit(envelope_v1({"type": "pending_scripts_response", "timestamp": "", "scripts": None})),
            link.submit(envelope_v1(raw("echo", None))),
            link.submit(envelope_v1(raw("echo", "a"))),
            link.send("submit", channel="c", session="x" * 99, line="{}"),
            link.send("verify", channel="c", session="c"),
            link.send("session_open", channel="a name"),
            link.send("session_open"), link.send("job", op="status"), link.send("job", op="cancel", job="none")]
    settled = []
    while set(settled) < set(refs):
        m = link.next()
        assert m, e.log()
        if m["type"] != "forward" or m["final"]:
            settled.append(m["ref"])
    assert link.answer_to(link.send("job", op="status"))[1] == [] and sorted(settled) == refs


def test_one_id_is_one_job(executor, tmp_path):
    """An answer that serves both would be lost on the one who asked on another channel, or later."""
    _, link = linked(executor)
    link.open("d")
    first = link.submit(envelope_v1(raw(f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo one", "same")))
    wait_for(lambda: link.state("same") == "running", "it runs")
    for channel in "c", "d":
        again = link.do(raw(f"touch {tmp_path}/twice", "same"), channel)
        assert (again["error_code"], again["id"]) == ("BUSY", "same") and again["error"].startswith("refused: ")
    (tmp_path / "go").touch()
    assert link.response_to(first)[0]["stdout"] == "one\n" and not (tmp_path / "twice").exists()


def test_scripts_do_not_keep_it_from_leaving(pair):
    e, _, host = pair(idle=1)
    host.send(envelope_v1({"type": "pending_scripts_response", "timestamp": "", "scripts": [{}]}))
    wait_for(lambda: "1 without id or text" in e.log(), "they were looked at")
    e.wait_gone()
    assert e.process.returncode == 0


def test_the_end_of_a_session_settles_what_was_asked_in_it(executor):
    _, link = linked(executor, config="[exec]\njobs = 1\n")
    running = link.submit(envelope_v1(raw("sleep 1000", "r", timeout=600, on_disconnect="finish")))
    waiting = link.submit(envelope_v1(raw("true", "w", timeout=600, on_disconnect="cancel")))
    wait_for(lambda: link.state("w") == "queued", "it waits")
    link.send("session_close", channel="c", session=link.sessions["c"])
    assert link.answer_to(running)[0]["type"] == "result" and link.answer_to(waiting)[0]["type"] == "result"
    assert link.state("r") == "running" and link.state("w") == "cancelled"


def test_what_a_script_came_to_is_told_though_the_executor_is_another_one(pair, tmp_path):
    """Its session began before this executor did."""
    e, _, host = pair(idle=1)
    wait_for(lambda: e.starts == 1, "it was there")
    e.wait_gone()
    host.send(envelope_v1({"type": "pending_scripts_response", "timestamp": "", "scripts": [
        {"execution_id": "x1", "script_id": "s", "script_name": "n", "script_content": "echo told", "shell": "BASH",
         "execution_type": "ON_DEMAND", "input_values": {}, "timeout_seconds": 60, "run_as": None}]}))
    m = host.expect("script_completion")
    assert (m["execution_id"], m["exit_code"], m["stdout"]) == ("x1", 0, "told\n") and e.starts == 2


# -- what is kept ------------------------------------------------------------------------------------

def test_what_ended_last_is_forgotten_last(executor, tmp_path):
    """However long it took: it is what a host that was not told comes back for."""
    _, link = linked(executor)
    link.open("d")
    for n in range(3):
        link.submit(envelope_v1(raw(f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", f"long{n}", timeout=600)))
    wait_for(lambda: all(link.state(f"long{n}") == "running" for n in range(3)), "they run")
    for n in range(70):
        assert link.do(raw("true", f"short{n}"), "d")["success"]
    assert link.state("short0") is None and link.state("short69") == "finished"
    assert all(link.state(f"long{n}") == "running" for n in range(3))
    (tmp_path / "go").touch()
    wait_for(lambda: all(link.state(f"long{n}") == "finished" for n in range(3)), "they have ended")
    assert link.state("short69") == "finished" and link.state("short8") is None


def test_jobs_of_a_session_end_with_it_whatever_is_forgotten_meanwhile(executor):
    """Each that is ended lets go of an older one; none of those that are still to be ended."""
    e, link = linked(executor, config="[exec]\njobs = 1\n")
    link.open("d")
    for n in range(64):
        assert link.do(raw("true", f"old{n}"), "d")["success"]
    hold = link.submit(envelope_v1(raw("sleep 1000", "hold", timeout=600)), "d")
    for n in range(60):
        link.submit(envelope_v1(raw("true", f"w{n}", timeout=600, on_disconnect="cancel")))
    wait_for(lambda: link.state("w59") == "queued", "all wait")
    link.send("session_close", channel="c", session=link.sessions["c"])
    assert all(link.state(f"w{n}") == "cancelled" for n in range(60)) and link.state("old59") is None
    assert link.state("hold") == "running" and link.state("old63") == "finished"
    link.send("job", op="cancel", job="hold")
    assert link.response_to(hold)[0]["error"] == "cancelled" and e.is_running()


def test_a_session_that_ended_in_a_job_does_not_keep_the_executor(start, pair):
    """Nor does the answer that nobody could be given, which the next one has."""
    e, agent, host = pair(idle=1)
    payload = raw("sleep 1; echo here", host.fresh_id())
    host.actions[payload["id"]] = "UnsafeCommand"
    host.send(envelope_v1(payload))
    wait_for(lambda: host.ask("JobStatus", job=payload["id"])["success"], "it runs")
    host.close()
    e.wait_gone()
    host = start.host(agent)
    assert host.data_of("JobStatus", job=payload["id"])["jobs"][0]["response"]["stdout"] == "here\n" and e.starts == 2


# -- stopping ----------------------------------------------------------------------------------------

def test_a_transaction_outlives_the_executor(executor, tmp_path):
    """Which it may be that installs the executor anew: then it must not end with the old one."""
    e, link = linked(executor, level="operate", args=stand_in(
        tmp_path, f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid\ntrap '' PIPE\n"
                  f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; echo more; done 2>/dev/null\ntouch {tmp_path}/done\n"))
    ref = link.submit(envelope_v1(action("PackageInstall", "p", package="x")))
    wait_for((tmp_path / "pid").exists, "it has begun")
    pid = int((tmp_path / "pid").read_text())
    e.process.send_signal(signal.SIGTERM)
    answer = link.response_to(ref)[0]
    assert (answer["error_code"], answer["error"]) == ("INTERNAL", "interrupted: the executor stops, the work goes on")
    e.process.wait(DEADLINE)
    assert e.process.returncode == 0 and is_alive(pid)
    (tmp_path / "go").touch()
    wait_for((tmp_path / "done").exists, "it was let finish")
    link.close()


def test_what_may_be_ended_ends_with_the_executor(executor, tmp_path):
    e, link = linked(executor, config="[exec]\njobs = 1\n")
    running = link.submit(envelope_v1(raw(f"echo $$ > {tmp_path}/pid; sleep 1000", "r", timeout=600)))
    waiting = link.submit(envelope_v1(raw("true", "w", timeout=600)))
    wait_for((tmp_path / "pid").exists, "it runs")
    e.process.send_signal(signal.SIGTERM)
    for ref in running, waiting:
        answer = link.response_to(ref)[0]
        assert (answer["error_code"], answer["error"]) == ("INTERNAL", "interrupted: the executor stops")
    e.process.wait(DEADLINE)
    assert e.process.returncode == 0 and not is_alive(int((tmp_path / "pid").read_text()))
    link.close()
    link = Link(e)
    assert link.state("r") == "interrupted" and link.state("w") == "interrupted"


def test_a_transaction_that_is_late_does_not_wait_for_a_reader(executor, tmp_path):
    """The host was told that it goes on: so it must, though nobody takes its output any more."""
    e, link = linked(executor, level="operate", args=stand_in(
        tmp_path, f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; head -c 2000000 /dev/zero\n"
                  f"touch {tmp_path}/done; done_\n"))
    ref = link.submit(envelope_v1(action("PackageInstall", "p", package="x", timeout=1, stream=True)))
    answer, _ = link.response_to(ref)
    assert answer["error_code"] == "TIMED_OUT" and answer["data"] == {"still_running": True}
    (tmp_path / "go").touch()
    wait_for((tmp_path / "done").exists, "it goes on")
    wait_for(lambda: link.state("p") == "finished", "it has ended")
    m, before = link.answer_to(link.send("job", op="status", job="p"))
    assert not before and m["data"]["jobs"][0]["response"]["success"] and e.is_running()


def test_what_is_left_behind_is_nobodys_zombie(pair):
    e, _, host = pair()
    for _ in range(5):
        assert run(host, "setsid sleep 0.2 >/dev/null 2>&1 </dev/null & echo $!")["success"]
    time.sleep(0.5)
    with open(f"/proc/{e.pid}/task/{e.pid}/children") as f:
        assert f.read().split() == []


# -- frozen ------------------------------------------------------------------------------------------

def freeze(e):
    """As the guard writes it down: this process is the guard."""
    with open("/proc/self/stat") as f:
        start = f.read().rsplit(")", 1)[1].split()[19]
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000
    new = e.folder / "run" / "freeze.new"
    new.write_text(f"{int(time.time() * 1000)} {now} {now + 600000} {os.getpid()} {start} 1\n")
    new.rename(e.folder / "run" / FREEZE_FILE)


def written(e):
    return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in (e.folder / "state").rglob("*") if p.is_file()}


def test_nothing_is_written_while_filesystems_are_frozen(executor):
    """Not even the nonce of the thaw: it would hang, and with it what is to thaw them."""
    e, link = linked(executor)
    assert link.do(raw("true", "before"))["success"]
    before = written(e)
    freeze(e)
    envelope = envelope_v1(raw("true", "during"))
    answer = link.response_to(link.submit(envelope))[0]
    assert (answer["error_code"], answer["error"]) == ("BUSY", "refused: filesystems are frozen")
    assert written(e) == before
    (e.folder / "run" / FREEZE_FILE).unlink()
    wait_for(lambda: written(e) != before, "it was made up for")
    assert link.response_to(link.submit(envelope))[0]["error_code"] == "REPLAYED"
    assert link.do(raw("true", "after"))["success"]


def test_the_thaw_waits_for_nobody(executor, tmp_path):
    """What runs hangs until then; what waits must not begin."""
    e, link = linked(executor, config="[exec]\njobs = 1\n", args=stand_in(
        tmp_path, f"case $what in *FsThaw*) done_; exit;; *FsFreeze*) touch {tmp_path}/freezing;; esac\n"
                  f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; done_\n"))
    frozen = link.submit(envelope_v1(action("FsFreeze", "f")))
    wait_for((tmp_path / "freezing").exists, "it freezes")
    assert link.do(action("FsTrim", "t"))["error"] == "refused: filesystems are frozen"
    assert link.do(action("FsThaw", "u"))["success"]
    freeze(e)
    (tmp_path / "go").touch()
    assert link.response_to(frozen)[0]["success"]
    assert link.do(action("FsTrim", "v"))["error"] == "refused: filesystems are frozen"
    (e.folder / "run" / FREEZE_FILE).unlink()
    wait_for(lambda: link.do(action("FsTrim", f"w{time.monotonic()}"))["success"], "they are thawed")


def test_what_waits_does_not_begin_on_frozen_filesystems(executor, tmp_path):
    e, link = linked(executor, config="[exec]\njobs = 1\n")
    first = link.submit(envelope_v1(raw(f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", "a")))
    second = link.submit(envelope_v1(raw(f"touch {tmp_path}/begun", "b")))
    wait_for(lambda: link.state("b") == "queued", "it waits")
    freeze(e)
    (tmp_path / "go").touch()
    assert link.response_to(first)[0]["success"]
    assert link.response_to(second)[0]["error"] == "refused: filesystems are frozen"
    assert not (tmp_path / "begun").exists()
    (e.folder / "run" / FREEZE_FILE).unlink()


# -- odd commands ------------------------------------------------------------------------------------

def test_what_cannot_be_started_is_answered_and_takes_no_place(executor, tmp_path):
    _, link = linked(executor, args=("--job", tmp_path / "none"), config="[exec]\njobs = 1\n")
    for n in range(5):
        answer = link.do(raw("true", f"r{n}"))
        assert answer["error_code"] == "INTERNAL" and "none" in answer["error"]
    assert all(job["state"] == "finished" for job in link.status()["data"]["jobs"])


def test_odd_timeouts_are_bounds_or_the_default(executor):
    _, link = linked(executor)
    for n, timeout in enumerate((0, -1, 1, 10 ** 12, 2 ** 63, -2 ** 70, 1.5, "1", None, True, [])):
        assert link.do(raw("echo", f"t{n}", timeout=timeout))["success"], timeout
        began = time.monotonic()
    refs = [link.submit(envelope_v1(raw("sleep 1000", f"s{n}", timeout=1))) for n in range(20)]
    for answer in link.responses_to(refs):  # some wait for a place, and for less than they would take
        assert answer["error_code"] in ("TIMED_OUT", "BUSY") and answer["execution_time_ms"] < 5000
    assert time.monotonic() - began < DEADLINE


def test_what_waits_is_judged_by_the_policy_of_its_turn(executor, tmp_path):
    e, link = linked(executor, config="[exec]\njobs = 1\n")
    first = link.submit(envelope_v1(raw(f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", "a")))
    second = link.submit(envelope_v1(raw(f"touch {tmp_path}/begun", "b")))
    link.answer_to(link.submit(envelope_v1({"type": "pending_scripts_response", "timestamp": "", "scripts": [
        {"execution_id": n, "script_content": f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", "timeout_seconds": 60}
        for n in ("s1", "s2")]})))
    wait_for(lambda: link.state("b") == "queued" and link.state("s1") == "running", "one waits")
    e.set_config("[agent]\nvm_id = lab\n[policy]\nlevel = operate\n[exec]\njobs = 1\n")
    e.reload()
    wait_for(lambda: "read again" in e.log(), "it is in force")
    (tmp_path / "go").touch()
    told, answers = [], {}
    while len(told) < 2 or len(answers) < 2:
        m = link.next()
        if m.get("execution_id"):
            told.append(json.loads(m["line"]))
        elif m["type"] == "forward":
            answers[m["ref"]] = json.loads(m["line"])
    assert answers[first]["success"]
    assert answers[second]["error_code"] == "NOT_ALLOWED" and not (tmp_path / "begun").exists()
    assert [(t["execution_id"], t["exit_code"]) for t in told] == [("s1", 0), ("s2", -1)]
    assert told[1]["stderr"].startswith("refused: ")


# -- sessions ----------------------------------------------------------------------------------------

COUNTER = "0123456789abcdef 00000000000000000007\n"


def test_a_session_without_its_counters_is_never_the_current_one(executor):
    """Whoever has the agent can fill the disk that sessions lie on, and would like to be sent again what
    was signed for one of them."""
    e, link = linked(executor)
    folder = e.folder / "run"
    counters = folder / f"counters-{link.sessions['c']}"
    counters.write_text(COUNTER)
    (folder / "sessions.tmp").mkdir()  # no other can be written down
    assert link.open()["type"] == "result" and counters.exists()
    link.send("session_close", channel="c", session=link.sessions["c"])
    link.status()
    assert not counters.exists() and link.sessions["c"] not in (
        (folder / "sessions").read_text() if (folder / "sessions").exists() else "")


def test_sessions_of_channels_that_are_gone_make_room(executor):
    """The agent ended without a word, and its settings name others now."""
    e, link = linked(executor, channel="c0")
    for n in range(1, 12):
        assert link.open(f"c{n}")["type"] == "session_opened"
        assert link.do(raw("true", f"j{n}"), f"c{n}")["success"]
    lines = (e.folder / "run" / "sessions").read_text().split()
    assert lines[1::2] == [f"c{n}" for n in range(4, 12)] and lines[::2] == [link.sessions[c] for c in lines[1::2]]


# -- an agent that means ill -------------------------------------------------------------------------

def test_an_agent_that_does_not_read_is_not_read_either(executor):
    e, link = linked(executor)
    for n in range(7):
        assert link.do(raw("head -c 2000000 /dev/zero | tr '\\0' x", f"j{n}"))["success"]
    one = len(json.dumps(link.status()))
    assert one > 2 << 20
    link.end.setblocking(False)
    sent = 0
    try:
        for sent in range(20000):
            link.send("job", op="status")
            if sent % 50 == 0:
                time.sleep(0.02)
    except BlockingIOError:
        pass
    assert 0 < sent < 19000 and memory_of(e.pid) < 96 << 10, f"{memory_of(e.pid)} KiB after {sent} questions"
    link.end.settimeout(DEADLINE)
    for _ in range(20):  # and goes on when it reads
        assert link.next()["type"] == "result"
    link.close()
    other = Link(e)
    assert other.open("d")["type"] == "session_opened"


def test_an_agent_that_never_reads_its_answers_is_hung_up_on(executor):
    """It learns that way that they do not come; JobStatus has them."""
    e, link = linked(executor)
    for n in range(64):
        link.submit(envelope_v1(raw("head -c 1100000 /dev/zero | tr '\\0' x | tee /dev/stderr", f"j{n}", timeout=600)))
    wait_for(lambda: "connection to the agent lost" in e.log(), "it was given up", 4 * DEADLINE)
    assert memory_of(e.pid) < 160 << 10, f"{memory_of(e.pid)} KiB"
    other = Link(e)
    wait_for(lambda: other.state("j63") == "finished", "all have ended", 4 * DEADLINE)
    assert e.starts == 1


def test_refusals_do_not_flood_the_journal(executor):
    e, link = linked(executor)
    refs = [link.submit(envelope_v1(raw("true", f"u{n}"), secret="0" * 64)) for n in range(400)]
    assert all(link.response_to(ref)[0]["error"] == "refused: wrong signature" for ref in refs)
    assert link.do(raw("true", "good"))["success"]
    assert 10 < e.log().count("wrong signature") < 200 and "good" in e.log()
    time.sleep(1)
    link.response_to(link.submit(envelope_v1(raw("true", "last"), secret="0" * 64)))
    assert "more such lines, connections or sessions were refused" in e.log()


def test_noise_does_not_flood_the_journal(executor):
    e, link = linked(executor)
    for _ in range(300):
        link.end.send(b".no message")
    for _ in range(50):
        bad = Link(e)
        bad.end.send(b"?")
        assert bad.next() is None
        bad.close()
    others = [Link(e) for _ in range(3)]  # with the first one all that it serves
    assert others[-1].status()["data"]
    for _ in range(50):
        one_more = Link(e)
        assert one_more.next() is None
        one_more.close()
    assert link.do(raw("true", "good"))["success"]
    assert len(e.log().splitlines()) < 100
    for other in others:
        other.close()


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_it_rests(executor):
    """What cannot be accepted is announced again and again."""
    e, link = linked(executor)
    limits = resource.prlimit(e.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(e.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    other = Link(e)
    wait_for(lambda: "cannot take a connection" in e.log(), "it has tried")
    before = cpu_of(e.pid)
    time.sleep(2)
    assert cpu_of(e.pid) - before < 0.5
    resource.prlimit(e.pid, resource.RLIMIT_NOFILE, limits)
    assert other.open("d")["type"] == "session_opened" and link.status()["data"]


# -- what it believes --------------------------------------------------------------------------------

def test_settings_that_others_can_write_are_refused(executor):
    e = executor(level="full")
    e.config.chmod(0o666)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(str(e.path))
        wait_for(lambda: e.process is not None and e.process.poll() is not None, "it gives up")
        assert e.process.returncode == 78 and "nobody else may write" in e.log()
        e.config.chmod(0o644)

    def opened():
        """The one that ends turns away whoever comes too soon."""
        link = Link(e)
        try:
            return link if link.open()["level"] == "full" else None
        except (AssertionError, ConnectionError):
            return None

    link = wait_for(opened, "it is back")
    folder = e.config.with_suffix(".conf.d")
    folder.mkdir()
    (folder / "more.conf").write_text("[policy]\nlevel = monitor\n")
    folder.chmod(0o777)
    e.reload()
    wait_for(lambda: "the old one stays" in e.log(), "it was refused")
    assert link.open()["level"] == "full"
    folder.chmod(0o755)
    e.reload()
    wait_for(lambda: link.open()["level"] == "monitor", "it was taken")


def test_a_command_is_run_as_it_was_signed(pair):
    """Characters that a JSON library up to json-c 0.16 takes for halves of others."""
    _, _, host = pair()
    text = "printf %s '\U0001d800\U0001f600\U0002d800é'"
    payload = raw(text, host.fresh_id())
    assert "\\ud836" in json.dumps(payload)
    assert do(host, payload)[0]["stdout"] == "\U0001d800\U0001f600\U0002d800é"


# -- a storm -----------------------------------------------------------------------------------------

def one_question(link, rng, n):
    """Sends something; returns its number if it is to be answered."""
    channel = rng.choice(sorted(link.sessions) or ["c0"])
    payload = raw(rng.choice(["true", "exit 3", "head -c 100000 /dev/zero", "sleep 0.2", "sleep 30", "setsid sleep 1 &"]),
                  f"q{n % 40 if rng.random() < 0.2 else n}", timeout=rng.choice([1, 2, 6]), stream=rng.random() < 0.5,
                  on_disconnect=rng.choice(["finish", "cancel"]))
    what = rng.random()
    if what < 0.1 or channel not in link.sessions:
        channel = f"c{rng.randrange(10)}"
        ref = link.send("session_open", channel=channel)
        link.asked[ref] = channel
        return ref
    if what < 0.15:
        link.send("session_close", channel=channel, session=link.sessions.pop(channel))
        return None
    if what < 0.25:
        return link.send("job", op="cancel", job=f"q{rng.randrange(n + 1)}")
    if what < 0.3:
        return link.send("job", op="status")
    if what < 0.4:
        link.send("taken", bytes=rng.randrange(1 << 20))
        return None
    if what < 0.5:
        return link.submit(envelope_v1(payload, secret="0" * 64), channel)
    return link.submit(envelope_v1(payload), channel)


def collect(link, waits, until):
    """Notes what has come, and that nothing is answered twice."""
    while link.open_refs and time.monotonic() < until:
        link.end.settimeout(max(0.001, until - time.monotonic()) if waits else 0.001)
        try:
            m = link.next()
        except TimeoutError:
            return
        finally:
            link.end.settimeout(DEADLINE)  # who sends next has more time
        assert m, "the executor has hung up"
        if m["type"] == "bye" or m["type"] == "forward" and not m["final"]:
            continue
        assert m["ref"] in link.open_refs, m
        link.open_refs.discard(m["ref"])
        if m["type"] == "session_opened":
            link.sessions[link.asked[m["ref"]]] = m["session"]


def make_room(link):
    """Reads until it can be sent to: who does not read is not read."""
    until = time.monotonic() + DEADLINE
    while not select.select([], [link.end], [], 0)[1] and time.monotonic() < until:
        collect(link, True, time.monotonic() + 0.1)
    link.end.settimeout(DEADLINE)


def test_in_a_storm_each_question_is_answered_once(executor):
    """By links that come and go, sessions that end, jobs that are cancelled, late, or too many."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    e = executor(config="[exec]\njobs = 4\n")
    links, n, end = [], 0, time.monotonic() + 5
    while time.monotonic() < end:
        if len(links) < 3:
            link = Link(e)
            link.open_refs, link.asked = set(), {}
            links.append(link)
        link = rng.choice(links)
        n += 1
        make_room(link)
        ref = one_question(link, rng, n)
        if ref:
            link.open_refs.add(ref)
        collect(link, False, time.monotonic() + 0.005)
        if rng.random() < 0.005:
            link.close()
            links.remove(link)
        if rng.random() < 0.002:
            e.reload()
    for link in links:
        collect(link, True, time.monotonic() + 2 * DEADLINE + 5)
        assert not link.open_refs, f"seed {seed}: {len(link.open_refs)} of {n} questions were not answered"
    assert e.starts == 1 and e.is_running(), f"seed {seed}: {e.log()[-3000:]}"
