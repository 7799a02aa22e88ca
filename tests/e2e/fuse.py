"""A filesystem in user space whose statfs answers, or does not: fuse.py FOLDER hang|answer

Speaks the protocol of /dev/fuse itself. It lives in a mount namespace of its own, so that nobody else meets it, and that
nothing of it stays when those in the namespace have ended. Takes words on standard input: hang, answer, unmount.
"""
import ctypes
import errno
import os
import select
import stat
import struct
import sys

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
GETATTR, STATFS, INIT, DESTROY = 3, 17, 26, 38
NO_ANSWER = (2, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET
BUFFER = 1 << 18

BLOCK, BLOCKS, FREE, AVAIL, FILES, FILES_FREE = 4096, 5 << 20, 3 << 20, 2 << 20, 1000, 900

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def enter(pid):
    """Into the mount namespace of that process; for preexec_fn."""
    fd = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    check(libc.setns(fd, CLONE_NEWNS), "setns")
    os.close(fd)
    os.chdir("/")


def mount(folder):
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "mount --make-rprivate")
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other"
    check(libc.mount(b"vmvtest", os.fsencode(folder), b"fuse.vmvtest", ctypes.c_ulong(0), options.encode()), "mount")
    return fuse


class Filesystem:
    def __init__(self, fuse, hangs):
        self.fuse = fuse
        self.hangs = hangs
        self.waiting = []

    def reply(self, unique, body=b"", error=0):
        try:
            os.write(self.fuse, struct.pack("=IiQ", 16 + len(body), -error, unique) + body)
        except FileNotFoundError:  # who asked was killed meanwhile
            pass

    def reply_statfs(self, unique):
        self.reply(unique, struct.pack("=5Q4I24x", BLOCKS, FREE, AVAIL, FILES, FILES_FREE, BLOCK, 255, BLOCK, 0))

    def serve_request(self):
        request = os.read(self.fuse, BUFFER)
        _, opcode, unique = struct.unpack_from("=IIQ", request)
        if opcode == INIT:
            self.reply(unique, struct.pack("=4I2H2I2H8I", 7, 31, 65536, 0, 12, 9, 65536, 1, 0, 0, *[0] * 8))
            print("mounted", flush=True)
        elif opcode == STATFS:
            self.waiting.append(unique)
        elif opcode == GETATTR:
            attributes = struct.pack("=6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o755, 2, 0, 0, 0, BLOCK, 0)
            self.reply(unique, struct.pack("=QII", 1, 0, 0) + attributes)
        elif opcode == DESTROY:
            self.reply(unique)
        elif opcode not in NO_ANSWER:
            self.reply(unique, error=errno.ENOSYS)

    def go_on(self):
        while self.waiting and not self.hangs:
            self.reply_statfs(self.waiting.pop())


def main():
    folder, mode = sys.argv[1:]
    try:
        fs = Filesystem(mount(folder), mode == "hang")
    except OSError as e:
        print(f"cannot: {e.strerror}", flush=True)
        return
    words = b""
    while True:
        ready = select.select([fs.fuse, 0], [], [])[0]
        if 0 in ready:
            data = os.read(0, 100)
            if not data:
                return  # closing /dev/fuse ends it for all who wait
            words += data
        while b"\n" in words:
            word, words = words.split(b"\n", 1)
            if word == b"unmount":
                check(libc.umount2(os.fsencode(folder), MNT_DETACH), "umount")
            else:
                fs.hangs = word == b"hang"
            print("done", flush=True)
        if fs.fuse in ready:
            try:
                fs.serve_request()
            except OSError as e:
                if e.errno == errno.ENODEV:  # unmounted
                    return
                if e.errno not in (errno.ENOENT, errno.EAGAIN, errno.EINTR):
                    raise
        fs.go_on()


if __name__ == "__main__":
    main()
