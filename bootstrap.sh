#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds mutrace in build/, from nothing.
#
#   ./bootstrap.sh         configure and build
#   ./bootstrap.sh demo    then profile the demo: a bank whose customers wait
#   ./bootstrap.sh check   then run the tests
#
# On Debian and Ubuntu, packages that are missing are installed first (as root or with sudo); elsewhere configure
# names them. Options for configure go into MUTRACE_CONFIGURE, e.g. MUTRACE_CONFIGURE="--prefix=$HOME/.local".
set -eu
cd "$(dirname "$0")"

build_packages="
	autoconf automake libtool make gcc libc6-dev pkg-config
	libunwind-dev binutils-dev libjansson-dev zlib1g-dev
	libprotobuf-c-dev protobuf-c-compiler libxml2-dev libyaml-dev"
# Programs that tests profile or check reports with. A test whose program is missing is skipped.
check_packages="
	bash g++ libcmocka-dev python3 python3-jsonschema procps util-linux
	cmake meson ninja-build
	binutils pbzip2 xz-utils memcached libcap2-bin"

task=${1:-build}
case $task in
build | demo) packages=$build_packages ;;
check) packages="$build_packages $check_packages" ;;
*)
	sed -n 's/^# \{0,1\}//; 2,9p' "$0" >&2
	exit 2
	;;
esac

install_packages() {
	lacking=
	for package in $packages; do
		case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
		*" installed") ;;
		*) lacking="$lacking $package" ;;
		esac
	done
	[ -n "$lacking" ] || return 0
	as_root=
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "bootstrap.sh: to be installed first, as root: apt-get install$lacking" >&2
			return 0 # perhaps the tools are there by other ways: configure will tell
		fi
		as_root=sudo
	fi
	echo "bootstrap.sh: installing$lacking" >&2
	log=$(mktemp)
	if ! {
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
			$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $lacking
	} >"$log" 2>&1 </dev/null; then
		cat "$log" >&2
		rm -f "$log"
		echo "bootstrap.sh: these could not be installed:$lacking" >&2
		exit 1
	fi
	rm -f "$log"
}

# quietly COMMAND...: its output is shown only if it fails.
quietly() {
	if ! "$@" >build/bootstrap.log 2>&1 </dev/null; then
		cat build/bootstrap.log >&2
		echo "bootstrap.sh: failed: $*" >&2
		exit 1
	fi
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
	install_packages
fi
for tool in autoreconf libtoolize pkg-config; do
	command -v $tool >/dev/null || {
		echo "bootstrap.sh: $tool is missing. Fedora: dnf install autoconf automake libtool pkgconf gcc make;" \
			"Arch: pacman -S base-devel" >&2
		exit 1
	}
done

jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
mkdir -p build
if [ ! -e configure ] || [ -n "$(find configure.ac Makefile.am -newer configure)" ]; then
	echo "bootstrap.sh: generating configure" >&2
	quietly autoreconf -fi
fi
if [ ! -e build/config.status ] || [ -n "$(find configure -newer build/config.status)" ]; then
	echo "bootstrap.sh: configuring in build/" >&2
	(
		cd build
		# shellcheck disable=SC2086 # several options
		../configure --quiet ${MUTRACE_CONFIGURE:-} >configure.out 2>&1 || {
			tail -n 20 configure.out >&2
			exit 1
		}
	)
fi
echo "bootstrap.sh: building" >&2
quietly make -C build -j"$jobs" all

case $task in
build) echo "bootstrap.sh: built; try: build/mutrace build/demo/bank" >&2 ;;
demo) exec build/mutrace build/demo/bank ;;
check) exec make -C build check ;;
esac
