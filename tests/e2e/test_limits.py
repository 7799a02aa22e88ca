"""When something runs out, and when nothing is to be done."""
import resource
import time

import pytest
from harness import DEADLINE, SANITIZED, HungUp, command, cpu_ticks, status_of, wait_for

MIB = 1 << 20


# -- descriptors -----------------------------------------------------------------------------------

def limit_descriptors(agent, n):
    _, hard = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (n, hard))


def at_rest(agent):
    """What is open while nothing is read: on a busy machine a reading can last."""
    def look():
        time.sleep(0.05)
        return agent.descriptors()
    return min((look() for _ in range(20)), key=len)


def is_served(start, agent):
    """Whether a new host is served now; without descriptors it is hung up on, or has to wait."""
    host = start.host(agent, greeted=False)
    try:
        line = host.line(1)
        return line is not None
    except (HungUp, ConnectionResetError):
        return False
    finally:
        host.close()
        start.hosts.remove(host)


@pytest.mark.parametrize("case", ["as many as are in use", "none at all"])
def test_without_descriptors_the_agent_neither_ends_nor_spins_and_recovers(start, case):
    path = start.folder / "other"
    agent = start("--interval", "1", channels=[f"unix-listen:{start.folder}/s", f"unix-listen:{path}"])
    agent.socket = start.folder / "s"
    agent.wait_log(f"{path}: open")
    host = start.host(agent)
    assert sum(m["type"] == "metrics" for m in host.collect(3)) > 1  # what stays open after the first use is
    used = at_rest(agent)
    limit_descriptors(agent, max(used) + 1 if case == "as many as are in use" else 0)
    assert host.data_of("Ping")
    agent.socket = path
    ticks, began = cpu_ticks(agent.pid), time.monotonic()
    assert not is_served(start, agent)
    for _ in range(10):
        assert host.data_of("Ping")
        time.sleep(0.1)
    assert cpu_ticks(agent.pid) - ticks < 30 * (time.monotonic() - began), "it spins"
    host.ask("ProcessList")
    host.ask("GetMetrics")
    assert agent.is_running()

    limit_descriptors(agent, 1024)
    assert host.data_of("Ping")
    wait_for(lambda: is_served(start, agent), "the other channel takes hosts again")
    wait_for(lambda: (time.sleep(0.5), host.ask("ProcessList").get("data"))[1], "processes can be read again")
    wait_for(lambda: len(agent.descriptors()) == len(used), "what is open, the spare ones too, is what was")


def test_started_with_few_descriptors_it_says_so_or_works(start):
    """Whatever it cannot open, it must not crash."""
    for n in range(3, 24):
        def limit(n=n):
            resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
        agent = start("--interval", "3600", channels=[f"unix-listen:{start.folder}/s{n}"], preexec_fn=limit,
                      env={"ASAN_OPTIONS": "detect_leaks=0"})  # which would take descriptors itself
        agent.stops_cleanly = False
        wait_for(lambda a=agent: not a.is_running() or "started" in a.log(), "it runs or gives up")
        assert agent.stop() in (0, 1, 78, 127), agent.log()
        assert agent.log()


# -- memory ----------------------------------------------------------------------------------------

@pytest.mark.skipif(SANITIZED, reason="AddressSanitizer ends the program when memory runs out")
def test_a_line_there_is_no_memory_for_is_dropped_and_the_agent_goes_on(start, agent):
    host = start.host(agent)
    host.barrier()
    _, hard = resource.prlimit(agent.pid, resource.RLIMIT_AS)
    size = int(status_of(agent.pid)["VmSize"]) * 1024
    resource.prlimit(agent.pid, resource.RLIMIT_AS, (size + 3 * MIB, hard))
    host.send_bytes(b'{"type":"SafeCommand","id":"big","x":"' + b"y" * (8 * MIB - 200) + b'"}\n')
    host.send(command("Ping", "behind"))
    _, before = host.answer_to("behind")
    assert "big" not in [m.get("id") for m in before]
    assert "out of memory" in agent.log()
    resource.prlimit(agent.pid, resource.RLIMIT_AS, (hard, hard))
    host.send(command("Ping", "big", x="y" * (8 * MIB - 200)))
    assert host.answer_to("big")[0]["success"]


@pytest.mark.skipif(SANITIZED, reason="AddressSanitizer ends the program when memory runs out")
def test_without_any_memory_requests_fail_and_the_agent_goes_on(start, agent):
    host = start.host(agent)
    host.barrier()
    _, hard = resource.prlimit(agent.pid, resource.RLIMIT_AS)
    resource.prlimit(agent.pid, resource.RLIMIT_AS, (MIB, hard))
    for n in range(200):
        host.send(command("ProcessList", f"l{n}"), command("GetMetrics", f"m{n}"),
                  command("Ping", f"p{n}", x=list(range(4000))))
    host.collect(1)
    assert agent.is_running()
    resource.prlimit(agent.pid, resource.RLIMIT_AS, (hard, hard))
    assert host.data_of("Ping")
    wait_for(lambda: (time.sleep(0.5), host.ask("ProcessList").get("data"))[1], "processes can be read again")


def test_memory_does_not_grow_with_sessions_and_requests(start, tree):
    agent = start("--interval", "3600", "--root", str(tree))

    def work(n):
        for _ in range(n):
            host = start.host(agent, greeted=False)
            host.send(*(command("Ping", f"p{k}") for k in range(50)), command("ProcessList", "l"), b"garbage")
            host.answer_to("l")
            host.close()
            start.hosts.remove(host)
    work(2)
    wait_for(lambda: "no host" in agent.counters()["text"], "the last one has left")
    before = int(status_of(agent.pid)["VmRSS"]), len(agent.descriptors())
    work(8)
    wait_for(lambda: len(agent.descriptors()) == before[1], "what was opened has been closed")
    if not SANITIZED:  # which keeps freed memory for a while
        assert int(status_of(agent.pid)["VmRSS"]) - before[0] < 1024


# -- idle ------------------------------------------------------------------------------------------

def switches(agent):
    return int(status_of(agent.pid)["voluntary_ctxt_switches"])


def nothing_wakes(start):
    away = start("--interval", "3600")
    been = start("--interval", "3600")
    attached = start("--interval", "3600")
    absent = start("--interval", "1", channels=["virtio:org.vmvitals.nosuch.0"])
    host = start.host(attached)
    start.host(been).close()
    start.hosts.pop()
    has_address = any(i["ip_addresses"] for i in host.metrics["data"]["system"]["network"]["interfaces"])
    agents = {"no host": away, "a host that has left": been, "a host": attached, "no port": absent}
    yield 4  # the port that is missing is looked for after 1, 2, 4 ... seconds
    before = {name: (switches(a), cpu_ticks(a.pid)) for name, a in agents.items()}
    began = time.monotonic()
    yield 8
    elapsed = time.monotonic() - began  # more, when what runs meanwhile takes long
    woken = {name: switches(a) - before[name][0] for name, a in agents.items()}
    spent = {name: cpu_ticks(a.pid) - before[name][1] for name, a in agents.items()}
    assert max(spent.values()) <= 3, spent
    if not has_address:  # metrics are then due every 5 s for two minutes
        del woken["a host"]
    # a missing port: of the pauses of 1, 2, 4 ... 30 seconds, each up to a half shorter, three can end in 8 s,
    # then one in 15 s; a host: the health timer, each minute
    allowed = {"no port": 3 + elapsed / 15}
    assert all(n <= allowed.get(name, 2 + elapsed / 60) for name, n in woken.items()), (elapsed, woken)
    assert host.barrier() == []


@pytest.mark.meanwhile(by=nothing_wakes)
def test_nothing_wakes_an_agent_that_has_nothing_to_do(scenario):
    scenario.finish()


def only_metrics_wake(start):
    agent = start("--interval", "2")
    host = start.host(agent)
    yield 1
    before = switches(agent)
    yield 5
    woken, came = switches(agent) - before, len(host.collect(0.1))
    # a reading is done in slices, each a turn of the loop, which does not sleep between them
    assert came >= 2 and woken <= 6 * came


@pytest.mark.meanwhile(by=only_metrics_wake)
def test_an_agent_with_a_host_wakes_for_its_metrics_only(scenario):
    scenario.finish()


def test_start_and_stop_take_no_long_time(start):
    """Not a benchmark: only that nothing waits for a timer of seconds."""
    began = time.monotonic()
    for n in range(3):
        agent = start("--interval", "3600")
        assert agent.stop() == 0
    assert time.monotonic() - began < DEADLINE
