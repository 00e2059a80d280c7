#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the Debian packages, checks them with lintian, installs them, profiles a program with them, and
# removes them again. For a bare Debian of its own (tests/tools/chroot.sh), as it installs packages. The
# packages stay in /root/out.
#
#   debian.sh [ARCHITECTURE]     for another one they are built and checked, and no more
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/package/lib.sh
. tests/package/lib.sh
mkdir -p "$out"
host=${1:-}

# Installs what it takes to build for $host.
cross() {
	dpkg --add-architecture "$host"
	apt update
	apt install "crossbuild-essential-$host" lintian xz-utils
	# binutils-dev depends on binutils of its architecture, which cannot be beside this machine's.
	(
		cd /tmp
		apt download "binutils-dev:$host"
		dpkg-deb -R binutils-dev_*.deb binutils-dev
		sed -i 's/binutils (= [^)]*), //' binutils-dev/DEBIAN/control
		dpkg-deb -b binutils-dev binutils-dev.deb >"$out/deps.log"
		apt install ./binutils-dev.deb
	)
	apt -a "$host" -P cross,nocheck build-dep .
}

say "what it takes to build"
configure=--quiet build=
if [ -n "$host" ]; then
	cross
	configure="$configure --host=$(dpkg-architecture -a"$host" -qDEB_HOST_GNU_TYPE 2>/dev/null)"
	build="-a$host -Pcross,nocheck"
else
	apt update
	apt install build-essential lintian xz-utils
	apt build-dep .
fi

say "the tarball, twice"
version=$(sed -n 's/^AC_INIT(\[mutrace\], \[\(.*\)\])/\1/p' configure.ac)
export SOURCE_DATE_EPOCH=1767225600
for umask in 022 077; do
	rm -rf /tmp/tree
	(
		umask $umask
		cp -r . /tmp/tree
		cd /tmp/tree
		autoreconf -fi >"$out/autoreconf.log" 2>&1
		mkdir build
		cd build
		# shellcheck disable=SC2086 # several options
		../configure $configure >"$out/configure.log" 2>&1
		make dist >"$out/dist.log" 2>&1
		cp "mutrace-$version.tar.xz" "$out/dist-$umask.tar.xz"
	)
done
cmp "$out/dist-022.tar.xz" "$out/dist-077.tar.xz"

say "dpkg-buildpackage"
mkdir /tmp/package
cp "$out/dist-022.tar.xz" "/tmp/package/mutrace_$version.orig.tar.xz"
cd /tmp/package
tar -xf "mutrace_$version.orig.tar.xz"
cp -r /root/mutrace/debian "mutrace-$version"
cd "mutrace-$version"
# shellcheck disable=SC2086 # several options or none
dpkg-buildpackage $build -us -uc >"$out/build.log" 2>&1 || {
	tail -n 60 "$out/build.log"
	exit 1
}
find .. -maxdepth 1 -type f -exec cp {} "$out" \;

say "lintian"
lintian -i --tag-display-limit 0 --allow-root --fail-on error,warning "$out"/*.changes

[ -z "$host" ] || exit 0 # they cannot be installed here
tests/package/installed.sh "$out"

# With the library of 32-bit programs (/root/in, from such a Debian) these are profiled as well.
if [ -d /root/in ]; then
	say "32-bit programs"
	dpkg -i "$out"/mutrace_*.deb >"$out/install.log"
	dpkg --add-architecture i386
	apt update
	apt install libc6:i386
	status=0
	mutrace /root/in/bank 2>"$out/refused" || status=$?
	[ $status -eq 2 ] && grep -q "apt-get install libmutrace-preload:i386" "$out/refused"
	apt install libunwind8:i386
	dpkg -i /root/in/libmutrace-preload_*_i386.deb >>"$out/install.log"
	mutrace /root/in/bank 2>"$out/narrow"
	cat "$out/narrow"
	grep -q "because.*audit bank.c" "$out/narrow"
	mutrace sh -c "/root/in/bank; $out/bank" >"$out/mixed" 2>&1
	[ "$(grep -c '^mutrace: bank (PID' "$out/mixed")" = 2 ]
	! grep "ERROR: ld.so" "$out/mixed"
fi
say "the Debian packages are in order"
