"""A guest with the agent in it, installed as a package would install it.

Used by the tests; as a command (./demo --guest) it boots one and runs
`vmvitals watch` on the host end of its port: agent_guest.py BUILD [--seconds N]
"""
import argparse
import pathlib
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lab"))
import vm  # noqa: E402

UNIT = "vmvitalsd.service"
EXECUTOR = "vmvitals-execd.service"
SOCKET = "vmvitals-execd.socket"
NATIVE = "org.vmvitals.agent.0"
COMPATIBLE = "org.infinibay.agent"
QGA = "org.qemu.guest_agent.0"
HELD = f"/run/vmvitals/{QGA}.held"  # is there while the agent has that port
ADDRESS = "192.0.2.15"  # of eth0; without an address the agent would send more often


def make_install(build, destdir):
    done = subprocess.run(["make", "-s", "-C", str(build), "install", f"DESTDIR={destdir}"], check=False,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise vm.LabError(f"make install: {done.stdout}{done.stderr}")


def install(guest, destdir):
    """What a package's files and its postinst do."""
    guest.push_tree(destdir)
    guest.sh("systemd-sysusers vmvitals.conf")
    guest.sh("systemd-tmpfiles --create vmvitals.conf")
    guest.sh("udevadm control --reload; udevadm trigger --subsystem-match=virtio-ports --settle")
    guest.sh(f"systemctl enable --now {UNIT}")


def install_executor(guest, secret, policy):
    """What its administrator does to let a host change it."""
    guest.sh("mkdir -p -m 700 /etc/infiniservice; umask 077; "
             f"echo INFINISERVICE_SHARED_SECRET={secret} >/etc/infiniservice/agent.env")
    guest.sh(f"printf '[policy]\\n{policy}\\n' >/etc/vmvitals/agent.conf.d/50-policy.conf")
    guest.sh(f"systemctl enable --now {SOCKET}; systemctl reload {UNIT}")


def set_address(guest):
    guest.sh(f"ip link set lo up; ip addr add {ADDRESS}/24 dev eth0; ip link set eth0 up; "
             "ip route add default via 192.0.2.1")


def holders(guest, name):
    """The programs that have a port open."""
    return guest.sh(f"find /proc/[0-9]*/fd -lname \"$(readlink -f /dev/virtio-ports/{name})\" 2>/dev/null | cut -d/ -f3 | "
                    "while read -r pid; do cat /proc/$pid/comm; done").split()


def leave(*_):
    raise SystemExit(143)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path, help="folder with the built programs")
    parser.add_argument("--seconds", type=float, help="end after this time")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    try:
        with tempfile.TemporaryDirectory() as destdir:
            make_install(args.build, destdir)
            print("Booting the guest", flush=True)
            with vm.VM(ports=[NATIVE, COMPATIBLE], net=True) as guest:
                set_address(guest)
                install(guest, destdir)
                watch = [str(args.build / "vmvitals"), "watch", "--socket", str(guest.port(NATIVE).path)]
                return subprocess.run(watch, timeout=args.seconds, check=False).returncode
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        return 0
    except vm.LabError as err:
        print(f"agent_guest.py: {err}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
