#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs a command in a virtual machine that has Debian's kernel, and this machine's files, which it cannot
# change:
#
#   vm.sh COMMAND...      as in: vm.sh python3 $PWD/tests/e2e/attach_refused.py scopes
#
# The kernel is fetched once and kept below $MUTRACE_VM (/var/cache/mutrace-vm). The command is root in /; it
# may write below /tmp, /var/tmp, /run and /dev/shm, and all that is forgotten. Its output comes on stdout,
# and its exit status is ours. It needs qemu-system, kmod, cpio, apt-get and a compiler that links statically
# ($CC). ROOT: another directory than /; KERNEL: another package than linux-image-ARCHITECTURE, or its file;
# QEMU: another emulator's command; ACCEL=kvm: not emulated, where /dev/kvm does what it promises.
set -eu
[ $# -ge 1 ] || {
	sed -n 's/^# \{0,1\}//; 3,13p' "$0" >&2
	exit 2
}
here=$(cd "$(dirname "$0")" && pwd)
cache=${MUTRACE_VM:-/var/cache/mutrace-vm}
case $(uname -m) in
x86_64) machine=amd64 emulator="qemu-system-x86_64" console=ttyS0 ;;
aarch64) machine=arm64 emulator="qemu-system-aarch64 -machine virt" console=ttyAMA0 ;;
*)
	echo "vm.sh: no machine of this kind is known here" >&2
	exit 77
	;;
esac
kernel=${KERNEL:-linux-image-$machine} emulator=${QEMU:-$emulator}
for program in ${emulator%% *} cpio modprobe depmod; do
	command -v "$program" >/dev/null || {
		echo "vm.sh: $program is not installed" >&2
		exit 77
	}
done
kept=$cache/$(basename "$kernel" .deb)
if [ ! -e "$kept/complete" ]; then
	rm -rf "$kept"
	mkdir -p "$kept/deb"
	if [ ! -f "$kernel" ]; then
		# linux-image-amd64 depends on the newest one
		real=$(apt-cache depends "$kernel" |
			sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
		(cd "$kept/deb" && apt-get -q download "${real:-$kernel}") >&2
		kernel=$(echo "$kept"/deb/*.deb)
	fi
	dpkg -x "$kernel" "$kept"
	rm -rf "$kept/deb"
	touch "$kept/complete"
fi
modules=$(echo "$kept"/lib/modules/*)
version=$(basename "$modules")
[ -e "$modules/modules.dep" ] || depmod -b "$kept" "$version"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/modules"
n=100 loaded=" "
for wanted in virtio_pci 9pnet_virtio 9p; do
	while read -r _ file _; do
		case $loaded in *" $file "*) continue ;; esac
		cp "$file" "$work/modules/$n-$(basename "$file")"
		n=$((n + 1)) loaded="$loaded$file "
	done < <(modprobe -d "$kept" -S "$version" --show-depends "$wanted" | grep ^insmod)
done
printf '%s\n' "$*" >"$work/command"
${CC:-cc} -O1 -static -o "$work/init" "$here/vm_init.c"
(cd "$work" && find . -mindepth 1 | cpio -o -H newc --quiet) >"$work.cpio"
trap 'rm -rf "$work" "$work.cpio"' EXIT

# shellcheck disable=SC2086 # several words
$emulator -accel "${ACCEL:-tcg}" -cpu max -smp 2 -m 2048 -display none -nodefaults -no-reboot -serial stdio \
	-kernel "$kept"/boot/vmlinu[xz]-"$version" -initrd "$work.cpio" \
	-append "console=$console panic=-1 quiet loglevel=1" \
	-fsdev local,id=root,path="${ROOT:-/}",security_model=none,readonly=on,multidevs=remap \
	-device virtio-9p-pci,fsdev=root,mount_tag=root </dev/null |
	tr -d '\r' | tee "$work/output"
status=$(sed -n 's/^vm.sh: status //p' "$work/output")
exit "${status:-99}"
