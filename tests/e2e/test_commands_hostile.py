"""Input that is made to do harm, from whoever may sign and from whoever may not: nothing of it reaches a program, a
file or another account, and the executor goes on serving."""
import base64
import json
import os
import pathlib
import shutil
import socket
import time

import pytest
from executor import SECRET, Executor, Link, do, envelope_v1, raw, run
from harness import DEADLINE, SANITIZED, command, wait_for
from test_executor import is_alive

QUIET_SCRIPTS = "[scripts]\nenabled = no\n"
REFUSED = {"BAD_ARGUMENT", "NOT_ALLOWED", "NOT_FOUND"}


def shared_pair(start_shared, name, **options):
    folder = start_shared.folder / name
    folder.mkdir()
    e = Executor(folder, **options)
    agent = start_shared("--executor", e.path, "--vm-id", "lab", "--interval", "3600", config=QUIET_SCRIPTS)
    return e, agent, start_shared.host(agent)


@pytest.fixture(scope="module")
def lame(start_shared):
    """Nothing that it lets through could be done."""
    e, agent, host = shared_pair(start_shared, "lame", job="/bin/false")
    yield host
    e.stop()


@pytest.fixture(scope="module")
def able(start_shared):
    e, agent, host = shared_pair(start_shared, "able", env={"INFINISERVICE_SHARED_SECRET": SECRET}, secret=None)
    yield e, host
    e.stop()


def signed(host, action, **arguments):
    return do(host, command(action, host.fresh_id(), **arguments))[0]


# -- arguments that are names ------------------------------------------------------------------------

WORDS = ["-o", "-oProxyCommand=id", "--root=/", "a b", "a\nb", "a\rb", "a;id", "a|id", "a&id", "$(id)", "`id`", "a'b", 'a"b',
         "a\\\nb", "a>b", "a<b", "a*", "a?", "~root", "a{b,c}", "a#b", "a=b", "../x", "a/../b", "caf\u00e9", "a\0b", "\0", "",
         "a\x7f", "\ud800", "x" * 5000]

# What the others of an action must be for the hostile one to be looked at.
GOOD = {"service": "x.service", "operation": "stop", "package": "x", "domain": "x.example", "username": "x", "password": "x",
        "hostname": "x", "path": "/nonexistent", "transfer": "t", "offset": 0, "data": "", "pid": 4194304, "realtime_ms": 1,
        "raw_command": "true", "query": "x", "app_id": "x", "job": "x"}

# Texts that are no names: looked at below, by what they would do.
FREE = {("UnsafeCommand", "raw_command"), ("UnsafeCommand", "shell"), ("UnsafeCommand", "working_dir"),
        ("UnsafeCommand", "run_as"), ("JoinDomain", "password"), ("JoinDomain", "ou"),
        ("FsFreeze", "mountpoints"), ("FsTrim", "mountpoints")}

CHANGING = [("DiskCleanup", "targets"), ("FileRead", "path"), ("FileStat", "path"), ("FileWrite", "group"), ("FileWrite", "owner"),
            ("FileWrite", "path"), ("FileWrite", "sha256"), ("FileWrite", "transfer"), ("JoinDomain", "computer_name"),
            ("JoinDomain", "domain"), ("JoinDomain", "username"), ("PackageInstall", "package"), ("PackageRemove", "package"),
            ("PackageUpdate", "package"), ("PrepareGoldenImage", "cleanup_level"), ("ServiceControl", "operation"),
            ("ServiceControl", "service"), ("SetHostname", "hostname"), ("UpdateSystemSoftware", "package")]

READING = [("CheckSpecificAppUpdates", "app_id"), ("Describe", "what"), ("EstimateUpdateSize", "app_id"), ("GetApplicationDetails", "app_id"),
           ("GetSamples", "groups"), ("JobCancel", "job"), ("JobStatus", "job"), ("PackageSearch", "query"), ("ProcessTop", "sort_by"),
           ("RunHealthCheck", "check_name")]


def arguments_of(description, by):
    return [(action, a["name"]) for action, d in sorted(description.items()) for a in d["arguments"]
            if a["type"] in ("str", "str[]") and (d["by"] == "executor") == by]


def test_no_argument_is_forgotten_here(lame):
    """A new one must be looked at: it is on one of the lists."""
    actions = lame.data_of("Describe", what=["actions"])["actions"]
    assert set(arguments_of(actions, True)) == set(CHANGING) | FREE
    assert set(arguments_of(actions, False)) == set(READING)


def with_word(host, action, name, word):
    actions = host.data_of("Describe", what=["actions"])["actions"][action]["arguments"]
    needed = {a["name"]: GOOD[a["name"]] for a in actions if a["required"]}
    kind = next(a["type"] for a in actions if a["name"] == name)
    return needed | {name: [word] if kind == "str[]" else word}


@pytest.mark.parametrize("action, name", CHANGING)
def test_no_name_is_taken_for_anything_else(lame, action, name):
    for word in WORDS:
        if word == "a/../b" and name == "x":
            continue
        r = signed(lame, action, **with_word(lame, action, name, word))
        assert r["error_code"] == "BAD_ARGUMENT" and r["data"] is None, (word, r)


@pytest.mark.parametrize("action, name", READING)
def test_no_name_in_a_question_is_taken_for_anything_else(lame, action, name):
    for word in WORDS:
        r = lame.ask(action, **with_word(lame, action, name, word))
        is_unknown = action in ("JobStatus", "JobCancel") and "\0" not in word and 0 < len(word.encode(errors="replace")) <= 128
        assert r["error_code"] == ("NOT_FOUND" if is_unknown else "BAD_ARGUMENT"), (word, r)


# -- raw commands --------------------------------------------------------------------------------------

def test_shells_are_those_of_the_list(able):
    _, host = able
    for shell, code in (("cmd", "UNSUPPORTED"), ("CMD", "UNSUPPORTED"), ("powershell", "UNSUPPORTED"), ("pwsh", "NOT_FOUND"),
                        ("fish", "NOT_FOUND"), ("perl", "BAD_ARGUMENT"), ("/bin/bash", "BAD_ARGUMENT"), ("bash -c", "BAD_ARGUMENT"),
                        ("bash\0", "BAD_ARGUMENT"), ("../bin/sh", "BAD_ARGUMENT"), ("-c", "BAD_ARGUMENT"), ("b\u00e1sh", "BAD_ARGUMENT"), (7, "BAD_ARGUMENT")):
        if shell in ("powershell", "pwsh", "fish") and shutil.which("pwsh" if "p" == shell[0] else shell):
            continue
        r = run(host, "echo ran", shell=shell)
        assert (r["error_code"], r["stdout"]) == (code, ""), (shell, r)
    for shell in ("bash", "BASH", "sh", "SH", None):
        assert run(host, "echo $0", shell=shell)["success"]


def test_accounts_are_those_that_there_are(able):
    _, host = able
    for account in ("no-such-account", "0", "65534", "+0", "-1", "root ", " root", "root\n", "root\0", "root:", "nobody;id", "$(id)",
                    "-u", "../root", "r\u00f6\u00f6t", 0, ["root"]):
        r = run(host, "id -u", run_as=account)
        assert (r["error_code"], r["stdout"]) == ("BAD_ARGUMENT", ""), (account, r)
    for account in (None, "", "root", "ROOT", "System", "Administrator"):
        assert run(host, "id -u", run_as=account)["stdout"] == "0\n"
    r = run(host, "id -u; id -G; cat /proc/self/status | grep CapEff; sh -c 'exec 2>&1; cat /etc/shadow' | wc -l", run_as="nobody")
    uid, groups, caps, lines = r["stdout"].splitlines()
    assert (uid, groups, caps.split()[1].strip("0"), lines) == ("65534", "65534", "", "1")


def test_accounts_may_be_restricted(pair):
    _, _, host = pair(config="[exec]\nrun_as_allow = nobody\n")
    for account in (None, "root", "system", "", "daemon"):
        assert run(host, "id -u", run_as=account)["error_code"] == "NOT_ALLOWED"
    assert run(host, "id -u", run_as="nobody")["stdout"] == "65534\n"


def test_directories_to_work_in_must_be_there(able, tmp_path):
    _, host = able
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir(mode=0o700)
    for path in ("tmp", ".", "", "./tmp", f"{tmp_path}/none", f"{tmp_path}/file", "/tmp\0", "~", "$HOME", 7):
        r = run(host, "pwd", working_dir=path)
        assert (r["error_code"], r["stdout"]) == ("BAD_ARGUMENT", ""), (path, r)
    assert run(host, "pwd", working_dir=f"{tmp_path}/closed", run_as="nobody")["error_code"] == "BAD_ARGUMENT"
    assert run(host, "pwd", working_dir=str(tmp_path))["stdout"] == f"{tmp_path}\n"


def test_variables_that_would_change_programs_are_refused(able):
    _, host = able
    for env in ({"LD_PRELOAD": "/tmp/x.so"}, {"LD_LIBRARY_PATH": "/tmp"}, {"LD_AUDIT": "x"}, {"VMVITALS_X": "1"},
                {"INFINISERVICE_SHARED_SECRET": "x"}, {"A=B": "c"}, {"1A": "x"}, {"": "x"}, {"A B": "x"}, {"A\nB": "x"}, {"\u00c4": "x"},
                {"A-B": "x"}, {"A": 7}, {"A": None}, {"A": "x\0y"}, {"GOOD": "x", "LD_BIND_NOW": "1"},
                {f"A{i}": "x" for i in range(257)}, {"A": "x" * (129 << 10)}, ["A=b"], "A=b"):
        r = run(host, "echo ran", env_vars=env)
        assert (r["error_code"], r["stdout"]) == ("BAD_ARGUMENT", ""), (str(env)[:60], r)
    host.send(envelope_v1(raw("echo ran", "nul", env_vars={"A\0LD_PRELOAD": "x"})))
    assert host.barrier() == [], "no name of a member holds NUL: such a line is none"
    r = run(host, 'echo "$A|$B"; echo "$PATH"', env_vars={"A": "a b;$(id)", "B": "caf\u00e9\n-x", "PATH": "/usr/bin:/bin"})
    assert r["stdout"] == "a b;$(id)|caf\u00e9\n-x\n/usr/bin:/bin\n"


SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_a_command_has_the_environment_that_is_documented(able):
    _, host = able
    r = run(host, "tr '\\0' '\\n' < /proc/$$/environ")
    root = next(line.split(":") for line in open("/etc/passwd") if line.startswith("root:"))
    assert dict(line.split("=", 1) for line in r["stdout"].splitlines()) == {
        "PATH": SEARCH, "LANG": "C.UTF-8", "HOME": root[5], "USER": "root", "LOGNAME": "root", "SHELL": root[6].strip()}


def test_a_command_inherits_nothing_else(able):
    e, host = able
    r = run(host, "ls -l /proc/$$/fd; umask; cat /proc/$$/stat", shell="sh")
    _, *fds, umask, stat = r["stdout"].splitlines()
    fds = dict(line.split(" -> ") for line in fds)
    fds = {name.split()[-1]: target for name, target in fds.items()}
    assert fds.pop("0") == "/dev/null"
    assert fds.pop("1").startswith("pipe:") and fds.pop("2").startswith("pipe:")
    # dash holds its script at 10, which it was given as 3
    assert all("vmvitals-script" in target for target in fds.values()) and 1 <= len(fds) <= 2, fds
    pid, (_, _, group, session) = stat.split()[0], stat.rsplit(")", 1)[1].split()[:4]
    assert group == pid and umask == "0022"
    with open(f"/proc/{e.pid}/stat") as f:
        own = f.read().rsplit(")", 1)[1].split()
    assert group != own[2]
    state = dict(line.split(":\t", 1) for line in run(host, "cat /proc/self/status")["stdout"].splitlines() if ":\t" in line)
    own = 3 << 31  # the C library's two, which no program can set
    assert int(state["SigIgn"], 16) & ~own == int(state["SigBlk"], 16) == 0, "no signal is ignored or blocked"


def test_the_secret_is_nowhere_to_be_read(able):
    """It came in the executor's environment, and works; but it is not there any more."""
    e, host = able
    assert "signed_v1" in host.handshake["capabilities"]
    r = run(host, "tr '\\0' '\\n' < /proc/$PPID/environ; env; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    assert r["success"] and SECRET not in r["stdout"]
    with open(f"/proc/{e.pid}/environ", "rb") as f:
        environ = f.read()
    assert SECRET.encode() not in environ and b"PATH=" in environ
    account = run(host, f"cat /proc/{e.pid}/environ /proc/{e.pid}/maps; ls /proc/{e.pid}/fd", run_as="nobody")
    assert not account["success"] and account["stdout"] == ""


# -- files ---------------------------------------------------------------------------------------------

@pytest.fixture
def files(pair, tmp_path):
    e, agent, host = pair(config=QUIET_SCRIPTS)
    run(host, "true")
    keys = e.folder / "etc" / "trusted-keys.d"
    (keys / "a.pub").write_text("# a key\n")
    os.symlink("/proc", tmp_path / "to-proc")
    os.symlink(keys, tmp_path / "to-keys")
    os.symlink("/etc/passwd", tmp_path / "to-file")
    os.symlink(e.secret, tmp_path / "to-secret")
    os.symlink("..", tmp_path / "up")
    os.link(e.secret, tmp_path / "hard")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("text")
    socket.socket(socket.AF_UNIX).bind(str(tmp_path / "socket"))
    return e, host, tmp_path


def forbidden(e, top):
    """Places where nothing is to be read or written, whoever signs."""
    state, etc, env = e.folder / "state", e.folder / "etc", e.secret
    return ["relative", "", ".", "..", "~/x", f"{top}/../{top.name}/file", f"{top}/./file", f"{top}//file", f"{top}/file/", "/", "//",
            f"{top}/fi\0le", "/x" * 2049, "/proc/self/environ", f"/proc/{e.pid}/mem", "/proc/1/root/etc/passwd", "/sys/kernel/profiling",
            "/dev/null", "/dev/mem", "/dev/shm/x", f"{top}/to-proc/self/environ", f"{top}/to-keys/a.pub", f"{top}/to-secret", f"{top}/hard",
            f"{etc}/trusted-keys.d/a.pub", f"{etc}/trusted-keys.d", str(etc), str(env), f"{state}/nonces", str(state), str(e.config),
            f"{e.folder}/run/sessions", f"{top}/to-file"]


def test_no_file_is_read_that_must_not_be(files):
    e, host, top = files
    for path in forbidden(e, top) + [f"{top}/fifo", f"{top}/socket", f"{top}/dir"]:
        r = signed(host, "FileRead", path=path)
        assert r.get("error_code") in REFUSED and r["data"] is None, (path, r)
    data = signed(host, "FileRead", path=f"{top}/file")["data"]
    assert base64.b64decode(data["data"]) == b"text"
    assert signed(host, "FileRead", path=f"{top}/up/{top.name}/file")["success"], "a link to a directory that is allowed"


def test_nothing_is_told_of_files_that_must_not_be_read(files):
    e, host, top = files
    for path in forbidden(e, top):
        if path in ("/", f"{top}/to-file", f"{top}/to-secret"):
            continue  # a folder, and links, of which something may be told
        r = signed(host, "FileStat", path=path, hash=True)
        assert r.get("error_code") in REFUSED and r["data"] is None, (path, r)
    assert signed(host, "FileStat", path=f"{top}/to-secret")["data"]["type"] == "symlink"
    assert signed(host, "FileStat", path=f"{top}/to-secret", hash=True).get("data") is None or \
        signed(host, "FileStat", path=f"{top}/to-secret", hash=True)["data"]["sha256"] is None


def everything_below(folder):
    return {p: (p.lstat().st_ino, p.lstat().st_mode, p.read_bytes() if p.is_file() else None) for p in folder.rglob("*")
            if p.name != "nonces"}


def test_no_file_is_written_that_must_not_be(files):
    e, host, top = files
    text = base64.b64encode(b"evil").decode()
    digest = "4e4aafce73c3ebf4a1c7e4c9a30ff2bd8c1d8f4ecad1e6bd8b1bcf2ebba2ad53"
    before = [everything_below(f) for f in (top, e.folder / "etc")]
    env, conf = e.secret.read_bytes(), e.config.read_bytes()
    for path in forbidden(e, top) + [f"{top}/dir", f"{top}/fifo", f"{top}/socket", f"{e.folder}/etc/trusted-keys.d/new.pub",
                                     f"{top}/to-keys/new.pub", f"{e.folder}/state/scripts/x", f"{e.folder}/run/new", f"{top}/none/x"]:
        r = signed(host, "FileWrite", path=path, transfer="t", offset=0, data=text, last=True, sha256=digest)
        assert r.get("error_code") in REFUSED, (path, r)
    assert [everything_below(f) for f in (top, e.folder / "etc")] == before
    assert (e.secret.read_bytes(), e.config.read_bytes()) == (env, conf)
    assert not (e.folder / "run" / "new").exists() and not (e.folder / "state" / "scripts" / "x").exists()


def test_files_may_be_restricted_to_some_folders(pair, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "inside").write_text("x")
    (tmp_path / "in" / "file").write_text("ok")
    os.symlink(tmp_path, tmp_path / "in" / "out")
    os.symlink("/", tmp_path / "in" / "root")
    _, _, host = pair(config=f"[exec]\nfile_roots = {tmp_path}/in\n")
    assert signed(host, "FileRead", path=f"{tmp_path}/in/file")["success"]
    for path in (f"{tmp_path}/inside", f"{tmp_path}/in/out/inside", f"{tmp_path}/in/root/etc/passwd", "/etc/passwd", str(tmp_path),
                 f"{tmp_path}/in/../inside"):
        assert signed(host, "FileRead", path=path).get("error_code") in REFUSED, path
        assert signed(host, "FileWrite", path=path, transfer="t", offset=0, data="").get("error_code") in REFUSED, path
    assert (tmp_path / "inside").read_text() == "x" and sorted(os.listdir(tmp_path)) == ["in", "inside"]


# -- envelopes -----------------------------------------------------------------------------------------

def test_payloads_have_the_limits_of_lines(able):
    _, host = able
    host.actions["deep"] = host.actions["wide"] = "UnsafeCommand"
    payload = '{"type":"UnsafeCommand","id":"deep","raw_command":"echo deep","timeout":20,"x":%s}'
    host.send(envelope_v1(payload % ("[" * 32 + "]" * 32)))
    assert host.barrier() == []
    host.send(envelope_v1(payload % ("[" * 31 + "]" * 31)))
    assert host.answer_to("deep")[0]["stdout"] == "deep\n"
    payload = payload.replace("deep", "wide")
    host.send(envelope_v1(payload % ("[" + "0," * 65536 + "0]")))
    assert host.barrier() == []
    host.send(envelope_v1(payload % ("[" + "0," * 65000 + "0]")))
    assert host.answer_to("wide")[0]["stdout"] == "wide\n"


def test_of_members_that_come_twice_the_last_counts_for_all(able, tmp_path):
    """What is verified must be what is done."""
    _, host = able
    host.actions["last"] = "UnsafeCommand"
    good = envelope_v1('{"type":"UnsafeCommand","id":"first","id":"last","raw_command":"echo a","raw_command":"echo b","timeout":20}')
    host.send(good)
    assert host.answer_to("last")[0]["stdout"] == "b\n"
    evil = json.dumps(f'{{"type":"UnsafeCommand","id":"last","raw_command":"touch {tmp_path}/evil"}}')
    other = envelope_v1(raw("echo well", "last"))
    host.send_bytes((json.dumps(other)[:-1] + f',"payload":{evil}}}\n').encode())
    assert host.answer_to("last")[0]["error_code"] == "BAD_SIGNATURE"
    other = envelope_v1(raw("echo well", "last"))
    host.send_bytes((f'{{"payload":{evil},' + json.dumps(other)[1:] + "\n").encode())
    assert host.answer_to("last")[0]["stdout"] == "well\n"
    assert not (tmp_path / "evil").exists()


def test_a_command_that_cannot_be_answered_is_not_run(able, tmp_path):
    _, host = able
    for ident in (None, 7, "", "x" * 129, 'a"b', "a\\b", "a\nb", "\u00e9", ["x"]):
        message = raw(f"touch {tmp_path}/ran", ident)
        host.send(envelope_v1(message))
        message.pop("id")
        host.send(envelope_v1(message))
    assert host.barrier() == []
    assert run(host, "true")["success"] and not os.listdir(tmp_path)


def test_an_envelope_that_is_too_long_is_skipped(able):
    _, host = able
    envelope = envelope_v1(raw("echo " + "x" * (8 << 20), "long"))
    host.send(envelope)
    assert [m["type"] for m in host.barrier()] in ([], ["agent_event"], ["error"])
    assert run(host, "echo well")["stdout"] == "well\n"


def test_a_long_command_is_run_and_a_longer_one_refused(able):
    _, host = able
    r = run(host, "# " + "x" * ((4 << 20) - 12) + "\necho end")
    assert r["stdout"] == "end\n"
    assert run(host, "# " + "x" * (4 << 20))["error_code"] in ("BAD_ARGUMENT", "TOO_LARGE")


# -- peers of the executor -----------------------------------------------------------------------------

def as_nobody(function):
    """What function returns, 0 to 255, in a process of another account."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            code = function()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_other_users_are_turned_away(pair, tmp_path):
    e, _, host = pair()
    assert run(host, "true")["success"]

    def talk():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(DEADLINE)
        try:
            s.connect(str(e.path))
        except PermissionError:
            return 1
        try:
            s.send(b'.{"type":"session_open","ref":1,"channel":"evil"}')
            return 2 if s.recv(1 << 16) == b"" else 3
        except (BrokenPipeError, ConnectionResetError):
            return 2

    for folder in (e.folder.parent, e.folder, e.folder / "run"):
        folder.chmod(0o755)
    e.path.chmod(0o660)
    assert as_nobody(talk) == 1
    e.path.chmod(0o666)  # even if somebody opens it
    assert as_nobody(talk) == 2
    assert "turned away process" in e.log() and "evil" not in (e.folder / "run" / "sessions").read_text()
    assert run(host, "echo well")["stdout"] == "well\n"


GARBAGE = {
    "an empty line": [b"."], "no JSON": [b".garbage"], "half of it": [b'.{"type":"submit"'], "an array": [b".[]"], "a number": [b".7"],
    "no type": [b".{}"], "an unknown verb": [b'.{"type":"explode","ref":1}'], "NUL": [b".\0\0\0"], "no UTF-8": [b'.{"type":"\xff"}'],
    "a verb of the wrong type": [b'.{"type":["submit"]}'], "a submission of nothing": [b'.{"type":"submit","ref":1}'],
    "a submission without line": [b'.{"type":"submit","ref":1,"channel":"c","session":"s"}'],
    "a line that is none": [b'.{"type":"submit","ref":1,"channel":"c","session":"s","line":"no JSON"}'],
    "a line that is a number": [b'.{"type":"submit","ref":1,"channel":"c","session":"s","line":7}'],
    "a channel that is none": [b'.{"type":"session_open","ref":1,"channel":"a b\\n"}'],
    "a long channel": [b'.{"type":"session_open","ref":1,"channel":"' + b"x" * 300 + b'"}'],
    "a long session": [b'.{"type":"session_close","ref":1,"channel":"c","session":"' + b"x" * 3000 + b'"}'],
    "a path for a session": [b'.{"type":"session_close","ref":1,"channel":"c","session":"../../../etc/passwd"}'],
    "a path for a script": [b'.{"type":"delivered","execution_id":"../../../../etc/passwd"}'],
    "numbers that are none": [b'.{"type":"taken","ref":-1,"bytes":-1}', b'.{"type":"taken","ref":1e99,"bytes":18446744073709551616}'],
    "a job that is none": [b'.{"type":"job","ref":1,"op":"cancel"}', b'.{"type":"job","ref":2,"op":7,"job":7}'],
    "a command of nothing": [b'.{"type":"qga","ref":1}', b'.{"type":"qga","ref":1,"channel":"c"}'],
    "commands that are none": [b'.{"type":"qga","ref":-1,"channel":7,"command":"guest-exec"}',
                               b'.{"type":"qga","channel":"c","command":{"a":1},"arguments":"x"}',
                               b'.{"type":"qga","channel":"c","command":"guest-exec-status","arguments":{"pid":1e99}}',
                               b'.{"type":"qga","channel":"c","command":"' + b"%n" * 1000 + b'"}'],
    "half a line": [b'+{"type":"job"'], "deep": [b"." + b"[" * 30000],
}
FATAL = {"an unknown flag": [b"?x"], "an oversized packet": [b"." + b"x" * ((32 << 10) + 1)], "a huge packet": [b"+" + b"x" * (100 << 10)]}


@pytest.fixture(scope="module")
def peers(start_shared):
    e, agent, host = shared_pair(start_shared, "peers")
    yield e, agent, host
    e.stop()


@pytest.mark.parametrize("name", [*GARBAGE, *FATAL])
def test_garbage_harms_nobody_but_who_sends_it(peers, name):
    e, agent, host = peers
    assert run(host, "true")["success"]
    pid, was = e.pid, (agent.log().count("went away"), host.session)
    with Link(e.path) as link:
        for packet in (GARBAGE | FATAL)[name]:
            link.socket.send(packet)
        if name in FATAL:
            assert link.is_hung_up_on()
        elif not (GARBAGE[name][-1].startswith(b"+")):
            assert link.ask("job", op="status")["type"] == "result", "the next line is understood"
    assert run(host, "echo well")["stdout"] == "well\n"
    assert (e.pid, e.is_running()) == (pid, True) and (agent.log().count("went away"), host.session) == was


def memory_kib(pid, word):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith(word)).split()[1])


def test_a_line_without_end_is_hung_up_on(peers):
    e, _, host = peers
    with Link(e.path) as link:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(30 << 5):
                link.socket.send(b"+" + b"x" * (32 << 10))
    assert run(host, "echo well")["stdout"] == "well\n"
    assert memory_kib(e.pid, "VmHWM") < 128 << 10


def test_too_many_peers_are_turned_away_and_the_agent_is_served(peers):
    e, _, host = peers
    links = [Link(e.path) for _ in range(12)]
    try:
        assert run(host, "echo well")["stdout"] == "well\n"
    finally:
        for link in links:
            link.close()
    wait_for(lambda: run(host, "true")["success"], "it is served")


def test_a_peer_that_does_not_read_costs_no_memory(peers):
    """It is not read either, until it has taken what waits for it; then nothing is lost."""
    e, _, host = peers
    line = json.dumps({"type": "verify", "ref": 1, "channel": "c", "session": "s", "line": json.dumps({"x": "y" * 100})}).encode()
    before, sent = memory_kib(e.pid, "VmRSS"), 0
    with Link(e.path) as link:
        link.socket.settimeout(2)
        with pytest.raises(TimeoutError):
            for sent in range(1000000):
                link.send_line(line)
        assert run(host, "echo well")["stdout"] == "well\n"
        assert memory_kib(e.pid, "VmRSS") - before < (256 << 10 if SANITIZED else 32 << 10)
        link.socket.settimeout(DEADLINE)
        for _ in range(sent):
            assert link.next()["type"] == "verdict"
        assert link.ask("job", op="status")["type"] == "result"


# -- jobs that will not end ------------------------------------------------------------------------------

def test_a_crowd_of_processes_that_hide_ends_with_the_job(pair, tmp_path):
    e, _, host = pair()
    text = (f"for i in $(seq 200); do (trap '' TERM HUP; setsid sh -c 'trap \"\" TERM; echo $$ >> {tmp_path}/pids; exec sleep 1000' "
            ">/dev/null 2>&1 &) & done; echo begun; trap '' TERM; sleep 1000")
    r = run(host, text, timeout=8)
    assert r["error_code"] == "TIMED_OUT" and r["stdout"].startswith("begun")
    pids = list(map(int, (tmp_path / "pids").read_text().split()))
    assert len(pids) == 200
    wait_for(lambda: not any(map(is_alive, pids)), "all are gone")
    assert run(host, "echo well")["stdout"] == "well\n"


def pids_controller():
    for line in open("/proc/self/mountinfo"):
        before, after = line.split(" - ")
        if after.startswith("cgroup2 "):
            controllers = pathlib.Path(before.split()[4]) / "cgroup.controllers"
            return "pids" in controllers.read_text().split()
    return False


def test_processes_of_a_job_are_counted(pair):
    """A fork bomb, of limited power in case that nothing limits it."""
    if not pids_controller():
        pytest.skip("there is no pids controller in the cgroup2 hierarchy here")
    _, _, host = pair()
    r = run(host, "for i in $(seq 20000); do sleep 60 & done 2>&1 | tail -1; echo end", timeout=60)
    assert "fork" in r["stdout"] or "fork" in r["stderr"]
    assert run(host, "echo well")["stdout"] == "well\n"


class Counting:
    """Acknowledges what a host reads, as one must that wants more output than fits into the window."""

    def __init__(self, start, agent):
        self.host = start.host(agent, greeted=False)
        self.take, self.host.line = self.host.line, self.line
        self.bytes, self.told, self.is_acking = -1, 0, True  # the LF before the handshake is not of the session
        self.host.greet()

    def line(self, timeout=DEADLINE):
        line = self.take(timeout)
        if line is not None:
            self.bytes += len(line) + 1
            if self.is_acking and self.bytes - self.told > 16384:
                self.ack()
        return line

    def ack(self):
        self.told = self.bytes
        self.host.send({"type": "ack", "bytes": self.bytes})


@pytest.fixture
def reader(pair, start):
    e, agent, host = pair(config=QUIET_SCRIPTS)
    host.close()
    start.hosts.remove(host)
    return e, agent, Counting(start, agent)


def begin(host, text, **members):
    """A command that goes on; returns its id when it runs."""
    ident = host.fresh_id()
    host.actions[ident] = "UnsafeCommand"
    host.send(envelope_v1(raw(text, ident, timeout=600, **members)))
    return ident


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("members, ends", [({}, False), ({"on_disconnect": "finish"}, False), ({"on_disconnect": "cancel"}, True),
                                           ({"stream": True}, True), ({"stream": True, "on_disconnect": "finish"}, False)],
                         ids=["as it is", "finish", "cancel", "stream", "stream and finish"])
def test_a_job_whose_host_goes_ends_or_not_as_it_was_asked(pair, start, tmp_path, members, ends):
    _, agent, host = pair()
    ident = begin(host, f"echo $$ > {tmp_path}/pid; while :; do [ -e {tmp_path}/go ] && break; sleep 0.05; done; "
                        f"echo done >> {tmp_path}/log; echo told", **members)
    pid = int(wait_for(lambda: lines_of(tmp_path / "pid"), "it runs")[0])
    host.close()
    start.hosts.remove(host)
    host = start.host(agent)
    if ends:
        wait_for(lambda: not is_alive(pid), "it has ended")
        state = "cancelled"
    else:
        assert is_alive(pid)
        (tmp_path / "go").write_text("")
        wait_for(lambda: lines_of(tmp_path / "log"), "it goes on to its end")
        state = "finished"
    wait_for(lambda: host.data_of("JobStatus", job=ident)["jobs"][0]["state"] == state, "the next session is told")
    response = host.data_of("JobStatus", job=ident)["jobs"][0]["response"]
    assert response["id"] == ident and response["success"] is (not ends)
    if not ends:
        assert response["stdout"] == ("" if "stream" in members else "told\n")
    assert not [m for m in host.barrier() if m["type"] in ("response", "output")], "nobody is sent what another asked for"


def test_jobs_of_earlier_sessions_take_no_room(pair, start):
    """More than may be in flight, one session after another; none is answered, and all room is there again."""
    _, agent, host = pair()
    agent.config.write_text("")
    for _ in range(3):
        for _ in range(30):
            begin(host, "sleep 600", on_disconnect="cancel")
        assert host.ask("Ping", new_session=True)["success"]
    wait_for(lambda: {j["state"] for j in host.data_of("JobStatus")["jobs"]} == {"cancelled"}, "all are cancelled")
    assert run(host, "echo room")["stdout"] == "room\n"
    assert host.data_of("GetState")["jobs"] == []


def test_output_that_nobody_reads_is_not_produced(reader, tmp_path):
    """The job waits; neither the agent nor the executor keeps what it would say."""
    e, agent, counting = reader
    host, counting.is_acking = counting.host, False
    ident = begin(host, f"yes 0123456789abcdef | head -c 10000000; echo over > {tmp_path}/over", stream=True)
    total = len(host.expect("output")["data"])
    time.sleep(2)
    assert not (tmp_path / "over").exists(), "it has not got rid of it"
    for pid in (e.pid, agent.pid):
        assert memory_kib(pid, "VmRSS") < 64 << 10
    counting.is_acking = True
    counting.ack()
    answer = None
    while not answer or total < 10000000:
        m = host.next()
        assert m, "it stands still"
        total += len(m["data"]) if m["type"] == "output" else 0
        answer = m if m["type"] == "response" and m["id"] == ident else answer
    assert answer["success"] and answer["output_bytes"]["stdout"] == total == 10000000


def test_binary_output_arrives_as_it_is(reader):
    host = reader[2].host
    ident = begin(host, "printf '\\000\\377\\303'; printf '\\251\\n'; head -c 100000 /dev/zero", stream=True, binary=True)
    output, answer, size = [], None, 0
    while not answer or size < 100005:  # an answer may overtake what waits for the window
        m = host.next()
        assert m, "it stands still"
        answer = m if m["type"] == "response" and m["id"] == ident else answer
        if m["type"] == "output":
            output.append(m)
            size += len(base64.b64decode(m["data"]))
    assert [m["seq"] for m in output] == list(range(1, len(output) + 1))
    assert all(m["encoding"] == "base64" and len(base64.b64decode(m["data"], validate=True)) <= 32 << 10 for m in output)
    assert b"".join(base64.b64decode(m["data"]) for m in output) == b"\0\xff\xc3\xa9\n" + bytes(100000)
    assert answer["output_bytes"] == {"stdout": 100005, "stderr": 0}


def test_text_that_is_none_is_told_so(pair):
    _, _, host = pair()
    r = run(host, "printf 'a\\377b\\000c'")
    assert r["stdout"] == "a\ufffdb\ufffdc" and r["lossy"] is True


def test_what_must_not_be_cut_short_is_not(pair, tmp_path, start):
    """A package command; the job's program is one that only waits."""
    program = tmp_path / "job"
    program.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/pids\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.05; done\n")
    program.chmod(0o755)
    e, agent, host = pair(job=program)
    host.actions["p"] = "PackageInstall"
    host.send(envelope_v1(command("PackageInstall", "p", package="x") | {"timeout": 2, "on_disconnect": "cancel"}))
    pid = int(wait_for(lambda: lines_of(tmp_path / "pids"), "it runs")[0])
    host.actions["q"] = "PackageInstall"
    host.send(envelope_v1(command("PackageInstall", "q", package="y") | {"timeout": 600}))
    r = host.ask("JobCancel", job="p")
    assert r["error_code"] == "NOT_ALLOWED" and "PackageInstall" in r["error"]
    jobs = {j["id"]: j for j in host.data_of("JobStatus")["jobs"]}
    assert (jobs["p"]["cancellable"], jobs["q"]["cancellable"], jobs["q"]["state"]) == (False, True, "queued")
    late = host.answer_to("p")[0]
    assert (late["error_code"], late["data"]) == ("TIMED_OUT", {"still_running": True})
    host.send(command("JobCancel", "end-q", job="q"))
    assert host.answer_to("q")[0]["error"] == "cancelled"
    assert host.answer_to("end-q")[0]["data"] == {"state": "cancelled"}
    host.close()
    start.hosts.remove(host)
    host = start.host(agent)
    assert is_alive(pid), "neither a deadline nor a host that goes ends it"
    (tmp_path / "go").write_text("")
    wait_for(lambda: host.data_of("JobStatus", job="p")["jobs"][0]["state"] == "finished", "it ends by itself")
    assert len(lines_of(tmp_path / "pids")) == 1
