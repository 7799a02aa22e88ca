"""The executor behind the real agent, through the real sockets: sessions, envelopes, jobs."""
import json
import os
import time

import pytest
from executor import SECRET, Executor, envelope_v1, raw
from harness import DEADLINE, command, wait_for


@pytest.fixture
def executor(start):
    executors = []

    def make(**options):
        folder = start.folder / f"executor{len(executors)}"
        folder.mkdir()
        executors.append(Executor(folder, **options))
        return executors[-1]

    yield make
    for e in executors:
        e.stop()


@pytest.fixture
def pair(start, executor):
    """An agent with an executor of level full and a secret, and a host that may do everything."""
    def make(**options):
        e = executor(**options)
        agent = start("--executor", e.path, "--vm-id", "lab")
        return e, agent, start.host(agent)
    return make


def do(host, payload, **options):
    """Signs and sends it; returns its answer and what came before."""
    host.actions[payload["id"]] = payload.get("command_type", {}).get("action", "UnsafeCommand")
    host.send(envelope_v1(payload, **options))
    return host.answer_to(payload["id"])


def run(host, text, **members):
    return do(host, raw(text, host.fresh_id(), **members))[0]


def test_the_handshake_tells_what_the_executor_can(pair):
    _, _, host = pair()
    h = host.handshake
    assert h["policy"] == {"level": "full", "executor": True, "require_signature": False}
    assert h["capabilities"][:3] == ["metrics", "safe_commands", "unsafe_commands"]
    assert {"signed_v1", "files", "streaming"} <= set(h["capabilities"]) and "signed_v2" not in h["capabilities"]


def test_a_raw_command_is_run_and_answered(pair):
    _, _, host = pair()
    r = run(host, "echo out; echo err >&2; exit 3")
    assert (r["success"], r["exit_code"], r["stdout"], r["stderr"]) == (False, 3, "out\n", "err\n")
    assert r["command_type"] == "unsafe" and "error_code" not in r and r["data"] is None
    r = run(host, "printf 'caf\\303\\251 \\360\\237\\230\\200'")
    assert r["success"] and r["stdout"] == "café 😀"
