"""What is installed and what could be: compared with what the system's own tools say. What changes
packages works on a system of its own, made of this one and thrown away."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest
from harness import BUILD, HELPER, command

JOB = BUILD / "vmvitals-job"
UNSUPPORTED = {"supported": False, "platform": "linux"}
EXACT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/"}

has_dpkg = pytest.mark.skipif(not (shutil.which("dpkg-query") and shutil.which("apt")), reason="no dpkg and apt here")


def said(*argv):
    return subprocess.run(argv, env=EXACT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120,
                          text=True).stdout


def installed():
    """{(name, architecture): version} as dpkg has it."""
    lines = said("dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Architecture}\t${Version}\n").splitlines()
    rows = [line.split("\t") for line in lines]
    return {(name, arch): version for status, name, arch, version in rows if status == "installed"}


def refused(host, action, code, **arguments):
    r = host.ask(action, **arguments)
    assert r.get("error_code") == code, r
    return r


@pytest.fixture(scope="module")
def reader(start_shared):
    return start_shared.host(start_shared("--interval", "3600"))


# -- what is installed -----------------------------------------------------------------------------

@has_dpkg
def test_installed_packages_are_those_of_dpkg(reader):
    r = reader.ask("PackageList")
    assert {(p["name"], p["architecture"]): p["version"] for p in r["data"]["packages"]} == installed()
    assert r["stdout"] == f"{len(installed())} packages" and r["data"]["package_manager"] == "Apt"
    sources = dict(line.split("\t") for line in
                   said("dpkg-query", "-W", "-f", "${Package}\t${source:Package}\n").splitlines())
    assert all(sources[p["name"]] == p["source"] for p in r["data"]["packages"])
    bash = next(p for p in r["data"]["packages"] if p["name"] == "bash")
    assert bash["description"] == said("dpkg-query", "-W", "-f", "${binary:Summary}", "bash").strip()


@has_dpkg
def test_a_list_is_kept_and_one_answers_many(start):
    host = start.host(start("--interval", "3600"))
    host.send(*(command("PackageList", f"p{i}") for i in range(5)))
    answers = [host.answer_to(f"p{i}")[0]["data"] for i in range(5)]
    assert len({a["generated_at"] for a in answers}) == 1
    assert host.data_of("PackageList")["generated_at"] == answers[0]["generated_at"]


@has_dpkg
def test_applications_are_the_packages_with_their_sizes(reader):
    r = reader.ask("GetInstalledApplicationsWMI")
    assert len(json.dumps(r["data"])) <= 512 << 10
    found = {a["name"]: a for a in r["data"]["applications"]}
    if not r.get("truncated"):
        assert set(found) == {name for name, _ in installed()}
    kib = int(said("dpkg-query", "-W", "-f", "${Installed-Size}", "bash"))
    assert found["bash"]["size_mb"] == round(kib / 1024, 2) and found["bash"]["install_date"]
    details = reader.data_of("GetApplicationDetails", app_id="bash")
    assert {k: details[k] for k in found["bash"]} == found["bash"] and details["description"]


@has_dpkg
def test_what_is_not_installed_is_not_found(reader):
    for action in ("GetApplicationDetails", "CheckSpecificAppUpdates", "EstimateUpdateSize"):
        r = refused(reader, action, "NOT_FOUND", app_id="no-such-package")
        assert r["error"] == "'no-such-package' is not installed" and r["data"] is None
        refused(reader, action, "BAD_ARGUMENT")
        refused(reader, action, "BAD_ARGUMENT", app_id="-o")
        refused(reader, action, "BAD_ARGUMENT", app_id="a b")


# -- search ----------------------------------------------------------------------------------------

@has_dpkg
def test_a_search_finds_what_apt_cache_finds(reader):
    r = reader.ask("PackageSearch", query="bash")
    names = {line.split(" - ")[0] for line in said("apt-cache", "search", "--", "bash").splitlines()}
    if not names:
        pytest.skip("apt has no lists here")
    found = {p["name"]: p for p in r["data"]["packages"]}
    assert set(found) == names if len(names) <= 2000 else len(found) == 2000 and r["truncated"]
    assert r["stdout"] == f"Found {len(found)} packages matching 'bash'"
    here = {name for name, _ in installed()}
    assert all(p["installed"] == (p["name"] in here) for p in found.values())
    assert found["bash"]["version"] and found["bash"]["installed"]


@has_dpkg
def test_a_query_is_text_and_no_expression(reader):
    """As an expression g++ would be many g, and be found in everything."""
    for p in reader.data_of("PackageSearch", query="g++")["packages"][:5]:
        about = said("apt-cache", "--no-all-versions", "show", "--", p["name"])
        assert "g++" in about.lower(), p
    refused(reader, "PackageSearch", "BAD_ARGUMENT", query="")
    refused(reader, "PackageSearch", "BAD_ARGUMENT", query="-o")
    refused(reader, "PackageSearch", "BAD_ARGUMENT", query="a|b")
    assert reader.data_of("PackageSearch", query="no-such-package-at-all")["packages"] == []


# -- updates ---------------------------------------------------------------------------------------

def upgradable():
    """{(name, architecture): (current, available, suites)}"""
    rows = re.findall(r"^([^/\n]+)/(\S+) (\S+) (\S+) \[upgradable from: (\S+)\]$", said("apt", "list", "--upgradable"), re.M)
    return {(name, arch): (current, available, suites) for name, suites, available, arch, current in rows}


@has_dpkg
def test_updates_are_those_of_apt(reader):
    awaited = upgradable()
    data = reader.data_of("CheckLinuxUpdates")
    assert {(u["package_name"], u["architecture"]): (u["current_version"], u["available_version"], u["repository"])
            for u in data["pending_updates"]} == awaited
    security = {key for key, value in awaited.items() if "-security" in value[2]}
    assert {(u["package_name"], u["architecture"]) for u in data["pending_updates"] if u["is_security"]} == security
    assert (data["total_pending_count"], data["security_updates_count"]) == (len(awaited), len(security))
    assert reader.data_of("GetPendingLinuxUpdates") == data  # the same answer, not another one
    only = reader.data_of("GetLinuxSecurityUpdates")
    assert [u for u in data["pending_updates"] if u["is_security"]] == only["pending_updates"]
    assert only["total_pending_count"] == len(awaited)


@has_dpkg
def test_updates_of_applications_have_the_sizes_of_the_archive(reader):
    data = reader.data_of("CheckApplicationUpdates")
    awaited = upgradable()
    assert data["summary"]["total"] == len(awaited) == len(data["applications"])
    assert reader.data_of("GetAvailableUpdates") == data
    assert {a["name"] for a in reader.data_of("GetSecurityUpdates")["applications"]} \
        == {a["name"] for a in data["applications"] if a["is_security_update"]}
    for a in data["applications"][:2]:
        size = re.search(r"^Size: (\d+)$", said("apt-cache", "show", f"{a['name']}={a['new_version']}"), re.M)
        assert a["update_size_bytes"] == int(size[1]), a
        one = reader.data_of("CheckSpecificAppUpdates", app_id=a["name"])
        assert (one["update_available"], one["size_bytes"]) == (a["new_version"], a["update_size_bytes"])
    current = sorted(name for name, _ in installed() if name not in {name for name, _ in awaited})[0]
    assert reader.data_of("EstimateUpdateSize", app_id=current)["size_bytes"] == 0
    assert reader.data_of("CheckSpecificAppUpdates", app_id=current)["update_available"] is None


@has_dpkg
def test_the_health_check_knows_of_updates_when_there_was_a_list(start):
    host = start.host(start("--interval", "3600"))
    check = host.data_of("RunHealthCheck", check_name="security_updates")
    assert (check["status"], check["message"]) == ("unknown", "no list of updates has been made yet")
    n = host.data_of("CheckLinuxUpdates")["security_updates_count"]
    check = host.data_of("RunHealthCheck", check_name="security_updates")
    assert check["status"] == ("warning" if n else "passed")
    assert check["message"].startswith(f"{n} security update")


@has_dpkg
def test_when_memory_runs_short_the_agent_is_not_the_first(start):
    agent = start("--interval", "3600")
    start.host(agent).data_of("PackageSearch", query="bash")

    def score(pid):
        return int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text())

    helpers = pathlib.Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    assert 1000 in map(score, helpers) and score(agent.pid) < 1000


READ_ONLY = 'mount --rbind / "$1" && mount -o remount,bind,ro "$1" && test ! -w "$1/tmp" && exec chroot "$1" "$2"'


@has_dpkg
def test_lists_are_read_where_nothing_can_be_written_but_in_a_corner(tmp_path):
    """As a service with ProtectSystem=strict has it: apt wants a directory for temporary files."""
    if os.geteuid() != 0 or not os.access("/dev/shm", os.W_OK):
        pytest.skip("needs root, and /dev/shm")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with subprocess.Popen(["unshare", "-m", "sh", "-c", READ_ONLY, "sh", str(tmp_path), str(HELPER)], stdin=theirs, env={"PATH": EXACT["PATH"]},
                          stderr=subprocess.PIPE, text=True) as helper:
        theirs.close()
        with ours:
            ours.settimeout(120)
            try:
                ours.send(b"software updates x")
                answer = ours.recv(1 << 20)
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
        if not answer:
            pytest.skip(f"nothing can be mounted here: {helper.stderr.read()}")
    assert answer.startswith((b"ok\n", b"more\n")), answer


def test_of_a_recorded_machine_nothing_is_told(start, tree):
    host = start.host(start("--root", str(tree), "--interval", "3600"))
    assert refused(host, "PackageList", "UNSUPPORTED")["data"] == UNSUPPORTED
    assert refused(host, "CheckLinuxUpdates", "UNSUPPORTED")["data"] == UNSUPPORTED


# -- changes ---------------------------------------------------------------------------------------

CONTROL = """Package: vmv-test
Version: {version}
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: a package of a test
"""


class Copy:
    """This system below a layer that takes all changes, with a repository of one package."""

    def __init__(self, folder):
        self.layer, self.root = folder / "layer", folder / "root"
        self.mounts = []
        self.layer.mkdir()
        self.root.mkdir()
        self.mount("tmpfs", self.layer, "-t", "tmpfs")
        for name in ("upper", "work"):
            (self.layer / name).mkdir()
        self.mount("overlay", self.root, "-t", "overlay", "-o", f"lowerdir=/,upperdir={self.layer}/upper,workdir={self.layer}/work")
        self.mount("/proc", self.root / "proc", "--bind")
        self.mount("/dev", self.root / "dev", "--bind")
        shutil.copy(JOB, self.root / "vmvitals-job")
        shutil.rmtree(self.root / "etc/apt/sources.list.d", ignore_errors=True)
        (self.root / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/repository ./\n")
        (self.root / "repository").mkdir()

    def mount(self, what, where, *options):
        subprocess.run(["mount", *options, str(what), str(where)], check=True, stderr=subprocess.DEVNULL)
        self.mounts.append(where)

    def unmount(self):
        for where in reversed(self.mounts):
            subprocess.run(["umount", "-l", str(where)], check=True)

    def publish(self, version, setting):
        """A version of the package, with a file of settings."""
        top = self.root / f"build-{version}"
        (top / "DEBIAN").mkdir(parents=True)
        (top / "etc").mkdir()
        (top / "DEBIAN/control").write_text(CONTROL.format(version=version))
        (top / "DEBIAN/conffiles").write_text("/etc/vmv-test.conf\n")
        (top / "etc/vmv-test.conf").write_text(setting)
        deb = self.root / f"repository/vmv-test_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(top), str(deb)], check=True, stdout=subprocess.DEVNULL)
        body = deb.read_bytes()
        (self.root / "repository/Packages").write_text(
            CONTROL.format(version=version)
            + f"Filename: ./{deb.name}\nSize: {len(body)}\nSHA256: {hashlib.sha256(body).hexdigest()}\n\n")

    def run(self, *argv):
        return subprocess.run(["chroot", str(self.root), *argv], env=EXACT, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, text=True)

    def version(self):
        return self.run("dpkg-query", "-W", "-f", "${Version}", "vmv-test").stdout.strip()

    def start(self, action, **arguments):
        """vmvitals-job as the runner starts it. Returns the process, and a file for its result."""
        message = command(action, "1", **arguments)
        description = {
            "kind": "action", "message": message, "deadline_ms": int(time.monotonic() * 1000) + 60000, "group": None,
            "settings": {"root": "/", "run_dir": "/run", "state_dir": "/var/lib", "config_dir": "/etc", "run_as_allow": [],
                         "file_roots": ["/"], "secret_paths": [], "temp_age_days": 10, "executor": os.getpid(), "agent": 0}}
        told = os.memfd_create("description")
        os.write(told, json.dumps(description).encode())
        os.lseek(told, 0, os.SEEK_SET)
        read_end, write_end = os.pipe()

        def arrange():
            os.dup2(told, 63)
            os.dup2(write_end, 62)
            os.dup2(63, 3)
            os.dup2(62, 4)
            os.chroot(self.root)
            os.chdir("/")

        job = subprocess.Popen(["/vmvitals-job"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=arrange, close_fds=False, env={}, text=True)
        os.close(told)
        os.close(write_end)
        return job, os.fdopen(read_end)

    def do(self, action, **arguments):
        job, result = self.start(action, **arguments)
        out, err = job.communicate(timeout=120)
        with result:
            told = result.read().split("\n", 1)[1]
        return json.loads(told), out, err


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    if os.geteuid() != 0 or not JOB.exists() or not shutil.which("dpkg-deb"):
        pytest.skip("needs root, vmvitals-job and dpkg-deb")
    c = None
    try:
        c = Copy(tmp_path_factory.mktemp("copy"))
    except (OSError, subprocess.CalledProcessError) as e:
        pytest.skip(f"no layer can be put over the system here: {e}")
    before = installed()
    yield c
    c.unmount()
    assert installed() == before


@has_dpkg
def test_a_package_is_installed_updated_and_removed(copy):
    """One story: each step begins where the one before ended."""
    copy.publish("1.0", "first\n")
    assert copy.run("apt-get", "update").returncode == 0

    r, _, err = copy.do("PackageInstall", package="vmv-nosuch")
    assert r["is_childs"] and r["exit_code"] == 100 and "vmv-nosuch" in err
    assert r["data"] == {"package": "vmv-nosuch", "changed": False}

    r, out, _ = copy.do("PackageInstall", package="vmv-test")
    assert (r["error"], r["is_childs"], r["exit_code"]) == (None, True, 0) and "Setting up vmv-test (1.0)" in out
    assert r["data"] == {"package": "vmv-test", "changed": True} and copy.version() == "1.0"
    assert copy.do("PackageInstall", package="vmv-test")[0]["data"]["changed"] is False

    # somebody changed the settings: they are kept, and nobody is asked
    (copy.root / "etc/vmv-test.conf").write_text("mine\n")
    assert copy.do("PackageUpdate", package="vmv-test")[0]["data"]["changed"] is False  # there is nothing newer
    copy.publish("2.0", "second\n")  # apt may see it at once: lists of file:// can be links to what is there
    r, out, _ = copy.do("UpdateSystemSoftware")
    assert r["exit_code"] == 0 and r["data"]["updated_count"] == 1, (r, out)
    assert r["data"]["reboot_required"] == r["data"]["requires_reboot"]
    assert copy.version() == "2.0" and (copy.root / "etc/vmv-test.conf").read_text() == "mine\n"

    copy.publish("3.0", "third\n")
    assert copy.run("apt-get", "update").returncode == 0
    r, _, _ = copy.do("UpdateSystemSoftware", package="vmv-test")
    assert r["data"] == {"package": "vmv-test", "changed": True} and copy.version() == "3.0"

    r, _, _ = copy.do("PackageRemove", package="vmv-test")
    assert r["exit_code"] == 0 and r["data"] == {"package": "vmv-test", "changed": True}
    for action in ("PackageRemove", "PackageUpdate"):
        r, _, _ = copy.do(action, package="vmv-test")
        assert (r["error_code"], r["error"]) == ("NOT_FOUND", "'vmv-test' is not installed")


@has_dpkg
def test_a_name_is_no_more_than_a_name(copy):
    """apt-get would remove bash for the first, and read the second as an expression."""
    assert copy.do("PackageInstall", package="bash-")[0]["error_code"] == "BAD_ARGUMENT"
    assert copy.do("PackageInstall", package="vmv.test")[0]["error_code"] == "NOT_FOUND"
    assert copy.do("PackageRemove", package="vmv-test+")[0]["error_code"] == "NOT_FOUND"


@has_dpkg
def test_a_transaction_is_finished_though_nobody_listens_any_more(copy):
    """Whoever reads its output ends: dpkg must not die of a pipe that is gone."""
    copy.publish("4.0", "fourth\n")
    assert copy.run("apt-get", "update").returncode == 0
    job, result = copy.start("PackageInstall", package="vmv-test")
    assert result.readline() == "\n" and job.stdout.readline()  # it has begun
    job.stdout.close()
    job.stderr.close()
    result.close()
    job.wait(timeout=120)
    assert copy.version() == "4.0"
    assert copy.run("dpkg", "--audit").stdout == ""
