#!/bin/bash
# Runs a command of this tree (default: ./test) on a bare Debian 12: a fresh chroot with
# nothing in it but apt. Needs root and mmdebstrap; leaves nothing behind.
#   usage: tests/bare.sh [COMMAND...]
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)

if [ "${VMV_BARE_ROOT-}" ]; then # second half: alone in new mount and pid namespaces
    root=$VMV_BARE_ROOT
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for node in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"
    done
    mknod -m 666 "$root/dev/tty" c 5 0
    mknod -m 666 "$root/dev/fuse" c 10 229
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for fd in stdin:0 stdout:1 stderr:2; do
        ln -s "fd/${fd#*:}" "$root/dev/${fd%:*}"
    done
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        TERM="${TERM:-dumb}" LANG=C.UTF-8 chroot "$root" \
        /bin/sh -c 'cd /root/vmvitals && "$@"; exit $?' sh "${@:-./test}"
fi

[ "$(id -u)" = 0 ] || { echo "bare.sh: needs root" >&2; exit 1; }
root=$(mktemp -d "${TMPDIR:-/tmp}/vmvitals-bare.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Acquire::Languages "none"' bookworm "$root"
mkdir "$root/root/vmvitals"
(cd "$top" && git ls-files -z --cached --others --exclude-standard |
    tar -c --null --ignore-failed-read -T -) | tar -x --no-same-owner -C "$root/root/vmvitals"
echo "bare Debian $(cat "$root/etc/debian_version"), $(grep -c ^Package: "$root/var/lib/dpkg/status") packages"
# Whatever the command starts dies with its pid namespace, and the mounts with theirs.
VMV_BARE_ROOT=$root unshare --mount --pid --fork --kill-child "$0" "$@"
