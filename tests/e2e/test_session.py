"""Sessions: greeting, keep-alive, metrics, new sessions, peers that come and go."""
import pathlib
import re
import time

import pytest
from harness import DEADLINE, QUIET, Host, HungUp, command, put, wait_for

NIL = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def agent(start_shared):
    """One for the whole file: only sessions come and go."""
    return start_shared("--interval", "3600")


def stamp_seconds(m):
    """Of a message, within its hour: enough to compare."""
    t = m["timestamp"]
    return int(t[11:13]) * 3600 + int(t[14:16]) * 60 + float(t[17:23])


# -- greeting --------------------------------------------------------------------------------------

def test_greeting_is_line_feed_handshake_metrics_and_only_then_replies(start, agent):
    host = start.host(agent, greeted=False)
    host.send(command("Ping", "early"), {"type": "keep_alive_request", "sequence_number": 1})
    host.greet()
    assert {host.next()["type"], host.next()["type"]} == {"response", "keep_alive"}


def test_handshake_says_what_the_protocol_asks(host):
    h = host.handshake
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert h["boot_id"] == boot_id
    assert h["capabilities"] == ["metrics", "safe_commands"]
    assert h["policy"] == {"level": "monitor", "executor": False, "require_signature": False}
    assert h["limits"] == {"line_in": 8 << 20, "line_out": 1 << 20, "in_flight": 64, "subscriptions": 8,
                           "interval_ms": 100, "file_chunk": 524288}
    assert abs(h["clock"]["realtime_ms"] / 1000 - time.time()) < DEADLINE
    assert 0 < h["clock"]["monotonic_ns"] <= time.monotonic_ns()


def test_ping_answers_with_the_members_of_the_handshake(host):
    data = host.data_of("Ping")
    for name in set(host.handshake) - {"type", "timestamp", "vm_id", "clock"}:
        assert data[name] == host.handshake[name], name
    assert data["clock"]["monotonic_ns"] >= host.handshake["clock"]["monotonic_ns"]
    assert data["jobs"] == 0 and data["uptime_s"] <= DEADLINE


def test_every_connection_is_a_new_session(start, agent):
    seen = set()
    for _ in range(4):
        host = start.host(agent)
        seen.add(host.session)
        host.close()
        start.hosts.remove(host)
    assert len(seen) == 4 and NIL not in seen


def test_default_metrics_have_at_most_16_kb(start, agent):
    host = start.host(agent, greeted=False)
    lines = [host.line() for _ in range(3)]
    assert b'"type":"metrics"' in lines[2] and len(lines[2]) <= 16000


# -- new session on request ------------------------------------------------------------------------

def test_ping_new_session_brings_handshake_metrics_and_then_its_answer(host):
    old = host.session
    host.send(command("Ping", "n", new_session=True))
    m = host.next()
    assert (m["type"], host.blanks) == ("handshake", 1)
    assert host.next()["type"] == "metrics"
    m = host.next()
    assert (m["type"], m["id"]) == ("response", "n")
    assert m["data"]["session"] == host.session != old


def test_ping_new_session_false_changes_nothing(host):
    old = host.session
    assert host.data_of("Ping", new_session=False)["session"] == old == host.session


def test_new_session_of_another_type_is_a_bad_argument(host):
    for value in (1, "true", []):
        assert host.ask("Ping", new_session=value)["error_code"] == "BAD_ARGUMENT"


def test_what_was_running_is_not_answered_in_the_new_session(host):
    host.send(command("ProcessList", "old"), command("Ping", "n", new_session=True))
    host.expect("handshake")
    _, between = host.answer_to("n")
    later = [m.get("id") for m in between + host.barrier() + host.collect(QUIET)]
    assert "old" not in later


def test_what_was_answered_but_not_sent_is_not_sent_in_the_new_session(start, agent):
    host = start.host(agent, greeted=False)
    # the first is answered at once, and waits behind the greeting when the session is given up
    host.send(command("Ping", "old"), command("Ping", "n", new_session=True))
    sessions, answers = 0, {}
    while "n" not in answers:
        m = host.next()
        sessions += m["type"] == "handshake"
        if m["type"] == "response":
            answers[m["id"]] = m["data"]["session"], host.session
    assert answers["n"][0] == host.session
    # should the old session's greeting have come first, its answer may have come, too: there
    assert answers.get("old", (1, 1))[0] == answers.get("old", (1, 1))[1], "an answer of the former session"


# -- who the guest is ------------------------------------------------------------------------------

def vm_id(start, *args, **options):
    return start.host(start(*args, **options)).handshake["vm_id"]


def test_vm_id_of_the_option_comes_first(start, tree):
    put(tree / "etc/environment", "INFINIBAY_VM_ID=file\n")
    assert vm_id(start, "--root", str(tree), "--vm-id", "opt", config="[agent]\nvm_id = conf\n",
                 env={"INFINIBAY_VM_ID": "env"}) == "opt"


def test_vm_id_of_the_configuration_comes_before_the_environment(start, tree):
    put(tree / "etc/environment", "INFINIBAY_VM_ID=file\n")
    assert vm_id(start, "--root", str(tree), config="[agent]\nvm_id = conf\n", env={"INFINIBAY_VM_ID": "env"}) == "conf"


def test_vm_id_of_the_environment_comes_before_the_file(start, tree):
    put(tree / "etc/environment", "INFINIBAY_VM_ID=file\n")
    assert vm_id(start, "--root", str(tree), env={"INFINIBAY_VM_ID": "env"}) == "env"


def test_vm_id_of_etc_environment_comes_before_the_machine_id(start, tree):
    put(tree / "etc/environment", 'LANG=C\n#INFINIBAY_VM_ID=no\nINFINIBAY_VM_ID="file"\n')
    assert vm_id(start, "--root", str(tree)) == "file"


def test_vm_id_is_else_the_machine_id_as_a_uuid(start, tree):
    assert vm_id(start, "--root", str(tree)) == "9f2d4c1a-b5e3-4d77-a0c6-f1e2d3b4a596"


def test_vm_id_is_the_nil_uuid_when_nothing_says_another(start, tree):
    put(tree / "etc/machine-id", "uninitialized\n")
    assert vm_id(start, "--root", str(tree)) == NIL


# -- keep-alive ------------------------------------------------------------------------------------

def test_keep_alive_is_answered_with_its_number(host):
    for n in (0, 7, 2**53 - 1):
        host.send({"type": "keep_alive_request", "sequence_number": n, "timestamp": "2026-07-14T12:00:03.000Z"})
        assert host.expect("keep_alive")["sequence_number"] == n


@pytest.mark.parametrize("number", [b"-1", b"9007199254740992", b"1.0", b"1e3", b'"1"', b"true", b"null", b"[1]"])
def test_keep_alive_with_a_bad_number_is_ignored(host, number):
    host.send(b'{"type":"keep_alive_request","sequence_number":' + number + b"}")
    assert host.barrier() == []


def test_keep_alive_without_a_number_is_ignored(host):
    host.send({"type": "keep_alive_request"})
    assert host.barrier() == []


def test_keep_alive_response_is_not_answered(host):
    host.send({"type": "keep_alive_response", "sequence_number": 3})
    assert host.barrier() == []


def test_keep_alives_beyond_ten_a_second_are_ignored(host):
    began = time.monotonic()
    host.send(*({"type": "keep_alive_request", "sequence_number": n} for n in range(200)))
    came = [m["sequence_number"] for m in host.barrier()]
    assert came[:10] == list(range(10))
    assert len(came) <= 10 + 10 * (time.monotonic() - began) + 1
    time.sleep(0.3)  # by then three more are granted
    host.send({"type": "keep_alive_request", "sequence_number": 1000})
    assert host.expect("keep_alive")["sequence_number"] == 1000


# -- metrics ---------------------------------------------------------------------------------------

def metrics_at_every_interval(start):
    host = start.host(start("--interval", "1"))
    yield 3
    times = [stamp_seconds(host.metrics)] + [stamp_seconds(host.expect("metrics")) for _ in range(3)]
    gaps = [(b - a) % 86400 for a, b in zip(times, times[1:])]
    # the first pause is shortened at random, by up to a half; later ones stand on a grid
    assert gaps[0] > 0.4 and all(gap > 0.7 for gap in gaps[1:]), gaps


@pytest.mark.meanwhile(by=metrics_at_every_interval)
def test_metrics_come_at_every_interval(scenario):
    scenario.finish()


def metrics_on_request(start):
    host = start.host(start("--interval", "3600"))
    host.send(*[{"type": "Metrics"}] * 20)
    yield 1
    m = host.expect("metrics")
    assert (stamp_seconds(m) - stamp_seconds(host.metrics)) % 86400 > 0.9
    assert host.barrier() == []
    host.send({"type": "Metrics"})
    yield 1
    again = host.expect("metrics")
    assert (stamp_seconds(again) - stamp_seconds(m)) % 86400 > 0.9
    assert host.barrier() == []


@pytest.mark.meanwhile(by=metrics_on_request)
def test_metrics_are_sent_on_request_at_most_once_a_second(scenario):
    scenario.finish()


# -- peers -----------------------------------------------------------------------------------------

def test_a_further_peer_is_hung_up_on_and_the_first_notices_nothing(start, agent, host):
    for _ in range(3):
        with pytest.raises(HungUp):
            start.host(agent, greeted=False).line()
    assert host.data_of("Ping")["session"] == host.session


def test_a_client_that_has_ended_its_sending_gets_all_replies(start, agent):
    host = start.host(agent)
    host.send(command("ProcessList", "list"), command("GetMetrics", "m"), command("Ping", "ping"),
              command("NoSuch", "none"))
    host.end_sending()
    assert sorted(m["id"] for m in host.until_end() if m["type"] == "response") == ["list", "m", "none", "ping"]


def test_a_client_that_ends_its_sending_at_once_is_greeted_and_answered(start, agent):
    host = start.host(agent, greeted=False)
    host.send(command("Ping", "ping"), command("ProcessTop", "top"))
    host.end_sending()
    host.greet()
    assert sorted(m["id"] for m in host.until_end()) == ["ping", "top"]


def test_a_client_that_only_listens_is_greeted_and_hung_up_on(start, agent):
    host = start.host(agent, greeted=False)
    host.end_sending()
    host.greet()
    assert host.until_end() == []


def test_clients_that_leave_in_the_middle_of_requests_do_no_harm(start, agent):
    for n in range(40):
        host = Host.connect(str(agent.socket))
        host.send(command("ProcessList", f"a{n}"), command("GetMetrics", f"b{n}"), command("Ping", f"c{n}"))
        if n % 2:
            wait_for(lambda h=host: h.fill(DEADLINE), "the greeting")
        host.close()
    assert start.host(agent).data_of("Ping")["jobs"] == 0


def test_the_next_client_is_served_though_the_former_left_much_unread(start):
    """Input that nobody waits for any more must not keep out who comes next."""
    agent = start("--interval", "3600")
    for n in range(5):
        host = Host.connect(str(agent.socket))
        host.greet()
        host.end.setblocking(False)
        try:
            while True:
                host.end.send(b'{"type":"x"}\n' * 5000)
        except BlockingIOError:
            pass
        host.close()
        assert start.host(agent).data_of("Ping"), n
        start.hosts.pop().close()


def test_a_host_that_is_told_to_have_come_is_told_to_have_left(start):
    """A burst of sessions is not told one by one, but never half of one."""
    agent = start("--interval", "3600")
    for _ in range(45):
        host = start.host(agent)
        host.close()
        start.hosts.remove(host)
    agent.stop()
    log = agent.log()
    came = re.findall(r"host attached, session (\S+)", log)
    assert 30 <= len(came) < 45
    assert re.findall(r"(?:host gone|channel given up), session (\S+)", log) == came, log


def test_half_a_line_of_a_former_client_is_forgotten(start):
    agent = start("--interval", "3600")
    line = b'{"type":"SafeCommand","id":"half","command_type":{"action":"Ping"}}'
    first = start.host(agent)
    first.send_bytes(line[:30])
    wait_for(lambda: agent.counters()["in"] == 30, "half a line has been read")
    first.close()
    second = start.host(agent)
    second.send_bytes(line[30:] + b"\n")
    assert second.expect("agent_event")["context"]["data"] == {"count": 1}
    assert agent.counters()["malformed"] == 1
    assert [m["type"] for m in second.barrier()] == []
