#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# `make check-glibcs`: the C libraries of Debian 12, 13 and sid, for x86-64, i386 and aarch64. Their lowest
# lock functions must be known; and with those of this machine's architecture programs run, whose own locks
# are seen exactly. Needs the network; the packages are unpacked below $GLIBCS (kept between runs), else in
# a new directory.
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$PWD}"
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
where=${GLIBCS:-$(mktemp -d)}
[ -n "${GLIBCS:-}" ] || trap 'rm -rf "$where"' EXIT
mkdir -p "$where" || exit 99
export LC_ALL=C COLUMNS=400
failed=0

for program in curl xz ar tar readelf "${CC:=cc}"; do
	command -v "${program%% *}" >/dev/null || {
		echo "skipped: $program is not installed"
		exit 77
	}
done

# The package of a suite and an architecture, unpacked; once.
unpack() {
	local to=$where/$1-$2 file
	[ -e "$to/done" ] && return
	file=$(curl -sfL "$mirror/dists/$1/main/binary-$2/Packages.xz" | xz -dc |
		awk -v RS= '/^Package: libc6\n/' | sed -n 's/^Filename: //p' | head -n 1)
	[ -n "$file" ] && mkdir -p "$to" && curl -sfL "$mirror/$file" -o "$to/package" &&
		(cd "$to" && ar x package && tar xf data.tar.* && rm -f package ./*.tar.*) && touch "$to/done"
}

# Programs whose loader and C library are those of a directory.
run() {
	local root=$1 loader libraries got load
	loader=$(find "$root" -name 'ld-linux-x86-64.so.2' ! -type l | head -n 1)
	libraries=$(dirname "$(find "$root" -name libc.so.6 | head -n 1)")
	$CC -O1 -g -D_GNU_SOURCE "$top_srcdir/tests/workloads/libclocks.c" -o "$root/libclocks" -pthread \
		-Wl,--dynamic-linker="$loader" -Wl,-rpath="$libraries" || return 1
	for load in arena stdio flock mixed deixm loader; do
		"$top_builddir/mutrace" --json="$root/json" "$root/libclocks" $load >/dev/null 2>"$root/err"
		got=$(python3 -c 'import json, sys
p = json.load(open(sys.argv[1]))["processes"][0]
print(p["libc_locks"], [x["contended"] for x in p["locks"]], p["lost_events"])' "$root/json")
		echo "  $load: $got"
		[ "$got" = "seen [200] 0" ] || return 1
	done
	"$top_builddir/mutrace" "$root/libclocks" forks >/dev/null 2>"$root/err"
}

for suite in bookworm trixie sid; do
	for architecture in amd64 i386 arm64; do
		echo "$suite $architecture:"
		unpack $suite $architecture || {
			echo "  cannot be had"
			failed=99
			continue
		}
		libc=$(find "$where/$suite-$architecture" -name libc.so.6)
		"$top_srcdir/tests/tree/lowlock.py" "$libc" || failed=1
		[ $architecture = amd64 ] && [ "$(uname -m)" = x86_64 ] || continue
		run "$where/$suite-$architecture" || {
			echo "  FAILED"
			cat "$where/$suite-$architecture/err"
			failed=1
		}
	done
done
exit $failed
