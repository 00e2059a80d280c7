#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the Debian packages, checks them with lintian, installs them, profiles a program with them, and
# removes them again. For a bare Debian of its own (tests/tools/chroot.sh), as it installs packages. The
# packages stay in /root/out.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=/root/out
mkdir -p "$out"
export DEBIAN_FRONTEND=noninteractive

say() {
	echo "== $*"
}
apt() {
	apt-get -q -y --no-install-recommends "$@" >"$out/apt.log" 2>&1 || {
		tail -n 30 "$out/apt.log"
		exit 1
	}
}
# Prints each file of the system but those of apt, dpkg and what programs rewrite for themselves.
files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /root \
		-o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/log \) -prune \
		-o -print | sort
}

say "what it takes to build"
apt update
apt install build-essential devscripts equivs lintian xz-utils
mk-build-deps -i -r -t 'apt-get -q -y --no-install-recommends' debian/control >"$out/deps.log" 2>&1 || {
	tail -n 30 "$out/deps.log"
	exit 1
}

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
		../configure --quiet >"$out/configure.log" 2>&1
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
dpkg-buildpackage -us -uc >"$out/build.log" 2>&1 || {
	tail -n 60 "$out/build.log"
	exit 1
}
find .. -maxdepth 1 -type f -exec cp {} "$out" \;

say "lintian"
lintian -i --tag-display-limit 0 --allow-root --fail-on error,warning "$out"/*.changes

# As README says; on a 32-bit system with the libraries, which are a package of their own there.
say "install with what it needs, and the guide word for word"
commands=$(find "$out" -name 'mutrace_*.deb' -o -name "libmutrace-preload_*.deb")
# shellcheck disable=SC2086 # several names
apt install $commands
apt install gcc libc6-dev python3 procps
MUTRACE=/usr/bin/mutrace top_builddir=$PWD/build bash tests/e2e/guide.sh
apt install "$out"/libmutrace-dev_*.deb
debian/tests/profile
dpkg --purge mutrace libmutrace-dev >"$out/remove.log"
! dpkg -l libmutrace-preload >/dev/null 2>&1 || dpkg --purge libmutrace-preload >>"$out/remove.log"

say "nothing stays"
files >"$out/before"
dpkg -i "$out"/*.deb >"$out/install.log"
cc -g -pthread -o "$out/bank" demo/bank.c
# shellcheck disable=SC2046 # several names
dpkg --purge $(for deb in "$out"/*.deb; do dpkg-deb -f "$deb" Package; done) >"$out/remove.log"
files >"$out/after"
diff "$out/before" "$out/after"

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
