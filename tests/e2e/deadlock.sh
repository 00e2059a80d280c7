#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A deadlock is the first line of a report on the live session and on that of the killed program, with
# threads, locks and places; who only waits for one of the locks is no part of it.
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
		head -n 10 "$1.txt" | grep -qE "waits for $lock .*held by" ||
			fail "$1: $lock is not named in the circle"
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

# Other hangs. cycles(N...): whether there are deadlocks of so many threads each.
hang() {
	rm -f out
	"$mutrace" -o "kept-$1" "$workloads/deadlock" "$1" 2>err >out &
	pid=$!
	until_true 10 grep -qs stuck out
	case $1 in
	meet | again) # the first thread waits, too, soon after
		until_true 10 sh -c '"$0" report "$1" | grep -q DEADLOCK' "$mutrace" "kept-$1"
		;;
	esac
	"$mutrace" report --json=hang.json "kept-$1" >hang.txt 2>hang.err ||
		fail "report of $1: $(cat hang.err)"
	program=$(/usr/bin/python3 -c \
		'import json; print(json.load(open("hang.json"))["processes"][0]["pid"])')
	kill -9 "$program"
	wait $pid
	shift
	check_json hang.json \
		'[globals().__setitem__("cycles", lambda *n: [len(c) for c in p.get("deadlocks", [])] == list(n))]' \
		"$@"
}

hang self 'cycles(1)'
grep -q "DEADLOCK.*a thread waits for a lock that it holds itself" hang.txt || fail "self"
check_json hang.json 'lock("fork_a")["unknown_ns"] == 0 < lock("fork_a")["blocked_ns"]'
hang upgrade 'cycles(1, 1)'
grep -qE '^ +1 +table \(wr\) .* 0 / +0 ' hang.txt || fail "no line of writers: $(cat hang.txt)"
[ "$(sed -nE 's/.*\(([0-9]+)\) waits for table to write .*held by [^(]*\(([0-9]+)\).*/\1 \2/p' hang.txt |
	awk '$1 == $2' | wc -l)" = 2 ] || fail "upgrade: each waits for itself: $(head -n 8 hang.txt)"
hang readers 'cycles(2)' 'sorted(x["name"] for x in p["deadlocks"][0]) == ["fork_a", "table"]'
grep -A 2 "waits for table to write" hang.txt | grep -q "taken at read_and_want" ||
	fail "readers: the wrong one: $(head hang.txt)"
hang recursive 'cycles(2)'
hang permit 'cycles(2)' 'sorted(x["name"] for x in p["deadlocks"][0]) == ["fork_a", "place"]' \
	"lock('place')['waiting_now'][0]['held_at'][0]['line'] == $(line_of $source "PLACE TAKEN")"
hang places 'cycles()'
hang meet 'cycles(2)' 'sorted(x["name"] for x in p["deadlocks"][0]) == ["other_place", "place"]' \
	"lock('place')['waiting_now'][0]['held_at'][0]['line'] == $(line_of $source "FIRST PLACE")"
hang again 'cycles(1)' \
	"lock('place')['waiting_now'][0]['held_at'][0]['line'] == $(line_of $source "FIRST OF TWO")"
hang met 'cycles()'
hang ended 'cycles()' 'lock("fork_a")["waiting_now"][0]["holder_ended"]' \
	"lock('fork_a')['waiting_now'][0]['held_at'][0]['line'] == $(line_of $source "NEVER RELEASED")"
grep -q "waits for fork_a .*, which ended without releasing it" hang.txt || fail "ended: $(cat hang.txt)"
hang heir 'cycles()' 'not lock("left")["pshared"]' \
	'sum(h["blocked_ns"] for h in lock("left")["holders"]) <= lock("left")["cost_ns"]' \
	'[u["max_ns"] <= p["runtime_ns"] - 5e8 for u in lock("left")["users"]
	  if functions(u["stack"])[0] == "leave"] == [True]'
grep -q 'left, normal mutex, robust, in deadlock at' hang.txt || fail "the kind: $(cat hang.txt)"
hang condition 'cycles()' '"holder_ended" not in lock("fork_a")["waiting_now"][0]' \
	'functions(lock("fork_a")["waiting_now"][0]["held_at"])[0] == "wait_for_news"'
grep -q DEADLOCK hang.txt && fail "a wait for a condition is no deadlock"

ends=$(line_of $source "NEVER ENDS")
taken=$(line_of $source "JOINER TAKES")
hang join 'cycles(2)' \
	'[globals().__setitem__("x", sorted(p["deadlocks"][0], key=lambda x: "joins" in x))]' \
	'x[0]["held_by"] == x[1]["tid"] and x[1]["joins"] == x[0]["tid"]' \
	"x[0]['held_at'][0]['line'] == $taken and x[1]['stack'][0]['line'] == $ends"
grep -qE '^  hold_and_join \([0-9]+\) waits for the end of want \([0-9]+\) \(' hang.txt ||
	fail "join: $(head hang.txt)"
for how in timed-join clock-join; do
	hang $how 'cycles()' '[len(c) for c in p["timed_circles"]] == [2]' \
		'sum(x.get("timed", False) and "joins" in x for x in p["timed_circles"][0]) == 1'
	grep -qE 'waits for the end of .*, gives up after some time\)' hang.txt ||
		fail "$how: $(cat hang.txt)"
done
hang joins 'cycles()' '[len(c) for c in p["timed_circles"]] == [3]'
grep -q "3 threads wait for each other, until" hang.txt || fail "joins: $(cat hang.txt)"
hang late-join 'cycles(2)'
hang timed 'cycles()' '[len(c) for c in p["timed_circles"]] == [2]' \
	'sum(x.get("timed", False) for x in p["timed_circles"][0]) == 1'
grep -q "2 threads wait for each other, until one whose wait has a limit gives up" hang.txt &&
	[ "$(grep -c "waits for fork_a (.*, gives up after some time), held by" hang.txt)" = 1 ] &&
	[ "$(grep -c "waits for fork_b (.*[0-9] [mu]*s), held by" hang.txt)" = 1 ] ||
	fail "timed: $(cat hang.txt)"
# check: one that was killed in a deadlock is not only killed; also of a session.
cat >killer <<'END'
"$1" >stuck.out &
until grep -qs stuck stuck.out; do sleep 0.05; done
kill -9 $!
kill -9 $$
END
says_deadlock="DEADLOCK in deadlock: 3 threads wait for each other (fork_"
expect 2 "$mutrace" check --limit=acquired=1000 -- sh killer "$workloads/deadlock"
says "$says_deadlock"
expect 2 "$mutrace" check --limit=acquired=1000 kept
says "$says_deadlock"
expect 0 "$mutrace" check --limit=acquired=1000 kept-timed

grep -q DEADLOCK hang.txt && fail "a circle that ends by itself is no deadlock"
hang idle 'cycles()'
line=$(line_of $source "THREE WAIT")
grep -qE "^  3 threads wait at idle deadlock.c:$line .*for never, up to [0-9.]+ " hang.txt &&
	grep -qE "^  idle_too \([0-9]+\) waits for never \([0-9.]+ m?s\)" hang.txt &&
	grep -qE "waits at idle_too deadlock.c:$(line_of $source "ONE WAITS")" hang.txt ||
	fail "idle: $(cat hang.txt)"
exit 0
