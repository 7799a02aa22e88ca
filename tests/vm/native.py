"""The host's side of the native protocol, as far as the tests need it."""
import json
import time
import uuid

import vm

DEADLINE = 30  # seconds; the machine can be slow, and a test waits for things, not for time


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

    def close(self):
        self.end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
