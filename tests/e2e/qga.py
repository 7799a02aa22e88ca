"""The second language, seen from the host; and what a reply may look like: docs/QGA.md has the same in words.

Every byte that the agent sends to a Client is looked at: one line for each reply, ASCII only, nothing else.
"""
import json
import os
import re
import select
import socket
import time

from harness import DEADLINE, HungUp, wait_for

SYNC = b'{"execute":"guest-sync","arguments":{"id":%d}}\n'
DELIMITED = b'{"execute":"guest-sync-delimited","arguments":{"id":%d}}\n'


def to_line(command, arguments=None, **more):
    m = {"execute": command} | ({} if arguments is None else {"arguments": arguments}) | more
    return json.dumps(m, separators=(",", ":")).encode() + b"\n"


def no_twins(pairs):
    assert len({name for name, _ in pairs}) == len(pairs), f"a member twice: {pairs!r:.200}"
    return dict(pairs)


def check_reply(line):
    """One line without its LF. Returns the reply."""
    assert line, "a blank line"
    assert re.fullmatch(rb"[\x20-\x7e]+", line), f"not ASCII: {line!r:.200}"
    m = json.loads(line, object_pairs_hook=no_twins)
    assert isinstance(m, dict) and len({"return", "error"} & m.keys()) == 1, line
    assert m.keys() <= {"return", "error", "id"}, line
    if "error" in m:
        assert m["error"].keys() == {"class", "desc"}, line
        assert m["error"]["class"] in ("GenericError", "CommandNotFound"), line
        assert isinstance(m["error"]["desc"], str) and m["error"]["desc"], line
    return m


class Client:
    """A connected socket, or one descriptor to read from and write to."""

    def __init__(self, end):
        self.end = end  # kept open
        self.fd = end if isinstance(end, int) else end.fileno()
        os.set_blocking(self.fd, False)
        self.data = b""
        self.serial = int(time.time() * 1000)

    def close(self):
        if not isinstance(self.end, int):
            self.end.close()

    def fill(self, timeout):
        """Whether something came within the time."""
        if not select.select([self.fd], [], [], max(0, timeout))[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise HungUp
        self.data += data
        return True

    def send(self, data, reads=False):
        view, deadline = memoryview(data), time.monotonic() + DEADLINE
        while view:
            readable, writable, _ = select.select([self.fd] if reads else [], [self.fd], [],
                                                  max(0, deadline - time.monotonic()))
            assert readable or writable, f"the agent has not read for {DEADLINE} s"
            if readable:
                self.fill(0)
            if writable:
                view = view[os.write(self.fd, view[:1 << 16]):]

    def send_until_stuck(self, data, settle=0.5):
        """Reads nothing, until the agent takes no more for a while. Returns how many bytes went."""
        sent = 0
        while sent < len(data) and select.select([], [self.fd], [], settle)[1]:
            sent += os.write(self.fd, data[sent:sent + 65536])
        return sent

    def raw_line(self, timeout=DEADLINE):
        """The next line without LF, as it came."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.data:
            assert self.fill(deadline - time.monotonic()), f"no reply within {timeout} s, only {self.data!r:.200}"
        line, self.data = self.data.split(b"\n", 1)
        return line

    def reply(self, timeout=DEADLINE):
        return check_reply(self.raw_line(timeout))

    def ask(self, command, timeout=DEADLINE, **arguments):
        """The value that it returns; arguments: a_b for a-b."""
        self.send(to_line(command, {name.replace("_", "-"): v for name, v in arguments.items()} or None))
        m = self.reply(timeout)
        assert m.keys() == {"return"}, f"{command}: {m}"
        if command in RETURNS:
            check(command, RETURNS[command], m["return"])
        return m["return"]

    def error(self, command, arguments=None, **more):
        """(class, desc)"""
        self.send(to_line(command, arguments, **more))
        m = self.reply()
        assert "error" in m, f"{command}: {m}"
        return m["error"]["class"], m["error"]["desc"]

    def settle(self):
        """All that was sent has been looked at. Returns the replies that came meanwhile: exactly these were sent."""
        self.serial += 1
        self.send(SYNC % self.serial, reads=True)
        found = []
        while True:
            m = self.reply()
            if m == {"return": self.serial}:
                assert not self.data, f"behind it: {self.data!r:.200}"
                return found
            found.append(m)

    def is_silent(self, seconds):
        return not self.data and not self.fill(seconds)


def connected(path):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(str(path))
    except (ConnectionRefusedError, FileNotFoundError):
        s.close()
        return None
    return Client(s)


def client_of(agent):
    return wait_for(lambda: connected(agent.socket), "the agent listens")


# -- what the values are like: {name: spec}, "name?" may be missing; [spec]; a function --------------

def number_in(low, high):
    def look(v):
        return isinstance(v, int) and not isinstance(v, bool) and low <= v <= high
    return look


INT = number_in(-(1 << 63), (1 << 63) - 1)
U64 = number_in(0, (1 << 64) - 1)
PORT_PART = number_in(-1, 65535)


def text(v):
    return isinstance(v, str)


def name(v):
    return isinstance(v, str) and v != ""


def boolean(v):
    return isinstance(v, bool)


def number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool)


def matches(regex):
    return lambda v: isinstance(v, str) and re.fullmatch(regex, v)


def one_of(*values):
    return lambda v: v in values


BUS_TYPES = one_of("ide", "fdc", "scsi", "virtio", "xen", "usb", "uml", "sata", "sd", "unknown", "ieee1394", "ssa",
                   "fibre", "raid", "iscsi", "sas", "mmc", "virtual", "file-backed-virtual", "nvme")
ADDRESS = {
    "pci-controller": {part: PORT_PART for part in ("domain", "bus", "slot", "function")}, "bus-type": BUS_TYPES,
    "bus": INT, "target": INT, "unit": INT, "serial?": name, "dev?": matches("/dev/.+"),
    "ccw-address?": {part: INT for part in ("cssid", "ssid", "subchno", "devno")},
}
COUNTERS = ("rx-bytes", "rx-packets", "rx-errs", "rx-dropped", "tx-bytes", "tx-packets", "tx-errs", "tx-dropped")
DISK_STATS = ("read-sectors", "read-ios", "read-merges", "write-sectors", "write-ios", "write-merges",
              "discard-sectors", "discard-ios", "discard-merges", "flush-ios", "read-ticks", "write-ticks",
              "discard-ticks", "flush-ticks", "ios-pgr", "total-ticks", "weight-ticks")


def prefix_fits(v):
    return 0 <= v["prefix"] <= {"ipv4": 32, "ipv6": 128}[v["ip-address-type"]]


def route(v):
    """Each version has members of its own."""
    both = {"iface": name, "destination": text, "metric": INT, "flags?": U64, "refcnt?": INT, "use?": INT}
    spec = {4: {"gateway?": text, "mask?": text, "irtt?": INT, "window?": INT, "mtu?": INT},
            6: {"desprefixlen?": matches(r"\d+"), "source?": text, "srcprefixlen?": matches(r"\d+"), "nexthop?": text}}
    check("route", both | {"version": one_of(4, 6)} | spec[v["version"]], v)
    return True


def smart(v):
    assert v.pop("type") == "nvme"
    return all(U64(x) for x in v.values())


RETURNS = {
    "guest-ping": {},
    "guest-sync": INT,
    "guest-info": {"version": matches(r"\d+(\.\d+)+"),
                   "supported_commands": [{"name": name, "enabled": boolean, "success-response": boolean}]},
    "guest-get-time": number_in(1_000_000_000 * 1_000_000_000, 1 << 62),
    "guest-get-osinfo": {f"{word}?": text for word in (
        "kernel-release", "kernel-version", "machine", "id", "name", "pretty-name", "version", "version-id", "variant",
        "variant-id")},
    "guest-get-host-name": {"host-name": name},
    "guest-get-timezone": {"zone?": name, "offset": number_in(-86400, 86400)},
    "guest-get-users": [{"user": name, "login-time": number, "domain?": text}],
    "guest-network-get-interfaces": [{
        "name": name, "hardware-address?": matches("[0-9a-f]{2}(:[0-9a-f]{2})+"),
        "ip-addresses?": [({"ip-address": matches("[0-9a-f.:]+"), "ip-address-type": one_of("ipv4", "ipv6"),
                            "prefix": INT}, prefix_fits)],
        "statistics?": {counter: U64 for counter in COUNTERS}}],
    "guest-network-get-route": [route],
    "guest-get-fsinfo": [{"name": name, "mountpoint": matches("/.*"), "type": name, "used-bytes?": U64,
                          "total-bytes?": U64, "total-bytes-privileged?": U64, "disk": [ADDRESS]}],
    "guest-get-disks": [{"name": matches("/dev/.+"), "partition": boolean, "dependencies?": [name], "address?": ADDRESS,
                         "alias?": name, "smart?": smart}],
    "guest-get-vcpus": [{"logical-id": U64, "online": boolean, "can-offline": boolean}],
    "guest-get-memory-blocks": [{"phys-index": U64, "online": boolean, "can-offline?": boolean}],
    "guest-get-memory-block-info": {"size": U64},
    "guest-get-cpustats": [{"type": one_of("linux"), "cpu": U64} | {word: U64 for word in (
        "user", "nice", "system", "idle", "iowait?", "irq?", "softirq?", "steal?", "guest?", "guestnice?")}],
    "guest-get-diskstats": [{"name": name, "major": U64, "minor": U64,
                             "stats": {f"{word}?": U64 for word in DISK_STATS}}],
    "guest-get-load": {"load1m": number, "load5m": number, "load15m": number},
    "guest-fsfreeze-status": one_of("thawed", "frozen"),
}

READING = sorted(RETURNS.keys() | {"guest-sync-delimited"})
OF_OUR_OWN = ["vmvitals-get-health", "vmvitals-get-memory", "vmvitals-get-pressure"]
SILENT = ["guest-shutdown", "guest-suspend-disk", "guest-suspend-hybrid", "guest-suspend-ram"]
OPERATING = sorted(SILENT + [
    "guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "guest-fsfreeze-thaw", "guest-fstrim",
    "guest-set-memory-blocks", "guest-set-time", "guest-set-vcpus"])
FULL = ["guest-exec", "guest-exec-status", "guest-file-close", "guest-file-flush", "guest-file-open",
        "guest-file-read", "guest-file-seek", "guest-file-write", "guest-set-user-password",
        "guest-ssh-add-authorized-keys", "guest-ssh-get-authorized-keys", "guest-ssh-remove-authorized-keys"]

# -- commands of our own: unknown is null ------------------------------------------------------------

def null_or(spec):
    return lambda v: v is None or spec(v)


def pressures(v):
    assert v.keys() == {"cpu", "memory", "io", "irq"}
    for resource in v.values():
        assert resource.keys() == {"some", "full"}
        for row in resource.values():
            if row is not None:
                check("pressure", {"avg10": number, "avg60": number, "avg300": number, "total_us": U64}, row)
    return True


def sizes(v):
    return {"total_bytes", "available_bytes", "swap_total_bytes"} <= v.keys() and all(
        k.endswith("_bytes") and (x is None or U64(x)) for k, x in v.items())


HEALTH = one_of("passed", "warning", "critical", "unknown")
WHEN = matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

RETURNS |= {
    "vmvitals-get-health": {"status": HEALTH, "since": WHEN, "checks": [{
        "name": name, "status": HEALTH, "message": name, "value": null_or(number), "unit": null_or(name),
        "warning": null_or(number), "critical": null_or(number), "since": WHEN,
        "details": lambda v: isinstance(v, dict)}]},
    "vmvitals-get-memory": sizes,
    "vmvitals-get-pressure": pressures,
}


def check(where, spec, v):
    """Raises AssertionError with the place."""
    if isinstance(spec, dict):
        assert isinstance(v, dict), f"{where}: {v!r:.200} is no object"
        known = {member.rstrip("?"): (s, member.endswith("?")) for member, s in spec.items()}
        assert v.keys() <= known.keys(), f"{where}: {v.keys() - known.keys()} of {v}"
        for member, (s, is_optional) in known.items():
            assert is_optional or member in v, f"{where}: no {member} in {v}"
            if member in v:
                check(f"{where}.{member}", s, v[member])
    elif isinstance(spec, list):
        assert isinstance(v, list), f"{where}: {v!r:.200} is no array"
        for i, element in enumerate(v):
            check(f"{where}[{i}]", spec[0], element)
    elif isinstance(spec, tuple):
        for part in spec:
            check(where, part, v)
    else:
        assert spec(v), f"{where}: {v!r:.200}"
