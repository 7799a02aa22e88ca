"""Hosts that do not read, and hosts that send more than anybody could want."""
import os
import select
import time

from harness import DEADLINE, SANITIZED, command, status_of, to_line, wait_for

MIB = 1 << 20
RSS_MAX = (300 if SANITIZED else 48) * 1024  # KiB


def fill_until_stuck(host, lines, settle=0.5):
    """Sends lines and reads nothing, until the agent takes no more for a while. Returns how many whole ones went,
    and the bytes of the next that went."""
    data, sent = b"".join(map(to_line, lines)), 0
    while sent < len(data) and select.select([], [host.write_fd], [], settle)[1]:
        sent += os.write(host.write_fd, data[sent:sent + 65536])
    whole = data[:sent].count(b"\n")
    return whole, data, sent


def test_a_host_that_never_reads_costs_bounded_memory_and_loses_no_answer(start):
    agent = start("--interval", "1")
    host = start.host(agent)
    asked = [command("Ping", f"p{n}") for n in range(100000)]
    whole, data, sent = fill_until_stuck(host, asked)
    assert 10000 < whole < len(asked), "the agent stops reading, but not before its queue is full"
    assert agent.is_running() and int(status_of(agent.pid)["VmHWM"]) < RSS_MAX
    assert agent.counters()["queued"] > 8 * MIB
    wait_for(lambda: agent.counters()["metrics replaced"] >= 2, "metrics that nobody reads are replaced")
    assert int(status_of(agent.pid)["VmHWM"]) < RSS_MAX

    # now it reads: each answer whole, once, and nothing stale behind the first metrics
    rest = data[sent:data.index(b"\n", sent) + 1]
    answers, metrics = {}, 0
    while len(answers) < whole + 1:
        if rest and select.select([], [host.write_fd], [], 0)[1]:
            rest = rest[os.write(host.write_fd, rest):]
        m = host.next()
        assert m, f"{len(answers)} of {whole + 1} answers"
        metrics += m["type"] == "metrics"
        if m["type"] == "response":
            assert m["id"] not in answers
            answers[m["id"]] = m.get("error_code", "ok")
    assert set(answers.values()) == {"ok", "BUSY"} and metrics <= DEADLINE
    assert host.data_of("Ping")


def test_above_queue_high_requests_are_refused_busy_and_below_they_are_not(start):
    agent = start("--interval", "3600", config="[protocol]\nqueue_high = 1\n")
    host = start.host(agent)
    whole, data, sent = fill_until_stuck(host, [command("Ping", f"p{n}") for n in range(40000)])
    assert 2 * MIB < agent.counters()["queued"] < 3 * MIB
    host.send_bytes(data[sent:data.index(b"\n", sent) + 1], reads=True)
    codes = {}
    while len(codes) < whole + 1:
        m = host.expect("response")
        codes[int(m["id"][1:])] = m.get("error_code", "ok")
    busy = sorted(n for n, code in codes.items() if code == "BUSY")
    assert 500 < busy[0] < 4000, "a Ping's answer has about 1 KB"
    assert codes[0] == "ok" and host.ask("Ping")["success"]


def test_a_host_that_reads_slowly_gets_whole_lines(start, agent):
    host = start.host(agent)
    host.send(*(command("ProcessList", f"l{n}") for n in range(30)))
    got, data = set(), b""
    deadline = time.monotonic() + DEADLINE
    while len(got) < 30 and time.monotonic() < deadline:
        if select.select([host.read_fd], [], [], 1)[0]:
            data += os.read(host.read_fd, 1500)
        *lines, data = data.split(b"\n")
        got |= {m["id"] for m in map(host.note, lines) if m["type"] == "response"}
    assert len(got) == 30


def two_hosts(start):
    paths = [start.folder / "1", start.folder / "2"]
    agent = start("--interval", "3600", channels=[f"unix-listen:{p}" for p in paths])
    for path in paths:
        agent.wait_log(f"{path}: open")
    return agent, *(start.host(agent, socket=path) for path in paths)


def test_a_flood_of_garbage_on_one_channel_does_not_stop_another(start):
    agent, bad, good = two_hosts(start)
    garbage = b"\x00\xff{]garbage,\n" * 6000 + b"{}\n" * 20000 + b"x" * 300000 + b"\n"
    pings, sent = 0, 0
    while sent < 30 * MIB:
        view = memoryview(garbage)
        while view:
            select.select([], [bad.write_fd], [], DEADLINE)
            view = view[os.write(bad.write_fd, view[:1 << 16]):]
            bad.fill(0)
        sent += len(garbage)
        assert good.ask("Ping")["success"]
        pings += 1
    assert pings > 50 and good.barrier() == []
    assert bad.ask("Ping")["success"]
    assert int(status_of(agent.pid)["VmHWM"]) < RSS_MAX
    state = agent.state()
    malformed = [c["malformed"] for c in state.values()]
    assert sorted(malformed) == [0, pings * 6001]


def test_a_host_that_does_not_read_does_not_stop_another(start):
    agent, stuck, good = two_hosts(start)
    fill_until_stuck(stuck, [command("Ping", f"p{n}") for n in range(100000)])
    for _ in range(20):
        assert good.ask("ProcessTop", limit=2)["success"]
    assert agent.is_running()


def test_a_host_that_left_with_a_full_queue_leaves_nothing_behind(start, agent):
    host = start.host(agent)
    fill_until_stuck(host, [command("Ping", f"p{n}") for n in range(100000)])
    host.close()
    start.hosts.remove(host)
    wait_for(lambda: agent.counters()["queued"] == 0, "the queue is dropped")
    fresh = start.host(agent)
    assert [m["type"] for m in fresh.barrier()] == []
