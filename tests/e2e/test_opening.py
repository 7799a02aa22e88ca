"""Sessions whose executor is late, silent, gone or slow: an executor that the test plays, behind the real agent."""
import json
import os
import select
import signal
import socket
import threading
import time
import uuid

import pytest
from executor import do, envelope_v1, raw, run
from harness import DEADLINE, command, to_line, wait_for

PIECE = 32 << 10


class Played:
    """The executor's end of its socket."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen(16)
        self.peer = None
        self.line = b""
        self.sessions = []

    def accept(self, timeout=DEADLINE):
        assert self.has_caller(timeout), f"no connection within {timeout} s"
        self.peer, _ = self.listener.accept()
        self.line = b""

    def has_caller(self, timeout):
        return bool(select.select([self.listener], [], [], timeout)[0])

    def next(self, kind=None, timeout=DEADLINE):
        """The next message; of this type: others before it are dropped. None: hung up, or nothing in time."""
        deadline = time.monotonic() + timeout
        if not self.peer:
            self.accept(timeout)
        while select.select([self.peer], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                packet = self.peer.recv(PIECE + 1)
            except ConnectionResetError:
                packet = b""
            if not packet:
                self.hang_up()
                return None
            self.line += packet[1:]
            if packet[:1] == b".":
                m, self.line = json.loads(self.line), b""
                if kind in (None, m["type"]):
                    return m
        return None

    def expect(self, kind, timeout=DEADLINE):
        m = self.next(kind, timeout)
        assert m, f"no {kind} within {timeout} s"
        return m

    def send(self, **message):
        line = json.dumps(message).encode()
        for at in range(0, len(line), PIECE):
            piece = line[at:at + PIECE]
            self.peer.sendall((b"." if at + len(piece) == len(line) else b"+") + piece)

    def opened(self, asked, **members):
        self.sessions.append(str(uuid.uuid4()))
        self.send(**({"type": "session_opened", "ref": asked["ref"], "channel": asked["channel"],
                      "session": self.sessions[-1], "vm_id": "lab", "level": "full", "can_verify": True,
                      "capabilities": ["unsafe_commands", "streaming", "signed_v1"], "keys": []} | members))

    def serve_open(self, **members):
        asked = self.expect("session_open")
        self.opened(asked, **members)
        return asked

    def forward(self, to, kind, line, final=False, **members):
        self.send(**({"type": "forward", "ref": to["ref"], "channel": to["channel"], "session": self.sessions[-1], "class": kind,
                      "final": final, "vouched": True, "execution_id": None, "line": json.dumps(line, separators=(",", ":"))} | members))

    def hang_up(self):
        if self.peer:
            self.peer.close()
        self.peer = None

    def close(self):
        self.hang_up()
        self.listener.close()


def response(ident, **members):
    return {"type": "response", "timestamp": "2026-07-14T12:00:00.000Z", "id": ident, "success": True, "exit_code": 0,
            "stdout": "", "stderr": "", "execution_time_ms": 1, "command_type": "unsafe", "data": None} | members


def output(ident, seq, data):
    return {"type": "output", "timestamp": "2026-07-14T12:00:00.000Z", "id": ident, "stream": "stdout", "seq": seq, "data": data}


def completion_of(ident):
    return {"type": "script_completion", "timestamp": "2026-07-14T12:00:00.000Z", "execution_id": ident, "exit_code": 0,
            "stdout": "", "stderr": "", "log_file": None}


@pytest.fixture
def played(sockets):
    executor = Played(sockets / "execd.sock")
    yield executor
    executor.close()


@pytest.fixture
def begin(start, played):
    """An agent behind the played executor, which has opened the session of its host."""
    def make(*args, config="[scripts]\nenabled = no\n", **options):
        agent = start("--executor", played.path, "--vm-id", "lab", "--interval", "3600", *args, config=config, **options)
        host = start.host(agent, greeted=False)
        played.serve_open()
        host.handshake, host.metrics = host.greet()
        assert host.session == played.sessions[-1] and host.handshake["policy"]["executor"]
        return agent, host
    return make


def submitted(host, played, ident=None, **members):
    """A raw command that has reached the executor: (its id, the executor's question)."""
    payload = raw("true", ident or host.fresh_id(), **members)
    host.actions[payload["id"]] = "UnsafeCommand"
    host.send(envelope_v1(payload))
    return payload["id"], played.expect("submit")


def silent_agent(start, played, *args, **options):
    options.setdefault("config", "[scripts]\nenabled = no\n")
    return start("--executor", played.path, "--vm-id", "lab", "--interval", "3600", *args, **options)


# -- late, silent, gone ----------------------------------------------------------------------------

def test_a_late_executor_makes_a_new_session(start, played):
    host = start.host(silent_agent(start, played), greeted=False)
    asked = played.expect("session_open")
    handshake, _ = host.greet()
    assert not handshake["policy"]["executor"] and handshake["capabilities"] == ["metrics", "safe_commands"]
    played.opened(asked)
    handshake, _ = host.greet()
    assert handshake["policy"]["executor"] and handshake["session"] == played.sessions[-1]
    ident, question = submitted(host, played)
    assert question["session"] == played.sessions[-1]
    played.forward(question, "reply", response(ident), final=True)
    assert host.answer_to(ident)[0]["success"]


def test_scripts_are_asked_for_once_the_executor_is_there(start, played):
    host = start.host(silent_agent(start, played, config=""), greeted=False)
    asked = played.expect("session_open")
    host.greet()
    assert host.barrier() == []
    played.opened(asked)
    assert host.greet()[0]["policy"]["executor"]
    assert host.expect("request_pending_scripts")


def test_a_late_executor_is_used_as_soon_as_nothing_is_unanswered(start, played, sockets):
    slow = sockets / "helper"
    slow.write_text("#!/bin/sh\nexec sleep 1000\n")
    slow.chmod(0o755)
    host = start.host(silent_agent(start, played, "--helper", slow), greeted=False)
    asked = played.expect("session_open")
    host.greet()
    host.send(command("PackageList", "slow", timeout=4))
    assert host.data_of("GetState")["jobs"]
    host.actions["slow"] = "PackageList"
    played.opened(asked)
    answer, before = host.answer_to("slow")
    assert not answer["success"] and not [m for m in before if m["type"] == "handshake"]
    assert host.greet()[0]["session"] == played.sessions[-1]


def test_an_executor_that_never_answers_is_done_without(start, played):
    agent = silent_agent(start, played)
    for _ in range(2):
        host = start.host(agent, greeted=False)
        began = time.monotonic()
        handshake, _ = host.greet()
        assert 0.8 < time.monotonic() - began < DEADLINE and not handshake["policy"]["executor"]
        assert host.ask("Ping")["success"]
        host.close()
        start.hosts.remove(host)
    assert agent.stop() == 0


def test_an_executor_that_hangs_up_is_done_without(start, played):
    host = start.host(silent_agent(start, played), greeted=False)
    played.expect("session_open")
    played.hang_up()
    assert not host.greet()[0]["policy"]["executor"]


def test_a_session_without_id_is_none(start, played):
    host = start.host(silent_agent(start, played), greeted=False)
    played.opened(played.expect("session_open"), session=None)
    assert not host.greet()[0]["policy"]["executor"]


def test_a_host_that_comes_and_goes_meanwhile_is_forgotten(start, played):
    agent = silent_agent(start, played)
    for _ in range(3):
        gone = start.host(agent, greeted=False)
        asked = played.expect("session_open")
        gone.close()
        start.hosts.remove(gone)
        agent.wait_log("open")
    host = start.host(agent, greeted=False)
    latest = played.expect("session_open")
    played.opened(asked)  # for nobody
    played.opened(latest)
    assert host.greet()[0]["session"] == played.sessions[-1]
    assert host.barrier() == []


def test_what_comes_while_the_executor_is_asked_is_answered_after_the_greeting(start, played):
    """30 MiB of it: more than one line may be long, and nothing is dropped for want of room."""
    agent = silent_agent(start, played)
    host = start.host(agent, greeted=False)
    asked = played.expect("session_open")
    idents = [f"early-{i}" for i in range(60)]
    for ident in idents:
        host.actions[ident] = "Ping"
    data = b"".join(to_line({**command("Ping", ident), "x_pad": "x" * (512 << 10)}) for ident in idents)
    sender = threading.Thread(target=lambda: host.end.sendall(data))
    os.set_blocking(host.write_fd, True)
    sender.start()
    assert not host.fill(0.5)
    played.opened(asked)
    os.set_blocking(host.read_fd, True)
    handshake, _ = host.greet()
    assert handshake["session"] == played.sessions[-1]
    answered = [host.expect("response")["id"] for _ in idents]
    sender.join(DEADLINE)
    assert answered == idents and not sender.is_alive()


def test_a_reload_finds_another_executor(start, played, sockets):
    config = "[agent]\nvm_id = lab\nexecutor = {}\n[scripts]\nenabled = no\n"
    agent = start("--interval", "3600", config=config.format(sockets / "none"))
    host = start.host(agent)
    assert not host.handshake["policy"]["executor"]
    agent.config.write_text(config.format(played.path))
    agent.signal(signal.SIGHUP)
    agent.wait_log("configuration read again: agent.executor")
    host.send(command("Ping", "new", new_session=True))
    played.serve_open()
    assert host.greet()[0]["policy"]["executor"]
    other = Played(sockets / "other.sock")
    try:  # what is connected, and has nothing to answer, is left
        agent.config.write_text(config.format(other.path))
        agent.signal(signal.SIGHUP)
        assert played.next() is None
        host.send(command("Ping", "newer", new_session=True))
        other.serve_open()
        assert host.expect("handshake")["session"] == other.sessions[-1]
    finally:
        other.close()


# -- new sessions ----------------------------------------------------------------------------------

def test_new_sessions_are_answered_once_each(begin, played):
    """One that nobody has been told of yet is new enough."""
    _, host = begin()
    for i in range(3):
        idents = [f"p{i}-{n}" for n in range(4)]
        host.send(*(command("Ping", ident, new_session=True) for ident in idents), command("Ping", f"after{i}"))
        assert played.expect("session_close")["session"] == played.sessions[-1]
        played.serve_open()
        assert host.greet()[0]["session"] == played.sessions[-1]
        for ident in idents:
            answer, before = host.answer_to(ident)
            assert answer["data"]["session"] == played.sessions[-1] and before == []
        assert host.answer_to(f"after{i}")[1] == []


def test_very_many_new_sessions_at_once(start):
    """Without executor each begins at once; what the end of one cuts off is not answered in another."""
    agent = start("--interval", "3600")
    host = start.host(agent)
    n = 5000
    host.send(*(command("Ping", f"{i}", new_session=True) for i in range(n)), reads=True)
    answers = [host.expect("response")]
    while answers[-1]["id"] != str(n - 1):
        answers.append(host.expect("response"))
        assert answers[-1].get("error_code") == "BUSY" or answers[-1]["data"]["session"] == host.session
    idents = [int(m["id"]) for m in answers]
    assert idents == sorted(set(idents))


def test_a_stop_while_a_new_session_is_asked_for(begin, played):
    agent, host = begin(config="[agent]\nstop_grace = 0\n[scripts]\nenabled = no\n")
    host.send(command("Ping", "never", new_session=True))
    played.expect("session_open")
    agent.signal(signal.SIGTERM)
    assert agent.wait_exit() == 0


def test_a_host_that_leaves_while_a_new_session_is_asked_for(start, begin, played):
    agent, host = begin()
    host.send(command("Ping", "never", new_session=True))
    played.expect("session_open")
    host.close()
    start.hosts.remove(host)
    host = start.host(agent, greeted=False)
    played.serve_open()
    assert host.greet()[0]["session"] == played.sessions[-1]
    assert not [m for m in host.barrier() if m["type"] == "response"]


# -- ends ------------------------------------------------------------------------------------------

def test_commands_end_with_their_session(start, begin, played):
    """The executor answers nobody whose session is over: such a command is in flight no more."""
    agent, host = begin()
    ident, _ = submitted(host, played)
    assert [j["id"] for j in host.data_of("GetState")["jobs"]] == [ident]
    host.close()
    start.hosts.remove(host)
    assert played.expect("session_close")["session"] == played.sessions[-1]
    host = start.host(agent, greeted=False)
    played.serve_open()
    host.greet()
    assert host.data_of("GetState")["jobs"] == []
    again, question = submitted(host, played, ident)  # the same id is a new command
    played.forward(question, "reply", response(again), final=True)
    assert host.answer_to(again)[0]["success"]


def test_an_executor_that_wants_to_leave_may_though_scripts_came(start, begin, played):
    agent, host = begin()
    host.send(envelope_v1({"type": "pending_scripts_response", "timestamp": "x", "scripts": [{"execution_id": "e"}]}))
    played.expect("submit")
    played.send(type="bye")
    assert played.next() is None  # hung up
    host.close()
    start.hosts.remove(host)
    agent.wait_log("open")
    host = start.host(agent, greeted=False)  # the end of the old session did not bring it back
    assert played.expect("session_open")
    played.hang_up()
    host.greet()


# -- verifying -------------------------------------------------------------------------------------

def test_messages_that_are_looked_at_die_with_their_channel(start, played, sockets):
    policy = "[scripts]\nenabled = no\n[policy]\nrequire_signature = yes\n"
    one, two = (f"unix-listen:{sockets}/{n}" for n in "12")
    agent = silent_agent(start, played, channels=[], config=f"[agent]\nchannel = {one}\nchannel = {two}\n{policy}")
    agent.wait_log("/2: open")
    hosts = [start.host(agent, greeted=False, socket=f"{sockets}/{n}") for n in "12"]
    for _ in hosts:
        played.serve_open()
    for host in hosts:
        host.greet()
        for i in range(20):
            host.send(envelope_v1({"type": "keep_alive_request", "sequence_number": i, "timestamp": "x"}))
    asked = [played.expect("verify") for _ in range(40)]
    agent.config.write_text(f"[agent]\nchannel = {one}\n{policy}")
    agent.signal(signal.SIGHUP)
    assert hosts[1].until_end() == []
    for question in asked[:10] + asked[20:30]:  # half of them never
        played.send(type="verdict", ref=question["ref"], error_code=None, error=None, vouched=True, data=None)
    first = [q for q in asked[:10] + asked[20:30] if q["channel"] == one]
    assert [hosts[0].expect("keep_alive")["sequence_number"] for _ in first] == list(range(len(first)))
    assert agent.stop() == 0


def test_a_verdict_that_comes_too_late_does_nothing(start, played):
    policy = "[scripts]\nenabled = no\n[policy]\nrequire_signature = yes\n"
    agent = silent_agent(start, played, config=policy)
    host = start.host(agent, greeted=False)
    played.serve_open()
    host.greet()
    for ident in ("a", "b"):
        host.send(envelope_v1(command("Ping", ident, new_session=True)))
    first, second = played.expect("verify"), played.expect("verify")
    played.send(type="verdict", ref=first["ref"], error_code=None, error=None, vouched=True, data=None)
    played.serve_open()
    host.greet()
    host.answer_to("a")
    played.send(type="verdict", ref=second["ref"], error_code=None, error=None, vouched=True, data=None)
    assert not [m for m in host.collect(1) if m["type"] in ("handshake", "response")]


# -- streams ---------------------------------------------------------------------------------------

def test_output_of_many_jobs_is_accounted_to_each(begin, played):
    """What was taken of one job's output is not told of another's, whatever waits."""
    _, host = begin()
    jobs = [submitted(host, played, stream=True) for _ in range(8)]
    sent = dict.fromkeys((question["ref"] for _, question in jobs), 0)
    for n in range(200):
        for i, (ident, question) in enumerate(jobs):
            line = output(ident, n + 1, "x" * (100 + i))
            played.forward(question, "stream", line)
            sent[question["ref"]] += len(json.dumps(line, separators=(",", ":"))) + 1
    host.acks = True
    for _ in range(1600):
        host.expect("output")
    taken = dict.fromkeys(sent, 0)
    while sum(taken.values()) < sum(sent.values()):
        m = played.expect("taken")
        taken[m["ref"]] += m["bytes"]
    assert taken == sent


def test_a_host_that_never_acknowledges_is_busy_in_the_end(begin, played):
    _, host = begin(config="[protocol]\nqueue_high = 1\n[scripts]\nenabled = no\n")
    n = 0
    while True:
        payload = raw("true", host.fresh_id(), stream=True)
        host.actions[payload["id"]] = "UnsafeCommand"
        host.send(envelope_v1(payload))
        host.send({"type": "barrier", "id": f"b{n}"})
        refused = [m for m in host.answer_to(f"b{n}")[1] if m["type"] == "response"]
        if refused:
            break
        question = played.expect("submit")
        for seq in range(8):
            played.forward(question, "stream", output(payload["id"], seq + 1, "x" * (30 << 10)))
        played.forward(question, "reply", response(payload["id"]), final=True)
        n += 1
        assert n < 20, "never busy"
    assert refused[0]["error_code"] == "BUSY" and n >= 2


# -- an executor that does not read ----------------------------------------------------------------

def test_what_the_executor_does_not_read_is_bounded(begin, played):
    agent, host = begin(config="[protocol]\nin_flight = 1024\n[scripts]\nenabled = no\n")
    idents = [host.fresh_id() for _ in range(150)]
    for ident in idents:
        host.actions[ident] = "UnsafeCommand"
        host.send(envelope_v1(raw("#" * (1 << 20), ident)), reads=True)
    host.send({"type": "barrier", "id": "end"})
    refused = [m for m in host.answer_to("end")[1] if m["type"] == "response"]
    assert 100 < len(refused) < 150 and {m["error_code"] for m in refused} == {"BUSY"}
    with open(f"/proc/{agent.pid}/status", encoding="ascii") as f:
        rss = int(next(line for line in f if line.startswith("VmRSS")).split()[1])
    assert rss < (160 << 10), "KiB"
    for _ in range(150 - len(refused)):  # it reads again
        question = played.expect("submit")
        played.forward(question, "reply", response(json.loads(json.loads(question["line"])["payload"])["id"]), final=True)
    assert len([host.expect("response") for _ in range(150 - len(refused))]) == 150 - len(refused)


def test_what_commands_that_wait_hold_is_bounded(start, sockets):
    slow = sockets / "helper"
    slow.write_text("#!/bin/sh\nexec sleep 1000\n")
    slow.chmod(0o755)
    host = start.host(start("--interval", "3600", "--helper", slow))
    idents = [f"wide-{i}" for i in range(30)]
    for ident in idents:
        host.actions[ident] = "PackageSearch"
        host.send({**command("PackageSearch", ident, query="x", timeout=3), "x_pad": "x" * (1 << 20)}, reads=True)
    host.send({"type": "barrier", "id": "end"})
    refused = [m for m in host.answer_to("end")[1] if m["type"] == "response"]
    assert [m["id"] for m in refused] == idents[15:] and {m["error_code"] for m in refused} == {"BUSY"}
    for _ in idents[:15]:
        assert not host.expect("response")["success"]
    host.actions["again"] = "PackageSearch"
    host.send({**command("PackageSearch", "again", query="x", timeout=1), "x_pad": "x" * (8000 << 10)}, reads=True)
    assert host.answer_to("again")[0]["error_code"] != "BUSY"


# -- completions -----------------------------------------------------------------------------------

def test_completions_that_a_host_does_not_read_are_bounded(begin, played):
    """The executor tells those that found no room again in the next session."""
    agent, host = begin()
    question = {"ref": 0, "channel": f"unix-listen:{agent.socket}"}
    idents = [f"large-{i}" for i in range(30)]
    text = "x" * (1000 << 10)
    for ident in idents:
        played.forward(question, "notice", {**completion_of(ident), "stdout": text, "stderr": text}, execution_id=ident)
    played.forward(question, "notice", completion_of("end"), execution_id="end")
    payload = raw("true", "last")
    host.actions["last"] = "UnsafeCommand"
    host.send(envelope_v1(payload))
    played.forward(played.expect("submit"), "reply", response("last"), final=True)
    told = []
    while "end" not in told:
        m = host.expect("script_completion")
        told.append(m["execution_id"])
        if len(told) == 1:
            with open(f"/proc/{agent.pid}/status", encoding="ascii") as f:
                rss = int(next(line for line in f if line.startswith("VmRSS")).split()[1])
    assert told[:-1] == idents[:len(told) - 1] and 12 < len(told) < 20 and rss < (96 << 10)


def completions_are_delivered(start):
    """A host that acknowledges nothing has a completion when its line was written 30 s ago: all of them."""
    played = Played(start.folder / "execd.sock")
    try:
        agent = silent_agent(start, played)
        host = start.host(agent, greeted=False)
        asked = played.serve_open()
        host.greet()
        idents = [f"script-{i}" for i in range(60)]
        for ident in idents:
            played.forward(asked, "notice", completion_of(ident), execution_id=ident)
        assert [host.expect("script_completion")["execution_id"] for _ in idents] == idents
        assert played.next("delivered", 1) is None
        yield 30
        assert [played.expect("delivered")["execution_id"] for _ in idents] == idents
    finally:
        played.close()


@pytest.mark.meanwhile(by=completions_are_delivered)
def test_all_completions_are_taken_for_delivered(scenario):
    scenario.finish()


# -- an executor that left and came back -----------------------------------------------------------

def script(ident, text):
    return {"execution_id": ident, "script_id": "s", "script_name": "name", "script_content": text, "shell": "BASH",
            "execution_type": "ON_DEMAND", "input_values": {}, "timeout_seconds": 600, "run_as": None}


def push(host, *scripts):
    host.send(envelope_v1({"type": "pending_scripts_response", "timestamp": "2026-07-14T12:00:00Z", "scripts": list(scripts)}))


def test_scripts_that_bring_the_executor_back_are_told_in_the_same_session(pair):
    e, _, host = pair(idle=1)
    push(host, script("before", "echo before"))
    assert host.expect("script_completion")["stdout"] == "before\n"
    host.send({"type": "ack", "scripts": ["before"]})
    e.wait_gone()
    push(host, script("after", "sleep 2; echo after"))
    assert host.expect("script_completion")["stdout"] == "after\n"
    assert e.starts == 2


def test_a_script_of_an_executor_that_died_is_told_when_there_is_another(pair, tmp_path):
    e, _, host = pair()
    push(host, script("killed", f"echo > {tmp_path}/ran; sleep 600"))
    wait_for((tmp_path / "ran").exists, "it runs")
    e.kill()
    push(host, script("next", "echo next"))
    told = {m["execution_id"]: m for m in (host.expect("script_completion"), host.expect("script_completion"))}
    assert told["killed"]["exit_code"] == -1 and told["next"]["stdout"] == "next\n"


def test_a_session_of_another_channel_repeats_no_completion(start, executor, sockets):
    e = executor()
    one, two = (f"unix-listen:{sockets}/{n}" for n in "12")
    agent = start("--executor", e.path, "--vm-id", "lab", "--interval", "3600", channels=[one, two])
    agent.wait_log("/2: open")
    host = start.host(agent, socket=f"{sockets}/1")
    push(host, script("once", "echo once"))
    assert host.expect("script_completion")["stdout"] == "once\n"
    other = start.host(agent, socket=f"{sockets}/2")
    assert run(other, "echo there")["stdout"] == "there\n"  # its session is the executor's, too
    _, before = do(host, raw("echo here", host.fresh_id()))
    assert not [m for m in before + host.barrier() + other.barrier() if m["type"] == "script_completion"]
    host.send(command("Ping", "new", new_session=True))
    assert host.expect("script_completion")["stdout"] == "once\n"
