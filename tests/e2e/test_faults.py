"""What the kernel says is wrong, goes backwards, wraps or vanishes: one group fails, and no number is absurd."""
import re
import shutil
import time

import pytest

from harness import wait_for

PERIOD_MAX_MS = 300_000


@pytest.fixture
def on_tree(start, tree):
    def run(*args, **options):
        agent = start("--root", str(tree), "--interval", "3600", *args, **options)
        return agent, start.host(agent)
    return run


def groups(host, *names):
    return host.data_of("GetSamples", groups=list(names))["groups"]


def collector(host, name):
    return next(c for c in host.data_of("GetState")["collectors"] if c["name"] == name)


def numbers(value):
    """All numbers in a message."""
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (dict, list)) or hasattr(value, "__iter__") and not isinstance(value, str):
        for v in value:
            yield from numbers(v)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


# -- unreadable and garbled files ----------------------------------------------------------------------

GARBAGE = {
    "memory": ("proc/meminfo", "MemTotal: lots kB\n"),
    "load": ("proc/loadavg", "much\n"),
    "disk": ("proc/diskstats", "   8       0 vda one two three\n"),
    "stat": ("proc/stat", "cpu  1 2\n"),
    "network": ("proc/net/dev", "nothing of the kind\n"),
    "vmstat": ("proc/vmstat", "pgfault none\n"),
}


@pytest.mark.parametrize("group", GARBAGE)
def test_a_garbled_file_fails_its_group_alone(on_tree, tree, group):
    path, garbage = GARBAGE[group]
    if not (tree / "proc/vmstat").exists():
        (tree / "proc/vmstat").write_text("pgfault 1\n")
    _, host = on_tree()
    asked = sorted(GARBAGE)
    assert groups(host, *asked)[group]["ok"]
    good = (tree / path).read_bytes()
    (tree / path).write_text(garbage)
    found = groups(host, *asked)
    for name in asked:
        is_of_that_file = name == group or (group == "stat" and name == "cpu")
        assert found[name]["ok"] == (not is_of_that_file), (name, found[name])
    assert found[group]["error"] and found[group]["rows"] == []
    assert host.ask("Ping")["success"]
    (tree / path).write_bytes(good)
    wait_for(lambda: groups(host, group).get(group, {}).get("ok"), f"{group} works again")


def test_failures_in_a_row_double_the_period_and_are_told(on_tree, tree):
    (tree / "proc/vmstat").write_text("pgfault 1\n")
    agent, host = on_tree(config="[health]\ninterval = 10\n")
    assert groups(host, "vmstat")["vmstat"]["ok"]
    (tree / "proc/vmstat").write_text("pgfault none\n")
    periods = []
    while len(periods) < 4:  # each attempt, as they come further and further apart
        groups(host, "vmstat")
        state = collector(host, "vmstat")
        if state["failures"] > len(periods):
            periods.append(state["period_ms"])
            assert not state["ok"] and "vmstat" in state["error"]
        time.sleep(0.05)
    assert periods[1] >= 2000 and periods == sorted(periods), periods
    assert periods[3] >= 1.9 * periods[2] >= 3.6 * periods[1] and periods[3] <= PERIOD_MAX_MS, periods
    agent.wait_log(r"collector vmstat fails: .*vmstat")
    (tree / "proc/vmstat").write_text("pgfault 2\n")
    wait_for(lambda: (groups(host, "vmstat"), collector(host, "vmstat"))[1]["ok"], "vmstat works again", 60)
    assert collector(host, "vmstat")["failures"] == 0
    agent.wait_log(r"collector vmstat works again")


def test_a_file_that_is_not_there_is_no_failure(on_tree, tree):
    (tree / "proc/vmstat").unlink(missing_ok=True)
    shutil.rmtree(tree / "proc/pressure", ignore_errors=True)
    agent, host = on_tree(config="[health]\ninterval = 10\n")
    for _ in range(5):
        groups(host, "vmstat", "pressure")
    assert collector(host, "pressure")["failures"] <= 1
    assert not re.search(r"collector (vmstat|pressure) fails", agent.log())


# -- honest numbers ---------------------------------------------------------------------------------------

def rewrite(path, pattern, new):
    text = path.read_text()
    assert re.search(pattern, text), (path, pattern)
    path.write_text(re.sub(pattern, new, text, count=1))


def metrics(host):
    """Of a reading that is not the last one again."""
    time.sleep(1.1)
    return host.data_of("GetMetrics")


def assert_sane(data):
    for value in numbers(data):
        assert 0 <= value < 1e18, value
    for p in data["processes"]:
        assert p["cpu_percent"] <= 100 * len(data["system"]["cpu"]["cores_usage"])
    assert all(0 <= share <= 100 for share in data["system"]["cpu"]["cores_usage"])


def test_counters_that_go_backwards_give_no_negative_rates(on_tree, tree):
    _, host = on_tree()
    assert_sane(metrics(host))
    rewrite(tree / "proc/diskstats", r"(?m)^( *\d+ +\d+ (?:vda|sda|nvme0n1)) .*$", r"\1 1 0 8 1 1 0 8 1 0 1 1")
    rewrite(tree / "proc/stat", r"(?m)^cpu0 .*$", "cpu0 5 0 5 50 0 0 0 0 0 0")
    data = metrics(host)
    assert_sane(data)
    assert data["system"]["disk"]["io_stats"]["read_bytes_per_sec"] == 0
    own = groups(host, "agent")["agent"]
    assert own["ok"]


def test_a_processor_that_is_taken_offline_has_no_row(on_tree, tree):
    _, host = on_tree()
    before = [row[0] for row in groups(host, "cpu")["cpu"]["rows"]]
    rewrite(tree / "proc/stat", rf"(?m)^cpu{before[-1]} .*\n", "")
    assert [row[0] for row in groups(host, "cpu")["cpu"]["rows"]] == before[:-1]
    assert_sane(metrics(host))


def test_a_disk_and_an_interface_may_vanish(on_tree, tree):
    _, host = on_tree()
    disks = [row[0] for row in groups(host, "disk")["disk"]["rows"]]
    (tree / "proc/diskstats").write_text("")
    rewrite(tree / "proc/net/dev", r"(?m)^ *(?!lo)\w+:.*\n", "")
    found = groups(host, "disk", "network")
    assert disks and found["disk"]["rows"] == []
    assert found["network"]["ok"]
    assert_sane(metrics(host))


def test_a_pid_that_is_used_again_is_another_process(on_tree, tree):
    """Less CPU time than before under the same number, and a later start: no difference is taken."""
    stat = tree / "proc/612/stat"
    _, host = on_tree()
    assert_sane(metrics(host))
    columns = stat.read_text().rsplit(")", 1)[1].split()
    columns[11] = columns[12] = "0"
    columns[19] = str(int(columns[19]) + 100)
    stat.write_text("612 (other) " + " ".join(columns) + "\n")
    data = metrics(host)
    assert_sane(data)
    (row,) = [p for p in data["processes"] if p["pid"] == 612]
    assert row["name"] == "other" and row["cpu_percent"] == 0


def test_what_looks_like_less_than_zero_is_unknown(on_tree, tree):
    """2^64 - 2 is a sum in the kernel that ran below zero."""
    rewrite(tree / "proc/net/dev", r"(?m)^( *(?!lo)\w+:) *\d+", rf"\g<1> {2**64 - 2}")
    _, host = on_tree()
    described = host.data_of("Describe", what=["groups"])["groups"]["network"]["fields"]
    column = [f["name"] for f in described].index("node_network_receive_bytes_total") + 1
    assert None in [row[column] for row in groups(host, "network")["network"]["rows"]]
    assert_sane(metrics(host))
