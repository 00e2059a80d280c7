#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Programs in sandboxes that kill (see confined.c) live, and end as they do without a profiler; the report
# says what was not recorded.
. "$(dirname "$0")/../e2e/lib.sh"

confined=$top_builddir/tests/hostile/confined

for case in alone threads late fork child vfork exec threads-only strict strict-call clock; do
	timeout 60 "$confined" $case >plain
	status=$?
	[ $status = 77 ] && continue # no seccomp here
	[ $status = 3 ] || fail "$case ends with $status by itself"
	for mode in "$mutrace" "$mutrace --sample-hold=3" "$mutrace --contended-only" "$mutrace -r" \
		"$top_builddir/matrace" "$top_builddir/matrace --also=all"; do
		# shellcheck disable=SC2086 # words
		expect 3 timeout 60 $mode "$confined" $case
		cmp -s plain out || fail "$mode $case: another output"
	done
done
[ -n "$(find . -name plain -size +0)" ] || exit 77

# A service with a sandbox that lacks some calls is recorded all the same, with stacks.
expect 3 "$confined" service "$top_builddir/matrace" --also=all "$confined" threads-only
expect 3 "$confined" service "$mutrace" --json=json "$confined" threads-only
check_json json "lock('common')['acquired'] == 4000" \
	"functions(lock('common')['users'][0]['stack'])[0] == 'work'"
# The command looks where holders sleep.
expect 0 "$confined" service "$mutrace" --json=json "$top_builddir/demo/bank"
check_json json "lock('accounts_lock')['holders'][0]['slept_in'][0]['function']"

# All that can be recorded is recorded, and the rest is said.
expect 3 "$mutrace" --json=json "$confined" alone
check_json json "sum(l['acquired'] for l in p['locks'] if l['name'] == 'common') == 500"
expect 3 "$mutrace" "$confined" fork
says 'child processes that could not record'
expect 3 "$mutrace" "$confined" exec
says '1 program was not recorded (/proc/self/exe): started in a seccomp sandbox'
expect 3 "$mutrace" "$confined" strict
says 'recording stopped'
expect 3 "$mutrace" "$confined" clock
[ "$(uname -m)" != x86_64 ] || says 'recording stopped'
