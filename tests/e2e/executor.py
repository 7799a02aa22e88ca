"""The executor in tests: started at the first connection to its socket, as a socket unit does, and again
whenever it has gone; and a host that signs what it sends."""
import hashlib
import hmac
import json
import os
import pathlib
import secrets
import select
import signal
import socket
import subprocess
import threading
import time

from harness import CLI, DEADLINE, environment, wait_for

BUILD = CLI.parent
EXECD, JOB = BUILD / "vmvitals-execd", BUILD / "vmvitals-job"
SECRET = "9611629bbdd645fccd468a01c6511a75fe0c9c32b44cf4b45013d3208e7a96f8"


class Executor:
    """What systemd would do for vmvitals-execd.socket, in a thread."""

    def __init__(self, folder, *, level="full", config="", secret=SECRET, idle=30, args=(), env=None):
        self.folder = pathlib.Path(folder)
        for name in ("run", "state", "etc", "etc/trusted-keys.d"):
            (self.folder / name).mkdir(mode=0o755, exist_ok=True)
        self.path = self.folder / "run" / "execd.sock"
        self.config = self.folder / "execd.conf"
        self.config.write_text(f"[agent]\nvm_id = lab\n[policy]\nlevel = {level}\n{config}")
        self.secret = self.folder / "agent.env"
        if secret:
            self.secret.write_text(f"INFINISERVICE_SHARED_SECRET={secret}\n")
            self.secret.chmod(0o600)
        self.stderr = self.folder / "execd.log"
        self.args = ["--config", self.config, "--run-dir", self.folder / "run", "--state-dir", self.folder / "state",
                     "--config-dir", self.folder / "etc", "--secret-env", self.secret, "--job", JOB,
                     "--idle-exit", str(idle), *args]
        self.env = environment(**(env or {}))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(self.path))
        self.socket.listen(16)
        self.starts = 0
        self.process = None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.is_over.is_set():
            if self.process and self.process.poll() is None:
                self.is_over.wait(0.02)
            elif select.select([self.socket], [], [], 0.05)[0]:
                self.start()

    def start(self):
        fd = self.socket.fileno()

        def hand_over():
            os.dup2(fd, 3)
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.execve(EXECD, ["vmvitals-execd", *map(str, self.args)],
                      {**self.env, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})

        with open(self.stderr, "ab") as log:
            self.process = subprocess.Popen(["vmvitals-execd"], executable=EXECD, stderr=log,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            preexec_fn=hand_over, close_fds=False)
        self.starts += 1

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.stderr.read_text(errors="replace") if self.stderr.exists() else ""

    def set_config(self, text):
        self.config.write_text(text)

    def reload(self):
        os.kill(self.pid, signal.SIGHUP)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait_gone(self, timeout=DEADLINE):
        wait_for(lambda: not self.is_running(), "the executor is gone", timeout)

    def stop(self):
        self.is_over.set()
        self.thread.join()
        self.socket.close()
        if self.is_running():
            self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        log = self.log()
        assert "ERROR: AddressSanitizer" not in log and "runtime error:" not in log, log


def envelope_v1(payload, secret=SECRET, ts=None, nonce=None):
    text = payload if isinstance(payload, str) else json.dumps(payload)
    ts = int(time.time() * 1000) if ts is None else ts
    nonce = nonce or secrets.token_hex(16)
    sig = hmac.new(secret.encode(), f"1\n{ts}\n{nonce}\n{text}".encode(), hashlib.sha256).hexdigest()
    return {"type": "signed", "v": 1, "ts": ts, "nonce": nonce, "payload": text, "sig": sig}


def raw(text, ident, **members):
    return {"type": "UnsafeCommand", "id": ident, "raw_command": text, "timeout": 20, **members}


def do(host, payload, **options):
    """Signs and sends it; returns its answer and what came before."""
    host.actions[payload["id"]] = payload.get("command_type", {}).get("action", "UnsafeCommand")
    host.acks = host.acks or payload.get("stream", False)
    host.send(envelope_v1(payload, **options))
    return host.answer_to(payload["id"])


def run(host, text, **members):
    return do(host, raw(text, host.fresh_id(), **members))[0]
