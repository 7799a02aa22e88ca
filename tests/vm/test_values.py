"""What the agent says, compared with what the guest's own tools say."""
import json
import re
import time

import agent_guest
import pytest
from native import DEADLINE

GIB = 1 << 30


@pytest.fixture(scope="module")
def metrics(installed):
    """The data of a metrics message with a busy process and an open port in it."""
    installed.start()
    guest = installed.guest
    busy = guest.spawn("exec yes >/dev/null")
    listener = guest.spawn("exec systemd-socket-activate -l 5555 cat")
    try:
        guest.wait("ss -Hltn 'sport = :5555' | grep -q LISTEN")
        with installed.host() as host:
            host.greet()
            deadline = time.monotonic() + DEADLINE
            while True:  # the share of CPU time is that of an interval, which may have begun before, and so of ports
                data = host.ask("GetMetrics")["data"]
                is_new = max(data["system"]["cpu"]["cores_usage"]) > 50 and any(p["port"] == 5555 for p in data["ports"])
                if is_new or time.monotonic() > deadline:
                    break
                time.sleep(0.5)
        yield data
    finally:
        for job in (busy, listener):
            job.send_signal(9)


def table(guest, command):
    return [line.split() for line in guest.sh(command).splitlines()]


def test_memory_is_what_free_says(agent, metrics):
    rows = {row[0]: list(map(int, row[1:])) for row in table(agent.guest, "free -k | tail -n 2")}
    memory = metrics["system"]["memory"]
    total, _used, _free, _shared, _cache, available = rows["Mem:"]
    assert memory["total_kb"] == total
    assert memory["available_kb"] == pytest.approx(available, abs=0.05 * total)
    assert memory["used_kb"] == memory["total_kb"] - memory["available_kb"]
    assert memory["swap_total_kb"] == rows["Swap:"][0]


def test_root_filesystem_is_what_df_says(agent, metrics):
    size, used, available = map(int, table(agent.guest, "df -B1 --output=size,used,avail / | tail -n 1")[0])
    root = metrics["system"]["disk"]["usage_stats"][0]
    assert (root["mount_point"], root["filesystem"]) == ("/", "ext4")
    assert root["total_gb"] == pytest.approx(size / GIB, abs=0.01)
    assert root["used_gb"] == pytest.approx(used / GIB, abs=0.02)
    assert root["available_gb"] == pytest.approx(available / GIB, abs=0.02)
    assert len(metrics["system"]["disk"]["usage_stats"]) == 1


def test_filesystem_mounted_later_is_seen(agent):
    """Below /home, and while the agent runs: its sandbox must not hide it."""
    guest = agent.guest
    guest.sh("mkdir -p /home/data && mount /dev/vdc /home/data")
    try:
        size = int(guest.sh("df -B1 --output=size /home/data | tail -n 1"))
        with agent.fresh_host() as host:
            disks = host.wait("metrics")["data"]["system"]["disk"]["usage_stats"]
        assert [disk["mount_point"] for disk in disks] == ["/", "/home/data"]
        assert disks[1]["total_gb"] == pytest.approx(size / GIB, abs=0.01)
    finally:
        guest.sh("umount /home/data")


def test_interfaces_are_what_ip_says(agent, metrics):
    links = {link["ifname"]: link for link in json.loads(agent.guest.sh("ip -j -s addr"))}
    interfaces = {i["name"]: i for i in metrics["system"]["network"]["interfaces"]}
    assert set(interfaces) == set(links) - {"lo"} == {"eth0"}
    eth0, stats = interfaces["eth0"], links["eth0"]["stats64"]
    assert eth0["is_up"] is True
    assert eth0["ip_addresses"] == [agent_guest.ADDRESS]
    assert 0 <= stats["rx"]["packets"] - eth0["packets_received"] < 100
    assert 0 <= stats["tx"]["packets"] - eth0["packets_sent"] < 100


def test_processes_are_what_ps_says(agent, metrics):
    names = {int(row[0]): (int(row[1]), row[2])
             for row in table(agent.guest, "ps -e -o pid=,ppid=,comm=")}
    processes = metrics["processes"]
    assert 0 < len(processes) <= 20
    known = [p for p in processes if p["pid"] in names]
    assert len(known) >= len(processes) - 3  # some may have ended since
    for process in known:
        ppid, name = names[process["pid"]]
        assert process["ppid"] == ppid
        if not name.startswith("kworker/"):  # these are renamed after what they do
            assert process["name"] == name
    busiest = processes[0]
    assert busiest["name"] == "yes"
    assert 50 <= busiest["cpu_percent"] <= 105
    assert busiest["status"] in ("Running", "Sleeping")


def test_memory_of_a_process_is_what_ps_says(agent, metrics):
    rss = {int(row[0]): int(row[1]) for row in table(agent.guest, "ps -e -o pid=,rss=")}
    yes = metrics["processes"][0]
    assert yes["memory_kb"] == pytest.approx(rss[yes["pid"]], rel=0.1)


def test_cpus_are_as_many_as_nproc_says(agent, metrics):
    cpu = metrics["system"]["cpu"]
    assert len(cpu["cores_usage"]) == int(agent.guest.sh("nproc"))
    assert all(0 <= usage <= 100 for usage in [cpu["usage_percent"], *cpu["cores_usage"]])
    assert max(cpu["cores_usage"]) > 50  # yes keeps one of them busy


def test_listening_port_is_seen(agent, metrics):
    ports = [p for p in metrics["ports"] if (p["port"], p["protocol"]) == (5555, "TCP")]
    assert len(ports) == 1
    assert ports[0]["state"] == "Listen"
    assert ports[0]["is_listening"] is True


def test_uptime_and_load_are_those_of_the_guest(agent):
    guest = agent.guest
    with agent.host() as host:
        host.greet()
        before = guest.sh("cat /proc/uptime /proc/loadavg").split()
        system = host.ask("GetMetrics")["data"]["system"]
        after = guest.sh("cat /proc/uptime /proc/loadavg").split()
    assert int(float(before[0])) - 1 <= system["uptime_seconds"] <= float(after[0])
    load = system["load_average"]
    for name, at in (("load_1min", 2), ("load_5min", 3), ("load_15min", 4)):
        low, high = sorted((float(before[at]), float(after[at])))
        assert low - 0.02 <= load[name] <= high + 0.02


def test_handshake_says_what_the_guest_is(agent):
    guest = agent.guest
    with agent.host() as host:
        hello = host.greet()
        info = host.ask("SystemInfo")["data"]
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', guest.sh("cat /etc/os-release"), re.M))
    assert hello["hostname"] == guest.sh("hostname") == info["hostname"]
    assert hello["os"] == {"id": release["ID"], "version_id": release["VERSION_ID"],
                           "name": release["PRETTY_NAME"], "kernel": guest.sh("uname -r"),
                           "arch": guest.sh("uname -m")}
    assert info["kernel"] == guest.sh("uname -r")
    assert info["cpu_count"] == int(guest.sh("nproc"))
    assert info["total_memory"] == 1024 * int(guest.sh("awk '/MemTotal/ {print $2}' /proc/meminfo"))
    assert hello["boot_id"] == guest.sh("cat /proc/sys/kernel/random/boot_id")
    assert hello["vm_id"].replace("-", "") == guest.sh("cat /etc/machine-id")
    assert hello["clock"]["realtime_ms"] == pytest.approx(float(guest.sh("date +%s")) * 1000, abs=20000)
    assert hello["clock"]["synchronized"] is False  # asked of the kernel: the sandbox lets it
    assert hello["policy"]["level"] == "monitor"
