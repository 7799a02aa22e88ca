"""vmvitals exec, cp and run against the real thing: agent, executor and jobs."""
import hashlib
import json
import os
import signal
import subprocess

import pytest
from executor import SECRET, Executor
from harness import CLI, DEADLINE, environment, run_cli, wait_for


@pytest.fixture(scope="module")
def guest(start_shared):
    """An agent with an executor of level full that trusts a secret and a key; both for the whole file."""
    folder = start_shared.folder / "executor"
    folder.mkdir()
    executor = Executor(folder)
    key = folder / "key"
    for words in (["generate", key], ["trust", f"{key}.pub"]):
        done = run_cli("keys", *words, *(["--dir", folder / "etc" / "trusted-keys.d"] if words[0] == "trust" else []))
        assert done.returncode == 0, done
    secret = folder / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    agent = start_shared("--executor", executor.path, "--vm-id", "lab", "--interval", "3600")
    agent.signers = {"key": key, "secret": secret}
    yield agent
    executor.stop()


@pytest.fixture(params=["key", "secret"])
def signed(guest, request):
    return lambda verb, *args, **options: run_cli("--socket", guest.socket, verb, f"--{request.param}",
                                                  guest.signers[request.param], *args, **options)


@pytest.fixture
def with_key(guest):
    return lambda verb, *args, **options: run_cli("--socket", guest.socket, verb, "--key", guest.signers["key"], *args, **options)


def start_cli(guest, *args):
    return subprocess.Popen([CLI, "--socket", str(guest.socket), args[0], "--key", str(guest.signers["key"]), *map(str, args[1:])],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())


def test_a_command_runs_with_its_output_and_status(signed):
    done = signed("exec", "--", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    done = signed("exec", "--", "printf", "[%s]", "a b", "it's", "", "$HOME")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[a b][it's][][$HOME]", "")


def test_what_is_not_signed_is_refused(guest):
    done = run_cli("--socket", guest.socket, "exec", "--", "id")
    assert (done.returncode, done.stdout) == (77, "") and "not signed" in done.stderr and "--key FILE" in done.stderr


def test_another_guest_is_not_commanded(with_key):
    done = with_key("exec", "--vm-id", "web", "--", "id")
    assert done.returncode == 77 and "nothing was sent" in done.stderr
    assert with_key("exec", "--vm-id", "lab", "--", "true").returncode == 0


def test_options_reach_the_command(with_key, tmp_path):
    done = with_key("exec", "--env", "A=b c", "--workdir", tmp_path, "--shell", "sh", "--", 'echo "$A $PWD $0"; id -u')
    assert done.stdout.startswith(f"b c {tmp_path} ") and done.stdout.endswith("\n0\n"), done


def test_bytes_arrive_as_they_are(with_key, tmp_path):
    data = os.urandom(3 << 20)
    (tmp_path / "data").write_bytes(data)
    done = with_key("exec", "--", "cat", tmp_path / "data", text=False)
    assert done.returncode == 0 and done.stdout == data and done.stderr == b""


def test_output_comes_while_the_command_runs_and_an_interrupt_ends_it(guest):
    p = start_cli(guest, "exec", "--timeout", "600", "--", "echo up $$; exec sleep 600")
    word, pid = os.read(p.stdout.fileno(), 100).split()
    assert word == b"up" and os.path.exists(f"/proc/{int(pid)}")
    p.send_signal(signal.SIGINT)
    assert p.communicate(timeout=DEADLINE) == (b"", b"") and p.returncode == 130
    wait_for(lambda: not os.path.exists(f"/proc/{int(pid)}"), "the command is gone")


def test_a_command_whose_reader_has_gone_is_cancelled(guest):
    p = start_cli(guest, "exec", "--timeout", "600", "--", "echo $$; exec yes")
    pid = int(os.read(p.stdout.fileno(), 100).split()[0])
    p.stdout.close()
    assert p.wait(DEADLINE) == 141
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the command is gone")
    p.stderr.close()


def test_a_tool_that_is_killed_takes_its_command_with_it(guest):
    p = start_cli(guest, "exec", "--timeout", "600", "--", "echo $$; exec sleep 600")
    pid = int(os.read(p.stdout.fileno(), 100))
    p.kill()
    p.communicate()
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the command is gone")


def test_time_that_is_over_is_124(with_key):
    done = with_key("exec", "--timeout", "1", "--", "echo began; sleep 60")
    assert (done.returncode, done.stdout) == (124, "began\n") and "timed out after" in done.stderr


@pytest.fixture
def files(with_key):
    """The tool, where the guest has files."""
    if "not supported in this version" in with_key("run", "FileStat", "path=/etc").stderr:
        pytest.skip("this version has no file actions")
    return with_key


def test_what_a_policy_does_not_allow_is_refused(files):
    done = files("run", "FileStat", "path=/proc/self/mem")
    assert done.returncode in (64, 77) and done.stdout == "", done


@pytest.mark.parametrize("size", [0, 5, 512 * 1024, 1300000])
def test_copies_are_equal_both_ways(files, tmp_path, size):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    a, b, c = tmp_path / "here" / "a", tmp_path / "there" / "b", tmp_path / "here" / "c"
    a.write_bytes(os.urandom(size))
    a.chmod(0o640)
    done = files("cp", "--json", a, f"guest:{b}")
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == {"bytes": size, "sha256": hashlib.sha256(a.read_bytes()).hexdigest()}
    assert b.read_bytes() == a.read_bytes() and b.stat().st_mode & 0o7777 == 0o640
    assert [p.name for p in b.parent.iterdir()] == ["b"]
    assert files("cp", f"guest:{b}", c).returncode == 0
    assert c.read_bytes() == a.read_bytes() and c.stat().st_mode & 0o7777 == 0o640


def test_a_file_that_is_not_there_is_said_to_be_missing(files, tmp_path):
    done = files("cp", f"guest:{tmp_path}/none", tmp_path / "x")
    assert done.returncode == 70 and not (tmp_path / "x").exists() and "FileStat" in done.stderr
