"""Figures against this machine's own, and against a recorded one."""
import json
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import time

import pytest
import schema
from conftest import make_tree
from harness import FIXTURES, GOLDEN, run_agent, wait_for

GIB = 2**30
EXPECTED = GOLDEN / "debian12-6.1.json"  # VMV_UPDATE_GOLDEN=1 writes it anew


def proc(path):
    return pathlib.Path("/proc", path).read_text()


def meminfo():
    return {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in proc("meminfo").splitlines())}


def os_release():
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        if os.path.exists(path):
            pairs = (line.split("=", 1) for line in pathlib.Path(path).read_text().splitlines() if "=" in line)
            return {name: value.strip("\"'") for name, value in pairs}
    return {}


@pytest.fixture(scope="module")
def host(start_shared):
    return start_shared.host(start_shared("--interval", "3600"))


@pytest.fixture(scope="module")
def system(host):
    return host.metrics["data"]["system"]


def test_memory_is_that_of_meminfo(host):
    for _ in range(5):  # other programs may take or give back much in between
        before, m, after = meminfo(), host.data_of("GetMetrics")["system"]["memory"], meminfo()
        low, high = sorted((before["MemAvailable"], after["MemAvailable"]))
        if low - 65536 <= m["available_kb"] <= high + 65536:
            break
        time.sleep(1)  # GetMetrics repeats what is younger than that
    assert low - 65536 <= m["available_kb"] <= high + 65536
    assert m["total_kb"] == before["MemTotal"]
    assert m["swap_total_kb"] == before["SwapTotal"]
    assert abs(m["swap_used_kb"] - (before["SwapTotal"] - before["SwapFree"])) < 65536


def test_each_online_cpu_has_its_use(system):
    assert len(system["cpu"]["cores_usage"]) == sum(
        line.startswith("cpu") and line[3] != " " for line in proc("stat").splitlines())


def test_filesystems_are_as_statvfs_says(system):
    mounts = {m["mount_point"]: m for m in system["disk"]["usage_stats"]}
    if any(line.split()[4] == "/" for line in proc("self/mountinfo").splitlines()):  # not so in a chroot
        assert "/" in mounts
    for path, m in mounts.items():
        st = os.statvfs(path)
        assert m["total_gb"] == pytest.approx(st.f_blocks * st.f_frsize / GIB, abs=0.006)
        assert m["used_gb"] == pytest.approx((st.f_blocks - st.f_bfree) * st.f_frsize / GIB, abs=0.5)
        assert m["available_gb"] == pytest.approx(st.f_bavail * st.f_frsize / GIB, abs=0.5)


def test_filesystems_have_the_type_of_mountinfo(system):
    types = {}
    for line in proc("self/mountinfo").splitlines():
        left, right = line.split(" - ")
        types[left.split()[4].encode().decode("unicode_escape")] = right.split()[0]
    for m in system["disk"]["usage_stats"]:
        assert m["filesystem"] == types[m["mount_point"]]
        assert m["filesystem"] not in ("tmpfs", "proc", "sysfs", "devtmpfs", "cgroup2", "squashfs")


def test_identity_is_that_of_uname_and_os_release(host, system):
    release, uname = os_release(), platform.uname()
    os_info, identity = host.handshake["os"], system["system"]
    assert os_info["name"] == release.get("PRETTY_NAME", os_info["name"])
    assert os_info["id"] == release.get("ID", "linux") and os_info["version_id"] == release.get("VERSION_ID")
    assert os_info["kernel"] == identity["kernel_version"] == uname.release
    assert os_info["arch"] == uname.machine
    assert host.handshake["hostname"] == identity["hostname"] == proc("sys/kernel/hostname").strip()
    assert identity["name"] == release.get("NAME", "Linux")


def test_system_info_says_the_same(host):
    data, uname = host.data_of("SystemInfo"), platform.uname()
    assert (data["kernel"], data["architecture"], data["arch"]) == (uname.release, uname.machine, uname.machine)
    assert data["cpu_count"] == os.cpu_count()
    assert data["total_memory"] == meminfo()["MemTotal"] * 1024
    assert data["version"] == os_release().get("PRETTY_NAME", data["version"])
    assert data["hostname"] == proc("sys/kernel/hostname").strip()


def test_os_info_adds_package_managers_and_shell(host):
    data = host.data_of("OsInfo")
    assert ("Apt" in data["available_package_managers"]) == os.path.exists("/usr/bin/apt-get")
    assert data["default_shell"] == ("Bash" if os.path.exists("/bin/bash") else "Sh")
    assert data["build"] == platform.uname().release


def test_uptime_and_load_are_those_of_proc(host):
    system = host.data_of("GetMetrics")["system"]
    assert abs(system["uptime_seconds"] - float(proc("uptime").split()[0])) < 60
    load = [system["load_average"][f"load_{n}min"] for n in (1, 5, 15)]
    assert load == pytest.approx([float(v) for v in proc("loadavg").split()[:3]], abs=1)


def interfaces_of_proc():
    rows = (line.split(":", 1) for line in proc("net/dev").splitlines()[2:])
    return {name.strip(): [int(v) for v in rest.split()] for name, rest in rows}


def test_interfaces_are_those_of_proc_net_dev(host):
    time.sleep(1)  # GetMetrics repeats what is younger than that
    before = interfaces_of_proc()
    shown = {i["name"]: i for i in host.data_of("GetMetrics")["system"]["network"]["interfaces"]}
    hidden = ("lo", "docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "lxc", "podman", "kube-")
    assert set(shown) == {name for name in before if not name.startswith(hidden)}
    for name, i in shown.items():
        flags = int(pathlib.Path(f"/sys/class/net/{name}/flags").read_text(), 16)
        state = pathlib.Path(f"/sys/class/net/{name}/operstate").read_text().strip()
        assert i["is_up"] == (bool(flags & 1) and state in ("up", "unknown"))
        # counters only grow
        for member, column in (("bytes_received", 0), ("packets_received", 1), ("errors_in", 2),
                               ("bytes_sent", 8), ("packets_sent", 9), ("errors_out", 10)):
            assert before[name][column] <= i[member] <= interfaces_of_proc()[name][column]


def test_addresses_are_those_of_the_interfaces(host):
    shown = {a for i in host.metrics["data"]["system"]["network"]["interfaces"] for a in i["ip_addresses"]}
    assert all(socket.inet_aton(a) for a in shown) and not any(a.startswith("127.") for a in shown)
    route = [line.split() for line in proc("net/route").splitlines()[1:]]
    if any(r[1] == "00000000" for r in route):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("192.0.2.1", 9))  # sends nothing: only asks which address would be used
            assert s.getsockname()[0] in shown


def a_port_with_its_owner(start):
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            host = start.host(start("--interval", "3600"))
            ports = {(p["protocol"], p["port"]): p for p in host.metrics["data"]["ports"]}
        tcp, udp = ports["TCP", port], ports["UDP", bound.getsockname()[1]]
        assert (tcp["state"], tcp["connection_count"], udp["state"]) == ("Listen", 1, "UDP")
        for shown in (tcp, udp):
            assert shown["pid"] == os.getpid()
            assert shown["exe_path"] == os.path.realpath(f"/proc/{os.getpid()}/exe")
            assert shown["process_name"] == proc(f"{os.getpid()}/comm").strip()
    yield 5  # the ports are read again when what is known is so old
    def has_gone():
        time.sleep(0.3)
        return ("TCP", port) not in {(p["protocol"], p["port"]) for p in host.data_of("GetMetrics")["ports"]}
    wait_for(has_gone, "the port that is closed is not shown any more")


@pytest.mark.meanwhile(by=a_port_with_its_owner)
def test_a_port_that_listens_is_shown_with_its_owner_and_no_more_when_it_has_gone(scenario):
    scenario.finish()


def test_a_busy_process_has_100_percent_of_a_cpu(host):
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            def share():
                time.sleep(1)
                rows = [p for p in host.data_of("GetMetrics")["processes"] if p["pid"] == busy.pid]
                return rows and rows[0]["cpu_percent"]
            first = share()  # begun in between: since its start
            # other work may have the CPUs as well: the share it really got
            ticks, began = int(proc(f"{busy.pid}/stat").split()[13]), time.monotonic()
            shown = share()
            really = (int(proc(f"{busy.pid}/stat").split()[13]) - ticks) / (time.monotonic() - began)
            assert first and shown == pytest.approx(really, abs=25)
            row = next(p for p in host.data_of("ProcessTop", limit=2000) if p["pid"] == busy.pid)
            assert row["status"] == "Running" and row["cpu_percent"] == pytest.approx(really, abs=50)
        finally:
            busy.kill()


def need_whole_list():
    if sum(name.isdigit() for name in os.listdir("/proc")) > 1900:
        pytest.skip("more processes here than a list shows")


def test_process_list_has_this_very_process(host):
    need_whole_list()
    rows = {p["pid"]: p for p in host.data_of("ProcessList")}
    me, stat = rows[os.getpid()], proc("self/stat")
    assert me["name"] == proc("self/comm").strip() and me["ppid"] == os.getppid()
    assert me["exe_path"] == os.path.realpath("/proc/self/exe")
    assert me["command_line"] == proc("self/cmdline").replace("\0", " ").strip()[:512]
    assert me["threads"] == int(stat.rsplit(")", 1)[1].split()[17])
    assert me["memory_kb"] == pytest.approx(int(stat.rsplit(")", 1)[1].split()[21]) * 4, rel=0.2)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert me["user"] == user
    assert list(rows) == sorted(rows) and 1 in rows


def test_process_list_shows_all_or_as_many_as_asked(host):
    everything = min(2000, sum(name.isdigit() for name in os.listdir("/proc")))
    assert abs(len(host.data_of("ProcessList")) - everything) < 30
    assert len(host.data_of("ProcessList", limit=2)) == 2


def test_process_top_is_sorted(host):
    others = [subprocess.Popen(["sleep", "300"]) for _ in range(10)]  # a chroot may have few processes
    try:
        rows = host.data_of("ProcessTop", limit=5, sort_by="memory")
        assert len(rows) == 5
        assert [p["memory_kb"] for p in rows] == sorted((p["memory_kb"] for p in rows), reverse=True)
        rows = host.data_of("ProcessTop")
        use = [p["cpu_percent"] for p in rows]
        assert len(rows) == 10 and use == sorted(use, reverse=True)
    finally:
        for process in others:
            process.kill()
            process.wait()


def test_odd_names_and_arguments_come_through(host, tmp_path):
    """A process whose name and arguments are no UTF-8, and hold what JSON must escape."""
    need_whole_list()
    program = os.fsencode(tmp_path / 'n"\\a') + b"\xff\n"
    os.symlink("/bin/sleep", program)
    with subprocess.Popen([b"\x01\"\\\xc3\xa9\xff\xf0\x9f\x98\x80 ", b"1000"], executable=program) as child:
        try:
            wait_for(lambda: b"1000" in pathlib.Path(f"/proc/{child.pid}/cmdline").read_bytes(), "exec")
            row = next(p for p in host.data_of("ProcessList") if p["pid"] == child.pid)
            assert row["name"] == 'n"\\a\ufffd\n'
            assert row["command_line"] == '\x01"\\\u00e9\ufffd\U0001f600  1000'
        finally:
            child.kill()


def test_settings_shape_the_metrics(start):
    host = start.host(start("--interval", "3600", config="[metrics]\nprocesses = 3\ncmdline = no\n"
                                                         "[network]\nexclude = *\n"))
    data = host.metrics["data"]
    assert len(data["processes"]) == 3 and all(p["cmd_line"] is None for p in data["processes"])
    assert data["system"]["network"]["interfaces"] == []
    assert all(p["command_line"] is None for p in host.data_of("ProcessList"))


def test_no_processes_when_none_are_wanted(start):
    host = start.host(start("--interval", "3600", config="[metrics]\nprocesses = 0\n"))
    assert host.metrics["data"]["processes"] == []


# -- a recorded system -----------------------------------------------------------------------------

def without_what_varies(message):
    """The sizes are those of the filesystem the tree lies in."""
    del message["timestamp"]
    for m in message["data"]["system"]["disk"]["usage_stats"]:
        for name in ("total_gb", "used_gb", "available_gb"):
            assert isinstance(m.pop(name), (int, float))
    return message


def test_once_prints_the_metrics_of_a_recorded_system(tree, tmp_path):
    (tmp_path / "empty.conf").touch()
    done = run_agent("--config", tmp_path / "empty.conf", "--root", tree, "--once")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n") and done.stdout.count("\n") == 1
    message = without_what_varies(schema.check(done.stdout.encode().rstrip(b"\n")))
    if os.environ.get("VMV_UPDATE_GOLDEN"):
        EXPECTED.write_text(json.dumps(message, indent=1) + "\n")
    assert message == json.loads(EXPECTED.read_text())


def test_a_host_of_a_recorded_system_sees_the_same(start, tree):
    host = start.host(start("--interval", "3600", "--root", str(tree)))
    assert without_what_varies(host.metrics) == json.loads(EXPECTED.read_text())
    assert host.handshake["hostname"] == "web-1"
    assert host.handshake["boot_id"] == "5f0c2d1a-7b3e-4a86-91d2-0c4e8f6a2b17"
    assert host.handshake["os"] | {"arch": None} == {
        "id": "debian", "version_id": "12", "name": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0-28-cloud-amd64",
        "arch": None}
    rows = {p["pid"]: p for p in host.data_of("ProcessList")}
    assert list(rows) == [1, 2, 31, 402, 612, 845, 977, 1033, 1200]
    assert rows[1033]["threads"] == 9 and rows[612]["exe_path"] == "/usr/sbin/sshd"


# What each tree is there for: figures checked by hand against its files, so that an update of the golden files
# cannot make an error the rule. Filesystems; interfaces by name, + up, - down; (protocol, port, connections).
RECORDED = {
    "alpine3.18-6.1-container": dict(
        memory=(524288, 103064, 0, 0), filesystems="/ overlay, /data ext4", interfaces="eth0+",
        ports=[("TCP", 8080, 1), ("TCP", 38011, 0), ("UDP", 46022, 0)], processes=[30, 31, 7, 1], temperature=None),
    "amzn2-5.10": dict(
        memory=(8036412, 2524368, 0, 0), filesystems="/ xfs, /data xfs", interfaces="eth0+ eth1+",
        ports=[("TCP", 22, 0), ("TCP", 111, 0), ("TCP", 8080, 1), ("TCP", 20331, 1), ("UDP", 68, 0), ("UDP", 111, 0)],
        processes=[2412, 2033, 2120, 1, 2], temperature=None),
    "arch-6.10": dict(
        memory=(16120332, 8000000, 8060164, 1940000), filesystems="/ ext4, /boot vfat", interfaces="wlan0+ enp3s0- tun0+",
        ports=[("TCP", 631, 0), ("UDP", 5353, 0)], processes=[1203, 1410, 1, 612, 2033, 1500, 2], temperature=58.0),
    "hidepid": dict(
        memory=(2033412, 1121368, 1048572, 236528), filesystems="/ ext4", interfaces="eth0+",
        ports=[("TCP", 22, 0), ("TCP", 80, 2), ("TCP", 3306, 0)], processes=[2031204, 2031210], temperature=None),
    "opensuse-btrfs-6.4": dict(
        memory=(8120332, 2000000, 2098172, 65024), filesystems="/ btrfs", interfaces="eth0+",
        ports=[("TCP", 22, 0), ("TCP", 25, 0), ("UDP", 68, 0)], processes=[2033, 1, 1033, 1120, 2, 212], temperature=None),
    "rhel8-4.18": dict(
        memory=(16198436, 7078104, 8388604, 131072), filesystems="/ xfs, /boot xfs", interfaces="ens3+",
        ports=[("TCP", 22, 1), ("TCP", 5432, 2), ("UDP", 111, 0), ("UDP", 323, 0)],
        processes=[90211, 1211, 1204, 1, 1022, 98120, 871, 2, 10], temperature=None),
    "ubuntu20.04-5.4": dict(
        memory=(4030212, 1118168, 0, 0), filesystems="/ ext4, /boot/efi vfat",
        interfaces="bond0.100+ eth0+ eth1+ bond0+ br0+ vnet0+ wg0+",
        ports=[("TCP", 22, 1), ("TCP", 53, 0), ("TCP", 179, 1), ("UDP", 53, 0), ("UDP", 51820, 0)],
        processes=[1203, 702, 601, 1, 733, 2], temperature=None),
}

# Of these one file is mounted, not a directory.
MOUNTED_FILES = ("/etc/hostname", "/etc/resolv.conf")


def recorded(name, top):
    """A copy with a directory for each mount point, which the agent asks for its size."""
    shutil.copytree(FIXTURES / name, top, symlinks=True)
    for line in (top / "proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point in MOUNTED_FILES:
            (top / point[1:]).touch()
        elif not point.startswith(("/proc", "/sys", "/dev")):
            (top / point[1:]).mkdir(parents=True, exist_ok=True)
    return top


def test_every_recorded_system_is_replayed():
    assert {d.name for d in FIXTURES.iterdir() if d.is_dir()} == {"debian12-6.1", "packages", *RECORDED}


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_recorded_system_has_the_figures_of_its_files(name, tmp_path):
    (tmp_path / "empty.conf").touch()
    done = run_agent("--config", tmp_path / "empty.conf", "--root", recorded(name, tmp_path / "tree"), "--once")
    assert (done.returncode, done.stderr) == (0, "")
    message = without_what_varies(schema.check(done.stdout.encode().rstrip(b"\n")))
    golden, want = GOLDEN / f"{name}.json", RECORDED[name]
    if os.environ.get("VMV_UPDATE_GOLDEN"):
        golden.write_text(json.dumps(message, indent=1) + "\n")
    system, memory = message["data"]["system"], message["data"]["system"]["memory"]
    assert tuple(memory[f"{k}_kb"] for k in ("total", "used", "swap_total", "swap_used")) == want["memory"]
    assert ", ".join(f"{m['mount_point']} {m['filesystem']}" for m in system["disk"]["usage_stats"]) == want["filesystems"]
    assert " ".join(i["name"] + "-+"[i["is_up"]] for i in system["network"]["interfaces"]) == want["interfaces"]
    assert [(p["protocol"], p["port"], p["connection_count"]) for p in message["data"]["ports"]] == want["ports"]
    assert [p["pid"] for p in message["data"]["processes"]] == want["processes"]
    assert system["cpu"]["temperature"] == want["temperature"]
    assert message == json.loads(golden.read_text())


NEEDED = ["proc/stat", "proc/meminfo", "proc/loadavg", "proc/uptime"]

# What may be missing (None), or hold nonsense: the rest is told all the same.
SPOILT = {
    "no disks": ("proc/diskstats", None), "no interfaces": ("proc/net/dev", None), "no sockets": ("proc/net/tcp", None),
    "no mounts": ("proc/self/mountinfo", None), "a sensor without a name": ("sys/class/hwmon/hwmon0/name", None),
    "no os-release": ("etc/os-release", None), "no routes": ("proc/net/route", None),
    "disks": ("proc/diskstats", "nonsense\n"), "interfaces": ("proc/net/dev", "\n\n"),
    "mounts": ("proc/self/mountinfo", "27 1 254:1\n"), "a process that is cut": ("proc/845/stat", "845 (cut"),
    "sockets": ("proc/net/tcp", "sl\n 0: zz\n"), "I/O of a process": ("proc/1/io", "read_bytes: -1\n"),
    "an empty sensor": ("sys/class/hwmon/hwmon0/temp1_input", ""),
}


@pytest.fixture(scope="module")
def spoilt_agents(start_shared, tmp_path_factory):
    """One for each of these; started at once, because each takes its time to read twice."""
    agents = {}
    for name, (path, text) in SPOILT.items() | {(path, (path, None)) for path in NEEDED}:
        tree = make_tree(tmp_path_factory.mktemp("tree"))
        (tree / path).unlink()
        if text is not None:
            (tree / path).write_text(text)
        agents[name] = start_shared("--interval", "3600", "--root", str(tree))
    return agents


@pytest.mark.parametrize("path", NEEDED)
def test_without_a_needed_file_no_metrics_are_sent_but_the_rest_works(start, spoilt_agents, path):
    agent = spoilt_agents[path]
    host = start.host(agent, greeted=False)
    host.send({"type": "SafeCommand", "id": "p", "command_type": {"action": "Ping"}})
    assert [host.next()["type"], host.next()["type"]] == ["handshake", "response"]
    r = host.ask("GetMetrics")
    assert r["error_code"] == "INTERNAL" and "no metrics" in r["error"]
    assert "no metrics" in agent.log()


@pytest.mark.parametrize("name", SPOILT)
def test_with_a_file_missing_or_full_of_nonsense_the_rest_is_sent(start, spoilt_agents, name):
    host = start.host(spoilt_agents[name])
    assert host.metrics["data"]["system"]["memory"]["total_kb"] == 4028440


def test_processes_that_cannot_be_read_are_no_empty_list(start, spoilt_agents):
    r = start.host(spoilt_agents["a process that is cut"]).ask("ProcessList")
    assert len(r["data"]) == 8 if r["success"] else r["error_code"] == "INTERNAL"


def test_a_collector_that_fails_is_told_of_and_silences_no_other(start, tree):
    (tree / "proc/diskstats").write_text("nonsense\n")
    agent = start("--interval", "3600", "--root", str(tree))
    data = start.host(agent).metrics["data"]
    assert data["system"]["disk"]["io_stats"]["read_ops_per_sec"] == 0
    assert len(data["processes"]) == 9 and len(data["ports"]) == 3
    agent.state()
    assert "collector disk: failed: /proc/diskstats: malformed line" in agent.log()
