#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# real.sh [PROGRAM...]: programs that people use do under mutrace what they do without, and the report makes
# sense. As a test it runs those that CI can afford and that are installed; "make check-real" runs all.
# MUTRACE_REAL_MB makes the files larger, MUTRACE_REAL_SECONDS the loads longer.
. "$(dirname "$0")/lib.sh"
. "$top_srcdir/tests/e2e/real/tools.sh"
. "$top_srcdir/tests/e2e/real/servers.sh"
. "$top_srcdir/tests/e2e/real/modes.sh"

megabytes=${MUTRACE_REAL_MB:-12}
small="pbzip2 xz python3 memcached git redis-server nginx make jemalloc tcmalloc"
large="ffmpeg node java mariadbd chromium tree perl ruby php gdb qemu sshd postgres"

[ "${1-}" != all ] || set -- $small $large

# Patterns that such programs do not have: a report that names one names the innocent. Holders that sleep or
# have no processor are measured, and differ with what else the machine does.
no_false_diagnosis() {
	local names='(lock order|convoy|writers starve|thundering herd|hot instance|false sharing):'
	[ ! -e err ] || ! grep -E "DEADLOCK|( note +|^  ! .*)$names" err || fail "$1: a false diagnosis"
}

tried=
for program in ${@:-$small}; do
	case $program in
	jemalloc | tcmalloc | tree | qemu | sshd | postgres) ;; # looks for itself
	*) command -v $program >/dev/null || continue ;;
	esac
	echo "== $program"
	rm -f json err out
	try_$program
	no_false_diagnosis $program
	[ ! -e err ] || cat err
	tried=$program
done
[ -n "$tried" ] || exit 77
