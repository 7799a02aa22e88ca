"""vmvitals run, exec, cp and help: against an agent, and against a guest that follows a script."""
import base64
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import threading

import pytest
from fake_guest import SECRET, SEED, VM_ID, Files, FakeGuest, Gone
from harness import CLI, DEADLINE, environment, run_cli, wait_for


def secret_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def guest(sockets):
    fake = FakeGuest(sockets / "s")
    yield fake
    fake.close()


@pytest.fixture
def key(tmp_path):
    return secret_file(tmp_path / "key", f"vmvitals-ed25519-seed {base64.b64encode(SEED).decode()}\n")


@pytest.fixture
def cli(guest):
    return lambda *args, **options: run_cli("--socket", guest.path, *args, **options)


@pytest.fixture
def signed(cli, key):
    return lambda verb, *args, **options: cli(verb, "--key", key, *args, **options)


@pytest.fixture
def started(guest, key):
    """Starts the tool; what is left of it ends with the test."""
    processes = []

    def start(verb, *args, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        p = subprocess.Popen([CLI, "--socket", str(guest.path), verb, "--key", str(key), *map(str, args)],
                             env=environment(TERM="xterm"), **options)
        processes.append(p)
        return p
    yield start
    for p in processes:
        if p.poll() is None:
            p.kill()
        p.communicate()


def ended(process):
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err.decode()


# -- help ------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def agent(start_shared):
    return start_shared("--interval", "3600")


def test_help_lists_the_actions_that_an_agent_describes(agent):
    described = json.loads(run_cli("--socket", agent.socket, "describe", "--json").stdout)["actions"]
    done = run_cli("help")
    listed = dict(re.findall(r"(?m)^  ([A-Z]\w+) +(monitor|operate|full) ", done.stdout))
    assert done.returncode == 0 and len(described) > 60
    assert listed == {name: action["level"] for name, action in described.items()}


def test_help_of_each_action_has_the_arguments_that_an_agent_describes(agent):
    described = json.loads(run_cli("--socket", agent.socket, "describe", "--json").stdout)["actions"]
    n = 0
    for name, action in described.items():
        if not action["arguments"]:
            continue
        out = run_cli("help", name).stdout
        for a in action["arguments"]:
            found = re.search(rf"(?m)^  {a['name']}={re.escape(a['type'])}(  \(required\))?\n      (.+)\n", out)
            assert found and bool(found[1]) == a["required"] and a["help"].startswith(found[2]), (name, a, out)
            if a["default"] is not None:
                assert f"default: {json.dumps(a['default']).strip(chr(34))}\n" in out[found.start():], (name, a)
            n += 1
    assert n > 50


def test_an_agent_describes_limits_defaults_and_other_names(agent):
    described = json.loads(run_cli("--socket", agent.socket, "describe", "--json").stdout)["actions"]
    arguments = {(name, a["name"]): a for name, action in described.items() for a in action["arguments"]}
    assert arguments["ProcessKill", "pid"] == {"name": "pid", "type": "int", "default": None, "required": True,
                                               "help": "the process (1 to 4194304)"}
    assert arguments["PackageInstall", "package"]["help"].endswith("; also called package_name")
    assert arguments["FileWrite", "mode"]["help"].endswith("; default: as it is, else 384 (0600)")
    assert arguments["RebootSystem", "delay_s"]["default"] == 3
    assert arguments["UnsafeCommand", "env_vars"]["type"] == "{str:str}"


def test_help_of_a_verb_is_its_own_help():
    assert run_cli("help", "watch").stdout == run_cli("watch", "--help").stdout
    done = run_cli("help", "Nonsense")
    assert done.returncode == 64 and "'Nonsense'" in done.stderr


# -- run, what is sent -----------------------------------------------------------------------------

@pytest.mark.parametrize("words, says", [
    ([], "no action named"),
    (["Reboot"], "unknown action 'Reboot'"),
    (["rebootsystem"], "unknown action"),
    (["RebootSystem", "delay=3"], "no argument 'delay'"),
    (["RebootSystem", "delay_s"], "'delay_s' is not NAME=VALUE"),
    (["RebootSystem", "delay_s=soon"], "'soon' is no integer"),
    (["RebootSystem", "delay_s=61"], "no integer from 1 to 60"),
    (["RebootSystem", "delay_s=1", "delay_s=2"], "given twice"),
    (["RebootSystem", "force=maybe"], "no 'true' or 'false'"),
    (["ProcessKill"], "'pid' is missing"),
    (["ServiceControl", "service=a/b", "operation=start"], "argument 'service' must be"),
    (["ServiceControl", "service=a", "operation=explode"], "none of the words"),
    (["ServiceControl", "service=a", "action=start"], "no argument 'action'"),
    (["CheckDiskSpace", "warning_threshold=x"], "'x' is no number"),
    (["CheckDiskSpace", "warning_threshold=0.5"], "no number from 1 to 100"),
    (["DiskCleanup", "targets=logs,everything"], "none of the words it may be"),
    (["FileWrite", "path=/a", "transfer=t", "offset=0", "data=@/nonexistent"], "cannot open '/nonexistent'"),
    (["FileWrite", "path=/a", "transfer=t", "offset=0", "data=***"], "no base64"),
    (["UnsafeCommand", "raw_command=x", "env_vars=y"], "env_vars.NAME=VALUE"),
    (["UnsafeCommand", "raw_command=\udcff"], "no UTF-8"),
    (["--timeout", "301", "ServiceControl", "service=a", "operation=start"], "300 seconds at most"),
    (["--key", "/a", "--secret", "/b", "Ping"], "exclude each other"),
    (["--key", "/nonexistent", "Ping"], "/nonexistent"),
])
def test_what_is_wrong_with_a_command_is_found_before_anything_is_sent(guest, cli, words, says):
    done = cli("run", *[w.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") for w in words])
    assert done.returncode == 64 and says in done.stderr and done.stdout == "", done
    assert not guest.links


@pytest.mark.parametrize("words, arguments", [
    (["RebootSystem", "delay_s=5", "force=yes"], {"delay_s": 5, "force": True}),
    (["CheckDiskSpace", "warning_threshold=12.5"], {"warning_threshold": 12.5}),
    (["ServiceControl", "service_name=nginx", "operation=restart"], {"service": "nginx", "operation": "restart"}),
    (["DiskCleanup", "targets=logs,cache", "targets=old_kernels", "dry_run=false"],
     {"targets": ["logs", "cache", "old_kernels"], "dry_run": False}),
    (["FsTrim", "mountpoints="], {"mountpoints": []}),
    (["PackageSearch", "query=a=b"], None),
    (["ProcessKill", "pid=12", "start_time=2026-07-14T12:00:00Z"], {"pid": 12, "start_time": "2026-07-14T12:00:00Z"}),
    (["JoinDomain", "domain=a.example", "username=adm", "password@=SECRET", "ou=OU=x"],
     {"domain": "a.example", "username": "adm", "password": "p w'\u00e9", "ou": "OU=x"}),
    (["FileWrite", "path=/a", "transfer=t", "offset=0", "data=@SECRET"],
     {"path": "/a", "transfer": "t", "offset": 0, "data": base64.b64encode("p w'\u00e9\n".encode()).decode()}),
])
def test_arguments_have_the_types_of_the_table(guest, signed, tmp_path, words, arguments):
    secret = tmp_path / "secret"
    secret.write_text("p w'\u00e9\n")
    action = words[0]
    guest.does[action] = lambda link, m: link.respond(m, stdout="done")
    done = signed("run", *[w.replace("SECRET", str(secret)) for w in words])
    if arguments is None:
        assert done.returncode == 64 and not guest.heard
        return
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    (_, message, version), = guest.heard
    assert version == 2 and message["type"] == "SafeCommand" and message["params"] is None
    assert message["command_type"] == {"action": action} | arguments
    assert type(message["command_type"].get("delay_s", 1)) is int and "stream" not in message


def test_a_raw_command_is_a_message_of_its_own(guest, signed):
    guest.does["UnsafeCommand"] = lambda link, m: link.respond(m, 3, stdout="out", stderr="err", error="exit status 3")
    done = signed("run", "--timeout", "1.2", "UnsafeCommand", "raw_command=id", "env_vars.A=1", "env_vars.B=x=y", "run_as=bob")
    assert (done.returncode, done.stdout) == (3, "out\n") and done.stderr.startswith("err\n")
    (_, m, _), = guest.heard
    assert {k: m[k] for k in m if k != "id"} == {"type": "UnsafeCommand", "raw_command": "id", "env_vars": {"A": "1", "B": "x=y"},
                                                 "run_as": "bob", "timeout": 2}


def test_a_secret_signs_too(guest, cli, tmp_path):
    guest.does["FsThaw"] = lambda link, m: link.respond(m, stdout="thawed", data={"thawed": 0, "frozen_ms": 0})
    done = cli("run", "--secret", secret_file(tmp_path / "secret", SECRET + "\n"), "FsThaw")
    assert done.returncode == 0 and guest.heard[0][2] == 1 and guest.heard[0][1]["timeout"] == 60


def test_a_key_that_others_can_read_is_refused(guest, signed, key):
    key.chmod(0o644)
    done = signed("run", "FsThaw")
    assert done.returncode == 77 and not guest.links and "key" in done.stderr


@pytest.mark.parametrize("option", ["--key", "--secret"])
def test_a_file_that_holds_something_else_is_no_key(guest, cli, tmp_path, option):
    path = secret_file(tmp_path / "file", "\x01\n")
    done = cli("run", option, path, "FsThaw")
    assert done.returncode == 64 and str(path) in done.stderr and not guest.links


def test_another_guest_than_the_one_that_is_meant_is_told_nothing(guest, signed):
    guest.does["FsThaw"] = lambda link, m: link.respond(m, stdout="thawed")
    done = signed("run", "--vm-id", VM_ID.replace("3", "4"), "FsThaw")
    assert done.returncode == 77 and "not guest" in done.stderr and not guest.heard
    assert signed("run", "--vm-id", VM_ID, "FsThaw").returncode == 0


def test_a_guest_that_does_not_say_its_id_is_not_signed_for(guest, signed):
    guest.hello = {"vm_id": None}
    done = signed("run", "FsThaw")
    assert done.returncode == 64 and "--vm-id" in done.stderr and not guest.heard


def test_a_counter_that_another_program_has_passed_is_passed(guest, signed):
    guest.counters.append(9 * 10**15)  # of a program whose clock is far ahead
    guest.does["FsThaw"] = lambda link, m: link.respond(m, stdout="thawed")
    done = signed("run", "FsThaw")
    assert (done.returncode, done.stdout) == (0, "thawed\n") and guest.replayed == 1 and guest.counter == 9 * 10**15 + 1


def test_a_handshake_that_an_earlier_session_left_in_the_port_is_not_signed_for(guest, signed):
    guest.leftovers = b'us_kb":7}}\n{"type":"handshake","vm_id":"%s","protocol":1,"session":"%s"}\n{"type":"metrics","data":{}}\n' % (
        VM_ID.encode(), VM_ID.encode())
    guest.does |= {"FsThaw": lambda link, m: link.respond(m, stdout="thawed"), "UnsafeCommand": runs}
    assert signed("run", "FsThaw").returncode == 0
    assert signed("exec", "--", "echo ok").stdout == "ok\n"
    assert [version for _, _, version in guest.heard] == [2, 2]


# -- run, what comes back --------------------------------------------------------------------------

@pytest.mark.parametrize("code, status", [
    ("BAD_SIGNATURE", 77), ("STALE", 77), ("UNKNOWN_KEY", 77), ("WRONG_SESSION", 77), ("NOT_ALLOWED", 77),
    ("NO_EXECUTOR", 77), ("LOCKED", 77), ("BUSY", 75), ("BAD_ARGUMENT", 64), ("UNKNOWN_ACTION", 76), ("UNSUPPORTED", 70),
    ("TOO_LARGE", 70), ("NOT_FOUND", 70), ("TIMED_OUT", 124), ("INTERNAL", 70), ("SOMETHING_NEW", 70),
])
def test_error_codes_have_statuses(guest, signed, code, status):
    guest.does["FsThaw"] = lambda link, m: link.refuse(m, code, "refused: the reason")
    done = signed("run", "FsThaw")
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == "vmvitals: FsThaw: refused: the reason\n"
    done = signed("run", "--json", "FsThaw")
    assert done.returncode == status and json.loads(done.stdout)["error_code"] == code and done.stderr == ""


def test_what_is_not_signed_is_sent_bare_and_the_refusal_says_how_to_sign(guest, cli):
    guest.does["FsThaw"] = lambda link, m: link.refuse(m, "BAD_SIGNATURE", "refused: not signed")
    done = cli("run", "FsThaw")
    assert done.returncode == 77 and guest.heard[0][2] is None
    assert "refused: not signed\n" in done.stderr and "--key FILE" in done.stderr


def test_what_goes_on_in_the_guest_can_be_asked_for(guest, signed):
    guest.does["PackageInstall"] = lambda link, m: link.refuse(m, "TIMED_OUT", "timed out after 60 s", data={"still_running": True})
    done = signed("run", "PackageInstall", "package=htop")
    assert done.returncode == 124 and f"vmvitals run JobStatus job={guest.heard[0][1]['id']}\n" in done.stderr


def test_text_of_a_guest_steers_nothing_and_keeps_its_lines(guest, cli):
    guest.does["OsInfo"] = lambda link, m: link.respond(m, stdout="a\n\tb\x1b[2Jc\u202e\u00e9", data={"x": "\x1b]0;t\x07", "n": [1, 2]})
    out = cli("run", "OsInfo").stdout
    assert out.startswith("a\n\tb?[2Jc?\u00e9\n{\n") and "\x1b" not in out and "\x07" not in out
    assert json.loads(out[out.index("{"):])["n"] == [1, 2]


def test_the_status_of_a_child_is_that_of_the_tool(guest, signed):
    guest.does["PackageInstall"] = lambda link, m: link.respond(m, 100, stdout="log\n", stderr="E: no package\n", error="exit status 100")
    done = signed("run", "PackageInstall", "package=x")
    assert (done.returncode, done.stdout) == (100, "log\n")
    assert done.stderr == "E: no package\nvmvitals: PackageInstall: exit status 100\n"


def test_an_agent_is_asked_for_what_it_knows(agent):
    done = run_cli("--socket", agent.socket, "run", "ProcessTop", "limit=2", "sort_by=memory")
    assert done.returncode == 0 and done.stdout.count('"pid"') == 2, done
    done = run_cli("--socket", agent.socket, "run", "RebootSystem")
    assert done.returncode == 77 and "no executor" in done.stderr.lower().replace("needs the", "no"), done


def test_a_new_session_is_no_reason_to_send_a_change_twice(guest, signed):
    answers = iter([("running", None), ("finished", {"type": "response", "success": True, "exit_code": 0, "stdout": "installed",
                                                     "stderr": "", "data": None})])

    def install(link, m):
        link.greet()

    def status(link, m):
        job, = guest.said("PackageInstall")
        assert m["command_type"]["job"] == job["id"]
        state, response = next(answers)
        link.respond(m, stdout="1 job", data={"jobs": [{"id": job["id"], "action": "PackageInstall", "state": state,
                                                        "response": response and response | {"id": job["id"]}}]})
    guest.does |= {"PackageInstall": install, "JobStatus": status}
    done = signed("run", "PackageInstall", "package=htop")
    assert (done.returncode, done.stdout) == (0, "installed\n")
    assert len(guest.said("PackageInstall")) == 1 and len(guest.said("JobStatus")) == 2


def test_a_command_that_a_new_session_does_not_know_is_lost(guest, signed):
    guest.does |= {"FsThaw": lambda link, m: link.greet(), "JobStatus": lambda link, m: link.refuse(m, "NOT_FOUND", "no such job")}
    done = signed("run", "FsThaw")
    assert done.returncode == 69 and "new session" in done.stderr and len(guest.said("FsThaw")) == 1


def test_a_new_session_is_asked_again_for_what_only_reads(guest, cli):
    def info(link, m):
        if len(guest.said("OsInfo")) == 1:
            link.greet()
        else:
            link.respond(m, stdout="linux", data={})
    guest.does["OsInfo"] = info
    assert cli("run", "OsInfo").returncode == 0 and len(guest.said("OsInfo")) == 2


def test_an_interrupted_change_is_cancelled(guest, started):
    going = threading.Event()

    def clean(link, m):
        going.set()

    def cancel(link, m):
        job, = guest.said("DiskCleanup")
        assert m["command_type"]["job"] == job["id"]
        link.respond(m, stdout="cancelled", data={"state": "cancelled"})
        link.respond(job, 143, stderr="cancelled", error="cancelled")
    guest.does |= {"DiskCleanup": clean, "JobCancel": cancel}
    p = started("run", "DiskCleanup")
    assert going.wait(DEADLINE)
    p.send_signal(signal.SIGINT)
    assert ended(p)[0] == 130 and len(guest.said("JobCancel")) == 1


def test_an_interrupted_question_is_over_at_once(guest, started):
    going = threading.Event()
    guest.does["OsInfo"] = lambda link, m: going.set()
    p = started("run", "OsInfo")
    assert going.wait(DEADLINE)
    p.send_signal(signal.SIGTERM)
    assert ended(p)[0] == 143 and [action for action, _, _ in guest.heard] == ["OsInfo"]


def read_terminal(fd):
    """b"" at its end: nobody writes to it any more."""
    assert select.select([fd], [], [], DEADLINE)[0], "nothing came"
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""


def test_progress_is_for_terminals(guest, started):
    """With the state that JobStatus says; it is gone at the end."""
    seen = threading.Event()

    def clean(link, m):
        seen.wait(DEADLINE)
        link.respond(m, stdout="done")

    def status(link, m):
        job, = guest.said("DiskCleanup")
        link.respond(m, stdout="1 job", data={"jobs": [{"id": job["id"], "state": "running", "response": None}]})
    guest.does |= {"DiskCleanup": clean, "JobStatus": status}
    ours, theirs = pty.openpty()
    try:
        p = started("run", "DiskCleanup", stderr=theirs)
        os.close(theirs)
        text = b""

        def look():
            nonlocal text
            while select.select([ours], [], [], 0.05)[0]:
                try:
                    piece = os.read(ours, 4096)
                except OSError:
                    break
                if not piece:
                    break
                text += piece
            return re.search(rb"DiskCleanup: \d+ s, running", text)
        wait_for(look, "a line of progress")
        seen.set()
        out, _ = p.communicate(timeout=DEADLINE)
        look()
        assert (p.returncode, out) == (0, b"done\n") and text.endswith(b"\r\x1b[K"), text
    finally:
        os.close(ours)


# -- exec ------------------------------------------------------------------------------------------

def runs(link, message):
    """What an executor does with a raw command, but for the rights."""
    assert message["stream"] is True and message["binary"] is True
    p = subprocess.run(["sh", "-c", message["raw_command"]], capture_output=True, check=False, stdin=subprocess.DEVNULL,
                       env={"PATH": os.environ["PATH"]} | message.get("env_vars", {}), cwd=message.get("working_dir"))
    for stream, data in (("stdout", p.stdout), ("stderr", p.stderr)):
        for at in range(0, len(data), 32768):
            link.output(message, data[at:at + 32768], stream)
    failed = {"error": f"exit status {p.returncode}"} if p.returncode else {}
    link.respond(message, p.returncode, output_bytes={"stdout": len(p.stdout), "stderr": len(p.stderr)}, **failed)


@pytest.mark.parametrize("words, out", [
    (["echo $((1 + 2))"], "3\n"),
    (["printf", "[%s]", "a b", "it's", "", "$HOME", "`id`", "*", "-n", "a\nb", "\\", "\u00e9", '"'],
     "[a b][it's][][$HOME][`id`][*][-n][a\nb][\\][\u00e9][\"]"),
    (["printf", "[%s]", "A=b", "~", "#", "x;y", "--o=1"], "[A=b][~][#][x;y][--o=1]"),
])
def test_arguments_arrive_as_they_are(guest, signed, words, out):
    guest.does["UnsafeCommand"] = runs
    done = signed("exec", "--", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, out, "")


def test_options_of_exec_are_members(guest, signed, tmp_path):
    guest.does["UnsafeCommand"] = runs
    done = signed("exec", "--run-as", "root", "--shell", "sh", "--workdir", tmp_path, "--env", "A=b c", "--env", "B=",
                  "--timeout", "7", "--", 'echo "$A,$B,$PWD"')
    assert done.stdout == f"b c,,{tmp_path}\n", done
    (_, m, version), = guest.heard
    assert version == 2 and (m["run_as"], m["shell"], m["timeout"]) == ("root", "sh", 7)


@pytest.mark.parametrize("words, says", [
    ([], "no command"), (["--env", "=x", "--", "id"], "NAME=VALUE"), (["--env", "x", "--", "id"], "NAME=VALUE"),
    (["--shell", "fish", "--", "echo", "x"], "as one word"), (["--timeout", "3601", "--", "id"], "3600 seconds at most"),
])
def test_what_is_wrong_with_exec_is_found_at_once(guest, signed, words, says):
    done = signed("exec", *words)
    assert done.returncode == 64 and says in done.stderr and not guest.links


@pytest.mark.parametrize("status", [1, 64, 77, 255])
def test_the_status_of_the_command_is_that_of_exec(guest, signed, status):
    guest.does["UnsafeCommand"] = runs
    done = signed("exec", "--", f"echo out; echo err >&2; exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, "out\n", "err\n")


def test_output_is_byte_for_byte_and_in_order(guest, signed):
    pieces = [b"a", b"\x00\xff\n\x1b[1m", b"no line feed at the end", bytes(range(256)) * 100, b"."]

    def talk(link, m):
        for piece in pieces:
            link.output(m, piece)
            link.output(m, piece[:1], "stderr")
        link.respond(m)
    guest.does["UnsafeCommand"] = talk
    done = signed("exec", "--", "x", text=False)
    assert done.returncode == 0 and done.stdout == b"".join(pieces)
    assert done.stderr == b"".join(p[:1] for p in pieces)


def test_output_comes_while_the_command_runs(guest, started):
    seen = threading.Event()

    def talk(link, m):
        link.output(m, b"half a li")
        assert seen.wait(DEADLINE)
        link.output(m, b"ne")
        link.respond(m)
    guest.does["UnsafeCommand"] = talk
    p = started("exec", "--", "x")
    assert os.read(p.stdout.fileno(), 100) == b"half a li"
    seen.set()
    assert ended(p) == (0, b"ne", "")


def test_huge_output_is_acknowledged_in_time(guest, signed):
    """The guest sends 64 KiB and no more without an ack: without them this would never end."""
    piece, n = os.urandom(30000), 300

    def talk(link, m):
        for _ in range(n):
            link.output(m, piece)
        link.respond(m)
    guest.does["UnsafeCommand"] = talk
    done = signed("exec", "--", "x", text=False, timeout=120)
    assert done.returncode == 0 and done.stdout == piece * n
    assert guest.acks == sorted(guest.acks) and len(guest.acks) > n * 40000 / 65536


def test_small_lines_are_acknowledged_in_time(guest, signed):
    def talk(link, m):
        for i in range(1000):
            link.output(m, b"%d\n" % i)
        link.respond(m)
    guest.does["UnsafeCommand"] = talk
    assert signed("exec", "--", "x").stdout == "".join(f"{i}\n" for i in range(1000))


def test_a_guest_that_dies_leaves_what_it_has_sent(guest, signed):
    def die(link, m):
        link.output(m, b"last words")
        guest.hang_up()
    guest.does["UnsafeCommand"] = die
    done = signed("exec", "--", "x")
    assert (done.returncode, done.stdout) == (69, "last words") and "hung up" in done.stderr


def test_a_new_session_ends_a_streamed_command(guest, signed):
    def renew(link, m):
        link.output(m, b"so far\n")
        link.greet()
    guest.does["UnsafeCommand"] = renew
    done = signed("exec", "--", "x")
    assert (done.returncode, done.stdout) == (69, "so far\n") and "new session" in done.stderr
    assert len(guest.said("UnsafeCommand")) == 1


def test_output_behind_the_answer_is_waited_for(guest, signed):
    """Answers are of a higher class than output: they may overtake it."""
    def overtake(link, m):
        link.output(m, b"one ")
        link.respond(m, 3, error="ended with exit code 3", stderr="ended with exit code 3", output_bytes={"stdout": 11, "stderr": 2})
        link.output(m, b"two ")
        threading.Event().wait(0.5)
        link.output(m, b"!\n", "stderr")
        link.output(m, b"end")
    guest.does["UnsafeCommand"] = overtake
    done = signed("exec", "--", "x")
    assert (done.returncode, done.stdout, done.stderr) == (3, "one two end", "!\n")


def test_output_that_the_answer_counts_and_that_never_comes_is_no_success(guest, signed):
    def fall_short(link, m):
        link.output(m, b"one")
        link.respond(m, output_bytes={"stdout": 4, "stderr": 0})
    guest.does["UnsafeCommand"] = fall_short
    done = signed("exec", "--", "x")
    assert (done.returncode, done.stdout) == (76, "one") and "did not come" in done.stderr


def cancels(guest, cancelled):
    def cancel(link, m):
        job, = guest.said("UnsafeCommand")
        assert m["command_type"] == {"action": "JobCancel", "job": job["id"]}
        cancelled.set()
        link.respond(m, stdout="cancelled", data={"state": "cancelled"})
        link.respond(job, 143, stderr="cancelled", error="cancelled")
    return cancel


def test_output_that_is_missing_is_no_success(guest, signed):
    cancelled = threading.Event()

    def skip(link, m):
        link.output(m, b"one")
        link.output(m, b"three", seq=3)
    guest.does |= {"UnsafeCommand": skip, "JobCancel": cancels(guest, cancelled)}
    done = signed("exec", "--", "x")
    assert (done.returncode, done.stdout) == (76, "one") and "gap" in done.stderr and cancelled.is_set()


def test_interrupt_cancels_the_command(guest, started):
    cancelled = threading.Event()
    guest.does |= {"UnsafeCommand": lambda link, m: link.output(m, b"up\n"), "JobCancel": cancels(guest, cancelled)}
    p = started("exec", "--", "x")
    assert os.read(p.stdout.fileno(), 100) == b"up\n"
    p.send_signal(signal.SIGINT)
    assert ended(p) == (130, b"", "") and cancelled.is_set()


def test_a_second_interrupt_does_not_wait(guest, started):
    asked = threading.Event()
    guest.does |= {"UnsafeCommand": lambda link, m: link.output(m, b"up\n"), "JobCancel": lambda link, m: asked.set()}
    p = started("exec", "--timeout", "3600", "--", "x")
    assert os.read(p.stdout.fileno(), 100) == b"up\n"
    p.send_signal(signal.SIGINT)
    assert asked.wait(DEADLINE)
    p.send_signal(signal.SIGINT)
    assert ended(p)[0] == 130


def test_output_that_nobody_reads_cancels_the_command(guest, started):
    cancelled = threading.Event()

    def talk(link, m):
        while not cancelled.is_set():
            link.output(m, b"y\n" * 1000)
    guest.does |= {"UnsafeCommand": talk, "JobCancel": cancels(guest, cancelled)}
    p = started("exec", "--", "yes")
    os.read(p.stdout.fileno(), 10)
    p.stdout.close()
    assert p.wait(DEADLINE) == 141 and cancelled.is_set()
    assert p.stderr.read() == b""


def test_a_reader_that_is_slow_stops_the_guest_and_an_interrupt_still_works(guest, started):
    cancelled, stuck = threading.Event(), threading.Event()

    def talk(link, m):
        threading.Timer(1, stuck.set).start()
        while not cancelled.is_set():
            link.output(m, b"y\n" * 10000)
    guest.does |= {"UnsafeCommand": talk, "JobCancel": cancels(guest, cancelled)}
    p = started("exec", "--", "yes")
    assert stuck.wait(DEADLINE)
    p.send_signal(signal.SIGINT)
    wait_for(cancelled.is_set, "the command is cancelled")
    assert ended(p)[0] == 130


def test_time_that_is_over_is_124(guest, signed):
    guest.does["UnsafeCommand"] = lambda link, m: link.refuse(m, "TIMED_OUT", "timed out after 1 s")
    done = signed("exec", "--timeout", "1", "--", "sleep 9")
    assert done.returncode == 124 and done.stderr == "vmvitals: UnsafeCommand: timed out after 1 s\n"


def test_a_guest_that_never_answers_is_not_waited_for_for_ever(guest, signed):
    guest.does["UnsafeCommand"] = lambda link, m: None
    done = signed("exec", "--timeout", "1", "--", "x")
    assert done.returncode == 69 and "no answer in time, it may go on" in done.stderr


def test_a_refused_command_says_why(guest, signed):
    guest.does["UnsafeCommand"] = lambda link, m: link.refuse(m, "NOT_ALLOWED", "refused: policy level operate")
    done = signed("exec", "--", "x")
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr == "vmvitals: UnsafeCommand: refused: policy level operate\n"


def test_output_in_the_answer_of_a_guest_that_does_not_stream_is_written(guest, signed):
    guest.does["UnsafeCommand"] = lambda link, m: link.respond(m, 2, stdout="out", stderr="err", error="exit status 2")
    done = signed("exec", "--", "x")
    assert (done.returncode, done.stdout, done.stderr) == (2, "out", "err")


def test_output_beyond_the_bound_is_said_to_be_missing(guest, signed):
    guest.does["UnsafeCommand"] = lambda link, m: link.respond(m, truncated=True, output_bytes={"stdout": 1 << 30, "stderr": 0})
    done = signed("exec", "--", "x")
    assert done.returncode == 0 and "is missing" in done.stderr


def test_exec_json_is_the_whole_response(guest, signed):
    def answer(link, m):
        assert "stream" not in m
        link.respond(m, 4, stdout="out", stderr="err", error="exit status 4")
    guest.does["UnsafeCommand"] = answer
    done = signed("exec", "--json", "--", "x")
    assert done.returncode == 4 and json.loads(done.stdout)["stdout"] == "out" and done.stderr == ""


# -- cp --------------------------------------------------------------------------------------------

CHUNK = 512 * 1024


@pytest.fixture
def files(guest, tmp_path):
    (tmp_path / "guest").mkdir()
    return Files(guest, tmp_path / "guest")


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def only(folder, name):
    assert [p.name for p in folder.iterdir()] == [name]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_copies_are_equal_both_ways_and_keep_their_mode(signed, files, here, size):
    (here / "a").write_bytes(os.urandom(size))
    (here / "a").chmod(0o751)
    assert signed("cp", here / "a", "guest:/b").returncode == 0
    only(files.folder, "b")
    assert (files.folder / "b").stat().st_mode & 0o7777 == 0o751
    done = signed("cp", "--json", "guest:/b", here / "c")
    assert done.returncode == 0 and json.loads(done.stdout)["bytes"] == size
    assert (here / "c").read_bytes() == (here / "a").read_bytes()
    assert (here / "c").stat().st_mode & 0o7777 == 0o751
    assert sorted(p.name for p in here.iterdir()) == ["a", "c"]


def test_chunks_are_large(guest, signed, files, here):
    (here / "a").write_bytes(bytes(3 * CHUNK))
    assert signed("cp", here / "a", "guest:/b").returncode == 0 and len(guest.said("FileWrite")) == 4
    assert signed("cp", "guest:/b", here / "c").returncode == 0 and len(guest.said("FileRead")) == 3
    assert {version for _, _, version in guest.heard} == {2}


def test_a_directory_is_a_place_for_a_file_of_that_name(signed, files, here):
    (here / "a").write_text("x")
    (files.folder / "d").mkdir()
    assert signed("cp", here / "a", "guest:/d").returncode == 0
    only(files.folder / "d", "a")
    (here / "a").unlink()
    assert signed("cp", "guest:/d/a", here).returncode == 0
    only(here, "a")


@pytest.mark.parametrize("size", [0, 5, 2 * CHUNK, 2 * CHUNK + 3])
def test_a_dash_is_standard_input_or_output(signed, files, size):
    data = os.urandom(size)
    assert signed("cp", "-", "guest:/a", text=False, input=data).returncode == 0
    assert (files.folder / "a").read_bytes() == data and (files.folder / "a").stat().st_mode & 0o777 == 0o600
    assert signed("cp", "guest:/a", "-", text=False).stdout == data


def test_a_slash_at_the_end_means_a_directory(signed, files, here):
    (here / "a").write_text("x")
    (files.folder / "d").mkdir()
    assert signed("cp", here / "a", "guest:/d/").returncode == 0
    only(files.folder / "d", "a")
    done = signed("cp", here / "a", "guest:/e/")
    assert done.returncode == 70 and "no directory" in done.stderr and not (files.folder / "e").exists()


def test_progress_of_a_copy_is_for_terminals(guest, started, files, here):
    (files.folder / "a").write_bytes(bytes(4 * CHUNK))
    honest = files.read

    def slow(link, m):
        threading.Event().wait(0.25)
        honest(link, m)
    guest.does["FileRead"] = slow
    ours, theirs = pty.openpty()
    try:
        p = started("cp", "guest:/a", here / "a", stderr=theirs)
        os.close(theirs)
        text = b""
        while piece := read_terminal(ours):
            text += piece
        assert p.wait(DEADLINE) == 0
        assert re.search(rb"\r 50 % of 2\.0 MiB, [0-9.]+ [KM]iB/s", text) and text.endswith(b"\r\x1b[K"), text
    finally:
        os.close(ours)


def test_a_file_that_is_there_is_replaced_only_by_one_that_is_right(signed, files, here):
    (files.folder / "a").write_bytes(os.urandom(2 * CHUNK))
    (here / "a").write_text("precious")

    def spoil(data):
        if data["eof"]:
            data["sha256"] = "0" * 64
        return data
    files.spoil = spoil
    done = signed("cp", "guest:/a", here / "a")
    assert done.returncode == 76 and "checksums differ" in done.stderr
    assert (here / "a").read_text() == "precious"
    only(here, "a")


@pytest.mark.parametrize("member, value, status", [
    ("mtime", "2026-07-14T12:00:01.000Z", 75), ("inode", 8, 75), ("size", 3 * CHUNK + 1, 75),
    ("offset", 0, 76), ("length", 5, 76), ("data", "QUJ", 76), ("data", None, 76), ("size", None, 76),
])
def test_chunks_that_do_not_belong_together_are_no_copy(signed, files, here, member, value, status):
    (files.folder / "a").write_bytes(os.urandom(3 * CHUNK))
    files.spoil = lambda data: data | ({member: value} if data["offset"] else {})
    assert signed("cp", "guest:/a", here / "a").returncode == status
    assert not list(here.iterdir())


def test_a_guest_that_sends_nothing_more_does_not_keep_us(signed, files, here):
    (files.folder / "a").write_bytes(b"x")
    files.spoil = lambda data: data | {"data": "", "length": 0, "eof": False, "size": 5}
    assert signed("cp", "guest:/a", here / "a").returncode == 76 and not list(here.iterdir())


def test_what_the_guest_refuses_is_not_copied(guest, signed, files, here):
    guest.does["FileStat"] = lambda link, m: link.refuse(m, "NOT_ALLOWED", "refused: not below file_roots")
    (here / "a").write_text("x")
    for paths in ((here / "a", "guest:/b"), ("guest:/b", here / "c")):
        done = signed("cp", *paths)
        assert done.returncode == 77 and "file_roots" in done.stderr
    only(here, "a")


def test_a_guest_with_another_checksum_writes_nothing(guest, signed, files, here):
    (here / "a").write_text("x")
    honest = files.write

    def spoilt(link, m):
        m["command_type"]["data"] = base64.b64encode(b"y").decode()
        honest(link, m)
    guest.does["FileWrite"] = spoilt
    done = signed("cp", here / "a", "guest:/b")
    assert done.returncode == 76 and "checksum" in done.stderr and not list(files.folder.iterdir())


def test_what_is_no_file_is_not_copied(signed, files, here):
    os.mkfifo(here / "fifo")
    assert signed("cp", here / "fifo", "guest:/b").returncode == 64
    assert signed("cp", here, "guest:/b").returncode == 64
    (files.folder / "d").mkdir()
    done = signed("cp", "guest:/d", here)
    assert done.returncode == 70 and "of type directory" in done.stderr
    (files.folder / "a").write_text("x")
    assert signed("cp", "guest:/a", "/dev/null").returncode == 64 and not pathlib.Path("/dev/null").is_file()
    assert signed("cp", "guest:/none", here / "x").returncode == 70
    only(here, "fifo")


@pytest.mark.parametrize("words", [["a", "b"], ["guest:/a", "guest:/b"], ["guest:a", "b"], ["guest:/a"], ["guest:/a", ""],
                                   ["guest:/a/../b", "c"]])
def test_paths_that_make_no_sense_are_a_mistake_of_the_user(guest, signed, here, words):
    assert signed("cp", *words, cwd=here).returncode == 64
    assert not guest.heard and not list(here.iterdir())


def test_an_interrupted_copy_leaves_nothing(guest, started, files, here):
    going = threading.Event()
    (files.folder / "a").write_bytes(bytes(2 * CHUNK))
    honest = files.read

    def slow(link, m):
        if m["command_type"]["offset"]:
            going.set()
        else:
            honest(link, m)
    guest.does |= {"FileRead": slow, "JobCancel": lambda link, m: link.respond(guest.said("FileRead")[-1], 143, error="cancelled",
                                                                               stderr="cancelled")}
    p = started("cp", "guest:/a", here / "a")
    assert going.wait(DEADLINE)
    p.send_signal(signal.SIGINT)
    assert ended(p)[0] == 130 and not list(here.iterdir())


def test_standard_input_that_does_not_come_can_be_interrupted(guest, started, files):
    guest.does["JobCancel"] = lambda link, m: link.refuse(m, "NOT_FOUND", "no such job")  # if it is that quick
    ours, theirs = os.pipe()
    try:
        p = started("cp", "-", "guest:/a", stdin=ours)
        wait_for(lambda: guest.said("FileStat"), "the tool asks for the target")
        p.send_signal(signal.SIGINT)
        assert ended(p)[0] == 130 and not guest.said("FileWrite")
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_lost_connection_leaves_nothing(guest, signed, files, here):
    (files.folder / "a").write_bytes(bytes(2 * CHUNK))
    honest = files.read

    def die(link, m):
        if m["command_type"]["offset"]:
            guest.hang_up()
            raise Gone
        honest(link, m)
    guest.does["FileRead"] = die
    done = signed("cp", "guest:/a", here / "a")
    assert done.returncode == 69 and "hung up" in done.stderr and not list(here.iterdir())
