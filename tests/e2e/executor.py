"""The executor in tests: started at the first connection to its socket, as a socket unit does, and again
whenever it has gone; and a host that signs what it sends."""
import base64
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

import ed25519
from harness import CLI, DEADLINE, environment, wait_for

BUILD = CLI.parent
EXECD, JOB = BUILD / "vmvitals-execd", BUILD / "vmvitals-job"
SECRET = "9611629bbdd645fccd468a01c6511a75fe0c9c32b44cf4b45013d3208e7a96f8"


class Executor:
    """What systemd would do for vmvitals-execd.socket, in a thread."""

    def __init__(self, folder, *, level="full", config="", secret=SECRET, idle=30, args=(), env=None, job=JOB,
                 vm_id="lab"):
        self.folder = pathlib.Path(folder)
        for name in ("run", "state", "etc", "etc/trusted-keys.d"):
            (self.folder / name).mkdir(mode=0o755, exist_ok=True)
        self.path = self.folder / "run" / "execd.sock"
        self.config = self.folder / "execd.conf"
        self.config.write_text(f"[agent]\nvm_id = {vm_id}\n[policy]\nlevel = {level}\n{config}")
        self.secret = self.folder / "agent.env"
        if secret:
            self.secret.write_text(f"INFINISERVICE_SHARED_SECRET={secret}\n")
            self.secret.chmod(0o600)
        self.stderr = self.folder / "execd.log"
        self.args = ["--config", self.config, "--run-dir", self.folder / "run", "--state-dir", self.folder / "state",
                     "--config-dir", self.folder / "etc", "--secret-env", self.secret, "--job", job,
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
            os.set_inheritable(3, True)  # where it was 3 already
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
        """It can have answered before the thread that started it knows of it."""
        return wait_for(lambda: self.process, "it has been started").pid

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


class Link:
    """A peer of the executor: lines in packets, '+' before all pieces of one but the last, '.' before that."""

    PIECE = 32 << 10

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(str(path))
        self.socket.settimeout(DEADLINE)
        self.ref = 0

    def send_line(self, line):
        for at in range(0, len(line), self.PIECE) or [0]:
            is_last = at + self.PIECE >= len(line)
            self.socket.send((b"." if is_last else b"+") + line[at:at + self.PIECE])

    def send(self, kind, **members):
        self.ref += 1
        self.send_line(json.dumps({"type": kind, "ref": self.ref, **members}).encode())
        return self.ref

    def line(self):
        """The next one; None when it has hung up."""
        line = b""
        while True:
            try:
                packet = self.socket.recv(1 + self.PIECE + 1)
            except ConnectionResetError:
                return None
            if not packet:
                return None
            line += packet[1:]
            if packet[:1] == b".":
                return line

    def next(self):
        line = self.line()
        assert line is not None, "the executor hung up"
        return json.loads(line)

    def ask(self, kind, **members):
        ref = self.send(kind, **members)
        while True:
            m = self.next()
            if m.get("ref") == ref:
                return m

    def is_hung_up_on(self):
        while self.line() is not None:
            pass
        return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def envelope_v1(payload, secret=SECRET, ts=None, nonce=None):
    text = payload if isinstance(payload, str) else json.dumps(payload)
    ts = int(time.time() * 1000) if ts is None else ts
    nonce = nonce or secrets.token_hex(16)
    sig = hmac.new(secret.encode(), f"1\n{ts}\n{nonce}\n{text}".encode(), hashlib.sha256).hexdigest()
    return {"type": "signed", "v": 1, "ts": ts, "nonce": nonce, "payload": text, "sig": sig}


def key_id(seed):
    return hashlib.sha256(ed25519.public_key(seed)).hexdigest()[:16]


def trust(executor, seed, name="host"):
    """Installs the public key of a private one, which is 32 bytes. It counts when the executor reads its keys."""
    path = executor.folder / "etc" / "trusted-keys.d" / f"{name}.pub"
    path.write_text(f"{base64.b64encode(ed25519.public_key(seed)).decode()} test\n")
    path.chmod(0o644)
    return path


def envelope_v2(payload, seed, session, number, vm_id="lab", **changed):
    """changed: members that are replaced after signing, 'counter' too."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    sig = ed25519.sign(seed, f"vmvitals-signed-v2\n{vm_id}\n{session}\n{number}\n{text}".encode())
    return {"type": "signed", "v": 2, "key": key_id(seed), "session": session, "counter": number, "payload": text,
            "sig": base64.b64encode(sig).decode()} | changed


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
