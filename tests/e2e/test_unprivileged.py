"""The agent as it is meant to run: as an ordinary user."""
import os
import pwd
import shutil
import socket

import pytest
from harness import AGENT, HELPER, status_of
from test_values import need_whole_list

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become another user; then every test shows it")


@pytest.fixture
def nobody(start):
    """An agent that runs as nobody, from where nobody may read it."""
    user = pwd.getpwnam("nobody")
    program = start.folder / "vmvitalsd"
    shutil.copy(AGENT, program)
    program.chmod(0o755)
    helper = start.folder / "vmvitals-helper"
    shutil.copy(HELPER, helper)
    helper.chmod(0o755)

    def become():
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    return start("--interval", "3600", "--helper", str(helper), executable=program, preexec_fn=become)


def test_it_runs_as_nobody_without_capabilities(nobody):
    status = status_of(nobody.pid)
    assert status["Uid"] == str(pwd.getpwnam("nobody").pw_uid) and int(status["CapEff"], 16) == 0


def test_everything_works_and_what_cannot_be_seen_is_null(start, nobody):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = start.host(nobody)
        data = host.metrics["data"]
        mine = next(p for p in data["ports"] if p["port"] == listener.getsockname()[1] and p["protocol"] == "TCP")
        assert (mine["pid"], mine["process_name"], mine["exe_path"]) == (None, None, None)
    for p in data["processes"]:
        if p["pid"] == os.getpid():
            assert (p["exe_path"], p["disk_read_bytes"], p["disk_write_bytes"]) == (None, None, None)
    need_whole_list()
    rows = {p["pid"]: p for p in host.data_of("ProcessList")}
    me = rows[os.getpid()]
    assert me["exe_path"] is None and me["command_line"] and me["user"] == "root" and me["memory_kb"] > 0
    own = rows[nobody.pid]
    assert own["exe_path"].endswith("/vmvitalsd") and own["user"] == "nobody"
    for action in ("Ping", "GetMetrics", "SystemInfo", "OsInfo", "ProcessTop"):
        assert host.ask(action)["success"]


def test_no_collector_fails(start, nobody):
    start.host(nobody)
    nobody.state()
    lines = [line for line in nobody.log().splitlines() if ": collector " in line]
    assert len(lines) > 8 and not any(": failed" in line for line in lines), nobody.log()


def test_its_socket_belongs_to_it_and_goes_with_it(nobody):
    st = nobody.socket.stat()
    assert (st.st_uid, st.st_mode & 0o777) == (pwd.getpwnam("nobody").pw_uid, 0o660)
    assert nobody.stop() == 0 and not nobody.socket.exists()
