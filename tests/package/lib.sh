# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Shared by debian.sh and installed.sh, which source it: $out, where packages and logs go, and how packages
# are installed.
out=/root/out
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
