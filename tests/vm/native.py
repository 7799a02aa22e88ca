"""The host's side of the native protocol, as far as the tests need it."""
import hashlib
import hmac
import json
import secrets
import time
import uuid

import vm

DEADLINE = 30  # seconds; the machine can be slow, and a test waits for things, not for time


SECRET = "9611629bbdd645fccd468a01c6511a75fe0c9c32b44cf4b45013d3208e7a96f8"  # of the guest's executor


def signed(payload, ts=None):
    """An envelope of version 1, good for five minutes."""
    text, ts, nonce = json.dumps(payload), ts or int(time.time() * 1000), secrets.token_hex(16)
    sig = hmac.new(SECRET.encode(), f"1\n{ts}\n{nonce}\n{text}".encode(), hashlib.sha256).hexdigest()
    return {"type": "signed", "v": 1, "ts": ts, "nonce": nonce, "payload": text, "sig": sig}


def raw_command(text, ident, **members):
    return {"type": "UnsafeCommand", "id": ident, "raw_command": text, "timeout": 30, **members}


def command(action, ident, **arguments):
    return {"type": "SafeCommand", "id": ident, "command_type": {"action": action, **arguments},
            "params": None, "timeout": 10}


class Host:
    """One host's stay on a port."""

    def __init__(self, port, blank=True):
        """blank: begin with LF, as a host must that does not know who was here before."""
        self.began = time.monotonic()
        self.end = port.connect()
        if blank:
            self.end.send(b"\n")

    def message(self, timeout=DEADLINE, first=False):
        """The next message; first: what is no message may come before it, an older host's tail."""
        deadline = time.monotonic() + timeout
        while True:
            line = self.end.line(max(0.0, deadline - time.monotonic()))
            if not line:
                continue
            try:
                return json.loads(line)
            except ValueError:
                if not first:
                    raise
                first = False

    def wait(self, kind, timeout=DEADLINE, first=False):
        """The next message of this type."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.message(max(0.0, deadline - time.monotonic()), first)
            if message["type"] == kind:
                return message
            first = False

    def greet(self, timeout=DEADLINE):
        """The handshake of this host's session. A change of hosts can go unseen by the
        guest: then no handshake comes, and the host asks for a new session."""
        try:
            return self.wait("handshake", 2, first=True)
        except vm.LabError:
            self.end.send(command("Ping", str(uuid.uuid4()), new_session=True))
            return self.wait("handshake", timeout, first=True)

    def send(self, action, **arguments):
        """Ask, return the id."""
        ident = str(uuid.uuid4())
        self.end.send(command(action, ident, **arguments))
        return ident

    def response(self, ident, timeout=DEADLINE):
        deadline = time.monotonic() + timeout
        while True:
            message = self.message(max(0.0, deadline - time.monotonic()), first=True)
            if message["type"] == "response" and message["id"] == ident:
                return message

    def ask(self, action, timeout=DEADLINE, **arguments):
        return self.response(self.send(action, **arguments), timeout)

    # Signed:

    def order(self, action, timeout=60, **arguments):
        """Have it done, return the id."""
        ident = str(uuid.uuid4())
        self.end.send(signed({**command(action, ident, **arguments), "timeout": timeout}))
        return ident

    def do(self, action, timeout=60, **arguments):
        return self.response(self.order(action, timeout, **arguments), timeout + DEADLINE)

    def done(self, action, timeout=60, **arguments):
        """The data of an answer that has to be a success."""
        answer = self.do(action, timeout, **arguments)
        assert answer["success"], answer
        return answer["data"]

    def start(self, text, **members):
        """Start a raw command, return its id."""
        ident = str(uuid.uuid4())
        self.end.send(signed(raw_command(text, ident, **members)))
        return ident

    def raw(self, text, wait=2 * DEADLINE, **members):
        return self.response(self.start(text, **members), wait)

    def push_scripts(self, *scripts):
        """Each an execution_id and a text."""
        common = {"script_id": "s", "script_name": "name", "shell": "SH", "execution_type": "ON_DEMAND",
                  "input_values": {}, "timeout_seconds": 600, "run_as": None}
        self.end.send(signed({"type": "pending_scripts_response", "timestamp": "2026-07-14T12:00:00Z", "scripts": [
            {"execution_id": ident, "script_content": text, **common} for ident, text in scripts]}))

    def close(self):
        self.end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
