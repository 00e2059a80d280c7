#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs a command on the committed tree in a bare Debian of its own, as root:
#
#   chroot.sh SUITE ARCHITECTURE COMMAND...      as in: chroot.sh trixie amd64 .ci/run
#
# The Debian is made once for each suite and architecture, below $MUTRACE_CHROOTS
# (/var/cache/mutrace-chroots), and copied for each run. The tree is /root/mutrace in it. What the command
# leaves in /root/out is copied to $OUT; it finds a copy of $IN as /root/in. It needs root, debootstrap, git
# and unshare. Nothing stays mounted: the mounts are those of a namespace.
set -eu
[ $# -ge 3 ] || {
	sed -n 's/^# \{0,1\}//; 3,10p' "$0" >&2
	exit 2
}
suite=$1 architecture=$2
shift 2
top=$(cd "$(dirname "$0")/../.." && pwd)
chroots=${MUTRACE_CHROOTS:-/var/cache/mutrace-chroots}
mirror=${MUTRACE_MIRROR:-http://deb.debian.org/debian}
for program in debootstrap git unshare; do
	command -v $program >/dev/null || {
		echo "chroot.sh: $program is not installed" >&2
		exit 2
	}
done
[ "$(id -u)" = 0 ] || {
	echo "chroot.sh: a Debian of its own can only be made by root" >&2
	exit 2
}

base=$chroots/$suite-$architecture
mkdir -p "$chroots"
if [ ! -e "$base/complete" ]; then
	rm -rf "$base"
	echo "chroot.sh: making a Debian $suite for $architecture in $base" >&2
	# A first attempt that failed leaves nothing that a second one takes for complete.
	debootstrap --variant=minbase --arch="$architecture" "$suite" "$base" "$mirror" >"$base.log" 2>&1 || {
		tail -n 20 "$base.log" >&2
		exit 1
	}
	touch "$base/complete"
fi

copy=$(mktemp -d "$chroots/run.XXXXXX")
trap 'rm -rf --one-file-system "$copy"' EXIT
cp -a "$base/." "$copy"
mkdir -p "$copy/root/mutrace" "$copy/root/out"
[ -z "${IN:-}" ] || cp -a "$IN" "$copy/root/in"
git -C "$top" archive HEAD | tar -x -C "$copy/root/mutrace"
cp -L /etc/resolv.conf "$copy/etc/resolv.conf" 2>/dev/null || true

personality=
[ "$architecture" != i386 ] || personality=linux32 # uname says i686, as on such a machine

status=0
# shellcheck disable=SC2016,SC2086 # the inner shell's; nothing or a command
$personality unshare --mount --propagation private --pid --fork --kill-child sh -c '
	set -e
	root=$1
	shift
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C CI="${CI:-}" \
		sh -c "cd /root/mutrace && exec \"\$@\"" sh "$@"
' sh "$copy" "$@" || status=$?
[ -z "${OUT:-}" ] || cp -a "$copy/root/out/." "$OUT"
exit $status
