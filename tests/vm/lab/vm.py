#!/usr/bin/env python3
"""A Debian guest under qemu's software emulation, driven from the host.

As a module:

    import vm
    with vm.VM(ports=["org.vmvitals.agent.0"]) as guest:
        guest.push_tree(destdir)
        print(guest.run("systemctl is-active vmvitalsd").out)
        with guest.port("org.vmvitals.agent.0").connect() as host:
            print(host.line())

As a command: vm.py start | exec | push | push-root | pull | plug | unplug | talk |
journal | measure | qmp | logs | reboot | poweroff | kill | list.

Commands run in the guest through labexecd on the second serial line, which needs
no virtio-serial port, no network and nothing of the agent under test.
"""
import argparse
import contextlib
import ctypes
import fcntl
import io
import json
import os
import pathlib
import select
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TMP = pathlib.Path(os.environ.get("TMPDIR", "/tmp"))
CACHE = pathlib.Path(os.environ.get("VMV_VM_CACHE", TMP / "vmvitals-vm"))
RUN = pathlib.Path(os.environ.get("VMV_VM_RUN", TMP / f"vmvitals-vm-run-{os.getuid()}"))
CMDLINE = ("console=ttyS0 rw panic=-1 mitigations=off tsc=reliable no_timer_check "
           "random.trust_cpu=on audit=0 apparmor=0 selinux=0 cryptomgr.notests 8250.nr_uarts=2 "
           "net.ifnames=0 systemd.firstboot=off")
QUIET = " quiet loglevel=3 systemd.show_status=off"
MAILBOX_BYTES = 512 << 20
KEEP = "--keep-directory-symlink --no-overwrite-dir"
HEADER = struct.Struct("<2sccII")


class LabError(Exception):
    """The lab itself failed: the guest did not boot, answer or obey in time."""


class CommandFailed(LabError):
    """A guest command ended with a status other than 0."""


class Result:
    """What a guest command did: status (negative: signal), out, err, timed_out, seconds."""

    def __init__(self, command, status, out, err, timed_out, seconds):
        self.command, self.status, self.timed_out, self.seconds = command, status, timed_out, seconds
        self.raw, self.raw_err = bytes(out), bytes(err)

    @property
    def out(self):
        return self.raw.decode(errors="replace")

    @property
    def err(self):
        return self.raw_err.decode(errors="replace")

    @property
    def ok(self):
        return self.status == 0 and not self.timed_out

    def check(self):
        if not self.ok:
            why = "timed out" if self.timed_out else f"status {self.status}"
            raise CommandFailed(f"{self.command!r}: {why}\n{self.out}{self.err}")
        return self


class Job:
    """A guest command in progress."""

    def __init__(self, channel, number, command):
        self.channel, self.number, self.command = channel, number, command
        self.out, self.err, self.unacked, self.result = bytearray(), bytearray(), 0, None

    def wait(self, timeout):
        self.channel.pump(lambda: self.result, timeout, f"the end of {self.command!r}")
        return self.result

    def wait_output(self, text, timeout):
        """Wait till the command has printed this text (or is over); True if it has."""
        text = text.encode()
        self.channel.pump(lambda: text in self.out or self.result, timeout, f"{text!r} from {self.command!r}")
        return text in self.out

    def send_signal(self, number):
        self.channel.send(b"K", self.number, struct.pack("<I", number))


class Channel:
    """Host end of labexecd's serial line. Single-threaded: whoever waits, reads for all."""

    WINDOW = 3072  # the tty buffers 4096 unread bytes; more in flight could be lost

    def __init__(self, path):
        self.socket = connect_unix(path, 10)
        self.buffer, self.jobs, self.last, self.hello = bytearray(), {}, 0, None
        self.last = int(time.monotonic() * 1000) & 0x3FFFFFFF  # not an earlier client's

    def send(self, kind, number=0, payload=b"", flag=0):
        self.socket.sendall(HEADER.pack(b"LX", kind, bytes([flag]), number, len(payload)) + payload)

    def pump(self, done, timeout, what):
        deadline = time.monotonic() + timeout
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise LabError(f"no {what} within {timeout} s")
            if not select.select([self.socket], [], [], left)[0]:
                continue
            data = self.socket.recv(1 << 16)
            if not data:
                raise LabError(f"the guest is gone; waited for {what}")
            self.buffer += data
            self.parse()

    def parse(self):
        while len(self.buffer) >= HEADER.size:
            magic, kind, _, number, size = HEADER.unpack_from(self.buffer)
            if magic != b"LX" or kind not in (b"H", b"O", b"R", b"X", b"A") or size > 1 << 20:
                del self.buffer[0]  # out of step: look for the next frame
                continue
            if len(self.buffer) < HEADER.size + size:
                return
            payload = bytes(self.buffer[HEADER.size:HEADER.size + size])
            del self.buffer[:HEADER.size + size]
            self.handle(kind, number, payload)

    def handle(self, kind, number, payload):
        if kind == b"H":
            self.hello = payload.decode()
            return
        job = self.jobs.get(number)
        if job is None:
            return
        if kind == b"O":
            job.out += payload
        elif kind == b"R":
            job.err += payload
        elif kind == b"A":
            job.unacked -= struct.unpack("<I", payload)[0]
        else:
            status, timed_out, elapsed = struct.unpack("<iIQ", payload)
            status = os.waitstatus_to_exitcode(status)
            job.result = Result(job.command, status, job.out, job.err, bool(timed_out), elapsed / 1e6)
            del self.jobs[number]

    def wait_hello(self, timeout, ask=False):
        deadline = time.monotonic() + timeout
        while not self.hello:
            if ask:
                self.send(b"P")
            left = deadline - time.monotonic()
            try:
                self.pump(lambda: self.hello, min(left, 1.0) if ask else left, "hello from labexecd")
            except LabError:
                if deadline - time.monotonic() <= 0 or not ask:
                    raise

    def spawn(self, command, timeout, stdin=None):
        if len(command.encode()) > self.WINDOW:
            if stdin is not None:
                raise LabError("a long command and stdin do not go together: push a script")
            stdin, command = command.encode() + b"\n", "exec sh -s"
        self.last += 1
        job = self.jobs[self.last] = Job(self, self.last, command)
        self.send(b"E", job.number, struct.pack("<I", int(timeout * 1000)) + command.encode(), stdin is not None)
        if stdin is not None:
            for at in range(0, len(stdin), 1024):
                chunk = stdin[at:at + 1024]
                self.pump(lambda: job.unacked + len(chunk) <= self.WINDOW or job.result, 30, "room for stdin")
                if job.result:
                    break
                job.unacked += len(chunk)
                self.send(b"I", job.number, chunk)
            if not job.result:
                self.send(b"C", job.number)
        return job

    def close(self):
        self.socket.close()


class Qmp:
    """Qemu's control socket."""

    def __init__(self, path):
        self.socket = connect_unix(path, 10)
        self.buffer, self.events = b"", []
        self.read(10)
        self.command("qmp_capabilities")

    def read(self, timeout):
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise LabError(f"no QMP answer within {timeout} s")
            data = self.socket.recv(1 << 16)
            if not data:
                raise LabError("qemu is gone")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def command(self, execute, /, timeout=20, **arguments):
        self.socket.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
        deadline = time.monotonic() + timeout
        while True:
            answer = self.read(max(0.01, deadline - time.monotonic()))
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise LabError(f"QMP {execute}: {answer['error']['desc']}")
            else:
                return answer.get("return")

    def wait_event(self, name, timeout, **data):
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    self.events.remove(event)
                    return event
            answer = self.read(max(0.01, deadline - time.monotonic()))
            if "event" in answer:
                self.events.append(answer)

    def close(self):
        self.socket.close()


class HostEnd:
    """One host connection to a guest's virtio-serial port."""

    def __init__(self, path, timeout=10):
        self.socket = connect_unix(path, timeout)
        self.buffer = b""

    def send(self, data):
        """Bytes as they are; text and JSON values as a line."""
        if not isinstance(data, bytes):
            data = (data if isinstance(data, str) else json.dumps(data)).encode() + b"\n"
        self.socket.sendall(data)

    def recv(self, timeout=10):
        """What is there, b"" at end of stream; LabError when nothing came."""
        if not select.select([self.socket], [], [], timeout)[0]:
            raise LabError(f"nothing from the guest within {timeout} s")
        return self.socket.recv(1 << 16)

    def line(self, timeout=10):
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            data = self.recv(max(0.0, deadline - time.monotonic()))
            if not data:
                raise LabError("the port was closed")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def request(self, value, timeout=10):
        """Send one JSON line, return the JSON line that answers it."""
        self.send(value)
        return json.loads(self.line(timeout))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Port:
    """A virtio-serial port: its name and the host's unix socket."""

    def __init__(self, name, ident, path):
        self.name, self.ident, self.path = name, ident, path

    def connect(self, timeout=10):
        return HostEnd(self.path, timeout)


def connect_unix(path, timeout):
    deadline = time.monotonic() + timeout
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(path))
            return sock
        except (FileNotFoundError, ConnectionRefusedError) as err:
            sock.close()
            if time.monotonic() > deadline:
                raise LabError(f"{path}: {err}") from err
            time.sleep(0.01)


def die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)


class Guest:
    """What can be done inside a guest: commands, files, figures. VM runs its qemu."""

    def __init__(self, directory, mailbox=True):
        make_run()
        prune()
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="vm-", dir=RUN))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.mailbox = mailbox
        self.channel = None

    def make_mailbox(self):
        """The raw disk through which files go in and out as tar, at disk speed."""
        with open(self.directory / "mailbox.img", "wb") as f:
            f.truncate(MAILBOX_BYTES)
        return self.directory / "mailbox.img"

    def settle(self, timeout):
        """Wait till systemd has no start-up job left and udev no event."""
        self.run("systemctl is-system-running --wait; udevadm settle", timeout)

    def spawn(self, command, timeout=3600, stdin=None):
        """Start a shell command, return its Job."""
        return self.channel.spawn(command, timeout, stdin)

    def run(self, command, timeout=60, stdin=None):
        """Run a shell command as root, return its Result; killed in the guest after timeout."""
        return self.spawn(command, timeout, stdin).wait(timeout + 10)

    def sh(self, command, timeout=60):
        """run() that insists on status 0 and returns the output, stripped."""
        return self.run(command, timeout).check().out.strip()

    def wait(self, command, timeout=20, every=0.1):
        """Repeat a shell command inside the guest till its status is 0."""
        self.sh(f"until {command}; do sleep {every}; done >/dev/null 2>&1", timeout)

    def push(self, *sources, to="/root"):
        """Copy files and directories into a guest directory, as root:root."""
        blob = io.BytesIO()
        with tarfile.open(fileobj=blob, mode="w") as tar:
            for source in map(pathlib.Path, sources):
                tar.add(source, arcname=source.resolve().name, filter=as_root)
        self.push_tar(blob.getvalue(), to)

    def push_tar(self, data, to="/"):
        target = shlex.quote(to)
        if not self.mailbox:
            return self.run(f"mkdir -p {target} && tar {KEEP} -xf - -C {target}", 300, stdin=data).check()
        if len(data) > MAILBOX_BYTES:
            raise LabError(f"{len(data)} bytes do not fit the mailbox disk")
        with open(self.directory / "mailbox.img", "r+b") as f:
            f.write(data)
        return self.run(f"mkdir -p {target} && blockdev --flushbufs /dev/vdb && "
                        f"tar {KEEP} -xf /dev/vdb -C {target}", 120).check()

    def push_tree(self, tree):
        """Copy what lies below a directory (`make install DESTDIR=tree`) onto the guest's /."""
        blob = io.BytesIO()
        with tarfile.open(fileobj=blob, mode="w") as tar:
            for entry in sorted(pathlib.Path(tree).iterdir()):
                tar.add(entry, arcname=entry.name, filter=as_root)
        self.push_tar(blob.getvalue(), "/")
        self.sh("ldconfig; systemctl daemon-reload; udevadm control --reload")

    def pull(self, source, to):
        """Copy a guest file or directory into a host directory."""
        source = pathlib.PurePosixPath(source)
        what = f"-C {shlex.quote(str(source.parent))} {shlex.quote(source.name)}"
        if self.mailbox:
            self.run(f"tar -cf /dev/vdb {what} && sync /dev/vdb", 120).check()
            with open(self.directory / "mailbox.img", "rb") as f, tarfile.open(fileobj=f) as tar:
                tar.extractall(to)
        else:
            with tarfile.open(fileobj=io.BytesIO(self.run(f"tar -cf - {what}", 300).check().raw)) as tar:
                tar.extractall(to)

    def journal(self, *args):
        return self.run("journalctl --no-pager " + shlex.join(args), 60).check().out

    def pid_of(self, unit):
        pid = int(self.sh(f"systemctl show -p MainPID --value {shlex.quote(unit)}"))
        if not pid:
            raise LabError(f"{unit} has no main process")
        return pid

    def measure(self, pid, seconds):
        """A process's CPU time, context switches and system calls over an idle interval.
        One guest command samples, sleeps and samples again: the host asks nothing meanwhile."""
        sample = (f"cut -d' ' -f1 /proc/uptime; sed 's/.*) //' /proc/{pid}/stat; cat /proc/{pid}/io; "
                  f"cat /proc/{pid}/task/*/status; cat /proc/{pid}/task/*/schedstat")
        out = self.run(f"s() {{ {sample}; }}; a=$(s); sleep {seconds}; b=$(s); echo \"$a\"; echo ====; echo \"$b\"",
                       seconds + 30).check().out
        first, second = (parse_sample(part) for part in out.split("====\n"))
        return {key: round(second[key] - first[key], 6) for key in first}


class VM(Guest):
    """A guest in a qemu of its own. Use it in a with statement, or call start() and close()."""

    def __init__(self, ports=(), disks=(), cpus=2, memory=512, directory=None, machine="q35", net=False,
                 verbose=False, append="", qemu_args=(), mailbox=True, lifetime=None):
        super().__init__(directory, mailbox)
        self.cpus, self.memory, self.machine, self.net, self.verbose = cpus, memory, machine, net, verbose
        self.append, self.qemu_args, self.lifetime = append, list(qemu_args), lifetime
        self.disks = [pathlib.Path(d).resolve() for d in disks]
        self.ports, self.count = {}, 0
        for name in ports:
            self.new_port(name)
        self.process = self.pid = self.started = self.qmp = self.boot_seconds = None

    def new_port(self, name):
        if name in self.ports:
            raise LabError(f"there is a port {name}")
        ident = f"port{self.count}"
        self.count += 1
        path = self.directory / f"{ident}.sock"
        if len(str(path)) > 100:
            raise LabError(f"{path}: too long for a unix socket; set VMV_VM_RUN")
        self.ports[name] = Port(name, ident, path)
        return self.ports[name]

    def qemu_command(self):
        for part in ("vmlinux", "initrd.cpio", "root.img"):
            if not (CACHE / part).exists():
                raise LabError(f"no {CACHE / part}: run build-image first")
        here = self.directory
        cmd = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-action", "reboot=shutdown",
               "-machine", self.machine, "-accel", "tcg,thread=multi,tb-size=256", "-smp", str(self.cpus),
               "-m", str(self.memory), "-cpu", "Nehalem,+rdrand",
               "-kernel", str(CACHE / "vmlinux"), "-initrd", str(CACHE / "initrd.cpio"),
               "-append", CMDLINE + ("" if self.verbose else QUIET) + " " + self.append,
               "-qmp", f"unix:{here}/qmp.sock,server=on,wait=off",
               "-serial", f"file:{here}/console.log",
               "-chardev", f"socket,id=ctl,path={here}/ctl.sock,server=on,wait=off", "-serial", "chardev:ctl"]
        drives = [(CACHE / "root.img", "vmv-root", "on")]
        if self.mailbox:
            drives.append((self.make_mailbox(), "vmv-mailbox", "off"))
        drives += [(disk, f"vmv-disk{i}", "off") for i, disk in enumerate(self.disks)]
        for path, serial, snapshot in drives:
            cmd += ["-drive", f"if=none,id={serial},file={path},format=raw,snapshot={snapshot},cache=unsafe",
                    "-device", f"virtio-blk-pci,drive={serial},serial={serial}"]
        if self.net:
            cmd += ["-netdev", "user,id=net0,restrict=on", "-device", "virtio-net-pci,netdev=net0,romfile="]
        cmd += ["-device", "virtio-serial-pci,id=serial0,max_ports=31"]
        for port in self.ports.values():
            cmd += ["-chardev", f"socket,id=ch-{port.ident},path={port.path},server=on,wait=off",
                    "-device", f"virtserialport,id={port.ident},bus=serial0.0,chardev=ch-{port.ident},name={port.name}"]
        return cmd + self.qemu_args

    def start(self, timeout=90):
        """Boot; returns once systemd has finished its start-up jobs."""
        began = time.monotonic()
        cmd = self.qemu_command()
        if self.lifetime:  # outlives this process, not for ever
            cmd = ["timeout", "-k", "5", str(self.lifetime)] + cmd
        with open(self.directory / "qemu.log", "wb") as log:
            log.write((shlex.join(cmd) + "\n").encode())
            log.flush()
            self.process = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env={**os.environ, "TMPDIR": str(self.directory)},
                                            preexec_fn=None if self.lifetime else die_with_parent)
        self.pid = self.process.pid
        self.started = process_start(self.pid)
        self.save()
        try:
            self.attach_sockets()
            self.channel.wait_hello(timeout)
            self.settle(max(1, timeout - (time.monotonic() - began)))
        except LabError as err:
            log = (self.directory / "qemu.log").read_text(errors="replace").split("\n", 1)[1]
            console = self.console()[-2000:]
            self.close()
            raise LabError(f"boot: {err}\n{log}{console}") from err
        except BaseException:
            self.close()
            raise
        self.boot_seconds = time.monotonic() - began
        self.save()
        return self

    def attach_sockets(self):
        deadline = time.monotonic() + 10
        while self.process and not (self.directory / "ctl.sock").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LabError("qemu did not start")
            time.sleep(0.005)
        self.channel = Channel(self.directory / "ctl.sock")
        self.qmp = Qmp(self.directory / "qmp.sock")

    def save(self):
        state = {"pid": self.pid, "started": self.started, "count": self.count,
                 "boot_seconds": self.boot_seconds, "mailbox": self.mailbox,
                 "ports": {p.name: p.ident for p in self.ports.values()}}
        (self.directory / "state.json").write_text(json.dumps(state))

    @classmethod
    def find(cls, directory):
        """A guest that an earlier `vm.py start` left running; speaks to nothing yet."""
        directory = pathlib.Path(directory)
        try:
            state = json.loads((directory / "state.json").read_text())
        except FileNotFoundError:
            raise LabError(f"no guest in {directory}") from None
        guest = cls(directory=directory, mailbox=state["mailbox"])
        guest.pid, guest.started = state["pid"], state["started"]
        guest.count, guest.boot_seconds = state["count"], state["boot_seconds"]
        guest.ports = {n: Port(n, i, directory / f"{i}.sock") for n, i in state["ports"].items()}
        return guest

    def attach(self):
        if not self.alive():
            raise LabError(f"the guest of {self.directory} is gone")
        self.attach_sockets()
        self.channel.wait_hello(15, ask=True)
        return self

    def alive(self):
        if self.process:
            return self.process.poll() is None
        return bool(self.pid) and process_start(self.pid) == self.started

    def wait_gone(self, timeout):
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def poweroff(self, timeout=60):
        """`systemctl poweroff` in the guest; returns the seconds till qemu had left."""
        began = time.monotonic()
        self.channel.spawn("systemctl --no-block poweroff", 30)
        if not self.wait_gone(timeout):
            raise LabError(f"the guest did not power off within {timeout} s\n{self.console()[-2000:]}")
        return time.monotonic() - began

    def reboot(self, timeout=90, ask=None):
        """`systemctl reboot`, or what ask() does to make it reboot; what the guest wrote to its disk is
        still there afterwards."""
        began, before = time.monotonic(), self.channel.hello
        self.qmp.command("set-action", reboot="reset")
        if ask:
            ask()
        else:
            self.spawn("systemctl --no-block reboot", 30)
        self.channel.pump(lambda: self.channel.hello != before, timeout, "new boot")
        self.qmp.command("set-action", reboot="shutdown")
        self.channel.jobs.clear()
        self.settle(max(1, timeout - (time.monotonic() - began)))
        return time.monotonic() - began

    def kill(self):
        """End qemu now, by its own pid."""
        if self.pid and self.alive():
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)
                if self.wait_gone(5):
                    break

    def close(self, keep=False):
        self.kill()
        for end in (self.channel, self.qmp):
            if end:
                end.close()
        if not keep:
            drop(self.directory)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def console(self):
        path = self.directory / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def collect(self, to):
        """Console, qemu's own output and, where the guest still answers, its journal."""
        to = pathlib.Path(to)
        to.mkdir(parents=True, exist_ok=True)
        for name in ("console.log", "qemu.log"):
            if (self.directory / name).exists():
                shutil.copy(self.directory / name, to)
        if self.alive():
            with contextlib.suppress(LabError):
                (to / "journal.txt").write_text(self.journal("-o", "short-precise"))
                (to / "units.txt").write_text(self.run("systemctl list-units --all; ls -lR /dev/virtio-ports").out)

    def port(self, name):
        try:
            return self.ports[name]
        except KeyError:
            raise LabError(f"no port {name}; there are {', '.join(self.ports) or 'none'}") from None

    def plug_controller(self, ident):
        """Hot-plug a virtio-serial controller (machine "pc" only); its bus for plug()."""
        self.qmp.command("device_add", driver="virtio-serial-pci", id=ident)
        return f"{ident}.0"

    def plug(self, name, timeout=20, bus="serial0.0"):
        """Hot-plug a port; returns once udev has made its /dev/virtio-ports link."""
        port = self.new_port(name)
        self.qmp.command("chardev-add", id=f"ch-{port.ident}", backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": str(port.path)}}, "server": True, "wait": False}})
        self.qmp.command("device_add", driver="virtserialport", id=port.ident, bus=bus,
                         chardev=f"ch-{port.ident}", name=name)
        self.save()
        if timeout:
            self.wait(f"test -e {shlex.quote('/dev/virtio-ports/' + name)}", timeout, 0.05)
        return port

    def unplug(self, name, timeout=20):
        """Hot-unplug a port; returns once the guest's link is gone."""
        port = self.port(name)
        self.qmp.command("device_del", id=port.ident)
        self.qmp.wait_event("DEVICE_DELETED", 10, device=port.ident)
        self.qmp.command("chardev-remove", id=f"ch-{port.ident}")
        del self.ports[name]
        self.save()
        if timeout:
            self.wait(f"! test -e {shlex.quote('/dev/virtio-ports/' + name)}", timeout, 0.05)


def parse_sample(text):
    lines = text.splitlines()
    ticks = lines[1].split()
    sample = {"seconds": float(lines[0]), "utime_s": int(ticks[11]) / 100, "stime_s": int(ticks[12]) / 100,
              "cpu_ms": 0.0, "voluntary": 0, "involuntary": 0, "reads": 0, "writes": 0}
    names = {"voluntary_ctxt_switches:": "voluntary", "nonvoluntary_ctxt_switches:": "involuntary",
             "syscr:": "reads", "syscw:": "writes"}
    for line in lines[2:]:
        words = line.split()
        if len(words) == 2 and words[0] in names:
            sample[names[words[0]]] += int(words[1])
        elif len(words) == 3 and all(w.isdigit() for w in words):  # schedstat: ns on CPU, ns waiting, turns
            sample["cpu_ms"] += int(words[0]) / 1e6
    return sample


def make_run():
    """The directory of the running guests: ours alone, it may lie in one that is everybody's."""
    RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = RUN.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise LabError(f"{RUN} is somebody else's; set VMV_VM_RUN")


def prune():
    """Drop what guests whose lab process was killed have left under RUN."""
    for state in RUN.glob("*/state.json"):
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(state.read_text())
            if process_start(known["pid"]) != known["started"]:
                drop(state.parent)


def drop(directory):
    """Remove a guest's directory; end a qemu that libvirtd has left behind: a file in it names it."""
    for file in directory.glob("run/qemu/*.pid"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text())
            if str(directory) in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


def as_root(info):
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


def process_start(pid):
    """When this pid's process began, in ticks; None when there is none."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rsplit(")", 1)[1].split()
    return None if fields[0] == "Z" else int(fields[19])


# -- the command line --------------------------------------------------------------------


def cli_start(args):
    prune()
    directory = RUN / args.vm
    if (directory / "state.json").exists():
        raise LabError(f"{args.vm} runs already; vm.py kill --vm {args.vm}")
    guest = VM(args.port, args.disk, args.cpus, args.memory, directory, args.machine, args.net, args.verbose,
               args.append, mailbox=not args.no_mailbox, lifetime=args.lifetime)
    guest.start(args.timeout)
    print(f"{args.vm}: up in {guest.boot_seconds:.1f} s, qemu pid {guest.pid}, ends itself after {args.lifetime} s")
    for port in guest.ports.values():
        print(f"{port.name}\t{port.path}")


def cli_exec(guest, args):
    result = guest.run(" ".join(args.command), args.timeout)
    sys.stdout.buffer.write(result.raw)
    sys.stderr.buffer.write(result.raw_err)
    if result.timed_out:
        print(f"vm.py: killed after {args.timeout} s", file=sys.stderr)
        return 124
    return result.status if result.status >= 0 else 128 - result.status


def cli_talk(guest, args):
    with guest.port(args.name).connect() as host:
        for line in args.line:
            host.send(line)
        deadline = time.monotonic() + args.seconds
        while time.monotonic() < deadline:
            try:
                data = host.recv(max(0.0, deadline - time.monotonic()))
            except LabError:
                break
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
            if not data or (args.line and data.count(b"\n") >= len(args.line)):
                break


def cli_measure(guest, args):
    pid = int(args.what) if args.what.isdigit() else guest.pid_of(args.what)
    print(json.dumps(guest.measure(pid, args.seconds)))


def cli_list(_args):
    prune()
    for state in sorted(RUN.glob("*/state.json")):
        known = json.loads(state.read_text())
        print(f"{state.parent.name}\tpid {known['pid']}\t{' '.join(known['ports'])}")


def cli_kill(args):
    VM.find(RUN / args.vm).close()


def parser():
    top = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = top.add_subparsers(dest="action", required=True)

    def add(name, doc, act, attach=True):
        sub = commands.add_parser(name, help=doc, description=doc)
        sub.set_defaults(act=act, attach=attach)
        if name != "list":
            sub.add_argument("--vm", default="default", help="which guest (default: default)")
        return sub

    sub = add("start", "boot a guest and leave it running", cli_start, attach=False)
    sub.add_argument("--port", action="append", default=[], help="a virtserialport of this name (repeat)")
    sub.add_argument("--disk", action="append", default=[], help="a raw image as a further virtio disk (repeat)")
    sub.add_argument("--cpus", type=int, default=2)
    sub.add_argument("--memory", type=int, default=512, help="MiB")
    sub.add_argument("--machine", default="q35", help="pc: PCI devices can be hot-plugged too")
    sub.add_argument("--net", action="store_true", help="a virtio network card with no way out")
    sub.add_argument("--verbose", action="store_true", help="the whole boot in console.log")
    sub.add_argument("--append", default="", help="more for the kernel command line")
    sub.add_argument("--no-mailbox", action="store_true", help="no /dev/vdb; files go over the serial line, 100 KB/s")
    sub.add_argument("--timeout", type=float, default=90)
    sub.add_argument("--lifetime", type=int, default=3600, help="seconds after which qemu is ended whatever happens")
    sub = add("exec", "run a shell command as root; its status is this command's", cli_exec)
    sub.add_argument("--timeout", type=float, default=60)
    sub.add_argument("command", nargs="+")
    sub = add("push", "copy files or directories in", lambda g, a: g.push(*a.source, to=a.to) and None)
    sub.add_argument("--to", default="/root")
    sub.add_argument("source", nargs="+")
    sub = add("push-root", "copy the tree below a DESTDIR onto the guest's /", lambda g, a: g.push_tree(a.tree) and None)
    sub.add_argument("tree")
    sub = add("pull", "copy a file or directory out", lambda g, a: g.pull(a.source, a.to))
    sub.add_argument("source")
    sub.add_argument("to")
    sub = add("plug", "hot-plug a port, print the host's socket", lambda g, a: print(g.plug(a.name).path))
    sub.add_argument("name")
    sub = add("unplug", "hot-unplug a port", lambda g, a: g.unplug(a.name))
    sub.add_argument("name")
    sub = add("talk", "connect as the host, send lines, print the answers, disconnect", cli_talk)
    sub.add_argument("--seconds", type=float, default=5, help="how long to wait for as many lines")
    sub.add_argument("name")
    sub.add_argument("line", nargs="*")
    sub = add("journal", "journalctl in the guest; its options after --", lambda g, a: print(g.journal(*a.args), end=""))
    sub.add_argument("args", nargs="*")
    sub = add("measure", "CPU, context switches, system calls of a unit or pid while idle", cli_measure)
    sub.add_argument("what")
    sub.add_argument("seconds", type=float)
    sub = add("qmp", "a QMP command", lambda g, a: print(json.dumps(g.qmp.command(a.name, **json.loads(a.arguments)))))
    sub.add_argument("name")
    sub.add_argument("arguments", nargs="?", default="{}")
    sub = add("logs", "collect console, qemu log, journal into a directory", lambda g, a: g.collect(a.to))
    sub.add_argument("to")
    add("reboot", "reboot the guest", lambda g, a: print(f"{g.reboot():.1f} s"))
    add("poweroff", "systemctl poweroff, then clean up", lambda g, a: print(f"{g.poweroff():.1f} s") or g.close())
    add("kill", "end qemu, clean up", cli_kill, attach=False)
    add("list", "the guests that run", cli_list, attach=False)
    return top


def main():
    args = parser().parse_args()
    try:
        if not args.attach:
            return args.act(args)
        guest = VM.find(RUN / args.vm)
        with open(RUN / f"{args.vm}.lock", "w") as lock:  # one client at a time on the guest's sockets
            fcntl.flock(lock, fcntl.LOCK_EX)
            return args.act(guest.attach(), args)
    except LabError as err:
        print(f"vm.py: {err}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
