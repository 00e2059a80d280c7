#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Locks that a program builds itself on futexes: contended acquisitions are exact, waiter and holder are named
# to the line, and queues and parked threads are no contention.
. "$(dirname "$0")/lib.sh"

source=tests/workloads/futexes.c
waits=$(line_of $source "WAITS HERE")
wakes=$(line_of $source "WAKES HERE")

for load in mutex bitset pi op new counted; do
	"$mutrace" --json="$work/json" "$workloads/futexes" $load >"$work/out" 2>"$work/err"
	got=$?
	[ $load = new ] && [ $got = 77 ] && continue # an older kernel
	[ $got = 0 ] || fail "$load: exit status $got"
	check_json "$work/json" \
		'p["lost_events"] == 0 and len(p["locks"]) == 1' \
		"lock('${load}_word')['kind'] == lock('${load}_word')['made_by'] == 'futex'" \
		"lock('${load}_word')['role'] == 'lock' and lock('${load}_word')['acquired'] is None" \
		"lock('${load}_word')['contended'] == 200" \
		"lock('${load}_word')['wait_ns']['total'] >= 200 * 500000" \
		"lock('${load}_word')['blocked_ns'] >= 0.5 * lock('${load}_word')['cost_ns']" \
		"len(lock('${load}_word')['waiters']) == len(lock('${load}_word')['holders']) == 1" \
		"functions(lock('${load}_word')['waiters'][0]['stack'])[:2] == ['${load}_lock', 'waiter']" \
		"lock('${load}_word')['waiters'][0]['stack'][1]['line'] == $waits" \
		"functions(lock('${load}_word')['holders'][0]['stack'])[:2] == ['${load}_unlock', 'holder']" \
		"lock('${load}_word')['holders'][0]['stack'][1]['line'] == $wakes" \
		"'$load' == 'counted' or 0 < lock('${load}_word')['hold_ns']['max'] < 500000000"
done

# Waits for work, and who gave it.
for load in queue park cond vector requeue inherit; do
	"$mutrace" --all --json="$work/json" "$workloads/futexes" $load >"$work/out" 2>"$work/err"
	got=$?
	[ $got = 77 ] && continue # an older kernel
	[ $got = 0 ] || fail "$load: exit status $got"
	grep -qE "${load}_word +futex +[0-9.]+ [mu]?s +- " "$work/err" ||
		fail "$load: a share of the wait for locks"
	check_json "$work/json" \
		'p["lost_events"] == 0 and p["headline"]["lock_wait_ns"] == 0' \
		"lock('${load}_word')['role'] == 'work' and lock('${load}_word')['waits'] == 200" \
		"lock('${load}_word')['holders'] == [] and len(lock('${load}_word')['woken_by']) == 1" \
		"'holder' in functions(lock('${load}_word')['woken_by'][0]['stack'])" \
		"'waiter' in functions(lock('${load}_word')['waiters'][0]['stack'])"
	says "Waiting for work (no contention): ${load}_word"
	says ", woken by "
done

# A thread that has found a word changed several times, and then sleeps: that is booked, and who ended it.
expect 0 "$mutrace" --json="$work/json" "$workloads/futexes" missed
check_json "$work/json" 'p["lost_events"] == 0 and lock("missed_word")["role"] == "work"' \
	'lock("missed_word")["wait_ns"]["total"] >= 200 * 500000' \
	'"holder" in functions(lock("missed_word")["woken_by"][0]["stack"])' \
	'sum(w["count"] for w in lock("missed_word")["woken_by"]) >= 200'

# A real fight, of which the program itself knows how often it had to wait.
expect 0 "$mutrace" --json="$work/json" --csv="$work/csv" "$workloads/futexes" storm
truth=$(sed -n 's/^contended //p' "$work/out")
check_json "$work/json" "lock('storm_word')['role'] == 'lock' and lock('storm_word')['contended'] == $truth"
says "contended acquisitions; of 1 lock (built on futexes) no others are seen"
grep -q '"storm_word",futex,,[^,]*,[^,]*,[0-9]*,1,,'"$truth," "$work/csv" || fail "the line in CSV"

# A lock that wakes only if somebody waits: a wait after an end that was not seen is another one. After a
# delay it may be taken for one where it is not.
expect 0 "$mutrace" --json="$work/json" "$workloads/futexes" rare
truth=$(sed -n 's/^contended //p' "$work/out")
check_json "$work/json" "lock('counted_word')['role'] == 'lock'" \
	"abs(lock('counted_word')['contended'] - $truth) <= 0.1 * $truth"

# Sleep is not worth a line, locks that nobody sees are; where nobody looked, the time is said.
expect 0 "$mutrace" --json="$work/json" sleep 0.3
says "it used no locks."
! grep -q "thread time went\|not seen" "$work/err" || fail "sleep alarms"
if [ -r "/proc/$$/syscall" ]; then
	check_json "$work/json" 'p["unseen_ns"] >= 200000000' \
		'p["unseen_by"]["sleep_ns"] > 0.8 * p["unseen_ns"] and p["unseen_by"]["lock_ns"] == 0'
	(
		exec 9>held
		flock 9
		: >locked
		exec sleep 1
	) &
	while [ ! -e locked ]; do sleep 0.05; done
	expect 0 "$mutrace" --json="$work/json" flock held true
	says "was spent in waits that are not seen, for locks or for work: futexes by system calls"
	check_json "$work/json" 'p["unseen_by"]["lock_ns"] > 0.5 * p["unseen_ns"]'
	wait
	# what a replay does not know
	expect 0 "$mutrace" --json="$work/json" "$top_builddir/tests/gain/various" piped
	check_json "$work/json" 'p["unseen_by"]["pipe_ns"] > 0' 'p["what_if"]["method"] == "bound"' \
		'"pipes" in p["what_if"]["refused"] or "end" in p["what_if"]["refused"]'
fi
# nothing to be explained
expect 0 "$mutrace" --json="$work/json" true
check_json "$work/json" 'p.get("unseen_ns", 0) < 10**9 and p.get("unseen_by", {}).get("lock_ns", 0) < 10**9'
MUTRACE_OPTIONS="" LD_PRELOAD=${MUTRACE_LIBRARY:-$top_builddir/.libs/libmutrace.so} sleep 0.3 2>"$work/err"
says "went neither into processors nor into waits that are seen"
expect 0 "$mutrace" "$workloads/futexes" queue
! grep -q "neither into processors" "$work/err" || fail "threads that wait for work are seen"

# The C library's layouts do not hold for a lock that is not its own: nobody seems to hold what somebody does.
if [ -r "/proc/$$/syscall" ]; then
	"$workloads/futexes" stuck &
	pid=$!
	for i in {1..100}; do
		"$mutrace" hang $pid >"$work/err" 2>&1
		grep -q "^mutrace: HANG in .* nothing in the process can wake one" "$work/err" && break
		sleep 0.1
	done
	kill $pid
	wait $pid 2>/dev/null
	says "mutrace: HANG in futexes"
	says "waits for mutex_word (futex), its holder is not known"
fi
