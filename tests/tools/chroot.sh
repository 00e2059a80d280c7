#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs a command on the committed tree in a bare Debian of its own, as root:
#
#   chroot.sh SUITE ARCHITECTURE COMMAND...      as in: chroot.sh trixie amd64 .ci/run
#
# The Debian is made once for each suite and architecture, below $MUTRACE_CHROOTS
# (/var/cache/mutrace-chroots), and copied for each run; the copy is $KEEP, if that is set, and stays for the
# next. The tree is $TREE (/root/mutrace) in it. What the command leaves in /root/out is copied to $OUT; it
# finds a copy of $IN as /root/in. It needs root, debootstrap, git and unshare. Nothing stays mounted: the
# mounts are those of a namespace. Its /dev is its own, so nothing that is installed there changes the host's
# devices, and no session of the host is seen.
set -eu
[ $# -ge 3 ] || {
	sed -n 's/^# \{0,1\}//; 3,12p' "$0" >&2
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

# make_debian SUITE ARCHITECTURE: $made is its directory. The times of the mirror's lists are not asked for:
# a copy of sid may be old.
make_debian() {
	made=$chroots/$1-$2
	[ ! -e "$made/complete" ] || return 0
	rm -rf "$made"
	echo "chroot.sh: making a Debian $1 for $2 in $made" >&2
	# A first attempt that failed leaves nothing that a second one takes for complete.
	debootstrap --variant=minbase --arch="$2" "$1" "$made" "$mirror" >"$made.log" 2>&1 || {
		tail -n 20 "$made.log" >&2
		exit 1
	}
	echo 'Acquire::Check-Valid-Until "false";' >"$made/etc/apt/apt.conf.d/90mirror"
	touch "$made/complete"
}

copy=
handler=
finish() {
	[ -z "$copy" ] || [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$copy"
	[ -z "$handler" ] || echo -1 >"/proc/sys/fs/binfmt_misc/$handler"
}
trap finish EXIT

# Programs for aarch64 run in qemu-user of Debian 13 (that of Debian 12 hangs), which the kernel starts for
# them as long as this script runs.
emulate() {
	export EMULATED=1 # for what asks more of a kernel than that can
	local emulator=$chroots/qemu-aarch64
	if [ ! -e "$emulator" ]; then
		make_debian trixie "$(dpkg --print-architecture)"
		cp -L /etc/resolv.conf "$made/etc/resolv.conf"
		# shellcheck disable=SC2016 # the inner shell's
		chroot "$made" sh -c 'apt-get -q update && cd /tmp && apt-get -q download qemu-user &&
			dpkg -x qemu-user_*.deb qemu' >"$emulator.log" 2>&1 ||
			{
				tail -n 20 "$emulator.log" >&2
				exit 1
			}
		cp "$made/tmp/qemu/usr/bin/qemu-aarch64" "$emulator"
		rm -rf "$made"/tmp/qemu*
	fi
	mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
	handler=mutrace-$$
	# the head of an ELF file for 64 bit, little endian, of type 2 or 3, for machine 183
	printf '%s' ":$handler:M::" \
		'\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:' \
		'\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:' \
		"$emulator:OF" >/proc/sys/fs/binfmt_misc/register
}
case $architecture-$(uname -m) in
arm64-aarch64) ;;
arm64-*) emulate ;;
esac
make_debian "$suite" "$architecture"
base=$made

copy=${KEEP:-$(mktemp -d "$chroots/run.XXXXXX")}
tree=${TREE:-/root/mutrace}
if [ ! -e "$copy/root/out" ]; then
	[ -z "${KEEP:-}" ] || rm -rf --one-file-system "$copy"
	mkdir -p "$copy"
	cp -a "$base/." "$copy"
	mkdir "$copy/root/out" # at last: so the copy is whole
fi
mkdir -p "$copy/$tree"
# A file that has not changed keeps its time, so that no more is built again than must be.
[ -z "${IN:-}" ] || cp -a "$IN" "$copy/root/in"
rm -rf "$copy/root/new"
mkdir "$copy/root/new"
git -C "$top" archive HEAD | tar -x -C "$copy/root/new"
(
	cd "$copy/root/new"
	find . -type f | while read -r file; do
		cmp -s "$file" "$copy/$tree/$file" ||
			install -D -m "$(stat -c %a "$file")" "$file" "$copy/$tree/$file"
	done
)
rm -rf "$copy/root/new"
# A file that an earlier call put there goes when the tree has it no longer.
git -C "$top" ls-tree -r --name-only HEAD | sort >"$copy/root/files.new"
if [ -e "$copy/root/files" ]; then
	comm -23 "$copy/root/files" "$copy/root/files.new" | while read -r file; do
		rm -f "$copy/$tree/$file"
	done
fi
mv "$copy/root/files.new" "$copy/root/files"
cp -L /etc/resolv.conf "$copy/etc/resolv.conf" 2>/dev/null || true

personality=
[ "$architecture" != i386 ] || personality=linux32 # uname says i686, as on such a machine

status=0
# shellcheck disable=SC2016,SC2086 # the inner shell's; nothing or a command
$personality unshare --mount --propagation private --pid --fork --kill-child sh -c '
	set -e
	root=$1 tree=$2
	shift 2
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	cd "$root/dev"
	mkdir pts shm
	mount -t devpts -o newinstance,ptmxmode=666 devpts pts
	mount -t tmpfs -o mode=1777 tmpfs shm
	while read -r name minor; do
		mknod -m 666 $name c $minor
	done <<-DEVICES
		null 1 3
		zero 1 5
		full 1 7
		random 1 8
		urandom 1 9
		tty 5 0
	DEVICES
	ln -s pts/ptmx ptmx
	ln -s /proc/self/fd fd
	ln -s fd/0 stdin
	ln -s fd/1 stdout
	ln -s fd/2 stderr
	exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C CI="${CI:-}" \
		EMULATED="${EMULATED:-}" sh -c "cd $tree && exec \"\$@\"" sh "$@"
' sh "$copy" "$tree" "$@" || status=$?
[ -z "${OUT:-}" ] || cp -a "$copy/root/out/." "$OUT"
exit $status
