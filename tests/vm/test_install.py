"""What `make install` and a package's postinst leave in the guest."""
import agent_guest
import pytest
from conftest import BUILD


def test_service_runs_as_its_own_user_without_rights(agent):
    guest, pid = agent.guest, agent.pid()
    assert guest.sh(f"systemctl is-active {agent_guest.UNIT}") == "active"
    assert guest.sh(f"ps -o user:20=,group:20= -p {pid}").split() == ["vmvitals", "vmvitals"]
    assert set(guest.sh(f"ps -o supgrp:60= -p {pid}").split(",")) == {"systemd-journal", "vmvitals"}
    status = dict(line.split(":\t", 1) for line in guest.sh(f"cat /proc/{pid}/status").splitlines())
    assert {int(status[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Threads"] == "1"


@pytest.mark.parametrize("name", [agent_guest.NATIVE, agent_guest.COMPATIBLE])
def test_port_belongs_to_the_agents_group(agent, name):
    owner = agent.guest.sh(f"stat -L -c '%U:%G %a' /dev/virtio-ports/{name}")
    assert owner == "root:vmvitals 660"


def test_systemd_has_nothing_to_say_about_the_unit(agent, figures):
    guest = agent.guest
    result = guest.run(f"systemd-analyze verify --man=no {agent_guest.UNIT}")
    assert (result.status, result.out, result.err) == (0, "", "")
    assert guest.sh("systemctl show -p Id --value infiniservice.service") == agent_guest.UNIT
    rating = guest.sh(f"systemd-analyze security --no-pager {agent_guest.UNIT} | tail -1")
    figures["systemd_security"] = rating.encode("ascii", "ignore").decode().strip()


def test_service_tells_systemd_how_it_is(agent):
    show = agent.guest.sh(f"systemctl show -p Type,StatusText,WatchdogUSec {agent_guest.UNIT}")
    values = dict(line.split("=", 1) for line in show.splitlines())
    assert values["Type"] == "notify"
    assert values["WatchdogUSec"] == "1min 30s"
    assert values["StatusText"]


def test_directories_are_the_agents(agent):
    stat = agent.guest.sh("stat -c '%n %U:%G %a' /run/vmvitals /var/lib/vmvitals")
    assert stat.splitlines() == ["/run/vmvitals vmvitals:vmvitals 750",
                                 "/var/lib/vmvitals vmvitals:vmvitals 700"]


def test_local_tools_reach_the_agent(agent):
    guest = agent.guest
    shown = guest.sh("vmvitals show --socket /run/vmvitals/agent.sock")
    assert guest.sh("hostname") in shown
    guest.sh("vmvitals ping --socket /run/vmvitals/agent.sock")
    assert guest.run("vmvitals ping --socket /run/vmvitals/nobody.sock --timeout 1").status == 69


def test_reinstalling_keeps_the_administrators_settings(destdir, tmp_path):
    conf = tmp_path / "etc/vmvitals/agent.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("# mine\n")
    agent_guest.make_install(BUILD, tmp_path)
    assert conf.read_text() == "# mine\n"
