#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the Debian packages in a directory, does what the guide says, profiles a program with them, and
# removes them again. For a bare Debian of its own (tests/tools/chroot.sh), as it installs packages.
#
#   installed.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/package/lib.sh
. tests/package/lib.sh
packages=$1

# Prints each file of the system but those of apt, dpkg and what programs rewrite for themselves.
files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /root \
		-o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/log \) -prune \
		-o -print | sort
}

# As README says; on a 32-bit system with the libraries, which are a package of their own there.
say "install with what it needs, and the guide word for word"
apt update
commands=$(find "$packages" -name 'mutrace_*.deb' -o -name "libmutrace-preload_*.deb")
# shellcheck disable=SC2086 # several names
apt install $commands
apt install gcc libc6-dev python3 procps
MUTRACE=/usr/bin/mutrace top_builddir=$PWD/build bash tests/e2e/guide.sh
apt install "$packages"/libmutrace-dev_*.deb
debian/tests/profile
dpkg --purge mutrace libmutrace-dev >"$out/remove.log"
! dpkg -l libmutrace-preload >/dev/null 2>&1 || dpkg --purge libmutrace-preload >>"$out/remove.log"

say "nothing stays"
files >"$out/before"
dpkg -i "$packages"/*.deb >"$out/install.log"
cc -g -pthread -o "$out/bank" demo/bank.c
# shellcheck disable=SC2046 # several names
dpkg --purge $(for deb in "$packages"/*.deb; do dpkg-deb -f "$deb" Package; done) >"$out/remove.log"
files >"$out/after"
diff "$out/before" "$out/after"
