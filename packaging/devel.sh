# Sourced by demo and test (bash, in the top folder): the Debian packages it takes to build,
# test and show vmvitals, and the build itself. Nowhere else are these packages listed.
# shellcheck shell=bash disable=SC2034

build_packages=(
    gcc libc6-dev make autoconf automake autoconf-archive pkg-config
    libevent-dev libinih-dev libjson-c-dev libmnl-dev libsystemd-dev libudev-dev nettle-dev
)
unit_packages=(check dbus-daemon)
e2e_packages=(openssl python3 python3-pytest)
# Programs that tests compare with (PACKAGE, or PACKAGE:PROGRAM). Unpacked, not installed: a package
# would start its service.
e2e_peers=(prometheus-node-exporter qemu-guest-agent:qemu-ga)
vm_packages=(
    python3 qemu-system-x86 mmdebstrap kmod lz4 cpio e2fsprogs
    libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients
)

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root or sudo for: $*"
    fi
}

# need_packages LOG PACKAGE...: installs those that are missing, and says so first.
need_packages() {
    local log=$1 missing=() package
    shift
    if ! command -v apt-get >/dev/null; then
        echo "No apt-get here; this takes what Debian calls: $*"
        return
    fi
    for package in $(printf '%s\n' "$@" | sort -u); do
        dpkg-query -Wf '${Status}\n' "$package" 2>/dev/null | grep -q ' installed$' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Installing Debian packages with apt-get: ${missing[*]}"
    apt_get "$log" install "${missing[@]}" ||
        { apt_get "$log" update && apt_get "$log" install "${missing[@]}"; } ||
        { tail -n 15 "$log" >&2; die "apt-get failed; the log is $log"; }
}

# unpack_peers LOG FOLDER PEER...: those whose program is not there, below FOLDER, and PATH so that
# it is found. Without them the tests that need them are skipped, with the reason.
unpack_peers() {
    local log=$1 folder=$2 peer package
    shift 2
    PATH=$PATH:/usr/sbin:$PWD/$folder/usr/bin:$PWD/$folder/usr/sbin
    for peer; do
        package=${peer%:*}
        command -v "${peer#*:}" >/dev/null && continue
        command -v apt-get >/dev/null || return 0
        echo "Unpacking the Debian package $package into $folder"
        mkdir -p "$folder"
        (
            cd "$folder" || exit
            apt-get -qq download "$package" || { apt_get /dev/stdout update; apt-get -qq download "$package"; }
            dpkg-deb -x "$package"_*.deb . && rm -f "$package"_*.deb
        ) >>"$log" 2>&1 </dev/null || echo "That failed; the log is $log"
    done
}

apt_get() {
    local log=$1
    shift
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1 </dev/null
}

# build FOLDER CONFIGURE-OPTION...: quietly; the log is FOLDER/build.log.
build() {
    local folder=$1 options
    shift
    options="--prefix=/usr --sysconfdir=/etc --localstatedir=/var --runstatedir=/run $*"
    [ ! -e config.status ] || die "this tree is configured in place; run 'make distclean' first"
    : >"$folder/build.log"
    if [ ! -e configure ] || [ ! -e Makefile.in ]; then
        ./bootstrap >>"$folder/build.log" 2>&1 || return
    fi
    (
        cd "$folder" || exit
        if [ ! -e Makefile ] || [ "$(cat configured 2>/dev/null)" != "$options" ]; then
            # shellcheck disable=SC2086 # the options are words
            ../../configure -q $options && echo "$options" >configured || exit
        fi
        make -s -j"$(nproc)"
    ) >>"$folder/build.log" 2>&1
}

# guest_image: builds what the test guest boots from, if it is not there yet.
guest_image() {
    tests/vm/lab/build-image --check && return
    echo "Building a Debian guest (about a minute)"
    as_root env TMPDIR="${TMPDIR:-/tmp}" ${VMV_VM_CACHE:+VMV_VM_CACHE="$VMV_VM_CACHE"} \
        tests/vm/lab/build-image
}
