#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# --when-waiting: a wait that is long, and a deadlock, run a command once and leave all stacks of that moment
# in the report. The program is left alone; short waits and idle threads say nothing.
. "$(dirname "$0")/lib.sh"

command='echo "$MUTRACE_WAIT_PID $MUTRACE_WAIT_TID $MUTRACE_WAIT_LOCK $MUTRACE_WAIT_MS $MUTRACE_WAIT_DEADLOCK" >>ran
cat >text'

"$mutrace" --json=a.json -o kept --when-waiting="100:$command; echo of the command; touch go; exit 7" \
	"$workloads/hang" go 2>err >out
[ $? = 0 ] && [ "$(tail -n 1 out)" = ended ] || fail "the program did not end by itself"
grep -qx "of the command" out || fail "the command's output is lost"
[ "$(wc -l <ran)" = 1 ] || fail "the command ran not once: $(cat ran)"
read -r pid tid lock ms deadlock <ran
[ "$lock" = wanted_lock ] && [ "$ms" -ge 100 ] && [ "$deadlock" = 0 ] || fail "environment: $(cat ran)"
grep -q "waits for wanted_lock (mutex), held by" text || fail "the command's input: $(cat text)"
grep -q "waits at want_lock" text || fail "frames of the recorder are shown: $(cat text)"
says "all threads when a wait was long (--when-waiting):"
says "had waited"
check_json a.json "len(p['moments']) == 1" "p['moments'][0]['tid'] == $tid and p['pid'] == $pid" \
	"p['moments'][0]['lock'] == 'wanted_lock'" "not p['moments'][0]['deadlock']" \
	"len(p['moments'][0]['hang']['threads']) == 2"
expect 0 "$mutrace" report kept
grep -q "had waited" out || fail "a kept session lost the moment"

# A deadlock is known long before the time that was set.
rm ran
expect 143 "$mutrace" --json=b.json --when-waiting="100000:$command; kill \$MUTRACE_WAIT_PID" \
	"$workloads/deadlock"
check_json b.json "p['moments'][0]['deadlock']" "len(p['moments'][0]['hang']['deadlocks']) == 1"
[ "$(cut -d' ' -f5 ran)" = 1 ] || fail "the deadlock is not told: $(cat ran)"

# Threads that are idle, and waits that are short.
rm ran
expect 3 "$mutrace" --when-waiting="30000:$command" "$workloads/window" 0.3 1.3
[ ! -e ran ] || fail "a short wait: $(cat ran)"
for wrong in 5 x:y :y 5: -1:y 0:y; do
	expect 2 "$mutrace" --when-waiting="$wrong" true
	says_only "--when-waiting takes milliseconds and a command"
done

# The session's text is from outside.
printf '{"realtime_ns":-1,"pid":%s,"tid":"x","lock":"\\u001b[31m","text":"\\u001b]0;x\\u0007","hang":[]}' \
	"$pid" >kept/moment.3
printf '[[[[' >kept/moment.4
expect 0 "$mutrace" report --json=c.json kept
grep -q "$(printf '\033')" out && fail "control characters of a moment come through"
check_json c.json "len(p['moments']) == 2" "'hang' not in p['moments'][1]"
