#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Programs that stop their threads by signals wherever they are fare as ever: one does so and locks meanwhile
# (see stopped.c), one has a garbage collector that also searches the stacks (see collector.c).
. "$(dirname "$0")/../e2e/lib.sh"

for mode in "$mutrace" "$mutrace --contended-only" "$top_builddir/matrace --also=all"; do
	# shellcheck disable=SC2086 # words
	expect 0 timeout 120 $mode "$top_builddir/tests/hostile/stopped"
	[ "$(cat out)" = 300 ] || fail "$mode: another output"
done
# Each acquisition is counted, or said to be lost.
expect 0 timeout 120 "$mutrace" --lock=own --json=json "$top_builddir/tests/hostile/stopped"
check_json json '300 - p["lost_events"] <= lock("own")["acquired"] <= 300'

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
