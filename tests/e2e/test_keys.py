"""vmvitals keys and vmvitals sign: what they write is what a guest verifies."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time

import pytest

from harness import GOLDEN, run_cli

SEED = "vmvitals-ed25519-seed"


def ok(done):
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def mode_of(path):
    return path.stat().st_mode & 0o7777


def key_of(path):
    """The raw public key of a file FILE.pub."""
    return base64.b64decode(path.read_text().split()[0], validate=True)


def id_of(public):
    return hashlib.sha256(public).hexdigest()[:16]


@pytest.fixture
def key(tmp_path):
    ok(run_cli("keys", "generate", tmp_path / "key"))
    return tmp_path / "key"


def test_a_key_is_made_for_its_owner_only(tmp_path):
    old = os.umask(0)
    try:
        out = ok(run_cli("keys", "generate", tmp_path / "key", "--comment", "host 1"))
    finally:
        os.umask(old)
    private, public = tmp_path / "key", tmp_path / "key.pub"
    assert mode_of(private) == 0o600 and mode_of(public) == 0o644
    lines = [line for line in private.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 1
    word, seed = lines[0].split()
    assert word == SEED and len(base64.b64decode(seed, validate=True)) == 32
    assert public.read_text().split(" ", 1)[1] == "host 1\n"
    assert id_of(key_of(public)) in out and public.read_text().split()[0] in out
    assert seed not in out


def test_no_two_keys_are_alike(tmp_path):
    made = [json.loads(ok(run_cli("keys", "generate", tmp_path / f"key{i}", "--json"))) for i in range(5)]
    assert len({key["public"] for key in made}) == 5
    assert all(id_of(base64.b64decode(key["public"])) == key["id"] for key in made)


@pytest.mark.parametrize("there", ["key", "key.pub"])
def test_an_old_key_is_never_lost(tmp_path, there):
    (tmp_path / there).write_text("precious")
    done = run_cli("keys", "generate", tmp_path / "key")
    assert done.returncode == 70 and "exists" in done.stderr
    assert (tmp_path / there).read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_the_public_key_is_that_of_the_private_one(tmp_path):
    """By the golden keys, whose seeds are known."""
    golden = json.loads((GOLDEN / "signed-v2.expect.json").read_text())
    for known in golden["keys"]:
        seed = base64.b64encode(bytes.fromhex(known["private_seed_hex"])).decode()
        private = write(tmp_path / f"key{known['n']}", f"# lab\n{SEED} {seed}\n")
        line = json.loads(ok(run_cli("sign", "--key", private, "--vm-id", "x", "--session", "y", "{}")))
        assert line["key"] == known["id"]


# -- trust, list -------------------------------------------------------------------------------------


def test_a_trusted_key_is_listed(tmp_path, key):
    trusted = tmp_path / "trusted"
    public = key.with_suffix(".pub")
    ident = id_of(key_of(public))
    assert ok(run_cli("keys", "list", "--dir", trusted)) == ""  # nobody is trusted yet
    assert ident in ok(run_cli("keys", "trust", public, "--dir", trusted, "--comment", "host 1"))
    assert mode_of(trusted) == 0o755 and mode_of(trusted / f"{ident}.pub") == 0o644
    assert key_of(trusted / f"{ident}.pub") == key_of(public)
    assert ident in ok(run_cli("keys", "list", "--dir", trusted))
    row = json.loads(ok(run_cli("keys", "list", "--dir", trusted, "--json")))
    assert row == {"id": ident, "public": base64.b64encode(key_of(public)).decode(), "comment": "host 1",
                   "file": f"{ident}.pub", "error": None}
    # once more, with another comment: the same file
    ok(run_cli("keys", "trust", public, "--dir", trusted, "--comment", "host 2"))
    assert [path.name for path in trusted.iterdir()] == [f"{ident}.pub"]
    assert json.loads(ok(run_cli("keys", "list", "--dir", trusted, "--json")))["comment"] == "host 2"


def test_a_private_key_is_not_trusted_by_mistake(tmp_path, key):
    done = run_cli("keys", "trust", key, "--dir", tmp_path / "trusted")
    assert done.returncode == 70 and "no public key" in done.stderr
    assert not (tmp_path / "trusted").exists()


def test_what_the_executor_would_ignore_says_why(tmp_path, key):
    trusted = tmp_path / "trusted"
    ok(run_cli("keys", "trust", key.with_suffix(".pub"), "--dir", trusted))
    write(trusted / "open.pub", key.with_suffix(".pub").read_text(), 0o666)
    write(trusted / "nonsense.pub", "ssh-ed25519 AAAA\n", 0o644)
    write(trusted / "esc.pub", key.with_suffix(".pub").read_text().strip() + " \x1b[31m\n", 0o644)
    (trusted / "link.pub").symlink_to("nonsense.pub")
    rows = {row["file"]: row for row in map(json.loads, ok(run_cli("keys", "list", "--dir", trusted, "--json")).splitlines())}
    assert "written by others" in rows["open.pub"]["error"] and rows["open.pub"]["id"] is None
    assert "no public key" in rows["nonsense.pub"]["error"]
    assert "link" in rows["link.pub"]["error"]
    text = ok(run_cli("keys", "list", "--dir", trusted))
    assert text.count("ignored") == 3 and "\x1b" not in text
    trusted.chmod(0o777)
    for verb in (["list"], ["trust", key.with_suffix(".pub")]):
        done = run_cli("keys", *verb, "--dir", trusted)
        assert done.returncode == 77 and "write" in done.stderr


@pytest.mark.parametrize("comment", ["a\nb", "a\x1bb", "x" * 128])
def test_a_comment_is_one_short_line(tmp_path, key, comment):
    done = run_cli("keys", "trust", key.with_suffix(".pub"), "--dir", tmp_path / "trusted", "--comment", comment)
    assert done.returncode == 70 and "comment" in done.stderr
    assert not (tmp_path / "trusted").exists()


# -- sign ----------------------------------------------------------------------------------------------


def test_signing_gives_the_golden_lines(tmp_path):
    """Ed25519 has no chance in it: the same key, text and counter are the same line."""
    golden = json.loads((GOLDEN / "signed-v2.expect.json").read_text())
    seeds = {key["id"]: bytes.fromhex(key["private_seed_hex"]) for key in golden["keys"]}
    lines = (GOLDEN / "signed-v2.ndjson").read_text().split("\n")
    compared = 0
    for case in golden["cases"]:
        expected = json.loads(lines[case["line"] - 1])
        if case["verdict"] != "ACCEPTED":
            continue
        private = tmp_path / expected["key"]
        write(private, f"{SEED} {base64.b64encode(seeds[expected['key']]).decode()}\n")
        args = ["sign", "--key", private, "--vm-id", golden["vm_id"], "--session", expected["session"],
                "--counter", str(expected["counter"])]
        assert json.loads(ok(run_cli(*args, expected["payload"]))) == expected, case["name"]
        assert json.loads(ok(run_cli(*args, input=expected["payload"] + "\n"))) == expected, case["name"]
        compared += 1
    assert compared >= 7


def test_a_line_is_ascii_and_one_line(key):
    out = ok(run_cli("sign", "--key", key, "--vm-id", "x", "--session", "y", '{"a":"\u00e9\U0001d800\U0001f600",\n"b":1}'))
    assert out.isascii() and out.count("\n") == 1 and out.endswith("\n")
    assert json.loads(out)["payload"] == '{"a":"\u00e9\U0001d800\U0001f600",\n"b":1}'


def test_counters_rise_with_the_time(key):
    args = ["sign", "--key", key, "--vm-id", "x", "--session", "y", "{}"]
    before = time.time_ns() // 1000
    counters = [json.loads(ok(run_cli(*args)))["counter"] for _ in range(3)]
    assert before <= counters[0] < counters[1] < counters[2] <= time.time_ns() // 1000


def test_a_secret_signs_version_1(tmp_path):
    golden = json.loads((GOLDEN / "signed-v1.expect.json").read_text())
    secret = write(tmp_path / "secret", golden["secret"] + "\n")
    lines = [json.loads(ok(run_cli("sign", "--secret", secret, '{"type":"Metrics","a":"\u00e9"}'))) for _ in range(2)]
    for line in lines:
        text = f"{line['v']}\n{line['ts']}\n{line['nonce']}\n{line['payload']}".encode()
        assert line["sig"] == hmac.new(golden["secret"].encode(), text, hashlib.sha256).hexdigest()
        assert abs(line["ts"] - time.time() * 1000) < 300000
    assert lines[0]["nonce"] != lines[1]["nonce"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
@pytest.mark.parametrize("option", ["--key", "--secret"])
def test_what_others_can_read_is_refused(tmp_path, key, option, mode):
    path = write(tmp_path / "open", key.read_text(), mode)
    more = ["--vm-id", "x", "--session", "y"] if option == "--key" else []
    done = run_cli("sign", option, path, *more, "{}")
    assert done.returncode == 77 and done.stdout == "" and "by others" in done.stderr
    assert SEED not in done.stderr


@pytest.mark.parametrize("message", ["", "[]", "x", '{"a":}', '"{}"'])
def test_only_objects_are_signed(key, message):
    done = run_cli("sign", "--key", key, "--vm-id", "x", "--session", "y", input=message)
    assert done.returncode == 70 and done.stdout == "" and "no JSON object" in done.stderr


@pytest.mark.parametrize("args", [
    ["keys"], ["keys", "generate"], ["keys", "trust"], ["keys", "list", "x"], ["keys", "lose", "x"], ["sign", "{}"],
    ["sign", "--key", "k", "{}"], ["sign", "--key", "k", "--vm-id", "x", "{}"], ["sign", "--key", "k", "--secret", "s", "{}"],
    ["sign", "--secret", "s", "--counter", "1", "{}"], ["sign", "--key", "k", "--counter", "0", "{}"],
    ["sign", "--key", "k", "--counter", "9007199254740992", "{}"], ["show", "--session", "x"], ["show", "--dir", "x"]])
def test_what_does_not_fit_together_is_a_usage_error(args):
    done = run_cli(*args)
    assert done.returncode == 64 and done.stdout == ""


def test_openssl_agrees(tmp_path, key):
    """A second opinion on keys and signatures of our own making."""
    der = bytes.fromhex("302a300506032b6570032100") + key_of(key.with_suffix(".pub"))
    line = json.loads(ok(run_cli("sign", "--key", key, "--vm-id", "vm", "--session", "s", "--counter", "7", '{"type":"Metrics"}')))
    (tmp_path / "pub").write_bytes(der)
    (tmp_path / "text").write_bytes(b'vmvitals-signed-v2\nvm\ns\n7\n{"type":"Metrics"}')
    (tmp_path / "sig").write_bytes(base64.b64decode(line["sig"], validate=True))
    try:
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", tmp_path / "pub", "-rawin",
                               "-in", tmp_path / "text", "-sigfile", tmp_path / "sig"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no openssl(1) here")
    assert done.returncode == 0, done.stdout
