#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A thread remembers things of a lock without looking at it again, and they are right: counts and changes of
# owner are those that the program noted under its locks, in any order of threads, and after the lock was made
# anew.
. "$(dirname "$0")/lib.sh"

expect 0 "$mutrace" --json="$work/json" "$workloads/owners"
read -r _ acquired _ changes <"$work/out"
[ "${changes:-0}" -gt 1000 ] || fail "the program did not say what is true: $(cat "$work/out")"
check_json "$work/json" \
	'p["complete"] and p["lost_events"] == 0' \
	"sum(l['acquired'] for l in p['locks'] if l['kind'] == 'mutex') == $acquired" \
	"sum(l['owner_changes'] for l in p['locks'] if l['kind'] == 'mutex') == $changes"
