#!/bin/sh
# Enforces the layering of docs/ARCHITECTURE.md: a folder's sources may include only headers of
# that folder and of the folders named after it here.
set -eu
cd "${top_srcdir:-.}"
status=0
allow() {
	from=$1
	ok=$(printf '%s|' "$@")
	if grep -nE '^[[:space:]]*#[[:space:]]*include "' "$from"/*.[ch] |
		grep -vE "include \"(${ok%|})/"; then
		echo "^ $from/ may include only: $*"
		status=1
	fi
}
allow base
allow collectors base
allow exec base
allow proto base
allow virtio base
allow watch base
allow packages base
allow reports base collectors exec proto virtio watch
allow commands reports base collectors exec proto virtio watch
allow config commands base collectors virtio
allow agent config commands reports base collectors exec proto virtio watch
allow execd config commands reports base collectors exec proto
allow job commands reports base collectors exec proto packages
allow helper base exec proto packages
allow host base commands proto virtio
allow docs reports base collectors commands
exit $status
