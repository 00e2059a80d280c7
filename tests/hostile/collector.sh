#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A program whose garbage collector stops threads by signals and searches their stacks (see collector.c) fares
# as ever.
. "$(dirname "$0")/../e2e/lib.sh"

$CC -O1 -g "$top_srcdir/tests/hostile/collector.c" -o collector -lgc -pthread 2>cc.err || {
	echo "skipped: no Boehm collector (libgc-dev)"
	exit 77
}
expect 0 timeout 120 ./collector
grep -q ' bad 0 collected 1' out || fail "hardly anything was collected"
mv out plain
for mode in "$mutrace" "$mutrace --frames=64" "$mutrace --contended-only" \
	"$top_builddir/matrace --also=all"; do
	for _ in 1 2 3; do
		# shellcheck disable=SC2086 # words
		expect 0 timeout 120 $mode ./collector
		cmp -s plain out || fail "$mode: another output"
	done
done
