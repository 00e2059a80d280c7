#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Children: mutrace waits for those that outlive the program, unless told otherwise, and is nobody's parent
# but the program's.
. "$(dirname "$0")/lib.sh"

truth=$workloads/truth

# Each process image is an entry of the report.
expect 0 "$mutrace" --json=json sh -c "$truth; $truth"
check_json json \
	'sum(l["acquired"] for q in d["processes"] for l in q["locks"] if l["name"] == "guilty_lock") == 800' \
	'sum(l["contended"] for q in d["processes"] for l in q["locks"] if l["name"] == "guilty_lock") == 400'

# A daemon: its parent is init (or whoever reaps on this machine), never mutrace.
cat >daemon.sh <<'DAEMON'
(
	setsid sh -c 'until [ "$(ps -o ppid= -p $$ | tr -d " ")" != '$$' ]; do sleep 0.02; done
		ps -o ppid= -p $$ | tr -d " " >ppid.new; mv ppid.new ppid; until [ -e go ]; do sleep 0.05; done
		"$0" >/dev/null; echo done >done' "$1" </dev/null >/dev/null 2>&1 &
)
exit 7
DAEMON
if command -v ps >/dev/null; then
	"$mutrace" --json=json sh daemon.sh "$truth" 2>err &
	pid=$!
	until_true 10 test -e ppid
	[ "$(cat ppid)" != $pid ] || fail "mutrace became the daemon's parent"
	sleep 2.5
	kill -0 $pid 2>/dev/null || fail "mutrace did not wait for the daemon"
	touch go
	wait $pid
	[ $? = 7 ] || fail "exit status is not the program's"
	[ -e done ] || fail "mutrace ended before the daemon"
	says "still run"
	check_json json 'lock("guilty_lock")["acquired"] == 400'

	# --no-follow: reports when the program ends.
	rm -f ppid done go
	expect 7 "$mutrace" --no-follow sh daemon.sh "$truth"
	[ ! -e done ] || fail "--no-follow waited"
	until_true 10 test -e ppid
	touch go
	until_true 20 test -e done

	# A signal ends the waiting, not the daemon.
	rm -f ppid done go
	"$mutrace" sh daemon.sh "$truth" 2>err &
	pid=$!
	until_true 10 test -e ppid
	sleep 0.7
	kill -TERM $pid
	wait $pid
	[ $? = 7 ] || fail "exit status after SIGTERM while waiting for children"
	[ ! -e done ] || fail "the daemon ended?"
	touch go
	until_true 20 test -e done
fi

# A child killed while its siblings go on: complete up to that moment, and marked.
expect 0 "$mutrace" --json=json bash -c "$truth die; $truth >/dev/null; true"
check_json json \
	'sum(l["acquired"] for q in d["processes"] for l in q["locks"] if l["name"] == "guilty_lock") == 800'

# Many children: no image of those that recorded nothing stays.
expect 0 "$mutrace" -o kept sh -c 'i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i + 1)); done'
[ "$(ls kept | wc -l)" -lt 20 ] || fail "$(ls kept | wc -l) files of children that recorded nothing"

# As PID 1 of a container mutrace buries the orphans that it inherits.
if unshare -pf --mount-proc true 2>/dev/null; then
	expect 143 unshare -pf --mount-proc "$mutrace" \
		sh -c '(sleep 0.1 &); (sleep 0.1 &); sleep 0.7; ps -eo stat= | grep -c Z; kill -TERM $$'
	[ "$(cat out)" = 0 ] || fail "$(cat out) zombies"
fi

# In another PID namespace a process goes by another number: its image is not taken for a dead one's, nor is
# an unrelated process of that number waited for.
if unshare -pf --mount-proc true 2>/dev/null; then
	expect 0 timeout 60 "$mutrace" --json=json unshare -pf --mount-proc sh -c \
		'"$0" late & "$0" late; wait' "$workloads/children"
	check_json json 'sum(l["acquired"] for q in d["processes"] for l in q["locks"]) == 6' \
		'all(q["complete"] for q in d["processes"])'
fi

# A child that has taken an image, and not yet said of which namespace its number is: our PID 1 is not waited
# for.
cat >take.py <<'PY'
import os, struct, sys
pid = os.getppid()
with open("%s/image.%d.0" % (sys.argv[1], pid), "rb") as f:
    header = f.read(4096)
running, empty = struct.pack("=II", 1, pid), struct.pack("=II", 0, 1)
if running not in header:
    sys.exit("no state and PID in the header")
with open("%s/image.%d.7" % (sys.argv[1], pid), "wb") as f:
    f.write(header.replace(running, empty))
PY
expect 0 timeout 60 "$mutrace" -o taken sh -c "sleep 0.3; /usr/bin/python3 take.py taken && sleep 0.7"
ls taken/image.*.7 >/dev/null 2>&1 && fail "an image that nobody took stays"

# Nor where it counts the time since boot otherwise, as in a time namespace, or told by an emulator.
if unshare --time --fork --boottime=10 true 2>/dev/null && unshare --time --fork --boottime=-10 true; then
	expect 0 timeout 60 "$mutrace" --json=json sh -c 'unshare --time --fork --boottime=10 "$0" late &
		unshare --time --fork --boottime=-10 "$0" late; wait' "$workloads/children"
	check_json json 'sum(l["acquired"] for q in d["processes"] for l in q["locks"]) == 6' \
		'all(q["complete"] for q in d["processes"])'
fi

# A child that exists, but has not come to its first step when its parent is gone, and of which no fork tells.
for i in 1 2 3 4 5; do
	expect 0 "$mutrace" --json=json "$workloads/children" spawn "$truth"
	check_json json 'lock("guilty_lock")["acquired"] == 400'
done

# Children that cannot record are said.
expect 0 "$mutrace" --json=json "$workloads/children" sealed
says "2 (child processes that could not record"
check_json json 'p["losses"] == {"child": 2}' 'lock("sealed_lock")["acquired"] == 1'

# Handlers of fork() that lock before and after ours: an image each, nothing lost, nothing taken for a misuse.
expect 0 "$mutrace" --json=json "$workloads/atfork"
[ "$(cat out)" = 3 ] || fail "atfork's children"
check_json json 'len(d["processes"]) == 3' 'all(q["complete"] for q in d["processes"])' \
	'all(q["lost_events"] == 0 for q in d["processes"])' 'lock("early_lock", p)["acquired"] == 4' \
	'lock("late_lock", p)["acquired"] == 1' 'lock("child_lock")["acquired"] == 4' \
	'lock("grandchild_lock")["acquired"] == 5' \
	'not any(l.get("misuse") for q in d["processes"] for l in q["locks"])'
