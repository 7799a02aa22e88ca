"""A guest of vm.py as a domain of libvirt, under a libvirtd of its own.

Nothing of the machine's own libvirt is read or written: the daemon runs in a mount namespace
with directories, users and a socket of its own. Needs root, and the programs libvirtd and virsh.

    with libvirt.Domain(ports=["org.qemu.guest_agent.0"], disks=[image]) as guest:
        print(guest.virsh("domifaddr", "--source", "agent"))
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from xml.sax.saxutils import escape

import vm

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
DAEMON_CONF = """
unix_sock_dir = "{here}"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "2:file:{here}/libvirtd.log"
"""
QEMU_CONF = """
user = "root"
group = "root"
security_driver = "none"
security_default_confined = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
dynamic_ownership = 0
remember_owner = 0
"""
# Its directories are at fixed places, and it wants a user libvirt-qemu: that is laid over the
# machine's in a mount namespace, which ends with it. In a chroot / is no mount point.
DAEMON_SCRIPT = """
mount --make-rprivate / 2>/dev/null || :
for name in etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt run:/run/libvirt; do
    mkdir -p "$HERE/${name%%:*}" "${name#*:}"
    mount --bind "$HERE/${name%%:*}" "${name#*:}"
done
mkdir -p "$PROBED" /var/cache/libvirt
mount --bind "$PROBED" /var/cache/libvirt
for file in passwd group; do
    cp /etc/$file "$HERE/$file"
    mount --bind "$HERE/$file" /etc/$file
done
grep -q ^libvirt-qemu: /etc/group || echo 'libvirt-qemu:x:64055:' >>/etc/group
grep -q ^libvirt-qemu: /etc/passwd ||
    echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
exec libvirtd -f /etc/libvirt/libvirtd.conf -p "$HERE/libvirtd.pid"
"""
DOMAIN_XML = """
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>guest</name>
  <memory unit='MiB'>512</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{cache}/vmlinux</kernel>
    <initrd>{cache}/initrd.cpio</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/><apic/><tcg><tb-cache unit='MiB'>256</tb-cache></tcg></features>
  <cpu mode='custom' match='exact' check='none'>
    <model fallback='allow'>Nehalem</model>
    <feature policy='require' name='rdrand'/>
  </cpu>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    {devices}
    <controller type='scsi' model='virtio-scsi'/>
    <interface type='user'><model type='virtio'/></interface>
    <serial type='file'><source path='{here}/console.log'/><target port='0'/></serial>
    <serial type='unix'><source mode='bind' path='{here}/ctl.sock'/><target port='1'/></serial>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>{arguments}</qemu:commandline>
</domain>
"""
DISK_XML = """
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe' discard='unmap'/>
      <source file='{path}'/>
      <target dev='{target}' bus='{bus}'/>
      <serial>{serial}</serial>
    </disk>"""
CHANNEL_XML = """
    <channel type='unix'>
      {source}
      <target type='virtio' name='{name}'/>
      <alias name='ua-{name}'/>
    </channel>"""


def missing():
    """Why there cannot be a domain here, or None."""
    for program in ("libvirtd", "virsh"):
        if not shutil.which(program, path=PATH):
            return f"no {program}"
    return None if os.getuid() == 0 else "libvirtd needs root"


class Domain(vm.Guest):
    """A guest with the agent's channel of libvirt and ports of the tests. Disks: (image, target) each,
    vdX virtio, sdX SCSI, nvme0 what it says."""

    name = "guest"

    def __init__(self, channel, ports=(), disks=()):
        super().__init__(None)
        self.channel_name, self.names, self.disks = channel, list(ports), list(disks)
        self.daemon = None
        self.ports = {name: vm.Port(name, name, self.directory / f"port{i}.sock") for i, name in enumerate(ports)}

    def port(self, name):
        return self.ports[name]

    def try_virsh(self, *args, timeout=60):
        """One virsh command: its CompletedProcess."""
        uri = f"qemu+unix:///system?socket={self.directory}/libvirt-sock"
        return subprocess.run(["virsh", "-c", uri, *map(str, args)], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=timeout, env={**os.environ, "LC_ALL": "C"})

    def virsh(self, command, *args, timeout=60):
        """One virsh command about this domain that has to succeed: what it prints."""
        done = self.try_virsh(command, self.name, *args, timeout=timeout)
        if done.returncode:
            raise vm.LabError(f"virsh {command} {args}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def try_ask(self, execute, **arguments):
        """A command of the agent: virsh's CompletedProcess, whose errors hold the agent's description."""
        request = {"execute": execute, **({"arguments": arguments} if arguments else {})}
        return self.try_virsh("qemu-agent-command", self.name, json.dumps(request), "--timeout", 20)

    def ask(self, execute, **arguments):
        """A command of the agent: what it returns."""
        done = self.try_ask(execute, **arguments)
        if done.returncode:
            raise vm.LabError(f"{execute}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)["return"]

    def is_connected(self):
        """Whether libvirt sees the agent's end of the channel open."""
        lines = self.virsh("dumpxml").splitlines()
        return any(f"name='{self.channel_name}'" in line and "state='connected'" in line for line in lines)

    def wait_for(self, done, timeout=30, what="that"):
        deadline = time.monotonic() + timeout
        while not done():
            if time.monotonic() > deadline:
                raise vm.LabError(f"no {what} within {timeout} s")
            time.sleep(0.1)

    def is_running(self):
        return self.try_virsh("domstate", self.name).stdout.strip() == "running"

    def start_daemon(self):
        here = self.directory
        (here / "etc").mkdir()
        (here / "etc/libvirtd.conf").write_text(DAEMON_CONF.format(here=here))
        (here / "etc/qemu.conf").write_text(QEMU_CONF)
        env = {**os.environ, "HERE": str(here), "PROBED": str(vm.CACHE / "libvirt-probed"), "PATH": PATH}
        with open(here / "daemon.log", "wb") as log:
            self.daemon = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "unchanged", "sh", "-ec", DAEMON_SCRIPT], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=env, start_new_session=True, preexec_fn=vm.die_with_parent)
        (here / "state.json").write_text(json.dumps({
            "pid": self.daemon.pid, "started": vm.process_start(self.daemon.pid), "ports": {}}))
        deadline = time.monotonic() + 60
        while self.try_virsh("version").returncode:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise vm.LabError("libvirtd did not start:\n" + self.logs())
            time.sleep(0.05)

    def make_xml(self):
        here = self.directory
        disks = [(here / "root.img", "vda"), (self.make_mailbox(), "vdb"), *self.disks]
        devices, arguments = "", ""
        for path, target in disks:
            if target.startswith("nvme"):
                for word in ("-drive", f"if=none,id={target},format=raw,cache=unsafe,file={path}",
                             "-device", f"nvme,serial={target},drive={target},bus=pcie.0,addr=0x1c"):
                    arguments += f"<qemu:arg value='{escape(word)}'/>"
                continue
            devices += DISK_XML.format(path=escape(str(path)), target=target, serial=f"vmv-{target}",
                                       bus="virtio" if target.startswith("v") else "scsi")
        devices += CHANNEL_XML.format(name=self.channel_name, source="")
        for port in self.ports.values():
            devices += CHANNEL_XML.format(name=port.name, source=f"<source mode='bind' path='{escape(str(port.path))}'/>")
        return DOMAIN_XML.format(here=escape(str(here)), cache=escape(str(vm.CACHE)), devices=devices, arguments=arguments,
                                 cmdline=escape(vm.CMDLINE + vm.QUIET))

    def start(self, timeout=90):
        try:
            self.start_daemon()
            subprocess.run(["cp", "--sparse=always", vm.CACHE / "root.img", self.directory / "root.img"], check=True)
            (self.directory / "domain.xml").write_text(self.make_xml())
            done = self.try_virsh("create", self.directory / "domain.xml")
            if done.returncode:
                raise vm.LabError(f"virsh create: {done.stderr}")
            self.channel = vm.Channel(self.directory / "ctl.sock")
            self.channel.wait_hello(timeout, ask=True)
            self.settle(timeout)
        except vm.LabError as err:
            text = self.logs()
            self.close()
            raise vm.LabError(f"{err}\n{text}") from err
        except BaseException:
            self.close()
            raise
        return self

    def wait_rebooted(self, before, timeout=90):
        """Till it has booted again; before: channel.hello of then."""
        self.channel.pump(lambda: self.channel.hello != before, timeout, "new boot")
        self.channel.jobs.clear()
        self.settle(timeout)

    def logs(self):
        text = ""
        for name in ("daemon.log", "libvirtd.log", "log/qemu/guest.log", "console.log"):
            path = self.directory / name
            if path.exists():
                text += f"--- {name}\n{path.read_text(errors='replace')[-3000:]}\n"
        return text

    def collect(self, to):
        to.mkdir(parents=True, exist_ok=True)
        (to / "logs.txt").write_text(self.logs())
        with contextlib.suppress(vm.LabError):
            if self.is_running():
                (to / "journal.txt").write_text(self.journal("-o", "short-precise"))

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.try_virsh("destroy", self.name, timeout=20)
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        if self.channel:
            self.channel.close()
        vm.drop(self.directory)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()
