"""A guest for the command line tool: it speaks the protocol, verifies what is signed, and does what a test tells it."""
import base64
import hashlib
import hmac
import json
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

VM_ID = "3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001"
SEED = hashlib.sha256(b"vmvitals lab key 1").digest()  # never outside tests
PUBLIC = base64.b64decode("GXZN36/gXx1UiLVpS5OQTwfa8hvkvzTk3z7iw71FKcE=")
KEY_ID = hashlib.sha256(PUBLIC).hexdigest()[:16]
SECRET = "9611629bbdd645fccd468a01c6511a75fe0c9c32b44cf4b45013d3208e7a96f8"
STAMP = "2026-07-14T12:00:00.000Z"
WINDOW = 64 * 1024  # bytes and lines that may be on their way without an ack
WINDOW_LINES = 64


def verified(message, signature):
    """Ed25519 by openssl(1): a public key as it wants it has a fixed prefix."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / name for name in "kms"]
        for path, data in zip(paths, (bytes.fromhex("302a300506032b6570032100") + PUBLIC, message, signature)):
            path.write_bytes(data)
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths[0], "-rawin", "-in", paths[1],
             "-sigfile", paths[2]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Gone(Exception):
    """The tool has closed the connection."""


class Link:
    """One connection."""

    def __init__(self, guest, end):
        self.guest = guest
        self.end = end
        self.data = b""
        self.lock = threading.Condition()
        self.sent = 0  # of this session, from the handshake on
        self.acked = 0
        self.marks = []  # what self.sent was behind each line
        self.seq = {}

    def write(self, data):
        try:
            self.end.sendall(data)
        except OSError as e:
            raise Gone from e

    def send(self, message):
        line = json.dumps({"timestamp": STAMP} | message, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            if message["type"] == "handshake":
                self.sent = self.acked = 0
                self.marks = []
            self.sent += len(line)
            self.marks.append(self.sent)
            self.write(line)

    def greet(self, **other):
        self.guest.sessions += 1
        self.session = f"0b9c2f6e-5d41-4c0a-9b8e-{self.guest.sessions:012x}"
        self.guest.counter = self.guest.counters.pop() if self.guest.counters else 0
        self.write(b"\n")
        self.send({"type": "handshake", "vm_id": VM_ID, "version": "1.0.0", "platform": "linux", "protocol": 1,
                   "session": self.session, "boot_id": self.session, "agent": {"name": "vmvitals", "version": "1.0.0"},
                   "hostname": "lab"} | other)

    def respond(self, message, exit_code=0, stdout="", stderr="", data=None, **other):
        """other: error, error_code, truncated, ..."""
        self.send({"type": "response", "id": message["id"], "success": "error" not in other, "exit_code": exit_code,
                   "stdout": stdout, "stderr": stderr, "execution_time_ms": 1,
                   "command_type": "unsafe" if message["type"] == "UnsafeCommand" else "safe", "data": data} | other)

    def refuse(self, message, code, text, **other):
        self.respond(message, 1, error=text, error_code=code, stderr=text, **other)

    def output(self, message, data, stream="stdout", seq=None):
        """As flow control wants it: it waits for acks."""
        with self.lock:
            deadline = time.monotonic() + 30
            while self.sent - self.acked > WINDOW or len([m for m in self.marks if m > self.acked]) >= WINDOW_LINES:
                if not self.lock.wait(max(0, deadline - time.monotonic())):
                    assert time.monotonic() < deadline, f"no ack of {self.sent}, the last one was of {self.acked}"
                if self.end.fileno() < 0:
                    raise Gone
        number = self.seq[message["id"]] = self.seq.get(message["id"], 0) + 1
        text = base64.b64encode(data).decode() if message.get("binary") else data.decode()
        coding = {"encoding": "base64"} if message.get("binary") else {}
        self.send({"type": "output", "id": message["id"], "stream": stream, "seq": seq or number, "data": text} | coding)

    # -- what comes in ------------------------------------------------------------------------

    def lines(self):
        while True:
            while b"\n" in self.data:
                line, self.data = self.data.split(b"\n", 1)
                yield line
            try:
                piece = self.end.recv(1 << 20)
            except OSError:
                return
            if not piece:
                return
            self.data += piece

    def take_ack(self, ack):
        assert set(ack) == {"type", "bytes"}, ack
        with self.lock:
            assert ack["bytes"] in self.marks or ack["bytes"] <= self.acked, "an ack is of whole lines, LF included"
            self.acked = max(self.acked, ack["bytes"])
            self.guest.acks.append(ack["bytes"])
            self.lock.notify_all()

    def opened(self, message):
        """The payload of an envelope, or the bare message; and by what it was signed."""
        if message["type"] != "signed":
            return message, None
        payload = message["payload"]
        if message["v"] == 1:
            text = f"{message['v']}\n{message['ts']}\n{message['nonce']}\n{payload}"
            wanted = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
            assert hmac.compare_digest(wanted, message["sig"]) and abs(message["ts"] - time.time() * 1000) < 300000
            assert message["nonce"] not in self.guest.nonces
            self.guest.nonces.add(message["nonce"])
            return json.loads(payload), 1
        assert message["v"] == 2 and message["key"] == KEY_ID and message["session"] == self.session
        text = f"vmvitals-signed-v2\n{VM_ID}\n{self.session}\n{message['counter']}\n{payload}"
        assert verified(text.encode(), base64.b64decode(message["sig"], validate=True)), "the signature is wrong"
        opened = json.loads(payload)
        if message["counter"] <= self.guest.counter:
            self.guest.replayed += 1
            self.refuse(opened, "REPLAYED", "refused: the counter was used before",
                        data={"session": self.session, "last_counter": self.guest.counter})
            return None, 2
        self.guest.counter = message["counter"]
        return opened, 2

    def take(self, line):
        if not line:
            return
        message = json.loads(line)
        if message["type"] == "ack":
            self.take_ack(message)
            return
        opened, version = self.opened(message)
        if not opened:
            return
        action = (opened.get("command_type") or {}).get("action", opened["type"])
        does = self.guest.does.get(action)
        if action == "Ping" and not does:  # which says nothing but that the session is this one
            self.respond(opened, stdout="pong", data={"session": self.session})
            return
        self.guest.heard.append((action, opened, version))
        assert does, f"nobody expects {action}"
        self.guest.start(does, self, opened)

    def serve(self):
        lines = self.lines()
        assert next(lines, b"") == b"", "a host begins with LF"
        if self.guest.leftovers:
            self.write(self.guest.leftovers)
            time.sleep(0.2)
        if not self.guest.is_mute:
            self.greet(**self.guest.hello)
        for line in lines:
            self.take(line)
        with self.lock:
            self.lock.notify_all()


class FakeGuest:
    """does: by action, what is done with a message: a function of (link, message), in a thread of its own."""

    def __init__(self, path):
        self.path = path
        self.does = {}
        self.hello = {}
        self.is_mute = False
        self.leftovers = b""  # of an earlier session, in the port
        self.heard = []  # (action, message, version of its envelope)
        self.acks = []
        self.nonces = set()
        self.counter = 0  # the last one that was accepted
        self.counters = []  # what it is when a session begins
        self.replayed = 0
        self.sessions = 0
        self.faults = []
        self.links = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.threads = []
        self.start(self.accept)

    def start(self, function, *args):
        def run():
            try:
                function(*args)
            except Gone:
                pass
            except BaseException as e:  # pylint: disable=broad-except
                self.faults.append(repr(e))
                self.hang_up()
        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                end, _ = self.listener.accept()
            except OSError:
                return
            link = Link(self, end)
            self.links.append(link)
            self.start(link.serve)

    def hang_up(self):
        for link in self.links:
            try:
                link.end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def said(self, action):
        """Messages with this action so far."""
        return [message for name, message, _ in list(self.heard) if name == action]

    def close(self):
        self.hang_up()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for thread in self.threads:
            thread.join(30)
        for link in self.links:
            link.end.close()
        assert not self.faults, self.faults


# -- files -----------------------------------------------------------------------------------------

class Files:
    """FileStat, FileRead and FileWrite below a folder, as PROTOCOL.md 6.7 has them."""

    def __init__(self, guest, folder):
        self.folder = folder
        self.spoil = lambda data: data  # of an answer to FileRead, before it is sent
        guest.does |= {"FileStat": self.stat, "FileRead": self.read, "FileWrite": self.write}

    def path_of(self, arguments):
        assert arguments["path"].startswith("/"), arguments
        return self.folder / arguments["path"][1:]

    def stat(self, link, message):
        path = self.path_of(message["command_type"])
        if not path.exists():
            link.refuse(message, "NOT_FOUND", "no such file")
            return
        st = path.stat()
        kind = "file" if path.is_file() else "directory"
        link.respond(message, stdout="1 file", data={
            "path": message["command_type"]["path"], "type": kind, "size": st.st_size, "mode": st.st_mode & 0o7777,
            "uid": st.st_uid, "gid": st.st_gid, "mtime": STAMP, "inode": st.st_ino, "sha256": None})

    def read(self, link, message):
        arguments = message["command_type"]
        content = self.path_of(arguments).read_bytes()
        offset, length = arguments.get("offset", 0), arguments.get("length", 262144)
        assert 1 <= length <= 524288
        piece = content[offset:offset + length]
        eof = offset + length >= len(content)
        link.respond(message, stdout="read", data=self.spoil({
            "path": arguments["path"], "offset": offset, "length": len(piece), "size": len(content), "mtime": STAMP,
            "inode": 7, "eof": eof, "data": base64.b64encode(piece).decode(),
            "sha256": hashlib.sha256(content).hexdigest() if eof else None}))

    def write(self, link, message):
        arguments = message["command_type"]
        path = self.path_of(arguments)
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", arguments["transfer"])
        temp = path.parent / f".vmvitals-{arguments['transfer']}.tmp"
        piece = base64.b64decode(arguments["data"], validate=True)
        assert len(piece) <= 524288
        size = temp.stat().st_size if arguments["offset"] else 0
        if arguments["offset"] != size:
            link.refuse(message, "BAD_ARGUMENT", "refused: wrong offset", data={"next_offset": size})
            return
        with open(temp, "ab" if size else "wb") as f:
            f.write(piece)
        is_last = arguments.get("last", False)
        if is_last and hashlib.sha256(temp.read_bytes()).hexdigest() != arguments["sha256"]:
            temp.unlink()
            link.refuse(message, "BAD_ARGUMENT", "refused: the checksum differs")
            return
        if is_last:
            temp.chmod(arguments.get("mode", 0o600))
            temp.rename(path)
        link.respond(message, stdout="written", data={"next_offset": size + len(piece), "written": is_last})
