"""Real libvirt with the agent, and with Debian's qemu-ga in the same guest: what virsh gets from each
of them, and that each leaves the other alone."""
import contextlib
import fnmatch
import os
import re
import struct
import subprocess
import time

import agent_guest
import libvirt
import pytest
import vm
from conftest import Agent, keep_logs
from native import DEADLINE

OURS, THEIRS = agent_guest.UNIT, "qemu-guest-agent.service"
HELD = agent_guest.HELD
PLACES = ["/mnt/lab", "/mnt/scsi", "/mnt/mapped"]

READING = [
    "guest-get-cpustats", "guest-get-disks", "guest-get-diskstats", "guest-get-fsinfo", "guest-get-host-name",
    "guest-get-memory-block-info", "guest-get-memory-blocks", "guest-get-osinfo", "guest-get-time",
    "guest-get-timezone", "guest-get-users", "guest-get-vcpus", "guest-fsfreeze-status", "guest-info",
    "guest-network-get-interfaces", "guest-ping",
]
NEWER = ["guest-get-load", "guest-network-get-route"]  # than Debian's qemu-ga
SHOWN = [("guestinfo",), ("domifaddr", "--source", "agent"), ("domfsinfo",), ("domhostname", "--source", "agent"),
         ("guestvcpus",)]

# Lists have no order: by what their elements are told apart. COMMAND, or COMMAND.MEMBER...
KEYS = {
    "guest-get-cpustats": "cpu", "guest-get-disks": "name", "guest-get-diskstats": "name", "guest-get-fsinfo": "mountpoint",
    "guest-get-fsinfo.disk": "dev", "guest-get-memory-blocks": "phys-index", "guest-get-users": "user",
    "guest-get-vcpus": "logical-id", "guest-network-get-interfaces": "name",
    "guest-network-get-interfaces.ip-addresses": "ip-address",
}
# These only grow: ours lies between what qemu-ga says before and after.
GROWS = ["guest-get-time", "guest-get-cpustats.*", "guest-get-diskstats.stats.*",
         "guest-network-get-interfaces.statistics.*"]
# These move both ways.
MOVES = [
    "guest-get-cpustats.idle", "guest-get-cpustats.iowait",  # the kernel's estimate for a CPU that sleeps
    "guest-get-diskstats.stats.ios-pgr",  # in flight
]
NEAR = {"guest-get-fsinfo.used-bytes": 4 << 20,  # the root has a journal
        "guest-get-users.login-time": 1e-5}
# What one of them has and the other has not.
EXTRA = {
    "guest-get-fsinfo.total-bytes-privileged": "ours: newer than Debian's qemu-ga",
    "guest-network-get-interfaces.statistics": "ours: qemu-ga has none for interfaces without an address",
    "guest-get-disks.smart": "theirs: it takes root, which the agent is not",
}
# What only one of them lists.
ELEMENTS = {
    ("guest-get-fsinfo", "/srv"): "theirs: a filesystem once for each of its mounts, ours: once",
}
DIFFERENT = {"guest-info": "each has its own version and commands"}


def make_disk(path, partitioned=False):
    """64 MiB with a filesystem, in a partition if wanted."""
    start = 2048
    with path.open("wb") as image:
        image.truncate(64 << 20)
        if partitioned:
            image.seek(446)
            image.write(struct.pack("<B3xB3xII", 0, 0x83, start, (64 << 11) - start) + bytes(48) + b"\x55\xaa")
    place = ["-E", f"offset={start << 9}"] if partitioned else []
    subprocess.run(["/sbin/mkfs.ext4", "-q", *place, path, *(["63M"] if partitioned else [])], check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)
    return path


def login(user, line, pid, seconds):
    """An entry of utmp."""
    return struct.pack("<hxxi32s4s32s256shhiii16x20x", 7, pid, line, line[-4:], user, b"192.0.2.7", 0, 0, 0, seconds, 250000)


def zone(name, offset):
    """A file of time zones with one that is always the same."""
    header = struct.pack(">4sc15x6I", b"TZif", b"2", 0, 0, 0, 0, 1, len(name) + 1)
    return 2 * (header + struct.pack(">ibb", offset, 0, 0) + name + b"\0") + b"\n<%s>-3:30\n" % name


def furnish(guest, folder):
    """Of everything some, and nothing that changes by itself."""
    (folder / "utmp").write_bytes(login(b"root", b"tty1", 1, 1700000100) + login(b"root", b"pts/0", 1, 1700000000)
                                  + login(b"daemon", b"pts/1", 1, 1700000200))
    (folder / "localtime").write_bytes(zone(b"+0330", 12600))
    guest.push(folder / "utmp", to="/run")
    guest.push(folder / "localtime", to="/usr/share/zoneinfo/Lab")
    guest.sh("ln -sfn /usr/share/zoneinfo/Lab/localtime /etc/localtime")  # a link: else qemu-ga's library takes UTC
    # utmp is all that either has: there is nobody to tell a login manager of logins here
    guest.sh("chmod -R a+rX /run/utmp /usr/share/zoneinfo; systemctl mask --runtime systemd-logind.service 2>/dev/null; "
             "systemctl start dbus.service")
    guest.sh("sysctl -q net.ipv6.conf.eth0.accept_ra=0; ip link set lo up; ip addr add 192.0.2.15/24 dev eth0; "
             "ip addr add 192.0.2.16/24 dev eth0 label eth0:1; ip link set eth0 up; "
             "ip addr add 2001:db8::15/64 dev eth0 nodad; ip route add default via 192.0.2.1; "
             "ip link add lab0 type dummy; ip link set lab0 up; ip addr flush dev lab0; ip link add lab1 type dummy")
    guest.sh("dmsetup create lab-mapped --table '0 131072 linear /dev/vdd 0'; udevadm settle; "
             f"mkdir -p {' '.join(PLACES)}; mount /dev/vdc1 {PLACES[0]}; mount /dev/sda {PLACES[1]}; "
             f"mount /dev/mapper/lab-mapped {PLACES[2]}; mount --bind {PLACES[0]} /srv; sync")


class Both(Agent):
    """A guest of libvirt with both agents installed."""

    def serve(self, unit):
        """Has this one hold the port, and the other one stopped. True for ours, and afterwards libvirt hears it."""
        other = THEIRS if unit == OURS else OURS
        self.guest.sh(f"systemctl stop {other}; systemctl reset-failed 2>/dev/null; systemctl start {unit}")
        self.guest.wait(f"systemctl -q is-active {unit}", DEADLINE)
        if unit == OURS:
            self.guest.wait(f"test -e {HELD}", DEADLINE)
        self.wait_answer()

    def wait_answer(self):
        """Till libvirt gets an answer: it hears of changes of the port's state one after the other."""
        def answers():
            with contextlib.suppress(vm.LabError):
                return self.guest.ask("guest-ping") == {}
        self.guest.wait_for(answers, DEADLINE, "answer to libvirt")

    def take_down(self, commands):
        return ({name: self.guest.ask(name) for name in commands},
                {args: self.guest.virsh(*args) for args in SHOWN})

    def holders(self):
        """The programs that have the port open."""
        return agent_guest.holders(self.guest, agent_guest.QGA)

    def is_fine(self):
        """No unit has failed."""
        return self.guest.run("systemctl is-system-running").out.strip() == "running"


@pytest.fixture(scope="module")
def both_guest(destdir, tmp_path_factory):
    why = libvirt.missing()
    if why:
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("libvirt")
    disks = [(make_disk(folder / "part.img", True), "vdc"), (make_disk(folder / "mapped.img"), "vdd"),
             (make_disk(folder / "scsi.img"), "sda"), (folder / "nvme.img", "nvme0")]
    disks[-1][0].write_bytes(b"")
    os.truncate(disks[-1][0], 64 << 20)
    with libvirt.Domain(agent_guest.QGA, [agent_guest.NATIVE], disks) as guest:
        try:
            furnish(guest, folder)
            guest.push(*vm.CACHE.glob("debs/*.deb"), to="/root/debs")
            guest.sh("dpkg -i /root/debs/*.deb && udevadm control --reload")
            agent_guest.install(guest, destdir)
            guest.sh(f"systemctl enable --now {agent_guest.SOCKET}")  # as its administrator may
            yield Both(guest)
        finally:
            keep_logs(guest, "libvirt")


@pytest.fixture
def both(both_guest):
    """Ours serves the port, and libvirt has seen that."""
    if not both_guest.guest.run(f"systemctl -q is-active {OURS} && test -e {HELD}").ok:
        both_guest.serve(OURS)
    return both_guest


# -- the same as qemu-ga ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers(both_guest):
    """Of theirs, ours, theirs: values of commands, and what virsh prints."""
    taken = []
    for unit in (THEIRS, OURS, THEIRS):
        both_guest.serve(unit)
        taken.append(both_guest.take_down(READING))
    return taken


def is_one(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def by_key(values, path):
    if path in KEYS:
        assert len({v[KEYS[path]] for v in values}) == len(values), f"{path}: {values}"
        return {v[KEYS[path]]: v for v in values}
    assert all(isinstance(v, str) for v in values), f"{path}: {values}"
    return {v: v for v in values}


def differences(path, theirs, ours, later):
    """What is not the same, as lines."""
    if isinstance(theirs, list) and isinstance(ours, list):
        theirs, ours, later = (by_key(v, path) for v in (theirs, ours, later))
        found = [f"{path}: {key} on one side only" for key in theirs.keys() ^ ours.keys() if (path, key) not in ELEMENTS]
        for key in theirs.keys() & ours.keys() & later.keys():
            found += [f"[{key}] {d}" for d in differences(path, theirs[key], ours[key], later[key])]
        return found
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in theirs.keys() | ours.keys():
            at = f"{path}.{key}"
            if (key in theirs) == (key in ours):
                found += differences(at, theirs[key], ours[key], later[key])
            elif at not in EXTRA:
                found.append(f"{at}: {theirs.get(key, '-')} and {ours.get(key, '-')}")
        return found
    if type(theirs) is not type(ours):
        same = False
    elif is_one(path, MOVES):
        same = True
    elif path in NEAR:
        same = abs(theirs - ours) <= NEAR[path]
    elif isinstance(ours, (int, float)) and not isinstance(ours, bool) and is_one(path, GROWS):
        same = theirs <= ours <= later
    else:
        same = theirs == ours
    return [] if same else [f"{path}: {theirs!r}, then {ours!r}, then {later!r}"]


@pytest.mark.parametrize("command", READING)
def test_answer_is_that_of_qemu_ga(answers, command):
    theirs, ours, later = (values[command] for values, _ in answers)
    if command not in DIFFERENT:
        found = differences(command, theirs, ours, later)
        assert not found, "\n".join(found)


def test_there_is_something_to_compare(answers):
    values = answers[1][0]
    assert {"vdc1", "sda", "dm-0"} <= {f["name"] for f in values["guest-get-fsinfo"]}
    assert all(f["disk"] for f in values["guest-get-fsinfo"])
    disks = {d["name"]: d for d in values["guest-get-disks"]}
    assert disks["/dev/vdc1"]["partition"] is True and disks["/dev/vdc1"]["dependencies"] == ["/dev/vdc"]
    assert disks["/dev/sda"]["address"]["bus-type"] == "scsi" and disks["/dev/nvme0n1"]["address"]["bus-type"] == "nvme"
    interfaces = {i["name"]: i for i in values["guest-network-get-interfaces"]}
    assert {"lo", "eth0", "eth0:1", "lab0", "lab1"} <= interfaces.keys() and interfaces["lab1"]["statistics"]["rx-bytes"] == 0
    assert {u["user"]: u["login-time"] for u in values["guest-get-users"]} == {"root": 1700000000.25, "daemon": 1700000200.25}
    assert values["guest-get-timezone"] == {"zone": "+0330", "offset": 12600}
    assert len(values["guest-get-memory-blocks"]) > 1 and values["guest-get-memory-block-info"]["size"] > 1 << 20


def test_commands_are_those_of_qemu_ga(answers):
    theirs, ours = ({c["name"]: c for c in values["guest-info"]["supported_commands"]} for values, _ in answers[:2])
    assert {name for name in theirs.keys() - ours.keys() if theirs[name]["enabled"]} == set()
    assert all(ours[name]["enabled"] for name in READING + NEWER)
    assert all(ours[name]["success-response"] == theirs[name]["success-response"] for name in ours.keys() & theirs.keys())


def records(text):
    """What virsh guestinfo prints: sorted records of lines, without their numbers and what moves."""
    found = {}
    for line in text.splitlines():
        name, value = map(str.strip, line.split(": ", 1))
        head, number, rest = re.match(r"(\w+\.)(\d+\.)?(.*)", name + ".").groups()
        if not name.endswith(("used-bytes", "fs.count")):
            found.setdefault((head, number), set()).add(f"{head}{rest}{value}")
    return sorted(sorted(record) for record in found.values() if "fs.mountpoint./srv" not in record)


def test_virsh_prints_the_same(answers):
    theirs, ours = (printed for _, printed in answers[:2])
    for args in SHOWN:
        if args == ("guestinfo",):
            assert records(ours[args]) == records(theirs[args])
        else:
            assert ours[args].splitlines() == [line for line in theirs[args].splitlines() if "/srv" not in line], args


# -- what virsh can do -----------------------------------------------------------------------


def test_virsh_shows_what_is_there(both):
    text = both.guest.virsh("guestinfo")
    info = dict(re.split(r"\s*: ", line, maxsplit=1) for line in text.splitlines() if ": " in line)
    assert info["os.id"] == "debian" and info["hostname"] == both.guest.sh("hostname")
    assert (info["timezone.name"], info["timezone.offset"]) == ("+0330", "12600")
    assert {info[f"fs.{i}.mountpoint"] for i in range(int(info["fs.count"]))} >= {"/", *PLACES}
    assert "192.0.2.15/24" in both.guest.virsh("domifaddr", "--source", "agent")
    assert both.guest.virsh("domhostname", "--source", "agent") == info["hostname"]
    load = both.guest.ask("guest-get-load")
    assert 0 <= load["load1m"] < 1000 and load.keys() == {"load1m", "load5m", "load15m"}
    default = [r for r in both.guest.ask("guest-network-get-route") if r["destination"] == "0.0.0.0"]
    assert [(r["iface"], r["gateway"], r["mask"], r["version"]) for r in default] == [("eth0", "192.0.2.1", "0.0.0.0", 4)]


def test_private_and_unknown_commands(both):
    assert both.guest.ask("vmvitals-get-memory")["total_bytes"] > 400 << 20
    error = both.guest.try_ask("guest-no-such-thing").stderr
    assert "The command guest-no-such-thing has not been found" in error


def test_clock_is_set(both):
    guest = both.guest
    wrong = 1_800_000_000
    guest.virsh("domtime", "--time", wrong)
    assert 0 <= int(guest.sh("date +%s")) - wrong < 60
    guest.virsh("domtime", "--now")
    assert abs(int(guest.sh("date +%s")) - time.time()) < 60
    shown = int(re.search(r"Time: (\d+)", guest.virsh("domtime")).group(1))
    assert abs(shown - time.time()) < 60
    guest.sh("date -s @1800000000")
    guest.virsh("domtime", "--sync")  # what the hardware clock says
    assert abs(int(guest.sh("date +%s")) - time.time()) < 60


def test_cpu_is_taken_offline_and_online(both):
    def vcpus():
        return dict(re.split(r"\s*: ", line) for line in both.guest.virsh("guestvcpus").splitlines())
    assert vcpus() == {"vcpus": "0-1", "online": "0-1", "offlinable": "1"}
    both.guest.virsh("guestvcpus", "--cpulist", 1, "--disable")
    assert vcpus()["online"] == "0" and both.guest.sh("nproc") == "1"
    both.guest.virsh("guestvcpus", "--cpulist", 1, "--enable")
    assert vcpus()["online"] == "0-1" and both.guest.sh("nproc") == "2"


@pytest.mark.parametrize("places", [PLACES[:1], PLACES + ["/"]], ids=["one", "all"])
def test_filesystems_are_frozen_and_thawed(both, places):
    guest = both.guest
    named = [word for place in places for word in ("--mountpoint", place)] if len(places) == 1 else []
    try:
        assert guest.virsh("domfsfreeze", *named) == f"Froze {len(places)} filesystem(s)"
        assert guest.ask("guest-fsfreeze-status") == "frozen"
        assert guest.ask("guest-ping") == {}
        error = guest.try_ask("guest-get-osinfo").stderr
        assert "Command guest-get-osinfo has been disabled: the agent is in frozen state" in error
    finally:
        thawed = guest.virsh("domfsthaw")
    assert thawed == f"Thawed {len(places)} filesystem(s)"
    assert guest.ask("guest-fsfreeze-status") == "thawed" and guest.ask("guest-get-osinfo")["id"] == "debian"
    guest.sh(f"date >{PLACES[0]}/after; sync {PLACES[0]}/after")


def test_filesystems_are_trimmed(both):
    both.guest.virsh("domfstrim")
    paths = {p["path"]: p for p in both.guest.ask("guest-fstrim")["paths"]}
    assert {"/", *PLACES} <= paths.keys() and "trimmed" in paths["/"]


def test_password_takes_a_higher_level(both):
    before = both.guest.sh("cat /etc/shadow")
    done = both.guest.try_virsh("set-user-password", both.guest.name, "root", "se4ret-of-nobody")
    assert done.returncode and "disabled" in done.stderr, done
    assert both.guest.sh("cat /etc/shadow") == before
    assert "se4ret" not in both.guest.journal("-o", "export")


# -- the port --------------------------------------------------------------------------------


def test_libvirt_sees_the_agent_come_and_go(both):
    guest = both.guest
    assert guest.is_connected()
    both.stop()
    guest.wait_for(lambda: not guest.is_connected(), DEADLINE, "closed port")
    assert guest.try_virsh("qemu-agent-command", guest.name, '{"execute":"guest-ping"}').returncode
    both.start()
    guest.wait_for(guest.is_connected, DEADLINE, "open port")
    for _ in range(3):
        both.restart()
        both.wait_answer()
        assert guest.ask("guest-get-host-name")["host-name"] == guest.sh("hostname")


def test_what_qemu_ga_has_is_left_to_it_until_it_stops(both, figures):
    guest = both.guest
    both.serve(THEIRS)
    since = both.now()
    both.start()
    with both.host() as host:  # the other port is served
        host.greet()

        def lines():
            return [e["MESSAGE"] for e in both.journal(since) if "busy" in e["MESSAGE"] and agent_guest.QGA in e["MESSAGE"]]
        guest.wait_for(lines, DEADLINE, "line about a port that is busy")
        assert both.holders() == ["qemu-ga"] and not guest.run(f"test -e {HELD}").ok
        assert guest.ask("guest-info")["version"].startswith("7.")
        guest.sh(f"systemctl stop {THEIRS}")
        began = time.monotonic()
        guest.wait(f"test -e {HELD}", 2 * DEADLINE)
        figures["qga_port_taken_s"] = round(time.monotonic() - began, 1)
        assert len(lines()) == 1
        assert host.ask("Ping")["success"] is True
    both.wait_answer()
    assert both.holders() == ["vmvitalsd"] and both.is_fine()


def test_qemu_ga_is_skipped_where_the_agent_has_the_port(both):
    guest, pid = both.guest, both.pid()
    for start in (f"systemctl start {THEIRS}",
                  "udevadm trigger --action=add --subsystem-match=virtio-ports --settle; systemctl is-system-running --wait"):
        guest.sh(start)
        show = guest.sh(f"systemctl show -p ActiveState,Result,ConditionResult,NRestarts {THEIRS}").splitlines()
        assert set(show) == {"ActiveState=inactive", "Result=success", "ConditionResult=no", "NRestarts=0"}
    assert both.pid() == pid and both.holders() == ["vmvitalsd"] and both.is_fine()
    assert guest.ask("guest-ping") == {}


def test_after_a_reboot_through_the_agent_one_of_them_serves(both):
    guest, before = both.guest, both.guest.channel.hello
    guest.virsh("reboot", "--mode", "agent")
    guest.wait_rebooted(before)
    both.wait_answer()
    assert len(both.holders()) == 1
    assert guest.sh(f"systemctl is-active {OURS}") == "active" and both.is_fine()
    with both.host() as host:
        host.greet()


def test_shutdown_through_the_agent_ends_the_domain(both):
    both.guest.virsh("shutdown", "--mode", "agent")
    both.guest.wait_for(lambda: not both.guest.is_running(), 2 * DEADLINE, "shutdown")
