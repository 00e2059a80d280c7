#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A deadlock is the first line of a report on the live session and on that of the killed program, with threads, locks
# and places; who only waits for one of the locks is no part of it.
. "$(dirname "$0")/lib.sh"

source=tests/workloads/deadlock.c
"$mutrace" -o kept "$workloads/deadlock" 2>err >out &
pid=$!
until_true 10 grep -qs stuck out
line=$(line_of $source "NEVER RETURNS")

check() {
	head -n 1 "$1.txt" | grep -qE 'DEADLOCK in deadlock \(PID [0-9]+\): 3 threads' ||
		fail "$1: first line: $(head -n 1 "$1.txt")"
	for lock in fork_a fork_b fork_c; do
		head -n 10 "$1.txt" | grep -qE "waits for $lock .*held by" || fail "$1: $lock is not named in the circle"
	done
	head -n 10 "$1.txt" | grep -q "dine deadlock.c:$line < second" || fail "$1: the place is not named"
	check_json "$1.json" \
		'not p["complete"] and len(p["deadlocks"]) == 1 and len(p["deadlocks"][0]) == 3' \
		'sorted(x["name"] for x in p["deadlocks"][0]) == ["fork_a", "fork_b", "fork_c"]' \
		'all(p["deadlocks"][0][i]["held_by"] == p["deadlocks"][0][(i + 1) % 3]["tid"] for i in range(3))' \
		"all(x['stack'][0]['line'] == $line for x in p['deadlocks'][0])" \
		'all(functions(x["held_at"])[0] == "dine" for x in p["deadlocks"][0])' \
		'len(lock("fork_a")["waiting_now"]) == 2'
}

"$mutrace" report --json=live.json kept >live.txt 2>live.err || fail "live report: $(cat live.err)"
check live
program=$(/usr/bin/python3 -c 'import json; print(json.load(open("live.json"))["processes"][0]["pid"])')
kill -9 "$program"
wait $pid
[ $? = 137 ] || fail "exit status of a killed program"
head -n 1 err | grep -q DEADLOCK || fail "the report at the end does not begin with the deadlock"
"$mutrace" report --json=dead.json kept >dead.txt 2>dead.err || fail "report of the dead: $(cat dead.err)"
check dead
