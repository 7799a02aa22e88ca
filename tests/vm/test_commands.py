"""Commands that change the guest, in a guest with systemd and apt: who may give them, what they do, what is said of it."""
import hashlib
import json
import os
import time
import uuid

import agent_guest
import pytest
from native import DEADLINE, SECRET, command, signed

MARKER = "maRker7291"  # in arguments, scripts and outputs: never in the journal

UNITS = {
    "lab-plain": "ExecStart=/bin/sleep 100000\nExecReload=/bin/sh -c 'echo reloaded >>/run/lab-plain'\n"
                 "[Install]\nWantedBy=multi-user.target",
    "lab-broken": "Type=oneshot\nExecStart=/bin/false",
    "lab-slow": "Type=oneshot\nTimeoutStartSec=infinity\nExecStart=/bin/sh -c 'until test -e /run/lab-slow; do sleep 0.1; done'",
}


# -- as it is installed ----------------------------------------------------------------------------


def test_systemd_has_nothing_to_say_about_the_units(commanded):
    result = commanded.guest.run(f"systemd-analyze verify --man=no {agent_guest.EXECUTOR} {agent_guest.SOCKET}")
    assert (result.status, result.out, result.err) == (0, "", "")


def test_only_the_agent_reaches_the_executor(commanded):
    guest = commanded.guest
    stat = guest.sh("stat -c '%n %U:%G %a' /run/vmvitals-execd /run/vmvitals-execd/execd.sock /var/lib/vmvitals-execd "
                    "/etc/infiniservice/agent.env")
    assert stat.splitlines() == ["/run/vmvitals-execd root:vmvitals 750", "/run/vmvitals-execd/execd.sock root:vmvitals 660",
                                 "/var/lib/vmvitals-execd root:root 700", "/etc/infiniservice/agent.env root:root 600"]
    # the agent's own account cannot read the secret, nor put another socket there
    for attempt in ("cat /etc/infiniservice/agent.env", "touch /run/vmvitals-execd/x", "ls /var/lib/vmvitals-execd"):
        assert guest.run(f"setpriv --reuid vmvitals --regid vmvitals --clear-groups {attempt}").status != 0


# -- who may -----------------------------------------------------------------------------------------


def verdict(done):
    """What the tool says of an answer, as a code."""
    answer = json.loads(done.stdout)
    return "ok" if answer["success"] else answer["error_code"]


def test_levels_and_keys(commanded):
    guest, key = commanded.guest, commanded.key

    def run(action, *args):
        return verdict(commanded.cli("run", action, "--json", "--key", key, *args))

    def execute():
        return verdict(commanded.cli("exec", "--json", "--key", key, "--", "true"))

    # a key made in the guest; its private half is the host's
    shown = guest.sh("vmvitals keys generate /root/key --comment 'lab host' --json")
    ident = json.loads(shown)["id"]
    key.write_text(guest.sh("cat /root/key") + "\n")
    key.chmod(0o600)
    assert run("FsTrim") == "LOCKED"
    assert commanded.cli("run", "FsTrim").returncode == 77  # not signed at all

    guest.sh("vmvitals keys trust /root/key.pub; rm /root/key")
    assert ident in guest.sh("vmvitals keys list") and "lab host" in guest.sh("vmvitals keys list")
    try:
        levels = [("level = monitor", "NOT_ALLOWED", "NOT_ALLOWED"), ("level = operate", "ok", "NOT_ALLOWED"),
                  ("level = full", "ok", "ok"), ("level = monitor\\nallow = FsTrim", "ok", "NOT_ALLOWED"),
                  ("level = full\\ndeny = UnsafeCommand", "ok", "NOT_ALLOWED")]
        for policy, operate, full in levels:
            commanded.policy(policy)
            assert (policy, run("FsTrim"), execute()) == (policy, operate, full)
            assert run("FsFreezeStatus") == "ok"
            level = policy.split("\\n", 1)[0].removeprefix("level = ")
            assert json.loads(commanded.cli("ping", "--json").stdout)["policy"]["level"] == level
    finally:
        commanded.policy("level = full")
    # no longer trusted
    guest.sh(f"mv /etc/vmvitals/trusted-keys.d/{ident}.pub /root/")
    guest.sh("vmvitals keys generate /root/other; vmvitals keys trust /root/other.pub")
    commanded.reload()
    assert run("FsTrim") == "UNKNOWN_KEY"
    guest.sh(f"vmvitals keys trust /root/{ident}.pub")
    commanded.reload()
    assert run("FsTrim") == "ok"


def test_the_secret_is_as_good_as_a_key(commanded, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    done = commanded.cli("exec", "--secret", secret, "--", "id -un; exit 3")
    assert (done.returncode, done.stdout) == (3, "root\n"), done
    secret.write_text(SECRET.replace("9", "8") + "\n")
    assert commanded.cli("exec", "--secret", secret, "--", "id").returncode == 77


# -- what is said of it ------------------------------------------------------------------------------


def test_every_command_is_in_the_journal_and_no_secret_is(commanded):
    with commanded.greeted() as host:
        done = host.raw(f"echo {MARKER}; exit 3", env_vars={"MARK": MARKER})
        assert MARKER in done["stdout"]
        refused = host.do("ProcessKill", pid=1)
        commanded.policy("level = operate")
        try:
            denied = host.raw(f"echo {MARKER}")
        finally:
            commanded.policy("level = full")
        session = host.ask("Ping")["data"]["session"]
    for answer, action, result in ((done, "UnsafeCommand", "exit 3"), (refused, "ProcessKill", "NOT_ALLOWED"),
                                   (denied, "UnsafeCommand", "NOT_ALLOWED")):
        entries = commanded.audit(answer["id"])
        assert len(entries) == 1, entries
        entry = entries[0]
        assert {key: entry[key] for key in ("VMVITALS_COMMAND", "VMVITALS_COMMAND_ID", "VMVITALS_CHANNEL", "VMVITALS_SESSION",
                                            "VMVITALS_RESULT", "SYSLOG_IDENTIFIER", "_UID")} == {
            "VMVITALS_COMMAND": action, "VMVITALS_COMMAND_ID": answer["id"],
            "VMVITALS_CHANNEL": f"virtio:{agent_guest.NATIVE}", "VMVITALS_SESSION": session, "VMVITALS_RESULT": result,
            "SYSLOG_IDENTIFIER": "vmvitals-execd", "_UID": "0"}
        assert len(entry["MESSAGE_ID"]) == 32
        assert 0 <= int(entry["VMVITALS_DURATION_US"]) < 120_000_000
    assert {entry["MESSAGE_ID"] for answer in (done, refused) for entry in commanded.audit(answer["id"])} == {entry["MESSAGE_ID"]}
    found = commanded.guest.sh(f"journalctl -q -o export | grep -a -c -e {SECRET} -e {MARKER} || true")
    assert found == "0"


# -- services ------------------------------------------------------------------------------------------


@pytest.fixture
def units(commanded):
    for name, text in UNITS.items():
        quoted = f"[Service]\n{text}\n".replace("'", "'\\''")
        commanded.guest.sh(f"printf '%s' '{quoted}' >/etc/systemd/system/{name}.service")
    commanded.guest.sh("systemctl daemon-reload")
    yield
    commanded.guest.sh("touch /run/lab-slow; for u in plain broken slow; do systemctl stop lab-$u; "
                       "systemctl reset-failed lab-$u; rm -f /etc/systemd/system/lab-$u.service; done 2>/dev/null; "
                       "systemctl daemon-reload")


def test_services_are_controlled(commanded, units):
    guest = commanded.guest

    def show(what):
        return guest.sh(f"systemctl show -p {what} --value lab-plain")

    with commanded.greeted() as host:
        def control(operation, service="lab-plain", timeout=60):
            return host.do("ServiceControl", timeout, service=service, operation=operation)

        data = control("start")["data"]
        assert data == {"service": "lab-plain.service", "operation": "start", "active": "active", "sub": "running",
                        "job_result": "done"}
        first = show("MainPID")
        assert control("reload")["success"] and guest.sh("cat /run/lab-plain") == "reloaded"
        assert show("MainPID") == first
        assert control("restart")["data"]["job_result"] == "done" and show("MainPID") not in (first, "0")
        assert control("enable")["success"] and guest.sh("systemctl is-enabled lab-plain") == "enabled"
        assert control("disable")["success"] and guest.run("systemctl is-enabled lab-plain").out.strip() == "disabled"
        assert control("stop")["data"]["active"] == "inactive" and show("MainPID") == "0"

        failed = control("start", "lab-broken")
        assert (failed["success"], failed["error_code"], failed["data"]["job_result"]) == (False, "INTERNAL", "failed")
        late = control("start", "lab-slow", timeout=3)
        assert (late["error_code"], late["data"]["still_running"]) == ("TIMED_OUT", True)
        assert guest.run("systemctl is-active lab-slow").out.strip() == "activating"
        assert control("start", "no-such-unit")["error_code"] == "NOT_FOUND"
        for ours in (agent_guest.UNIT, agent_guest.SOCKET, agent_guest.EXECUTOR, "infiniservice", "vmvitalsd"):
            for operation in ("stop", "restart", "disable"):
                assert control(operation, ours)["error_code"] == "NOT_ALLOWED", (operation, ours)
        assert host.ask("ServiceControl", service="lab-plain", operation="status")["data"]["active"] == "inactive"


# -- processes -----------------------------------------------------------------------------------------


def test_processes_are_killed_but_not_those_that_matter(commanded):
    guest = commanded.guest
    guest.sh("systemd-run -q --unit lab-victim sh -c 'trap \"\" TERM; sleep 100001; sleep 100001'")
    try:
        with commanded.greeted() as host:
            victim = guest.pid_of("lab-victim")
            kernel = int(guest.sh("pgrep -o -P 2"))
            for protected in (1, 2, kernel, commanded.pid(), commanded.executor_pid()):
                answer = host.do("ProcessKill", pid=protected, force=True)
                assert (protected, answer["error_code"]) == (protected, "NOT_ALLOWED")
            rows = {row["pid"]: row for row in host.ask("ProcessList")["data"]}
            started = rows[victim]["start_time"]
            other = host.do("ProcessKill", pid=victim, force=True, start_time=rows[1]["start_time"])
            assert other["error_code"] == "NOT_FOUND"
            assert guest.pid_of("lab-victim") == victim
            assert host.done("ProcessKill", pid=victim)["signal"] == "SIGTERM"  # which it ignores
            done = host.done("ProcessKill", pid=victim, force=True, start_time=started)
            assert (done["pid"], done["signal"]) == (victim, "SIGKILL")
            guest.wait(f"! test -d /proc/{victim}", DEADLINE)
            assert host.do("ProcessKill", pid=victim)["error_code"] == "NOT_FOUND"
    finally:
        guest.run("systemctl kill -s KILL lab-victim; systemctl stop lab-victim; systemctl reset-failed lab-victim")


# -- the system ----------------------------------------------------------------------------------------


def test_the_host_name_is_set_for_good(commanded):
    guest = commanded.guest
    before = guest.sh("hostname")
    with commanded.greeted() as host:
        assert host.done("SetHostname", hostname="renamed-7") == {"before": before, "after": "renamed-7"}
        assert guest.sh("hostname; cat /etc/hostname").split() == ["renamed-7", "renamed-7"]
        for bad in ("-x", "a b", "a;reboot", "", "x" * 65):
            assert host.do("SetHostname", hostname=bad)["error_code"] == "BAD_ARGUMENT"
        assert host.done("SetHostname", hostname=before)["after"] == before


def test_the_clock_is_set_and_what_was_signed_by_another_clock_is_stale(commanded):
    guest, hour = commanded.guest, 3_600_000
    pid = commanded.pid()
    with commanded.greeted() as host:
        try:
            ahead = int(time.time() * 1000) + hour
            data = host.done("SetTime", realtime_ms=ahead)
            assert data["after_ms"] - data["before_ms"] == pytest.approx(hour, abs=60_000)
            assert int(guest.sh("date +%s")) * 1000 == pytest.approx(ahead, abs=60_000)
            assert int(guest.sh("cat /sys/class/rtc/rtc0/since_epoch")) * 1000 == pytest.approx(ahead, abs=60_000)
            stale = host.do("FsTrim")
            assert stale["error_code"] == "STALE" and stale["error"].startswith("refused: ")
            skew = stale["data"]["ts"] - stale["data"]["guest_time_ms"]
            assert stale["data"]["skew_ms"] == skew == pytest.approx(-hour, abs=60_000)
            # what is signed by the clock that the answer tells is taken
            now = int(time.time() * 1000)
            message = {**command("SetTime", str(uuid.uuid4()), realtime_ms=now), "timeout": 30}
            host.end.send(signed(message, ts=now - skew))
            assert host.response(message["id"])["success"]
            assert int(guest.sh("date +%s")) == pytest.approx(time.time(), abs=60)
        finally:
            guest.sh(f"date -s @{int(time.time())}")
        assert host.done("FsTrim")["paths"]
        assert host.do("SetTime", realtime_ms=0)["error_code"] == "BAD_ARGUMENT"
        host.end.send({"type": "Metrics"})
        assert host.wait("metrics")["data"]["system"]["uptime_seconds"] > 0
    assert commanded.pid() == pid


def test_unused_blocks_are_discarded(commanded):
    with commanded.greeted() as host:
        [path] = host.done("FsTrim", mountpoints=["/"])["paths"]
        assert (path["mountpoint"], path["error"]) == ("/", None) and path["trimmed_bytes"] >= 0
        assert host.do("FsTrim", mountpoints=["/no/such/place"])["success"] is False


def test_only_what_is_old_and_nobodys_is_cleaned(commanded):
    guest = commanded.guest
    # ctime cannot be set, so the clock is, for a moment
    guest.sh("now=$(date +%s); date -s @$((now - 30 * 86400)) >/dev/null; cd /tmp; mkdir -p lab/deep/empty lab/kept "
             "systemd-private-lab; head -c 2000000 /dev/zero >lab/big; echo x >lab/deep/small; ln -s /etc/hostname lab/link; "
             "mkfifo lab/kept/fifo; echo x >systemd-private-lab/theirs; echo x >lab/locked; date -s @$((now + 1)) >/dev/null; "
             "echo x >lab/fresh")
    with commanded.greeted() as host:
        dry = host.done("DiskCleanup", targets=["temp_files"], dry_run=True)
        assert dry["files_deleted"] >= 4
        guest.sh("cd /tmp/lab; test -e big && test -e deep/small && test -d deep/empty && test -L link && test -e locked")
        data = host.done("DiskCleanup", targets=["temp_files"])
        assert data["files_deleted"] >= 4 and data["errors"] == 0 and data["space_cleared_mb"] >= 1
        assert guest.sh("cd /tmp; find lab systemd-private-lab | sort").splitlines() == [
            "lab", "lab/fresh", "lab/kept", "lab/kept/fifo", "systemd-private-lab", "systemd-private-lab/theirs"]
        assert guest.sh("cat /etc/hostname")
        guest.sh("mkdir -p /var/cache/apt/archives; echo x >/var/cache/apt/archives/lab_1_all.deb")
        assert host.done("DiskCleanup", targets=["package_cache"])["errors"] == 0
        assert guest.run("test -e /var/cache/apt/archives/lab_1_all.deb").status == 1
        assert host.do("DiskCleanup", targets=["everything"])["error_code"] == "BAD_ARGUMENT"
    guest.sh("rm -r /tmp/lab /tmp/systemd-private-lab")


# -- packages ------------------------------------------------------------------------------------------

BUILD_REPOSITORY = r"""
set -e
mkdir -p /srv/repo; cd /srv/repo
package() { # NAME VERSION POSTINST
    rm -rf /tmp/deb; mkdir -p /tmp/deb/DEBIAN "/tmp/deb/usr/share/$1"; echo "$2" >"/tmp/deb/usr/share/$1/version"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: lab <lab@localhost>\nDescription: of the lab\n' \
        "$1" "$2" >/tmp/deb/DEBIAN/control
    printf '#!/bin/sh\nset -e\n%s\n' "$3" >/tmp/deb/DEBIAN/postinst; chmod 755 /tmp/deb/DEBIAN/postinst
    dpkg-deb -b /tmp/deb "$1_$2.deb" >/dev/null
    { dpkg-deb -f "$1_$2.deb"; printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$1_$2.deb" "$(stat -c %s "$1_$2.deb")" \
        "$(sha256sum <"$1_$2.deb" | cut -d' ' -f1)"; } >>"$4"
}
package tiny 1 : Packages
package slow 1 'echo begun; : >/run/slow.begun; until test -e /run/slow.go; do sleep 0.1; done; echo ended; : >/run/slow.ended' Packages
cp Packages Packages.later
package tiny 2 : Packages.later
rm -f /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
apt-get -q update
"""


@pytest.fixture(scope="session")
def repository(commanded_guest):
    guest = commanded_guest.guest
    guest.run("cat >/root/repository.sh; sh /root/repository.sh", 60, stdin=BUILD_REPOSITORY.encode()).check()
    return guest


def test_packages_come_and_go(commanded, repository):
    guest = commanded.guest
    with commanded.greeted() as host:
        answer = host.do("PackageInstall", 300, package="tiny")
        assert answer["success"] and answer["data"] == {"package": "tiny", "changed": True}, answer
        assert "Setting up tiny" in answer["stdout"] and guest.sh("cat /usr/share/tiny/version") == "1"
        assert host.done("PackageUpdate", 300, package="tiny")["changed"] is False
        assert host.do("PackageInstall", 300, package="no-such-package")["success"] is False
        for hostile in ("-oAPT::Update::Pre-Invoke::=true", "tiny;true", "./tiny_1.deb", "tiny=1 slow"):
            assert host.do("PackageInstall", package=hostile)["error_code"] == "BAD_ARGUMENT", hostile
        guest.sh("cp /srv/repo/Packages.later /srv/repo/Packages")
        data = host.done("UpdateSystemSoftware", 300)
        assert data["updated_count"] == 1 and guest.sh("cat /usr/share/tiny/version") == "2"
        assert data["reboot_required"] is False
        assert host.done("PackageRemove", 300, package="tiny")["changed"] is True
        assert guest.run("dpkg -s tiny").status != 0
        assert host.do("PackageRemove", 300, package="tiny")["error_code"] == "NOT_FOUND"


@pytest.mark.parametrize("end", ["systemctl restart vmvitals-execd",
                                 "kill -KILL $(systemctl show -p MainPID --value vmvitals-execd)"], ids=["restarted", "killed"])
def test_a_package_transaction_outlives_the_executor(commanded, repository, end):
    """An upgrade of this package restarts it in the middle of one."""
    guest = commanded.guest
    guest.sh("rm -f /run/slow.*; dpkg --purge slow >/dev/null 2>&1 || true")
    with commanded.greeted() as host:
        ident = host.order("PackageInstall", 300, package="slow")
        guest.wait("test -e /run/slow.begun", 2 * DEADLINE)
        pid = commanded.executor_pid()
        guest.sh(end)
        answer = host.response(ident)
        assert (answer["success"], answer["error_code"]) == (False, "INTERNAL"), answer
        guest.wait(f"p=$(systemctl show -p MainPID --value {agent_guest.EXECUTOR}); [ $p != 0 ] && [ $p != {pid} ]", DEADLINE)
        # The next one serves, and breaks nothing off.
        assert host.raw("echo here")["stdout"] == "here\n"
        guest.sh("touch /run/slow.go")
        guest.wait("test -e /run/slow.ended && ! systemctl -q is-active 'vmvitals-job-*.scope' && "
                   "dpkg -s slow | grep -q 'install ok installed'", 2 * DEADLINE)


# -- files, raw commands -------------------------------------------------------------------------------


def test_files_are_copied_both_ways(commanded, tmp_path):
    guest, secret = commanded.guest, tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(1_300_000))
    there.chmod(0o750)
    digest = hashlib.sha256(there.read_bytes()).hexdigest()
    done = commanded.cli("cp", "--json", "--secret", secret, there, "guest:/root/copied")
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == {"bytes": 1_300_000, "sha256": digest}
    assert guest.sh("sha256sum </root/copied").split()[0] == digest
    assert guest.sh("stat -c '%U %a' /root/copied; ls -A /root | grep -c vmvitals- || true").split() == ["root", "750", "0"]
    done = commanded.cli("cp", "--secret", secret, "guest:/root/copied", back)
    assert done.returncode == 0, done
    assert hashlib.sha256(back.read_bytes()).hexdigest() == digest and back.stat().st_mode & 0o777 == 0o750
    done = commanded.cli("cp", "--secret", secret, "guest:/etc/infiniservice/agent.env", back)
    assert done.returncode == 77 and hashlib.sha256(back.read_bytes()).hexdigest() == digest


def test_a_raw_command_is_its_accounts(commanded):
    guest = commanded.guest
    guest.sh("id lab >/dev/null 2>&1 || useradd -m -G systemd-journal lab")
    with commanded.greeted() as host:
        answer = host.raw("id -un; id -Gn; pwd; echo $HOME $USER; cat /etc/shadow", run_as="lab")
        assert answer["exit_code"] == 1 and answer["stdout"].splitlines() == [
            "lab", "lab systemd-journal", "/home/lab", "/home/lab lab"]
        assert "Permission denied" in answer["stderr"]
        assert host.raw("id", run_as="nobody-such")["error_code"] == "BAD_ARGUMENT"
        answer = host.raw("cat", run_as="")  # nobody's input
        assert answer["success"] and answer["stdout"] == ""


# -- the end of a guest --------------------------------------------------------------------------------


def test_a_reboot_comes_after_its_answer_and_no_script_is_lost_or_run_twice(spare):
    guest = spare.guest
    with spare.greeted() as host:
        before = host.hello["boot_id"]
        host.push_scripts(("first", "echo first >>/root/scripts; sleep 1000"), ("second", "echo second >>/root/scripts; echo out"),
                          ("third", "echo third >>/root/scripts; exit 3"))
        guest.wait("test -e /root/scripts", DEADLINE)
        told = []

        def ask():
            told.append(host.done("RebootSystem", delay_s=1))

        guest.reboot(ask=ask)
        assert told == [{"delay_s": 1, "method": told[0]["method"]}]
        while True:  # the port carries the last of the old boot, too
            hello = host.wait("handshake", 3 * DEADLINE, first=True)
            if hello["boot_id"] != before:
                break
        ends = {}
        while len(ends) < 3:
            message = host.wait("script_completion", 2 * DEADLINE)
            ends[message["execution_id"]] = message
        assert {ident: end["exit_code"] for ident, end in ends.items()} == {"first": -1, "second": 0, "third": 3}
        assert ends["first"]["stderr"].startswith("interrupted") and ends["second"]["stdout"] == "out\n"
        assert guest.sh("cat /root/scripts").split() == ["first", "second", "third"]
        host.end.send({"type": "ack", "scripts": list(ends)})
    assert guest.sh(f"systemctl is-active {agent_guest.UNIT} {agent_guest.SOCKET}").split() == ["active", "active"]


def test_a_golden_image_knows_nobody_any_more(spare):
    guest = spare.guest
    guest.sh("useradd -m dora; echo x >/home/dora/x; mkdir -p /etc/ssh; echo key >/etc/ssh/ssh_host_lab_key; "
             "echo ls >/root/.bash_history; echo old >/var/log/lab.log")
    with spare.greeted() as host:
        answer = host.do("PrepareGoldenImage", 300, shutdown_after=False)
        assert answer["success"], answer
        assert answer["data"]["cleanup_level"] == "standard" and answer["data"]["shutdown_after"] is False
    assert guest.sh("stat -c %s /etc/machine-id /var/log/lab.log").split() == ["0", "0"]
    assert guest.run("id dora || test -e /home/dora || test -e /etc/ssh/ssh_host_lab_key || test -e /root/.bash_history").status == 1
    assert guest.sh("ls -A /var/lib/vmvitals-execd/scripts 2>/dev/null | grep -v lock | wc -l") == "0"
    assert SECRET in guest.sh("cat /etc/infiniservice/agent.env")  # without it nobody could command what is made of it


def test_power_off_comes_after_its_answer(spare):
    with spare.greeted() as host:
        assert host.done("PowerOff", delay_s=1)["delay_s"] == 1
        assert spare.guest.wait_gone(2 * DEADLINE)
