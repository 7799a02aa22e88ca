"""Clients of the QEMU guest agent's protocol, as the tests need them."""
import contextlib
import json
import re
import time

import agent_guest
from native import DEADLINE

# What Proxmox VE looks for: the byte, one line ending in a bracket, and at once another.
PAIR = re.compile(rb"^.*\xff([^\n]+}\r?\n[^\n]+})\r?\n", re.S)


def request(execute, **arguments):
    return json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n"


class Client:
    """A client of the port, which sees every byte."""

    def __init__(self, agent):
        self.end = agent.port(agent_guest.QGA).connect()

    def ask(self, execute, timeout=DEADLINE, **arguments):
        """As libvirt does: the next line is the answer."""
        self.end.send(request(execute, **arguments))
        return json.loads(self.end.line(timeout))["return"]

    def sync(self, number):
        """As libvirt does: what comes before the number is somebody else's."""
        self.end.send(request("guest-sync", id=number))
        deadline = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(ValueError):
                if json.loads(self.end.line(max(0.0, deadline - time.monotonic()))).get("return") == number:
                    return self

    def ask_delimited(self, number, execute):
        """As Proxmox VE does: both in one write, and what comes before the byte does not count."""
        self.end.send(request("guest-sync-delimited", id=number) + request(execute))
        data, deadline = b"", time.monotonic() + DEADLINE
        while True:
            data += self.end.recv(max(0.0, deadline - time.monotonic()))
            found = PAIR.match(data)
            if found:
                sync, answer = map(json.loads, found.group(1).splitlines())
                if sync["return"] == number:
                    assert data[found.end():] == b""
                    return answer["return"]
                assert sync["return"] < number  # of a client before
                data = data[found.end():]

    def close(self):
        self.end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
