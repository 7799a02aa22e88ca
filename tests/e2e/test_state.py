"""GetState, and the groups about the agent itself."""
import os
import signal
import time
from datetime import datetime, timezone

from harness import command, wait_for


def seconds_since(stamp):
    return (datetime.now(timezone.utc) - datetime.fromisoformat(stamp)).total_seconds()


def group_of(host, name):
    """{id: {column: cell}} of a group."""
    fields = host.data_of("Describe", what=["groups"])["groups"][name]["fields"]
    columns = [f["name"] + "".join(f",{k}={v}" for k, v in f.get("labels", {}).items()) for f in fields]
    return {row[0]: dict(zip(columns, row[1:], strict=True))
            for row in host.data_of("GetSamples", groups=[name])["groups"][name]["rows"]}


def test_channel_that_is_asked_through_is_told(agent, host):
    channel, = host.data_of("GetState")["channels"]
    assert channel["name"] == f"unix-listen:{agent.socket}" and channel["attached"]
    assert channel["session"] == host.session
    assert 0 <= seconds_since(channel["since"]) < 30
    assert channel["bytes_in"] > 0 and channel["bytes_out"] > 1000


def test_what_goes_wrong_is_counted(agent, host):
    was = host.data_of("GetState")["channels"][0]
    host.send(b"no JSON", b"[]", command("RebootSystem", "r"))
    host.answer_to("r")
    now = host.data_of("GetState")["channels"][0]
    assert (now["malformed"] - was["malformed"], now["refused"] - was["refused"]) == (2, 1)
    rows = group_of(host, "channel")
    row = rows[now["name"]]
    assert row["vmvitals_channel_malformed_lines_total"] == 2
    assert row["vmvitals_channel_refused_commands_total"] == 1
    assert (row["vmvitals_channel_attached"], row["vmvitals_channel_sessions_total"]) == (1, 1)


def test_channels_without_a_host_are_told_too(start, sockets):
    other = sockets / "other"
    agent = start("--interval", "3600", channels=[f"unix-listen:{sockets}/one", f"unix-listen:{other}"])
    host = start.host(agent, socket=sockets / "one")
    away = host.data_of("GetState")["channels"][1]
    assert away["name"] == f"unix-listen:{other}"
    assert (away["attached"], away["session"], away["since"], away["bytes_out"]) == (False, None, None, 0)


def test_commands_under_way_are_jobs(agent, host):
    """A request that waits for a second reading is still running when the next is answered."""
    host.send(command("ProcessList", "slow"), command("GetState", "state"))
    state, before = host.answer_to("state")
    if not any(m.get("id") == "slow" for m in before):
        assert [(j["id"], j["action"]) for j in state["data"]["jobs"]] == [("slow", "ProcessList")]
        host.answer_to("slow")
    assert host.data_of("GetState")["jobs"] == []


def test_collectors_tell_how_they_are(start, tree):
    (tree / "proc/loadavg").write_text("nonsense\n")
    (tree / "proc/diskstats").unlink()
    host = start.host(start("--root", str(tree), "--interval", "3600"), greeted=False)
    host.data_of("GetSamples", groups=["load", "disk", "memory", "collector"])
    found = {c["name"]: c for c in host.data_of("GetState")["collectors"]}
    assert found["memory"]["ok"] and found["memory"]["age_ms"] is not None
    assert not found["load"]["ok"] and "loadavg" in found["load"]["error"] and found["load"]["failures"] >= 1
    assert (found["disk"]["ok"], found["disk"]["error"], found["disk"]["failures"]) == (False, "not on this guest", 0)
    assert (found["temperature"]["ok"], found["temperature"]["age_ms"]) in ((None, None), (True, 0)) or \
        found["temperature"]["ok"]
    rows = group_of(host, "collector")
    assert set(rows) == set(found)
    assert rows["memory"]["node_scrape_collector_success"] == 1
    assert rows["load"]["node_scrape_collector_success"] == 0
    assert rows["disk"]["node_scrape_collector_success"] is None
    assert 0 < rows["memory"]["node_scrape_collector_duration_seconds"] < 10


def test_cost_is_that_of_the_process(agent, host):
    cost = host.data_of("GetState")["cost"]
    rss = int(open(f"/proc/{agent.pid}/statm", encoding="ascii").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert 0.5 < cost["rss_bytes"] / rss < 2
    row = group_of(host, "agent")[None]
    assert row["vmvitals_agent_open_fds"] == len(agent.descriptors(with_kept=True))
    assert abs(row["vmvitals_agent_start_time_seconds"] - time.time()) < 60
    assert row["version"] == host.handshake["version"]
    assert row["vmvitals_agent_jobs"] == 1  # this one


def test_cost_is_the_agents_own_whatever_tree_is_read(start, tree):
    host = start.host(start("--root", str(tree), "--interval", "3600"))
    assert host.data_of("GetState")["cost"]["rss_bytes"] > 1 << 20
    assert group_of(host, "agent")[None]["vmvitals_agent_cpu_seconds_total,mode=user"] < 60


def test_time_of_the_configuration_is_that_of_the_reload(agent, host):
    first = host.data_of("GetState")["config_loaded_at"]
    time.sleep(0.01)
    agent.signal(signal.SIGHUP)
    agent.wait_log("configuration read again")
    assert wait_for(lambda: host.data_of("GetState")["config_loaded_at"] > first, "another time")
    second = host.data_of("GetState")["config_loaded_at"]
    agent.config.write_text("nonsense\n")
    agent.signal(signal.SIGHUP)
    agent.wait_log("configuration refused")
    assert host.data_of("GetState")["config_loaded_at"] == second
