"""The executor of a benchmark, as its socket unit has it: started when somebody connects, and again
whenever it has gone; and what a host signs for it."""

import hashlib
import hmac
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time

from common import PATIENCE_S, Skip

SECRET = "9611629bbdd645fccd468a01c6511a75fe0c9c32b44cf4b45013d3208e7a96f8"
VM_ID = "bench"
LISTEN_FD = 3  # sd_listen_fds(3)


def signed(message):
    """The line of an envelope of version 1."""
    ts, nonce, payload = int(time.time() * 1000), secrets.token_hex(16), json.dumps(message)
    sig = hmac.new(SECRET.encode(), f"1\n{ts}\n{nonce}\n{payload}".encode(), hashlib.sha256)
    envelope = {"type": "signed", "v": 1, "ts": ts, "nonce": nonce, "payload": payload,
                "sig": sig.hexdigest()}
    return json.dumps(envelope).encode() + b"\n"


def check_root():
    if os.geteuid() != 0:
        raise Skip("the executor runs as root")


class Executor:
    """Its socket, and its process while there is one."""

    def __init__(self, place, idle_s):
        check_root()
        folder = tempfile.mkdtemp(prefix="execd", dir=place.scratch)
        for name in ("run", "state", "etc"):
            os.mkdir(os.path.join(folder, name), mode=0o755)
        self.path = os.path.join(folder, "run", "execd.sock")
        config, secret = os.path.join(folder, "execd.conf"), os.path.join(folder, "agent.env")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"[agent]\nvm_id = {VM_ID}\n[policy]\nlevel = full\n")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write(f"INFINISERVICE_SHARED_SECRET={SECRET}\n")
        self.argv = [place.execd, "--config", config, "--run-dir", os.path.join(folder, "run"),
                     "--state-dir", os.path.join(folder, "state"),
                     "--config-dir", os.path.join(folder, "etc"), "--secret-env", secret,
                     "--job", place.job, "--idle-exit", str(idle_s), "--log-level", "error"]
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process, self.over = None, threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.thread.start()
        return self

    def serve(self):
        while not self.over.is_set():
            if self.count():
                self.over.wait(0.01)
            elif select.select([self.listener], [], [], 0.05)[0]:
                self.start()

    def start(self):
        def hand_over():
            os.dup2(self.listener.fileno(), LISTEN_FD)
            os.set_inheritable(LISTEN_FD, True)
            os.execve(self.argv[0], self.argv,
                      {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})

        # pylint: disable=subprocess-popen-preexec-fn
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, preexec_fn=hand_over,
                                        close_fds=False)

    def count(self):
        """Processes: 0 or 1."""
        return int(self.process is not None and self.process.poll() is None)

    def wait_gone(self, seconds):
        end = time.monotonic() + seconds
        while self.count() and time.monotonic() < end:
            time.sleep(0.05)
        return self.count()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.listener.close()
        if self.count():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
