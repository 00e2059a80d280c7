#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# mutrace -r: planted priority inversions are all reported, with both places and both priorities; locks at
# risk are named, others are not.
. "$(dirname "$0")/lib.sh"

source=tests/workloads/inversion.c
"$workloads/inversion" >/dev/null 2>&1
[ $? = 77 ] && {
	echo "skipped: no realtime policy may be set here"
	exit 77
}
expect 0 "$mutrace" -r --json="$work/json" "$workloads/inversion"
cat "$work/err"
waits=$(line_of $source "WAITS HERE")
holds=$(line_of $source "HELD HERE")
pair='lock("%s")["priority_inversions"]["pairs"][0]'
for one in shared_lock:0 low_lock:5 pi_lock:0; do
	name=${one%:*}
	# shellcheck disable=SC2059
	p=$(printf "$pair" "$name")
	check_json "$work/json" \
		"lock('$name')['realtime'] and lock('$name')['contended'] == 50" \
		"lock('$name')['priority_inversions']['count'] == 50" \
		"lock('$name')['priority_inversions']['total_ns'] == lock('$name')['wait_ns']['total']" \
		"lock('$name')['priority_inversions']['max_ns'] == lock('$name')['wait_ns']['max']" \
		"len(lock('$name')['priority_inversions']['pairs']) == 1 and $p['count'] == 50" \
		"$p['waiter']['priority'] == 20 and $p['holder']['priority'] == ${one#*:}" \
		"$p['waiter']['tid'] != $p['holder']['tid']" \
		"$p['waiter']['stack'][0]['function'] == 'want' and $p['waiter']['stack'][0]['line'] == $waits" \
		"$p['holder']['stack'][0]['function'] == 'hold' and $p['holder']['stack'][0]['line'] == $holds"
done
check_json "$work/json" \
	'"priority_inversions" not in lock("high_lock") and lock("high_lock")["contended"] == 50' \
	'[l["name"] for l in p["locks"] if l["inversion_risk"]] == ["shared_lock"]' \
	'"priority_inversions" not in lock("own_lock") and lock("own_lock")["realtime"]'
sed '/^$/q' "$work/err" | grep -q \
	"PRIORITY INVERSION: .* 150 times for threads of lower priority, for 3 locks" ||
	fail "the inversions are not said at the top"
grep -q "! shared_lock: priority inversion, .* 50 times" "$work/err" || fail "the inversion in the text"
grep -q "priority 5, held it at hold inversion.c:$holds" "$work/err" ||
	fail "the holder's priority in the text"

# Locks that programs build on futexes are like others; whoever gives work holds nobody up.
expect 0 "$mutrace" -r --json="$work/json" "$workloads/futexes" mutex realtime
check_json "$work/json" 'lock("mutex_word")["priority_inversions"]["count"] == 200' \
	'lock("mutex_word")["inversion_risk"] and lock("mutex_word")["realtime"]'
expect 0 "$mutrace" -r --json="$work/json" "$workloads/futexes" queue realtime
check_json "$work/json" '"priority_inversions" not in lock("queue_word")' \
	'not lock("queue_word")["inversion_risk"] and lock("queue_word")["realtime"]'

# A policy that another thread, or another process, gives to a running thread; and one that it gets back.
expect 0 "$mutrace" -r --json="$work/json" "$workloads/policy"
check_json "$work/json" \
	'lock("before_lock")["realtime"] is False' \
	'lock("given_lock")["realtime"] is True' \
	'lock("syscall_lock")["realtime"] is True' \
	'lock("function_lock")["realtime"] is True' \
	'lock("ordinary_lock")["realtime"] is False' \
	'lock("attribute_lock")["realtime"] is True' \
	'lock("outside_lock")["realtime"] is True'
