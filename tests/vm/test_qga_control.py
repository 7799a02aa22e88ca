"""The QEMU guest agent's commands that change something, in a guest with systemd: at which level, what they do there, and
what is said of it."""
import base64
import contextlib
import json
import re
import time

import agent_guest
import pytest
import vm
from native import DEADLINE

QGA, UNIT, SOCKET, EXECUTOR = agent_guest.QGA, agent_guest.UNIT, agent_guest.SOCKET, agent_guest.EXECUTOR
SETTINGS = "/etc/vmvitals/agent.conf.d/60-qga.conf"
HOOK = "/etc/vmvitals/fsfreeze.d/10-lab"
PLACE = "/mnt/lab"
MARKER = "maRker4418"  # in arguments, inputs, outputs, files, passwords and keys: never in the journal
SECOND = 1_000_000_000  # in ns

OPERATING = ["guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "guest-fsfreeze-thaw", "guest-fstrim",
             "guest-set-memory-blocks", "guest-set-time", "guest-set-vcpus", "guest-shutdown", "guest-suspend-disk",
             "guest-suspend-hybrid", "guest-suspend-ram"]
FULL = ["guest-exec", "guest-exec-status", "guest-file-close", "guest-file-flush", "guest-file-open", "guest-file-read",
        "guest-file-seek", "guest-file-write", "guest-set-user-password", "guest-ssh-add-authorized-keys",
        "guest-ssh-get-authorized-keys", "guest-ssh-remove-authorized-keys"]
SILENT = ["guest-shutdown", "guest-suspend-disk", "guest-suspend-hybrid", "guest-suspend-ram"]
OF_A_FROZEN_GUEST = ["guest-fsfreeze-status", "guest-fsfreeze-thaw", "guest-info", "guest-ping", "guest-sync",
                     "guest-sync-delimited"]


def encoded(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def decoded(text):
    return base64.b64decode(text, validate=True)


class Client:
    """A client as libvirt is one: the next line is the answer, and nothing else comes."""

    def __init__(self, agent):
        self.end = agent.port(QGA).connect()
        self.synchronise()

    def synchronise(self):
        """What comes before the answer is a former client's."""
        number, deadline = time.monotonic_ns(), time.monotonic() + DEADLINE
        self.send("guest-sync", id=number)
        while True:
            with contextlib.suppress(ValueError):
                if json.loads(self.end.line(max(0.0, deadline - time.monotonic()))).get("return") == number:
                    return

    def send(self, execute, **arguments):
        """a_b stands for a-b."""
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.end.send({"execute": execute, "arguments": arguments})

    def reply(self, timeout=DEADLINE):
        line = self.end.line(timeout)
        assert re.fullmatch(rb"[\x20-\x7e]+", line) and self.end.buffer == b"", (line, self.end.buffer)
        return json.loads(line)

    def answer(self, execute, **arguments):
        self.send(execute, **arguments)
        return self.reply()

    def ask(self, execute, **arguments):
        answer = self.answer(execute, **arguments)
        assert answer.keys() == {"return"}, (execute, answer)
        return answer["return"]

    def error(self, execute, **arguments):
        """The description of an error of the class GenericError."""
        answer = self.answer(execute, **arguments)
        assert answer.keys() == {"error"} and answer["error"]["class"] == "GenericError", (execute, answer)
        return answer["error"]["desc"]

    def refusal(self, execute, **arguments):
        """Why the command is disabled; None: it is not."""
        error = self.answer(execute, **arguments).get("error", {})
        begin = f"Command {execute} has been disabled: "
        if error.get("class") != "CommandNotFound":
            return None
        assert error["desc"].startswith(begin), error
        return error["desc"].removeprefix(begin)

    def enabled(self):
        """Of the commands that change something, those that guest-info calls enabled."""
        commands = {c["name"]: c for c in self.ask("guest-info")["supported_commands"]}
        assert all(commands[name]["success-response"] == (name not in SILENT) for name in OPERATING + FULL)
        return [name for name in OPERATING + FULL if commands[name]["enabled"]]

    # guest-exec, guest-file-*:

    def wait_exit(self, pid):
        """What guest-exec-status says of it when it has ended."""
        deadline = time.monotonic() + DEADLINE
        while True:
            status = self.ask("guest-exec-status", pid=pid)
            if status["exited"]:
                return status
            assert status == {"exited": False} and time.monotonic() < deadline, status

    def run(self, text, **arguments):
        pid = self.ask("guest-exec", path="sh", arg=["-c", text], capture_output=True, **arguments)["pid"]
        return self.wait_exit(pid)

    def read(self, handle, count=4096):
        got = self.ask("guest-file-read", handle=handle, count=count)
        data = decoded(got["buf-b64"])
        assert got["count"] == len(data)
        return data, got["eof"]

    def write(self, handle, data):
        assert self.ask("guest-file-write", handle=handle, buf_b64=encoded(data)) == {"count": len(data), "eof": False}

    def close(self):
        self.end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def put_settings(commanded, *lines):
    """[qga] of these lines comes into force in agent and executor; none: as it is installed."""
    since = commanded.now()
    text = "\\n".join(("[qga]", *lines))
    commanded.guest.sh(f"printf '{text}\\n' >{SETTINGS}" if lines else f"rm -f {SETTINGS}")
    commanded.reload(since)
    commanded.wait_event("config_reloaded", since)


@pytest.fixture(scope="module")
def settings(commanded_guest):
    """settings(lines of [qga]) puts them in force; afterwards it is as it was."""
    in_force = ()

    def put(*lines):
        nonlocal in_force
        if lines != in_force:
            in_force = None
            put_settings(commanded_guest, *lines)
            in_force = lines

    yield put
    put()


@pytest.fixture
def operate(commanded, settings):
    """A client at the level that is the default."""
    settings()
    with Client(commanded) as client:
        yield client


@pytest.fixture
def full(commanded, settings):
    settings("level = full")
    with Client(commanded) as client:
        yield client


@pytest.fixture
def disk(commanded):
    """A filesystem of its own; thawed afterwards."""
    commanded.guest.sh(f"mkdir -p {PLACE}; mount /dev/vdc {PLACE}")
    yield commanded.guest
    commanded.start()
    with Client(commanded) as client:
        client.ask("guest-fsfreeze-thaw")
    commanded.guest.sh(f"umount {PLACE}")


# -- who may -----------------------------------------------------------------------------------------


def test_each_level_lets_its_commands_run_and_guest_info_says_so(commanded, settings):
    guest = commanded.guest
    settings()
    guest.sh(f"systemctl disable --now {SOCKET} 2>/dev/null; systemctl stop {EXECUTOR}")
    try:
        with Client(commanded) as client:  # as it is installed
            assert client.enabled() == []
            assert {client.refusal(name) for name in OPERATING + FULL} == {"the command is not allowed"}
            assert client.ask("guest-fsfreeze-status") == "thawed"
            assert len(client.ask("guest-get-vcpus")) == 2
    finally:
        guest.sh(f"systemctl enable --now {SOCKET} 2>/dev/null")
    with Client(commanded) as client:
        assert client.enabled() == OPERATING
        assert {client.refusal(name) for name in FULL} == {"the command is not allowed"}
        assert client.ask("guest-fsfreeze-thaw") == 0
        settings("level = full", "deny = guest-shutdown guest-file-open")
        assert client.enabled() == [name for name in OPERATING + FULL if name not in ("guest-shutdown", "guest-file-open")]
        assert client.refusal("guest-file-open", path="/etc/passwd") == "the command is not allowed"
        assert client.ask("guest-ssh-get-authorized-keys", username="root") == {"keys": []}


# -- level operate -------------------------------------------------------------------------------------


class Writer:
    """Somebody who writes to a file of the place."""

    def __init__(self, guest):
        self.guest = guest
        self.job = guest.spawn(f"echo \"[$$]\"; echo x >{PLACE}/file; echo written")
        assert self.job.wait_output("]", DEADLINE)
        self.pid = int(re.search(rb"\[(\d+)\]", self.job.out).group(1))

    def wait_blocked(self):
        self.guest.wait(f"grep -q '^State:.D' /proc/{self.pid}/status", DEADLINE)
        assert b"written" not in self.job.out

    def wait_written(self):
        assert self.job.wait_output("written", DEADLINE)


def test_it_is_thawed_in_time_though_the_agent_is_killed_and_stays_dead(commanded, disk, settings):
    settings("thaw_after = 5")
    with Client(commanded) as client:
        assert client.ask("guest-fsfreeze-freeze-list", mountpoints=[PLACE]) == 1
    writer = Writer(disk)
    writer.wait_blocked()
    disk.sh(f"kill -KILL {commanded.pid()}; systemctl stop {UNIT}; ! pgrep -x vmvitalsd")
    writer.wait_written()
    disk.sh("! pgrep -x vmvitalsd")  # nobody came to its help
    commanded.start()
    with Client(commanded) as client:
        assert client.ask("guest-fsfreeze-thaw") == 0
        assert client.ask("guest-fsfreeze-status") == "thawed"


def test_writers_wait_while_filesystems_are_frozen(commanded, disk, operate):
    assert operate.ask("guest-fsfreeze-freeze-list", mountpoints=[PLACE, "/no/such/place"]) == 1
    writer = Writer(disk)
    writer.wait_blocked()
    assert operate.ask("guest-fsfreeze-status") == "frozen"
    assert operate.ask("guest-fsfreeze-thaw") == 1
    writer.wait_written()
    assert operate.ask("guest-fsfreeze-status") == "thawed"
    assert operate.ask("guest-fsfreeze-thaw") == 0
    assert commanded.guest.sh(f"cat {PLACE}/file") == "x"


def test_six_commands_work_while_all_is_frozen(commanded, disk, operate):
    """The root, too: nothing is asked of the guest meanwhile but by its port."""
    pid = commanded.pid()
    every = {c["name"] for c in operate.ask("guest-info")["supported_commands"]}
    assert operate.ask("guest-fsfreeze-freeze") == 2
    assert operate.ask("guest-fsfreeze-status") == "frozen"
    assert operate.ask("guest-ping") == {} and operate.ask("guest-info")
    operate.synchronise()
    for name in sorted(every.difference(OF_A_FROZEN_GUEST, FULL)):
        assert (name, operate.refusal(name)) == (name, "the agent is in frozen state")
    assert {operate.refusal(name) for name in FULL} == {"the command is not allowed"}
    assert operate.ask("guest-fsfreeze-thaw") == 2
    assert operate.ask("guest-get-fsinfo")
    assert commanded.pid() == pid


def test_an_executor_that_is_killed_is_an_error_and_the_next_command_works(commanded, disk, operate):
    disk.sh(f"rm -f /run/lab-go; printf '#!/bin/sh\\n[ $1 = thaw ] || echo >/run/lab-hook\\n"
            f"until test -e /run/lab-go; do sleep 0.1; done\\n' >{HOOK}; chmod 755 {HOOK}")
    try:
        operate.send("guest-fsfreeze-freeze")
        disk.wait("test -e /run/lab-hook", DEADLINE)
        disk.sh(f"kill -KILL {commanded.executor_pid()}")
        error = operate.reply()["error"]
        assert error == {"class": "GenericError", "desc": "the executor ended before it had done this"}
    finally:
        disk.sh(f"touch /run/lab-go; rm -f {HOOK} /run/lab-hook")
    deadline = time.monotonic() + DEADLINE
    while operate.ask("guest-fsfreeze-status") == "frozen":
        assert time.monotonic() < deadline
    assert operate.ask("guest-fstrim")["paths"]


def test_unused_blocks_are_discarded(disk, operate):
    paths = {path["path"]: path for path in operate.ask("guest-fstrim")["paths"]}
    assert paths.keys() == {"/", PLACE}
    for path in paths.values():
        assert path.keys() == {"path", "trimmed", "minimum"} and path["minimum"] == 0
    assert paths[PLACE]["trimmed"] > 30 << 20  # of 64 MiB with nothing in it
    for path in operate.ask("guest-fstrim", minimum=1 << 20)["paths"]:
        assert path.keys() == {"path", "trimmed", "minimum"} and path["minimum"] == 1 << 20
    for path in operate.ask("guest-fstrim", minimum=1 << 60)["paths"]:
        assert path.keys() == {"path", "error"} and path["error"].startswith("cannot trim: ")


def test_the_clock_is_set_and_read_back_from_the_hardware_clock(commanded, operate):
    guest, pid, hour = commanded.guest, commanded.pid(), 3600
    clocks = "date +%s; cat /sys/class/rtc/rtc0/since_epoch"
    try:
        ahead = int(time.time()) + hour
        assert operate.ask("guest-set-time", time=ahead * SECOND + 5) == {}
        assert all(int(clock) == pytest.approx(ahead, abs=60) for clock in guest.sh(clocks).split())
        assert operate.ask("guest-get-time") // SECOND == pytest.approx(ahead, abs=60)
        guest.sh(f"date -s @{ahead + hour}")
        assert operate.ask("guest-set-time") == {}  # the hardware clock has not been moved again
        assert all(int(clock) == pytest.approx(ahead, abs=60) for clock in guest.sh(clocks).split())
        for bad in (-1, 3155760000 * SECOND):
            assert operate.error("guest-set-time", time=bad) == "Time is not between the years 1970 and 2069"
    finally:
        guest.sh(f"date -s @{int(time.time())}")
        assert operate.ask("guest-set-time", time=int(time.time()) * SECOND) == {}
    assert all(int(clock) == pytest.approx(time.time(), abs=60) for clock in guest.sh(clocks).split())
    assert commanded.pid() == pid


def test_cpus_go_offline_and_come_back(commanded, operate):
    guest = commanded.guest

    def vcpus():
        return {cpu["logical-id"]: (cpu["online"], cpu["can-offline"]) for cpu in operate.ask("guest-get-vcpus")}

    assert vcpus() == {0: (True, False), 1: (True, True)}
    try:
        wanted = [{"logical-id": 0, "online": True}, {"logical-id": 1, "online": False}, {"logical-id": 7, "online": True}]
        assert operate.ask("guest-set-vcpus", vcpus=wanted) == 2  # up to the one that is not there
        assert guest.sh("cat /sys/devices/system/cpu/online") == "0"
        assert vcpus() == {0: (True, False), 1: (False, True)}
        assert {cpu["cpu"] for cpu in operate.ask("guest-get-cpustats")} == {0}
        assert "CPU 0 cannot be taken offline" in operate.error("guest-set-vcpus", vcpus=[{"logical-id": 0, "online": False}])
        assert operate.ask("guest-set-vcpus", vcpus=[]) == 0
        assert operate.ask("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": True, "can-offline": True}]) == 1
        assert guest.sh("cat /sys/devices/system/cpu/online") == "0-1"
        assert vcpus() == {0: (True, False), 1: (True, True)}
    finally:
        guest.sh("echo 1 >/sys/devices/system/cpu/cpu1/online")


def test_memory_blocks_are_as_the_kernel_has_them(commanded, operate):
    guest = commanded.guest

    def blocks():
        return {block["phys-index"]: block["online"] for block in operate.ask("guest-get-memory-blocks")}

    def kernels():
        lines = guest.sh("cd /sys/devices/system/memory; for m in memory*; do echo ${m#memory} $(cat $m/state); done")
        return {int(line.split()[0]): line.split()[1] == "online" for line in lines.splitlines()}

    assert blocks() == kernels() and set(blocks().values()) == {True}
    size = int(guest.sh("cat /sys/devices/system/memory/block_size_bytes"), 16)
    assert operate.ask("guest-get-memory-block-info") == {"size": size}
    last = max(blocks())
    try:
        answer = operate.ask("guest-set-memory-blocks", mem_blks=[
            {"phys-index": 0, "online": True}, {"phys-index": 9999, "online": False}, {"phys-index": last, "online": False}])
        assert answer[:2] == [{"phys-index": 0, "response": "success"}, {"phys-index": 9999, "response": "not-found"}]
        # what lies in it is the kernel's business
        has_gone = answer[2] == {"phys-index": last, "response": "success"}
        assert has_gone or answer[2]["response"] == "operation-failed" and answer[2]["error-code"] > 0, answer
        assert blocks() == kernels() and blocks()[last] is not has_gone
    finally:
        answer = operate.ask("guest-set-memory-blocks", mem_blks=[{"phys-index": last, "online": True}])
        assert answer == [{"phys-index": last, "response": "success"}]
    assert set(kernels().values()) == {True}


def test_commands_of_our_own(commanded, operate):
    total = int(commanded.guest.sh("awk '/^MemTotal/ {print $2}' /proc/meminfo")) * 1024
    assert operate.ask("vmvitals-get-memory")["total_bytes"] == total
    assert operate.ask("vmvitals-get-pressure").keys() == {"cpu", "memory", "io", "irq"}
    health = operate.ask("vmvitals-get-health")
    assert health["checks"] and health["status"] in ("passed", "warning", "critical", "unknown")


# -- level full ----------------------------------------------------------------------------------------


def test_programs_run_as_root_in_a_scope_of_their_own(commanded, full):
    status = full.run(f"cat; echo {MARKER} >&2; exit 3", input_data=encoded(f"in {MARKER}\n"))
    assert status == {"exited": True, "exitcode": 3, "out-data": encoded(f"in {MARKER}\n"), "err-data": encoded(MARKER + "\n")}
    lines = decoded(full.run("id -un; cut -d: -f3 /proc/self/cgroup")["out-data"]).decode().split()
    assert lines[0] == "root" and re.fullmatch(r"/vmvitals\.slice/vmvitals-job-.*\.scope", lines[1])

    pid = full.ask("guest-exec", path="env", env=["LAB=" + MARKER, "EMPTY="], capture_output=True)["pid"]
    assert set(decoded(full.wait_exit(pid)["out-data"]).decode().splitlines()) == {"LAB=" + MARKER, "EMPTY="}
    assert full.error("guest-exec-status", pid=pid) == f"PID {pid} does not exist"  # it has been told

    assert full.run("kill -KILL $$") == {"exited": True, "signal": 9}
    pid = full.ask("guest-exec", path="/bin/echo", arg=["not", "kept"])["pid"]
    assert full.wait_exit(pid) == {"exited": True, "exitcode": 0}
    pid = full.ask("guest-exec", path="sh", arg=["-c", "echo a; echo b >&2"], capture_output="merged")["pid"]
    assert full.wait_exit(pid) == {"exited": True, "exitcode": 0, "out-data": encoded("a\nb\n")}
    for path in ("no-such-program", "/no/such/program", "/etc"):
        assert full.error("guest-exec", path=path).startswith(f"cannot run '{path}': ")


@pytest.fixture
def hasty(commanded):
    """An executor that stays for a second only."""
    folder = f"/run/systemd/system/{EXECUTOR}.d"
    commanded.guest.sh(f"mkdir -p {folder}; printf '[Service]\\nExecStart=\\nExecStart=/usr/libexec/vmvitals/vmvitals-execd "
                       f"--idle-exit 1\\n' >{folder}/hasty.conf; systemctl daemon-reload; systemctl stop {EXECUTOR}")
    yield
    commanded.guest.sh(f"rm -r {folder}; systemctl daemon-reload; systemctl stop {EXECUTOR}")


def test_an_executor_does_not_leave_while_somebody_may_ask_after_a_program(commanded, full, hasty):
    guest = commanded.guest
    pid = full.ask("guest-exec", path="sh", arg=["-c", "sleep 1.5; echo end"], capture_output=True)["pid"]
    executor = commanded.executor_pid()
    guest.wait(f"! test -d /proc/{pid}", DEADLINE)
    guest.sh("sleep 1.5")  # longer than it would stay, as the program was
    assert commanded.executor_pid() == executor != 0
    assert full.wait_exit(pid) == {"exited": True, "exitcode": 0, "out-data": encoded("end\n")}
    guest.wait(f"[ $(systemctl show -p MainPID --value {EXECUTOR}) = 0 ]", DEADLINE)
    assert decoded(full.run("echo back")["out-data"]) == b"back\n"


def test_files_are_written_read_and_kept_open_beyond_an_executor(commanded, full):
    guest, path = commanded.guest, "/root/lab-file"
    content = bytes(range(256)) * 40 + MARKER.encode()
    guest.sh(f"rm -f {path}")
    handle = full.ask("guest-file-open", path=path, mode="w+")
    full.write(handle, content)
    assert full.ask("guest-file-flush", handle=handle) == {}
    assert guest.sh(f"stat -c '%U %a %s' {path}") == f"root 644 {len(content)}"
    assert full.ask("guest-file-seek", handle=handle, offset=-10, whence="end") == {"position": len(content) - 10, "eof": False}
    assert full.read(handle) == (content[-10:], True)
    assert full.ask("guest-file-seek", handle=handle, offset=0, whence=0)["position"] == 0
    assert full.read(handle, 1000) == (content[:1000], False)

    # the next executor goes on where this one was
    executor = commanded.executor_pid()
    guest.sh(f"systemctl stop {EXECUTOR}")
    assert full.read(handle, 1000) == (content[1000:2000], False)
    assert commanded.executor_pid() not in (0, executor)
    assert full.ask("guest-file-close", handle=handle) == {}
    assert full.error("guest-file-read", handle=handle) == f"handle '{handle}' has not been found"

    appending = full.ask("guest-file-open", path=path, mode="a")
    assert appending > handle  # never one that somebody may still have
    full.write(appending, b"end\n")
    assert "reading" in full.error("guest-file-read", handle=appending)
    assert full.ask("guest-file-close", handle=appending) == {}
    reading = full.ask("guest-file-open", path=path)
    assert full.read(reading, 1 << 20) == (content + b"end\n", True)
    guest.sh(f"cp {path} {path}2; mv {path}2 {path}")
    assert "it is not that file any more" in full.error("guest-file-read", handle=reading)
    assert full.ask("guest-file-close", handle=reading) == {}
    for bad in ("/root/no/such/file", "/root", "/etc/infiniservice/agent.env"):
        full.error("guest-file-open", path=bad)


@pytest.fixture
def account(commanded):
    """One with a home, and no password."""
    commanded.guest.sh("userdel -rf lab-qga 2>/dev/null; useradd -m lab-qga")
    yield "lab-qga"
    commanded.guest.sh("userdel -rf lab-qga 2>/dev/null")


def test_passwords_are_set(commanded, full, account):
    guest = commanded.guest

    def shadow():
        return guest.sh(f"getent shadow {account}").split(":")[1]

    def opens(password):
        """crypt(3) has the last word, as at a login."""
        return guest.run(f"perl -e 'exit(crypt($ARGV[0], $ARGV[1]) ne $ARGV[1])' -- '{password}' '{shadow()}'").status == 0

    before = guest.sh("grep -v ^lab-qga: /etc/shadow | sha256sum")
    password = MARKER + " :$x"
    assert full.ask("guest-set-user-password", username=account, password=encoded(password), crypted=False) == {}
    assert opens(password) and not opens(password + "x")
    given = guest.sh("perl -e 'print crypt(\"another\", \"\\$6\\$labsalt\\$\")'")
    assert full.ask("guest-set-user-password", username=account, password=encoded(given), crypted=True) == {}
    assert shadow() == given and opens("another")
    for user, bad in ((account, "a\nroot:b"), (account, ""), ("no-such-account", "x")):
        full.error("guest-set-user-password", username=user, password=encoded(bad), crypted=False)
    assert shadow() == given and guest.sh("grep -v ^lab-qga: /etc/shadow | sha256sum") == before


def test_ssh_keys_are_the_accounts_own(commanded, full, account):
    guest = commanded.guest
    keys = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5{letter * 12} {MARKER}-{letter}" for letter in "abc"]
    file = f"/home/{account}/.ssh/authorized_keys"

    def shown():
        return full.ask("guest-ssh-get-authorized-keys", username=account)["keys"]

    assert shown() == []
    assert full.ask("guest-ssh-add-authorized-keys", username=account, keys=keys[:2]) == {}
    stat = guest.sh(f"stat -c '%U:%G %a' /home/{account}/.ssh {file}").splitlines()
    assert stat == [f"{account}:{account} 700", f"{account}:{account} 600"]
    guest.sh(f"echo '# a remark' >>{file}")
    assert full.ask("guest-ssh-add-authorized-keys", username=account, keys=keys[1:]) == {}
    assert shown() == keys
    assert full.ask("guest-ssh-remove-authorized-keys", username=account, keys=[keys[0], "ssh-rsa unknown"]) == {}
    assert guest.sh(f"cat {file}").splitlines() == [keys[1], "# a remark", keys[2]]
    assert full.ask("guest-ssh-add-authorized-keys", username=account, keys=[keys[0]], reset=True) == {}
    assert shown() == [keys[0]]
    assert guest.sh(f"stat -c '%U:%G %a' {file}") == f"{account}:{account} 600"
    assert full.error("guest-ssh-get-authorized-keys", username="no-such-account") == "there is no account 'no-such-account'"


# -- what is said of it --------------------------------------------------------------------------------


def audit(commanded, command, since):
    entries = map(json.loads, commanded.guest.journal(
        "-q", "-o", "json", "SYSLOG_IDENTIFIER=vmvitals-execd", f"VMVITALS_COMMAND={command}").splitlines())
    return [entry for entry in entries if int(entry["__MONOTONIC_TIMESTAMP"]) > since]


def test_every_command_is_in_the_journal_and_no_secret_is(commanded, full, account):
    guest, since = commanded.guest, commanded.now()
    assert full.run(f"echo {MARKER}")["exitcode"] == 0
    full.ask("guest-fstrim")
    full.ask("guest-set-user-password", username=account, password=encoded(MARKER), crypted=False)
    full.error("guest-set-user-password", username="no-such-account", password=encoded(MARKER), crypted=False)
    full.ask("guest-ssh-add-authorized-keys", username=account, keys=[f"ssh-rsa {MARKER}"])
    full.error("guest-exec", path="/no/such/program", arg=[MARKER])
    results = {}
    for command in ("guest-exec", "guest-fstrim", "guest-set-user-password", "guest-ssh-add-authorized-keys"):
        for entry in audit(commanded, command, since):
            assert entry["VMVITALS_CHANNEL"] == f"virtio:{QGA}" and entry["_UID"] == "0" and len(entry["MESSAGE_ID"]) == 32
            results.setdefault(command, []).append(entry["VMVITALS_RESULT"])
    assert results == {"guest-exec": ["started", "ok", "NOT_FOUND"], "guest-fstrim": ["ok"],
                       "guest-set-user-password": ["ok", "NOT_FOUND"], "guest-ssh-add-authorized-keys": ["ok"]}
    leaks = [MARKER, encoded(MARKER), encoded(f"in {MARKER}\n")]
    found = guest.sh("journalctl -q -o export | grep -a -c " + " ".join(f"-e {leak}" for leak in leaks) + " || true")
    assert found == "0"


def test_a_client_that_is_idle_costs_nothing(commanded, full, figures):
    """qemu-ga wakes up ten times a second. Ours may look at its health meanwhile."""
    full.ask("guest-ping")
    commanded.wait_calm()
    cost = commanded.guest.measure(commanded.pid(), 3)
    figures["qga_idle_3_s"] = cost
    assert cost["voluntary"] <= 14 and cost["cpu_ms"] <= 100


# -- the end of a guest --------------------------------------------------------------------------------


def test_a_guest_without_swap_says_why_it_cannot_hibernate(operate):
    for name in ("guest-suspend-disk", "guest-suspend-hybrid"):
        assert "Not enough swap space" in operate.error(name)
    assert operate.ask("guest-ping") == {}


@pytest.fixture
def button(commanded):
    """Wakes a guest that is suspended to idle: emulated CPUs do not survive suspending to memory."""
    guest, conf = commanded.guest, "/run/systemd/logind.conf.d/lab.conf"
    guest.sh(f"echo s2idle >/sys/power/mem_sleep; mkdir -p {conf.rsplit('/', 1)[0]}; "
             f"printf '[Login]\\nHandlePowerKey=ignore\\n' >{conf}; systemctl try-restart systemd-logind")

    def press(port):
        """Till its port is there again: what comes before it sleeps is lost."""
        deadline = time.monotonic() + DEADLINE
        while True:
            guest.qmp.command("system_powerdown")
            try:
                return guest.qmp.wait_event("VSERPORT_CHANGE", 1, id=port, open=True)
            except vm.LabError:
                assert time.monotonic() < deadline
    yield press
    guest.sh(f"echo deep >/sys/power/mem_sleep; rm {conf}; systemctl try-restart systemd-logind")


def test_a_guest_that_was_suspended_has_not_answered_and_serves_again(commanded, operate, button):
    guest, pid, port = commanded.guest, commanded.pid(), commanded.guest.port(QGA).ident
    guest.qmp.command("query-status")  # reads the events until now
    guest.qmp.events.clear()
    operate.send("guest-suspend-ram")
    guest.qmp.wait_event("VSERPORT_CHANGE", DEADLINE, id=port, open=False)
    button(port)
    number = time.monotonic_ns()
    operate.send("guest-sync", id=number)  # by the same connection, as libvirt: not a byte came between
    assert operate.reply() == {"return": number}
    assert guest.sh("journalctl -q -k -o cat | grep -c 'PM: suspend exit'") == "1"
    assert commanded.pid() == pid


def test_a_reboot_has_no_answer_and_the_agent_serves_again(commanded, operate):
    guest = commanded.guest
    before = guest.sh("cat /proc/sys/kernel/random/boot_id")
    assert "mode" in operate.error("guest-shutdown", mode="sideways")
    guest.reboot(ask=lambda: operate.send("guest-shutdown", mode="reboot"))
    assert guest.sh("cat /proc/sys/kernel/random/boot_id") != before
    guest.wait(f"test -e /run/vmvitals/{QGA}.held", DEADLINE)
    number = time.monotonic_ns()
    operate.send("guest-sync", id=number)
    assert operate.reply() == {"return": number}
    assert operate.enabled() == OPERATING
    assert guest.sh(f"systemctl is-active {UNIT} {SOCKET}").split() == ["active", "active"]
