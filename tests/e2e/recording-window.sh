#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The recording window (--after, --for): counts of the window are exact, whatever is recorded; a lock that was
# taken before it is neither counted nor misused when it is released in it; what lasts when it closes counts
# with what it has lasted until then; the report comes at once and the program runs on.
. "$(dirname "$0")/lib.sh"

# windowed OPTION...: records the window from 0.3 to 1.3 s, on a machine that is too slow from 1 to 6 s.
windowed() {
	local status span=1 begin=0.3 end=1.3
	rm -rf kept
	for try in 1 2 3; do
		"$mutrace" -o kept --json=now.json "$@" --after=$begin --for=$span \
			"$workloads/window" $begin $end >out 2>err
		status=$?
		[ $status = 9 ] || break
		rm -rf kept
		begin=1 end=6 span=5
	done
	[ $status = 3 ] || fail "exit status $status"
	[ "$(cat out)" = "ran on" ] || fail "the program did not run on"
	says "recorded for"
	expect 0 "$mutrace" report --json=later.json kept # read when all is over it says the same
}

exact='[lock(n)["acquired"] for n in ("counted", "begun_before", "ends_after")] == [3500, 1, 1]'
waits='lock("ends_after")["unfinished"]["count"] == 1 and 0 < lock("ends_after")["cost_ns"] < p["runtime_ns"]'
edges='not any(l.get("misuses") or l["name"] in ("waited_before", "read_before") for l in p["locks"])'
time='p["window"]["end_ns"] - p["window"]["begin_ns"] == p["runtime_ns"] == round(p["runtime_ns"], -7)'
threads='p["threads"] == 3 and p["thread_time_ns"] <= 3 * p["runtime_ns"] and p["lost_events"] == 0'

for options in "" --sample-hold=4; do
	windowed $options
	for report in now later; do
		check_json $report.json "$exact" "$waits" "$edges" "$time" "$threads"
	done
done
check_json later.json 'p["complete"]' 'lock("ends_after")["holders"][0]["blocked_ns"] > 0'

windowed --contended-only
check_json now.json "$waits" "$edges" "$time"
check_json later.json "$waits" "$edges"

# Preloaded by hand, where no command waits.
MUTRACE_OPTIONS="--json=$work/hand.json --after=0.3 --for=3" LD_PRELOAD=$top_builddir/.libs/libmutrace.so \
	"$workloads/window" 0.3 3.3 >out 2>err
case $? in
3) check_json hand.json "$exact" "$waits" "$edges" ;;
9) echo "by hand: not judged, the machine was too slow" ;;
*) fail "by hand: exit status" ;;
esac

# A window that the program does not reach, and one of which only the beginning is set.
expect 0 "$mutrace" --after=100 true
says "nothing was recorded: true ended before the recording window began"
expect 3 "$mutrace" --json=open.json --after=0.3 "$workloads/window" 0.3 1.1
check_json open.json 'lock("counted")["acquired"] == 3500 + 13 + 19 + 17' \
	'lock("ends_after")["contended"] == 1' '"end_ns" not in p["window"]'
