#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds mutrace in build/, from nothing.
#
#   ./bootstrap.sh         configure and build
#   ./bootstrap.sh demo    then profile the demo: a bank whose customers wait
#   ./bootstrap.sh check   then run the tests
#   ./bootstrap.sh packages   installs what the tests need, and nothing else
#
# On Debian and Ubuntu, packages that are missing are installed first (as root or with sudo); elsewhere
# configure names them. Options for configure: MUTRACE_CONFIGURE="--prefix=$HOME/.local".
set -eu
cd "$(dirname "$0")"

build_packages="
	autoconf automake libtool make gcc libc6-dev pkg-config
	libunwind-dev binutils-dev libdw-dev libjansson-dev zlib1g-dev
	libprotobuf-c-dev protobuf-c-compiler libxml2-dev libyaml-dev"
# Programs that tests profile or check reports with. A test whose program is missing is skipped.
check_packages="
	bash g++ libcmocka-dev python3 python3-jsonschema procps util-linux
	cmake meson ninja-build
	binutils pbzip2 xz-utils memcached libcap2-bin"
# Not every release has these. They are installed along with others that are missing.
optional_packages=

task=${1:-build}
case $task in
build | demo) packages=$build_packages ;;
check | packages)
	packages="$build_packages $check_packages"
	optional_packages="clang-format-14 dwz python3-pytest"
	;;
*)
	sed -n 's/^# \{0,1\}//; 2,10p' "$0" >&2
	exit 2
	;;
esac

say() {
	echo "bootstrap.sh: $*" >&2
}

# step TEXT LOG COMMAND...: says what is done, with a dot every two seconds where somebody looks on. The
# output of COMMAND is in LOG.
step() {
	text=$1 log=$2 status=0 dots=
	shift 2
	if [ -t 2 ]; then
		printf 'bootstrap.sh: %s ' "$text" >&2
		(while sleep 2 && kill -0 $$ 2>/dev/null; do printf . >&2; done) &
		dots=$!
	else
		say "$text"
	fi
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if [ -n "$dots" ]; then
		kill "$dots" 2>/dev/null || true
		wait "$dots" 2>/dev/null || true
		echo >&2
	fi
	return $status
}

# Prints those of the arguments that are not installed.
not_installed() {
	for package; do
		case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
		*" installed") ;;
		*) printf ' %s' "$package" ;;
		esac
	done
}

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# Says which of the arguments cannot be installed without removing something, and what.
explain_conflicts() {
	for package; do
		removed=$(apt-get -s -y --no-install-recommends install "$package" 2>/dev/null |
			sed -n 's/^Remv \([^ ]*\).*/\1/p' |
			tr '\n' ' ')
		[ -n "$removed" ] || continue
		say "$package conflicts with what is installed: ${removed% }. Nothing was removed." \
			"If you do not need it:" \
			"apt-get remove ${removed% }; then run this again"
	done
}

install_packages() {
	lacking=$(not_installed $packages)
	[ -n "$lacking" ] || return 0
	as_root=
	if [ "$(id -u)" != 0 ]; then
		# sudo must do without a password if nobody can be asked for it.
		if ! command -v sudo >/dev/null ||
			! { sudo -n true 2>/dev/null || { [ -t 2 ] && sudo -v; }; }; then
			say "not installed, as it takes root: apt-get install$lacking"
			return 0 # perhaps the tools are there by other ways: configure will tell
		fi
		as_root=sudo
	fi
	log=$(mktemp)
	# Without a network the lists may be recent enough, and the packages on the disk.
	step "updating the lists of packages" "$log" apt update ||
		say "the lists of packages could not be updated"
	for package in $(not_installed $optional_packages); do
		if apt-cache show "$package" >/dev/null 2>&1; then
			lacking="$lacking $package"
		fi
	done
	if ! step "installing$lacking" "$log" \
		apt -y --no-install-recommends --no-remove install $lacking; then
		cat "$log" >&2
		rm -f "$log"
		explain_conflicts $lacking
		say "these could not be installed:$lacking"
		exit 1
	fi
	rm -f "$log"
}

# quietly TEXT COMMAND...: its output is shown only if it fails.
quietly() {
	text=$1
	shift
	if ! step "$text" build/bootstrap.log "$@"; then
		cat build/bootstrap.log >&2
		say "failed: $*"
		exit 1
	fi
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
	install_packages
fi
[ "$task" != packages ] || exit 0
for tool in autoreconf libtoolize pkg-config; do
	command -v $tool >/dev/null && continue
	if command -v apt-get >/dev/null; then
		say "$tool is missing: once what is named above is installed, run this again"
	else
		say "$tool is missing. Fedora: dnf install autoconf automake libtool pkgconf gcc make;" \
			"Arch: pacman -S base-devel"
	fi
	exit 1
done

jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
mkdir -p build
if [ ! -e configure ] || [ -n "$(find configure.ac Makefile.am -newer configure)" ]; then
	quietly "generating configure" autoreconf -fi
fi
if [ ! -e build/config.status ] || [ -n "$(find configure -newer build/config.status)" ]; then
	# shellcheck disable=SC2086 # several options
	quietly "configuring in build/" \
		sh -c 'cd build && exec ../configure --quiet "$@"' configure ${MUTRACE_CONFIGURE:-}
fi
quietly "building" make -C build -j"$jobs" all

case $task in
build) say "built; try: build/mutrace build/demo/bank" ;;
demo) exec build/mutrace build/demo/bank ;;
check) exec make -C build check ;;
esac
