#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Locks where little stack is left, or where it ends oddly (see tight.c): the program fares as without a
# profiler, and every event is counted.
. "$(dirname "$0")/../e2e/lib.sh"

tight=$top_builddir/tests/hostile/tight

for what in alternate disarmed coroutines hand frameless varying small deep; do
	expect 0 timeout 60 "$tight" $what
	mv out plain
	read -r _ taken <plain
	for mode in "$mutrace" "$mutrace --sample-hold=3" "$mutrace --frames=1" "$mutrace --frames=64"; do
		# shellcheck disable=SC2086 # words
		expect 0 timeout 60 $mode --json=json "$tight" $what
		cmp -s plain out || fail "$mode $what: another output"
		check_json json 'p["complete"] and p["lost_events"] == 0' \
			"sum(l['acquired'] for l in p['locks'] if l['kind'] == 'mutex') == $taken"
	done
	for mode in "$mutrace --contended-only" "$mutrace -r" "$top_builddir/matrace" \
		"$top_builddir/matrace --also=all"; do
		# shellcheck disable=SC2086
		expect 0 timeout 60 $mode "$tight" $what
		cmp -s plain out || fail "$mode $what: another output"
	done
done
