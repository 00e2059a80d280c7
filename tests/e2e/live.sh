#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A report of a program that runs: by SIGUSR1 to mutrace and by mutrace report on the live session. It shows
# who waits now, for what, held by whom; and the program is left alone.
. "$(dirname "$0")/lib.sh"

"$mutrace" -o kept "$workloads/hang" go 2>err >out &
pid=$!
until_true 10 grep -qs waiting out
"$mutrace" report --json=live.json kept >live.txt 2>live.err ||
	fail "report of a live session: $(cat live.err)"
check_json live.json \
	'not p["complete"]' \
	'len(lock("wanted_lock")["waiting_now"]) == 1' \
	'functions(lock("wanted_lock")["waiting_now"][0]["stack"])[0] == "want_lock"' \
	'lock("wanted_lock")["waiting_now"][0]["held_by"] > 0'
# A container beside it, which cannot see whether the program runs, but that mutrace does
beside() {
	unshare -p -f --mount-proc "$mutrace" report --json=beside.json kept >beside 2>&1
}
apart=
if [ "$(id -u)" = 0 ] && unshare -p -f --mount-proc true 2>/dev/null; then
	apart=yes
	sleep 0.3 # nothing is recorded meanwhile
	beside
	check_json beside.json 'p["end"] == "running" and p["headline"]["share"] <= 1' \
		"p['runtime_ns'] >= json.load(open('live.json'))['processes'][0]['runtime_ns'] + 300000000"
fi
kill -USR1 $pid
until_true 10 grep -qs wanted_lock err
grep -q want_lock err || fail "the report of the moment does not say who waits"
touch go
wait $pid
[ $? = 0 ] || fail "exit status"
[ "$(tail -n 1 out)" = ended ] || fail "the program did not end by itself"
# A mutrace that was killed tells nobody
if [ -n "$apart" ]; then
	rm -r kept go
	"$mutrace" -o kept "$workloads/hang" go 2>err >out &
	until_true 10 grep -qs waiting out
	kill -KILL $!
	wait $!
	beside
	check_json beside.json 'p["end"] == "unknown"'
	grep -q 'at least (its end was not seen)' beside || fail "a container says that the program has ended"
	touch go
	until_true 10 grep -qs ended out
fi
