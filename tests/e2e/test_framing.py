"""Lines: what is accepted, what is dropped and counted, and that the stream always goes on."""
import json

import pytest
from harness import DEADLINE, QUIET, SANITIZED, command, status_of, wait_for

MIB = 1 << 20
CONFIG = "[protocol]\nline_in = 1\n"


@pytest.fixture(scope="module")
def shared(start_shared):
    """One session for all tables below: no input may end it."""
    agent = start_shared("--interval", "3600", config=CONFIG)
    return agent, start_shared.host(agent)


@pytest.fixture
def one(start):
    """An agent and a session that nobody else has complained in."""
    agent = start("--interval", "3600", config=CONFIG)
    return agent, start.host(agent)


def ping(ident, rest=b""):
    """A Ping with something more in it."""
    return b'{"type":"SafeCommand","id":"%s","command_type":{"action":"Ping"}%s}' % (ident.encode(), rest)


def nested(depth):
    """A Ping whose brackets are this deep."""
    return ping("deep", b',"x":' + b"[" * (depth - 1) + b"]" * (depth - 1))


def with_members(n):
    """A Ping with n members and elements in all."""
    return ping("many", b',"x":[' + b",".join([b"0"] * (n - 5)) + b"]")


# -- what is no JSON object ------------------------------------------------------------------------

NO_JSON = {
    "a word": b"hello",
    "an open brace": b"{",
    "a closed brace": b"}",
    "cut off": ping("bad")[:-1],
    "cut off in a string": ping("bad")[:30],
    "an array": b"[" + ping("bad") + b"]",
    "a string": b'"SafeCommand"',
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "two objects": ping("bad") + ping("bad"),
    "two objects, a blank between": ping("bad") + b" " + ping("bad"),
    "text behind the object": ping("bad") + b"x",
    "a comma behind the object": ping("bad") + b",",
    "a bracket too many": ping("bad") + b"}",
    "brackets that do not match": ping("bad", b',"x":[}'),
    "a comma at the end of an object": ping("bad", b","),
    "a comma at the end of an array": ping("bad", b',"x":[1,]'),
    "a comma at the beginning": b"{," + ping("bad")[1:],
    "two commas": ping("bad", b',,"x":1'),
    "no colon": ping("bad", b',"x" 1'),
    "no value": ping("bad", b',"x":'),
    "no name": ping("bad", b",:1"),
    "a name that is no string": ping("bad", b",1:1"),
    "a name without quotes": ping("bad", b",x:1"),
    "single quotes": ping("bad", b",'x':'y'"),
    "a comment": ping("bad", b',"x":/* no */1'),
    "NaN": ping("bad", b',"x":NaN'),
    "Infinity": ping("bad", b',"x":Infinity'),
    "-Infinity": ping("bad", b',"x":-Infinity'),
    "undefined": ping("bad", b',"x":undefined'),
    "True": ping("bad", b',"x":True'),
    "NULL": ping("bad", b',"x":NULL'),
    "half a word": ping("bad", b',"x":nul'),
    "a hexadecimal number": ping("bad", b',"x":0x10'),
    "a leading zero": ping("bad", b',"x":01'),
    "a leading plus": ping("bad", b',"x":+1'),
    "only a minus": ping("bad", b',"x":-'),
    "nothing before the point": ping("bad", b',"x":.5'),
    "nothing behind the point": ping("bad", b',"x":1.'),
    "nothing behind the e": ping("bad", b',"x":1e'),
    "two points": ping("bad", b',"x":1.2.3'),
    "an unknown escape": ping("bad", b',"x":"\\x41"'),
    "a short escape": ping("bad", b',"x":"\\u12"'),
    "an escape that is no hexadecimal": ping("bad", b',"x":"\\u12g4"'),
    "an open string": ping("bad", b',"x":"'),
    "a tab in a string": ping("bad", b',"x":"\t"'),
    "a carriage return in a string": ping("bad", b',"x":"\r"'),
    "a control character in a string": ping("bad", b',"x":"\x1f"'),
    "a NUL in a string": ping("bad", b',"x":"\0"'),
    "a NUL between": ping("bad", b',\0"x":1'),
    "a NUL behind": ping("bad") + b"\0",
    "a NUL before": b"\0" + ping("bad"),
    "only NULs": b"\0\0\0",
    "a form feed between": ping("bad", b',\f"x":1'),
    "a no-break space between": ping("bad", b',\xc2\xa0"x":1'),
    "a byte order mark": b"\xef\xbb\xbf" + ping("bad"),
    "a byte that is never UTF-8": ping("bad", b',"x":"\xff"'),
    "Latin-1": ping("bad", b',"x":"caf\xe9"'),
    "a cut character": ping("bad", b',"x":"\xe2\x82"'),
    "an overlong character": ping("bad", b',"x":"\xc0\xaf"'),
    "a surrogate in UTF-8": ping("bad", b',"x":"\xed\xa0\x80"'),
    "beyond U+10FFFF": ping("bad", b',"x":"\xf4\x90\x80\x80"'),
    "UTF-16": ping("bad").decode().encode("utf-16-le").replace(b"\n", b""),
    "ill-formed UTF-8 in a name": ping("bad", b',"\xff":1'),
    "33 levels": nested(33),
    "10,000 levels": nested(10000),
    "65,537 members": with_members(65537),
}


@pytest.mark.parametrize("name", NO_JSON)
def test_malformed_line_is_dropped_and_counted(shared, name):
    agent, host = shared
    was = agent.counters()["malformed"]
    host.send(NO_JSON[name])
    assert host.answers() == []
    assert agent.counters()["malformed"] == was + 1


# -- what is one, however odd ----------------------------------------------------------------------

ACCEPTED = {
    "blanks around": (b" \t " + ping("g") + b" \t", "g"),
    "a carriage return": (ping("g") + b"\r", "g"),
    "blanks and a carriage return": (b"  " + ping("g") + b"  \r", "g"),
    "blanks inside": (b'{ "type" :\t"SafeCommand" , "id":"g","command_type" : { "action":"Ping" } }', "g"),
    "another order": (b'{"command_type":{"action":"Ping"},"id":"g","type":"SafeCommand"}', "g"),
    "escapes in names and words": (b'{"\\u0074ype":"S\\u0061feCommand","id":"\\u0067",'
                                   b'"command_type":{"action":"Pin\\u0067"}}', "g"),
    "unknown members": (ping("g", b',"x_note":{"a":[1,2.5,-0,1e3,null,true]}'), "g"),
    "raw UTF-8": (ping("g", ',"x":"caf\u00e9 \u2028 \U0001f600"'.encode()), "g"),
    "a character beyond the BMP, escaped": (ping("g", b',"x":"\\ud83d\\ude00"'), "g"),
    "a lone high surrogate": (ping("g", b',"x":"\\ud800"'), "g"),
    "a lone low surrogate": (ping("g", b',"x":"\\udc00 x"'), "g"),
    "two high surrogates": (ping("g", b',"x":"\\ud800\\ud800"'), "g"),
    "an escaped NUL in a member nobody reads": (ping("g", b',"x":"\\u0000"'), "g"),
    "a DEL in a string": (ping("g", b',"x":"\x7f"'), "g"),
    "an escaped slash": (ping("g", b',"x":"\\/"'), "g"),
    "brackets in a string": (ping("g", b',"x":"' + b"[{" * 40 + b'"'), "g"),
    "an enormous number": (ping("g", b',"x":1e400,"y":-99999999999999999999999'), "g"),
    "32 levels": (nested(32), "deep"),
    "65,536 members": (with_members(65536), "many"),
    "a duplicate id: the last counts": (b'{"id":"first",' + ping("g")[1:], "g"),
    "a duplicate type: the last counts": (b'{"type":"bogus",' + ping("g")[1:], "g"),
    "a duplicate action: the last counts": (
        b'{"type":"SafeCommand","id":"g","command_type":{"action":"Reboot","action":"Ping"}}', "g"),
    "a line of exactly the limit": (ping("g", b',"x":"%s"' % (b"x" * (MIB - len(ping("g", b',"x":""'))))), "g"),
    "the limit and a carriage return": (ping("g", b',"x":"%s"' % (b"x" * (MIB - len(ping("g", b',"x":""'))))) + b"\r",
                                        "g"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_unusual_line_is_accepted(shared, name):
    agent, host = shared
    line, ident = ACCEPTED[name]
    was = agent.counters()
    host.send(line)
    answer, before = host.answer_to(ident)
    assert answer["success"] and [m for m in before if m["type"] == "response"] == []
    now = agent.counters()
    assert (now["malformed"], now["oversize"]) == (was["malformed"], was["oversize"])


def test_empty_and_blank_lines_are_skipped_without_a_count(shared):
    agent, host = shared
    was = agent.counters()
    host.send_bytes(b"\n\n\r\n   \n\t\r\n \n")
    assert host.barrier() == []
    now = agent.counters()
    assert now["lines"] == was["lines"] + 1
    assert all(now[name] == was[name] for name in ("malformed", "oversize", "ignored"))


def test_a_lone_surrogate_counts_as_the_replacement_character(shared):
    _, host = shared
    host.send(b'{"type":"SafeCommand","id":"s","command_type":{"action":"\\ud800x\\udfff"}}')
    assert host.answer_to("s")[0]["error"] == "refused: unknown action: \ufffdx\ufffd"


def test_other_languages_come_back_as_they_were(shared):
    _, host = shared
    action = "d\u00e9j\u00e0 \U0001f600 \\ud83d\\ude00"
    host.send(b'{"type":"SafeCommand","id":"s","command_type":{"action":"%s"}}' % action.encode())
    assert host.answer_to("s")[0]["error"] == "refused: unknown action: d\u00e9j\u00e0 \U0001f600 \U0001f600"


def test_an_argument_with_a_nul_is_a_bad_argument(shared):
    _, host = shared
    assert host.ask("ProcessTop", sort_by="cpu\0")["error_code"] == "BAD_ARGUMENT"


# -- table 1.3: types and ids ----------------------------------------------------------------------

IGNORED = {
    "no type": b"{}",
    "no type, with members": b'{"command_type":{"action":"Ping"}}',
    "no type, with an id": b'{"id":"bad"}',
    "a type that is a number": b'{"type":7}',
    "a type that is null": b'{"type":null}',
    "an unknown type": b'{"type":"bogus"}',
    "an unknown type, id a number": b'{"type":"bogus","id":7}',
    "no id": b'{"type":"SafeCommand","command_type":{"action":"Ping"}}',
    "id a number": b'{"type":"SafeCommand","id":1,"command_type":{"action":"Ping"}}',
    "id null": b'{"type":"SafeCommand","id":null,"command_type":{"action":"Ping"}}',
    "id empty": ping(""),
    "id of 129 bytes": ping("x" * 129),
    "id with a quote": ping('a\\"b'),
    "id with a backslash": ping("a\\\\b"),
    "id with a line feed": ping("a\\nb"),
    "id with a NUL": ping("a\\u0000b"),
    "id with a DEL": ping("a\x7f"),
    "id with another language": ping("\u00e9"),
    "raw command without an id": b'{"type":"UnsafeCommand","raw_command":"true"}',
}


@pytest.mark.parametrize("name", IGNORED)
def test_object_that_cannot_be_answered_is_ignored_and_counted(shared, name):
    agent, host = shared
    was = agent.counters()
    host.send(IGNORED[name])
    assert host.barrier() == []
    now = agent.counters()
    assert (now["ignored"], now["malformed"]) == (was["ignored"] + 1, was["malformed"])


@pytest.mark.parametrize("ident", ["x", "x" * 128, " ", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"])
def test_ids_of_printable_ascii_come_back(shared, ident):
    _, host = shared
    host.send(command("Ping", ident))
    assert host.answer_to(ident)[0]["success"]


def test_an_escaped_id_comes_back_as_what_it_stands_for(shared):
    _, host = shared
    host.send(ping("a\\u002db\\/c"))
    assert host.answer_to("a-b/c")[0]["success"]


UNKNOWN = {
    "an unknown type with an id": b'{"type":"bogus","id":"u"}',
    "an empty type with an id": b'{"type":"","id":"u"}',
    "a type in other case": b'{"type":"safecommand","id":"u","command_type":{"action":"Ping"}}',
    "a type with a NUL": b'{"type":"Safe\\u0000Command","id":"u","command_type":{"action":"Ping"}}',
    "an action in other case": b'{"type":"SafeCommand","id":"u","command_type":{"action":"PING"}}',
    "an empty action": b'{"type":"SafeCommand","id":"u","command_type":{"action":""}}',
    "an action of 1000 characters": b'{"type":"SafeCommand","id":"u","command_type":{"action":"%s"}}' % (b"a" * 1000),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_type_or_action_with_an_id_is_answered(shared, name):
    _, host = shared
    host.send(UNKNOWN[name])
    answers = host.answers()
    assert [m["error_code"] for m in answers] == ["UNKNOWN_ACTION"]
    assert answers[0]["command_type"] in ("safe", "unsafe")


@pytest.mark.parametrize("kind", ["null", "7", '"Ping"', "[]", "{}", '{"action":null}', '{"action":7}',
                                  '{"action":["Ping"]}'])
def test_command_that_names_no_action_is_a_bad_argument(shared, kind):
    _, host = shared
    host.send(b'{"type":"SafeCommand","id":"b","command_type":%s}' % kind.encode())
    assert host.answer_to("b")[0]["error_code"] == "BAD_ARGUMENT"


# -- arguments -------------------------------------------------------------------------------------

@pytest.mark.parametrize("limit", ["1.0", "1e0", '"1"', "true", "[]", "{}", "-1", "2001", "99999999999999999999"])
def test_limit_that_is_no_integer_in_range_is_a_bad_argument(shared, limit):
    _, host = shared
    for action in ("ProcessTop", "ProcessList"):
        host.send(b'{"type":"SafeCommand","id":"l","command_type":{"action":"%s","limit":%s}}'
                  % (action.encode(), limit.encode()))
        answer = host.answer_to("l")[0]
        assert answer["error_code"] == "BAD_ARGUMENT" and "limit" in answer["error"]


@pytest.mark.parametrize("where, members", [
    ("flat", {"command_type": {"action": "ProcessTop", "limit": 3}}),
    ("in command_type.params", {"command_type": {"action": "ProcessTop", "params": {"limit": 3}}}),
    ("in params", {"command_type": {"action": "ProcessTop"}, "params": {"limit": 3}}),
    ("flat comes first", {"command_type": {"action": "ProcessTop", "limit": 3, "params": {"limit": 1}},
                          "params": {"limit": 2}}),
    ("inner params come second", {"command_type": {"action": "ProcessTop", "params": {"limit": 3}},
                                  "params": {"limit": 2}}),
    ("null counts as absent", {"command_type": {"action": "ProcessTop", "limit": None}, "params": {"limit": 3}}),
])
def test_arguments_are_found_wherever_hosts_put_them(shared, where, members):
    _, host = shared
    host.send({"type": "SafeCommand", "id": where.replace(" ", "_")} | members)
    assert len(host.answer_to(where.replace(" ", "_"))[0]["data"]) == 3


def test_sort_by_ignores_case_and_knows_three_words(shared):
    _, host = shared
    for word in ("memory", "MEM", "Cpu"):
        assert host.ask("ProcessTop", limit=1, sort_by=word)["success"]
    for word in ("disk", "", 1, ["cpu"]):
        assert host.ask("ProcessTop", sort_by=word)["error_code"] == "BAD_ARGUMENT"


@pytest.mark.parametrize("timeout", [b'"soon"', b"null", b"-5", b"0", b"1.5", b"99999999999999999999", b"{}"])
def test_any_timeout_will_do(shared, timeout):
    _, host = shared
    host.send(ping("t", b',"timeout":' + timeout))
    assert host.answer_to("t")[0]["success"]


# -- length ----------------------------------------------------------------------------------------

def test_a_line_over_the_limit_is_dropped_counted_and_reported(one):
    agent, host = one
    host.send(ping("bad", b',"x":"%s"' % (b"x" * MIB)))
    event = host.expect("agent_event")
    assert host.answers() == []
    assert (event["severity"], event["source"]) == ("warn", "transport")
    assert (event["context"]["kind"], event["context"]["data"]) == ("oversize", {"count": 1})
    assert (agent.counters()["oversize"], agent.counters()["malformed"]) == (1, 0)


def test_one_byte_over_the_limit_is_too_long(one):
    agent, host = one
    line = ping("bad", b',"x":"%s"' % (b"x" * (MIB + 1 - len(ping("bad", b',"x":""')))))
    assert len(line) == MIB + 1
    host.send(line)
    assert host.answers() == []
    assert agent.counters()["oversize"] == 1


def test_lines_before_and_behind_one_that_is_too_long_are_answered(one):
    _, host = one
    host.send_bytes(ping("before") + b"\n" + b"x" * (3 * MIB) + b"\n" + ping("behind") + b"\n")
    host.answer_to("before")
    host.answer_to("behind")


def test_a_line_far_over_the_limit_takes_no_more_memory_than_the_limit(one):
    agent, host = one
    host.barrier()
    was = int(status_of(agent.pid)["VmHWM"])
    for _ in range(64):
        host.send_bytes(b'{"x":"' + b"y" * (MIB - 6))
    host.send_bytes(b"\n")
    assert host.answers() == []
    grown = int(status_of(agent.pid)["VmHWM"]) - was
    assert grown < (64 if SANITIZED else 8) * 1024, f"{grown} KiB"
    assert agent.counters()["oversize"] == 1


def test_the_default_limit_is_8_mib(start, agent, host):
    host.send(ping("g", b',"x":"%s"' % (b"x" * (8 * MIB - len(ping("g", b',"x":""'))))))
    assert host.answer_to("g")[0]["success"]
    host.send(ping("bad", b',"x":"%s"' % (b"x" * (8 * MIB + 1 - len(ping("bad", b',"x":""'))))))
    assert host.answers() == []
    assert agent.counters()["oversize"] == 1


def test_a_long_line_that_is_only_blanks_is_too_long(one):
    agent, host = one
    host.send_bytes(b" " * (2 * MIB) + b"\n")
    assert host.answers() == []
    assert agent.counters()["oversize"] == 1


# -- pieces and bursts -----------------------------------------------------------------------------

def test_input_in_single_bytes_is_put_together(shared):
    _, host = shared
    for byte in ping("bytes", ',"x":"\u00e9\U0001f600"'.encode()) + b"\r\n" + ping("bytes2") + b"\n":
        host.send_bytes(bytes([byte]))
    host.answer_to("bytes")
    host.answer_to("bytes2")


@pytest.mark.parametrize("size", [2, 7, 4095, 4096, 4097, 65535, 65537])
def test_input_cut_anywhere_is_put_together(shared, size):
    _, host = shared
    data = b"".join(ping(f"p{n}", b',"x":"%s"' % (b"x" * 300)) + b"\n" for n in range(300 if size > 7 else 8))
    for at in range(0, len(data), size):
        host.send_bytes(data[at:at + size], reads=True)
    count = data.count(b"\n")
    answers = [host.next() for _ in range(count)]
    assert [m["id"] for m in answers] == [f"p{n}" for n in range(count)]


def ids_and_codes(host, n):
    found = {}
    while len(found) < n:
        m = host.next()
        assert m, f"{len(found)} of {n} answers"
        if m["type"] == "response":
            assert m["id"] not in found, f"{m['id']} is answered twice"
            found[m["id"]] = m.get("error_code", "ok")
    return found


def test_ten_thousand_pings_at_once_get_one_answer_each(one):
    _, host = one
    host.send(*(command("Ping", f"p{n}") for n in range(10000)), reads=True)
    found = ids_and_codes(host, 10000)
    assert set(found.values()) <= {"ok", "BUSY"} and found["p0"] == "ok"
    assert host.answers() == []


def test_ten_thousand_lists_at_once_get_one_answer_each(one):
    _, host = one
    host.send(*(command("ProcessTop", f"p{n}", limit=1) for n in range(10000)), reads=True)
    found = ids_and_codes(host, 10000)
    assert set(found.values()) == {"ok", "BUSY"}
    # as many as may be unanswered at a time were begun at least
    assert sum(code == "ok" for code in found.values()) >= 64
    assert host.answers() == []


def test_as_many_commands_as_in_flight_says_are_carried_out_at_once(start):
    host = start.host(start("--interval", "3600", config="[protocol]\nin_flight = 8\n"))
    host.send(*(command("ProcessTop", f"p{n}", limit=1) for n in range(12)), command("Ping", "memory"))
    found = ids_and_codes(host, 13)
    assert [found[f"p{n}"] for n in range(12)] == ["ok"] * 8 + ["BUSY"] * 4
    assert found["memory"] == "ok"  # answered from memory: does not count


def test_an_id_that_is_in_flight_is_dropped_and_counted(one):
    agent, host = one
    host.send(*[command("ProcessList", "twin")] * 3)
    host.answer_to("twin")
    assert [m for m in host.barrier() + host.collect(QUIET) if m["type"] == "response"] == []
    assert agent.counters()["duplicate ids"] == 2
    host.send(command("ProcessTop", "twin"))
    assert host.answer_to("twin")[0]["success"]


# -- reports ---------------------------------------------------------------------------------------

def report_of(host, kind):
    """Count and message of the next report."""
    m = host.expect(kind)
    return (m["context"]["data"] if kind == "agent_event" else m["details"])["count"], m


def seconds(m):
    """Of a message, within its hour."""
    return int(m["timestamp"][14:16]) * 60 + float(m["timestamp"][17:23])


def reports_at_most_every_10_s(start):
    paths = [start.folder / "1", start.folder / "2"]
    agent = start("--interval", "3600", channels=[f"unix-listen:{p}" for p in paths])
    for path in paths:
        agent.wait_log(f"{path}: open")
    compatible, ours = (start.host(agent, socket=path) for path in paths)
    ours.send({"type": "ack", "bytes": 0})
    hosts = (compatible, "agent_event"), (ours, "error")
    first = {}
    for host, kind in hosts:
        host.send(*[b"secret-input no JSON"] * 5)
        first[kind] = report_of(host, kind)
        host.send(*[b"{]"] * 7)
        assert host.answers() == []
    yield 10
    for host, kind in hosts:
        (count, m), (early, early_m) = report_of(host, kind), first[kind]
        assert (seconds(m) - seconds(early_m)) % 3600 > 9.9
        assert count + early == 12
        assert host.barrier() == []
        assert "secret" not in json.dumps([m, early_m])
    assert "secret" not in agent.log()
    assert m["details"] == {"component": "framing", "error_code": "BAD_ARGUMENT", "count": count}


@pytest.mark.meanwhile(by=reports_at_most_every_10_s)
def test_reports_come_at_most_every_10_s_with_the_number_since_the_last(scenario):
    scenario.finish()


def test_a_compatible_host_is_told_by_an_agent_event(one):
    _, host = one
    host.send(b"no JSON")
    m = host.expect("agent_event")
    assert (m["severity"], m["source"], m["executionId"]) == ("warn", "transport", None)
    assert m["context"]["kind"] == "malformed" and m["context"]["subject"].startswith("unix-listen:")


def test_a_host_that_knows_the_extensions_is_told_by_an_error(one):
    _, host = one
    host.data_of("Ping")
    host.send(b"x" * (MIB + 1))
    m = host.expect("error")
    assert m["details"] == {"component": "framing", "error_code": "TOO_LARGE", "count": 1}


def test_a_new_session_is_that_of_a_compatible_host_again(start, one):
    agent, host = one
    host.data_of("Ping")
    host.close()
    start.hosts.remove(host)
    wait_for(lambda: "no host" in agent.counters()["text"], "the host is gone")
    host = start.host(agent)
    host.send(b"no JSON")
    assert host.next(DEADLINE)["type"] == "agent_event"
