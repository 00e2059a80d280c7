#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The library takes at most 1 KB of the program's stack, on the slowest path of every call: see frugal.c.
# On i386 1.5 KB, since calls hand over their arguments there, too.
. "$(dirname "$0")/../e2e/lib.sh"

limit=1024
[ "$(getconf LONG_BIT)" = 64 ] || limit=1536

program="$top_builddir/tests/hostile/frugal $top_builddir/tests/conform/late.so"

# shellcheck disable=SC2086 # words
expect 0 timeout 60 $program
cp out plain
[ "$(wc -l <plain)" -gt 15 ] || fail "hardly anything was measured"

try() {
	rm -rf session
	# shellcheck disable=SC2086
	expect 0 timeout 60 "$@" -o session $program
	awk -v limit=$limit 'FNR == NR { plain[$1] = $2 > plain[$1] ? $2 : plain[$1]; next }
		!($1 in plain) { print $1 " is new"; bad = 1 }
		$2 > plain[$1] + limit { print $1 ": " $2 " bytes of stack, " plain[$1] " without a profiler"; bad = 1 }
		END { exit bad }' plain out || fail "$*"
	[ "$(wc -l <out)" = "$(wc -l <plain)" ] || fail "not all was measured: $*"
}

try "$mutrace"
try "$mutrace" --frames=64
try "$mutrace" --sample-hold=3
try "$mutrace" --contended-only
try "$mutrace" -r
try "$top_builddir/matrace"
try "$top_builddir/matrace" --also=all
