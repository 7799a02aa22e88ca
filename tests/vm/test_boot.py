"""A guest to which the ports come later, and which boots with the agent in it."""
import agent_guest
from native import DEADLINE, Host


def greeted(guest, name):
    with Host(guest.port(name)) as host:
        return host.greet()


def test_agent_waits_for_a_port_that_is_missing(bare_guest, destdir):
    agent_guest.install(bare_guest, destdir)
    assert bare_guest.sh(f"systemctl is-active {agent_guest.UNIT}") == "active"
    pid = bare_guest.pid_of(agent_guest.UNIT)
    bare_guest.plug(agent_guest.NATIVE)
    assert greeted(bare_guest, agent_guest.NATIVE)["type"] == "handshake"
    assert bare_guest.pid_of(agent_guest.UNIT) == pid


def test_port_on_a_controller_plugged_later_is_opened(bare_guest):
    bus = bare_guest.plug_controller("later")
    bare_guest.plug(agent_guest.COMPATIBLE, bus=bus)
    assert greeted(bare_guest, agent_guest.COMPATIBLE)["type"] == "handshake"


def test_agent_starts_at_boot_and_greets_the_host_that_waits(bare_guest):
    with Host(bare_guest.port(agent_guest.NATIVE)) as host:
        before = host.greet()
        bare_guest.reboot()
        after = host.wait("handshake", 3 * DEADLINE, first=True)
        assert after["boot_id"] != before["boot_id"]
        assert after["boot_id"] == bare_guest.sh("cat /proc/sys/kernel/random/boot_id")
    assert bare_guest.sh(f"systemctl is-active {agent_guest.UNIT}") == "active"
    assert bare_guest.sh("systemctl is-system-running") == "running"


def test_power_off_is_not_delayed(bare_guest, figures):
    """The journal goes to the console, where it outlives the guest."""
    bare_guest.sh("mkdir -p /run/systemd/journald.conf.d; "
                  "printf '[Journal]\\nForwardToConsole=yes\\nTTYPath=/dev/ttyS0\\nMaxLevelConsole=info\\n'"
                  " >/run/systemd/journald.conf.d/console.conf; systemctl restart systemd-journald")
    with Host(bare_guest.port(agent_guest.NATIVE)) as host:
        host.greet()
        figures["poweroff_s"] = round(bare_guest.poweroff(), 1)
    console = bare_guest.console()
    stopped = [line for line in console.splitlines() if "vmvitalsd" in line]
    assert any("vmvitalsd.service: Deactivated successfully" in line for line in stopped), console
    assert not any("timed out" in line or "SIGKILL" in line for line in stopped), console
