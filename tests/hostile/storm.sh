#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Signals whose handlers lock, at every instruction of our wrappers: what the interrupted program does is
# counted exactly, and what its handlers do is counted or said to be lost.
. "$(dirname "$0")/../e2e/lib.sh"

storm=$top_builddir/tests/hostile/storm
"$storm" warm >/dev/null
[ $? = 77 ] && exit 77

run() {
	expect 0 timeout 120 "$mutrace" --json=json "${options[@]}" "$storm" "$@"
	while read -r name count; do
		printf -v "$name" %d "$count"
	done <out
	[ "$traps" -gt 1000 ] || fail "only $traps signals"
}

# The calls that have hot paths of their own.
check_kinds() {
	check_json json "lock('deep_lock')['acquired'] == 3 * $kinds" \
		"lock('tried_lock')['acquired'] == $kinds and lock('own_spin')['acquired'] == $kinds" \
		"lock('own_rwlock')['acquired'] == lock('own_rwlock')['read']['acquired'] == $kinds" \
		"lock('read_rwlock')['acquired'] + lock('read_rwlock')['read']['acquired'] == $kinds" \
		"sum(l['acquired'] for l in p['locks'] if l['name'].startswith('hand_locks')) == 4 * $kinds"
}

options=()
run warm
check_json json 'p["complete"] and p["damaged_records"] == 0 and p["lost_events"] == 0' \
	"lock('main_lock')['acquired'] == $mains" \
	"lock('handler_lock')['acquired'] == $handlers" \
	"lock('both_lock')['acquired'] == $both_taken" \
	"lock('both_lock')['trylock_failed'] == $both_failed" \
	"lock('posted')['posts'] == $posts"

for options in "" --sample-hold=4 --contended-only; do
	options=(${options:+"$options"})
	run warm kinds
	[ "${options[*]}" = --contended-only ] && continue
	# A handler is passed by where a hold begins that is timed: its five calls, or four.
	check_json json 'p["complete"] and p["damaged_records"] == 0' \
		"lock('main_lock')['acquired'] == $mains" \
		"$handlers * 0.5 < lock('handler_lock')['acquired'] <= $handlers" \
		"4 * ($handlers - lock('handler_lock')['acquired']) <= p['lost_events']" \
		"p['lost_events'] <= 5 * ($handlers - lock('handler_lock')['acquired'])"
	check_kinds
done
options=()

# Each trap is five calls, four if the lock could not be had.
run cold
check_json json 'p["complete"] and p["damaged_records"] == 0' \
	"lock('main_lock')['acquired'] == $mains" \
	"lock('main_rwlock')['acquired'] + lock('main_rwlock')['read']['acquired'] == $rwlocks" \
	"lock('recursive_lock')['acquired'] == 3 * $mains" \
	"lock('main_spin')['acquired'] == $mains and lock('main_sem')['acquired'] == $mains" \
	"cond('main_cond')['waits'] == 2 * $mains" \
	"0 < lock('handler_lock')['acquired'] < $handlers" \
	"4 * ($handlers - lock('handler_lock')['acquired']) <= p['lost_events']" \
	"p['lost_events'] <= 5 * ($handlers - lock('handler_lock')['acquired']) + $mains"

run full
check_json json 'p["complete"] and p["damaged_records"] == 0 and p["lost_events"] == 0' \
	"lock('main_lock')['acquired'] == $mains" \
	"lock('held_locks[0]')['acquired'] == $mains / 2" \
	"sum(l['acquired'] for l in p['locks'] if l['name'].startswith('held_locks')) == $held" \
	"sum(l['acquired'] for l in p['locks'] if l['name'].startswith('nested_locks')) == 4 * $struck > 6000" \
	'not any(l.get("misuse") for l in p["locks"])'

# A call that the cache has lost takes the slow path, in which the handler is passed by: eight calls.
run kinds
nested="sum(l['acquired'] for l in p['locks'] if l['name'].startswith('nested_locks'))"
check_json json 'p["complete"] and p["damaged_records"] == 0' \
	"sum(l['acquired'] for l in p['locks'] if l['name'].startswith('held_locks')) == $held" \
	"2 * $nested + p['lost_events'] == 8 * $struck > 800 and p['lost_events'] <= 4 * $struck" \
	'not any(l.get("misuse") for l in p["locks"])'
check_kinds

# Now and then it is weighed which of the locks are hot. A handler in between is passed by: both its calls.
for options in "" --sample-hold=4 --contended-only --track-rt; do
	options=(${options:+"$options"})
	run folded
	[ "${options[*]}" = --contended-only ] && continue
	check_json json 'p["complete"] and p["damaged_records"] == 0' \
		"2 * ($mains + $handlers - sum(l['acquired'] for l in p['locks'])) == p['lost_events']" \
		"p['lost_events'] <= $handlers" \
		"p['locks'][0]['instances'] == 1200" \
		'not any(l.get("misuse") for l in p["locks"])'
done
