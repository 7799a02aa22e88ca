"""Options and configuration files."""
import pathlib
import re

import pytest
from harness import run_agent


@pytest.fixture
def conf(tmp_path):
    return tmp_path / "agent.conf"


def check(conf, *args):
    return run_agent("--config", conf, *args, "--check-config")


def dump(conf, *args):
    """{section.key: [values]}"""
    done = run_agent("--config", conf, *args, "--dump-config")
    assert (done.returncode, done.stderr) == (0, "")
    found, section = {}, ""
    for line in done.stdout.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, value = (part.strip() for part in line.split("=", 1))
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


def refused(done, *texts):
    assert done.returncode == 78 and done.stdout == ""
    for text in texts:
        assert text in done.stderr, done.stderr


# -- good ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n; nothing\n", "[metrics]\ninterval = 10\n",
                                  "[metrics]\r\ninterval=10\r\n", "[metrics]\ninterval: 10\n",
                                  "\ufeff[metrics]\ninterval = 10\n", "[scripts]\npoll = 0\n",
                                  "[agent]\nlog_level = info,session=debug\n", "[agent]\nvm_id =\n"])
def test_good_file_is_good(conf, text):
    conf.write_bytes(text.encode())
    done = check(conf)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_check_config_calls_good_the_agent_starts_with(start):
    start("--interval", "3600", config="[metrics]\ninterval = 7\n")


# -- bad -------------------------------------------------------------------------------------------

BAD = {
    "a value that is no number": ("[metrics]\ninterval = soon\n", 2, "interval"),
    "a number with a unit": ("[metrics]\n\ninterval = 30s\n", 3, "interval"),
    "a negative number": ("[metrics]\nprocesses = -1\n", 2, "processes"),
    "a number out of range": ("# a\n# b\n[protocol]\nline_in = 65\n", 4, "line_in"),
    "a number beyond 64 bits": ("[protocol]\nline_in = 99999999999999999999\n", 2, "line_in"),
    "an empty number": ("[metrics]\ninterval =\n", 2, "interval"),
    "no yes and no no": ("[metrics]\ncmdline = perhaps\n", 2, "cmdline"),
    "an unknown word": ("[policy]\nlevel = root\n", 2, "level"),
    "an unknown key": ("[metrics]\nintervall = 30\n", 2, "intervall"),
    "a known key in another section": ("[agent]\ninterval = 30\n", 2, "interval"),
    "an unknown section": ("[metric]\ninterval = 30\n", 2, "[metric]"),
    "a key without a section": ("interval = 30\n", 1, "interval"),
    "a section that is not closed": ("[metrics\ninterval = 30\n", 1, ""),
    "a line that is nothing": ("[metrics]\nthirty\n", 2, ""),
    "a channel of an unknown kind": ("[agent]\nchannel = tcp:1234\n", 2, "tcp:1234"),
    "a channel without a target": ("[agent]\nchannel = unix-listen:\n", 2, "unix-listen:"),
    "a channel in an unknown dialect": ("[agent]\nchannel = stdio,dialect=klingon\n", 2, "dialect"),
    "a port name with a slash": ("[agent]\nchannel = virtio:a/b\n", 2, "virtio:a/b"),
    "a vsock port that is none": ("[agent]\nchannel = vsock-listen:x\n", 2, "vsock-listen:x"),
    "a path too long for a socket": ("[agent]\nchannel = unix-listen:/%s\n" % ("x" * 120), 2, "too long"),
    "an id with a quote": ('[agent]\nvm_id = a"b\n', 2, "vm_id"),
    "an unknown log level": ("[agent]\nlog_level = loud\n", 2, "loud"),
    "a misspelt action": ("[policy]\ndeny = RebootSystm\n", 2, "RebootSystm"),
    "a line too long": ("[agent]\n# %s\n" % ("x" * 300), 2, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_refused_with_the_line_and_what_is_wrong(conf, name):
    text, line, what = BAD[name]
    conf.write_text(text)
    refused(check(conf), f"{conf}:{line}: ", what)


@pytest.mark.parametrize("name", ["an unknown key", "a value that is no number"])
def test_the_agent_does_not_start_with_a_bad_file(conf, name):
    conf.write_text(BAD[name][0])
    refused(run_agent("--config", conf), f"{conf}:{BAD[name][1]}: ")


def test_a_nul_byte_is_refused(conf):
    conf.write_bytes(b"[metrics]\ninterval = 30\0\n")
    refused(check(conf), str(conf), "NUL")


def test_a_file_that_is_too_long_is_refused(conf):
    conf.write_text("# x\n" * 30000)
    refused(check(conf), str(conf))


def test_a_named_file_must_be_there(conf):
    refused(check(conf), str(conf), "No such file")


def test_a_folder_is_no_file(tmp_path):
    refused(check(tmp_path), str(tmp_path))


def test_more_than_eight_channels_are_refused(conf):
    conf.write_text("[agent]\n" + "".join(f"channel = unix-listen:/run/{n}\n" for n in range(9)))
    refused(check(conf), "channels")


def test_a_channel_named_twice_is_refused(conf):
    conf.write_text("[agent]\nchannel = unix-listen:/run/a\nchannel = unix-listen:/run/a\n")
    refused(check(conf), "unix-listen:/run/a")


def test_the_first_fault_of_several_is_told(conf):
    conf.write_text("[metrics]\nprocesses = x\ninterval = y\n")
    refused(check(conf), f"{conf}:2: ")


# -- drop-ins, options -----------------------------------------------------------------------------

def drop_in(conf, name, text):
    folder = pathlib.Path(f"{conf}.d")
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def test_drop_ins_override_in_order_of_their_names(conf):
    conf.write_text("[metrics]\ninterval = 10\nprocesses = 1\ncmdline = no\n")
    drop_in(conf, "20-b.conf", "[metrics]\ninterval = 20\n")
    drop_in(conf, "10-a.conf", "[metrics]\ninterval = 15\nprocesses = 2\n")
    drop_in(conf, "30-c.conf~", "[metrics]\ninterval = 25\n")
    drop_in(conf, ".40-d.conf", "[metrics]\ninterval = 25\n")
    now = dump(conf)
    assert (now["metrics.interval"], now["metrics.processes"], now["metrics.cmdline"]) == (["20"], ["2"], ["no"])


def test_a_list_in_a_drop_in_replaces_the_former_one(conf):
    conf.write_text("[agent]\nchannel = stdio\n[policy]\ndeny = Ping\ndeny = ProcessList\n")
    drop_in(conf, "a.conf", "[policy]\ndeny = SystemInfo OsInfo\n")
    assert dump(conf)["policy.deny"] == ["SystemInfo", "OsInfo"]


def test_a_fault_in_a_drop_in_is_told_with_its_name(conf):
    conf.write_text("")
    drop_in(conf, "50-x.conf", "[metrics]\n\nprocesses = 1000\n")
    refused(check(conf), f"{conf}.d/50-x.conf:3: ")


def test_options_override_files(conf):
    conf.write_text("[metrics]\ninterval = 10\n[agent]\nchannel = stdio\nvm_id = file\n")
    now = dump(conf, "--interval", "11", "--channel", "unix-listen:/run/a", "--channel", "unix-listen:/run/b",
               "--vm-id", "option", "--log-level", "debug", "--root", "/tmp")
    assert now["metrics.interval"] == ["11"] and now["agent.vm_id"] == ["option"]
    assert now["agent.channel"] == ["unix-listen:/run/a", "unix-listen:/run/b"]
    assert now["agent.log_level"] == ["debug"] and now["agent.root"] == ["/tmp"]


@pytest.mark.parametrize("option, value", [("--interval", "0"), ("--interval", "x"), ("--interval", "4000"),
                                           ("--channel", "nonsense"), ("--log-level", "loud"), ("--vm-id", "a b")])
def test_a_bad_value_of_an_option_is_refused(conf, option, value):
    conf.write_text("")
    refused(run_agent("--config", conf, option, value, "--check-config"))


def test_what_is_dumped_can_be_read_again(conf, tmp_path):
    conf.write_text("[metrics]\ninterval = 12\ncmdline = off\n[network]\nexclude = a* b*\n[policy]\nlevel = FULL\n"
                    "deny = Ping\n[scripts]\npoll = 0\n[agent]\nchannel = stdio\nchannel = virtio:x\n"
                    "log_level = warning,session=debug\n")
    first = run_agent("--config", conf, "--dump-config")
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    second = run_agent("--config", again, "--dump-config")
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout and "deny = Ping" in first.stdout
    assert dump(conf)["metrics.cmdline"] == ["no"] and dump(conf)["policy.level"] == ["full"]


def test_the_dump_of_the_defaults_can_be_read_again(conf, tmp_path):
    conf.write_text("")
    first = run_agent("--config", conf, "--dump-config")
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    assert run_agent("--config", again, "--dump-config").stdout == first.stdout


def test_an_empty_list_stays_empty_through_a_dump(conf, tmp_path):
    conf.write_text("[network]\nexclude =\n[agent]\nchannel =\n")
    first = run_agent("--config", conf, "--dump-config")
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    assert run_agent("--config", again, "--dump-config").stdout == first.stdout
    assert dump(again)["network.exclude"] == [""]


def test_every_setting_is_explained_in_the_dump(conf):
    conf.write_text("")
    lines = run_agent("--config", conf, "--dump-config").stdout.splitlines()
    keys = [i for i, line in enumerate(lines) if re.match(r"\w+ =", line)]
    names = {lines[i].split()[0] for i in keys}
    assert {"channel", "vm_id", "interval", "processes", "line_in", "queue_high", "in_flight", "deny"} <= names
    for i in keys:
        assert lines[i - 1].startswith("# ") or lines[i - 1].split()[0] == lines[i].split()[0]


# -- usage -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("args", [["--nonsense"], ["-x"], ["operand"], ["--interval"], ["--once", "--bogus"]])
def test_bad_usage_exits_64_and_says_where_help_is(args):
    done = run_agent(*args)
    assert (done.returncode, done.stdout) == (64, "") and "--help" in done.stderr


def test_help_names_every_option():
    done = run_agent("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--config", "--check-config", "--dump-config", "--once", "--foreground", "--help", "--version",
                   "--channel", "--vm-id", "--log-level", "--root", "--interval"):
        assert re.search(rf"^  {option}( [A-Z]+)? +[A-Z]", done.stdout, re.M), option


def test_version_is_one_line():
    done = run_agent("--version")
    assert done.returncode == 0 and re.fullmatch(r"vmvitalsd \d+\.\d+\.\d+\n", done.stdout)


def test_a_root_that_is_missing_is_said(conf, tmp_path):
    conf.write_text("")
    done = run_agent("--config", conf, "--root", tmp_path / "none", "--once")
    assert done.returncode == 1 and str(tmp_path / "none") in done.stderr


def test_once_that_cannot_write_says_so(conf):
    conf.write_text("")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = run_agent("--config", conf, "--once", stdout=full)
    assert done.returncode == 1 and "No space left" in done.stderr
