#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Signals sent to mutrace reach the program; what a terminal sends reaches it once; SIGUSR1 is ours.
. "$(dirname "$0")/lib.sh"

for signal in HUP INT QUIT TERM USR2 ALRM ABRT PROF WINCH; do
	rm -f ready got
	# started from Python: a shell starts its background jobs with SIGINT and SIGQUIT ignored
	/usr/bin/python3 - "$mutrace" $signal <<'PY' || fail "SIG$signal"
import os, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "sh", "-c",
    'trap "echo %s >>got; exit 9" %s; echo >ready; while :; do sleep 0.02; done' % ((sys.argv[2],) * 2)],
    stderr=open("err", "w"), start_new_session=True)
while not os.path.exists("ready"):
    time.sleep(0.01)
os.kill(p.pid, getattr(signal, "SIG" + sys.argv[2]))
sys.exit(p.wait() != 9)
PY
	[ "$(cat got)" = $signal ] || fail "SIG$signal did not arrive once"
done

# An alarm that was set before mutrace was executed is the program's.
expect 9 /usr/bin/python3 -c '
import os, signal, sys
signal.setitimer(signal.ITIMER_REAL, 0.3)
os.execv(sys.argv[1], [sys.argv[1], "sh", "-c", "trap \"exit 9\" ALRM; while :; do sleep 0.02; done"])' "$mutrace"

# Sent to the whole group, as timeout does and as a program may do to itself: the program gets it once.
cat >group.py <<'PY'
import os, signal, sys, time
count = 0
def handler(number, frame):
    global count
    count += 1
signal.signal(signal.SIGTERM, handler)
if sys.argv[1] == "self":
    os.kill(0, signal.SIGTERM)
else:
    open("ready3", "w").close()
deadline = time.time() + 20
while count == 0 and time.time() < deadline:
    time.sleep(0.02)
time.sleep(0.3)
sys.exit(10 + count)
PY
expect 11 setsid -w "$mutrace" /usr/bin/python3 group.py self
expect 0 /usr/bin/python3 - "$mutrace" <<'PY'
import os, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "/usr/bin/python3", "group.py", "wait"], start_new_session=True)
while not os.path.exists("ready3"):
    time.sleep(0.01)
os.killpg(p.pid, signal.SIGTERM)
sys.exit(p.wait() != 11)
PY

# Sent to mutrace by name: nothing else of ours has that name, also not in its command line.
"$mutrace" sh -c 'trap "echo got >got4; exit 12" TERM; echo >ready4; while :; do sleep 0.02; done' unique-$$ \
	2>err &
pid=$!
until_true 10 test -e ready4
[ "$(pgrep -P $pid -x "$(basename "$mutrace")" | wc -l)" = 0 ] || fail "a process of ours is called mutrace"
for child in $(pgrep -P $pid); do
	[ "$(tr '\0' ' ' <"/proc/$child/cmdline" | grep -c "$mutrace")" = 0 ] ||
		fail "command line of process $child"
done
kill -TERM $pid
wait $pid
[ $? = 12 ] || fail "SIGTERM by name"

# Without a handler the program dies of it, and mutrace too, after its report.
expect 143 bash -c \
	'"$0" sh -c "echo >ready2; exec sleep 100" & until [ -e ready2 ]; do sleep 0.02; done; kill $!; wait $!' \
	"$mutrace"

# Signals that were ignored when mutrace was started are ignored in the program; blocked ones are blocked.
expect 0 bash -c 'trap "" HUP CHLD PIPE; exec "$0" grep SigIgn /proc/self/status' "$mutrace"
ignored=$(sed -n 's/SigIgn:\t//p' out)
expect 0 bash -c 'trap "" HUP CHLD PIPE; exec grep SigIgn /proc/self/status'
[ "$ignored" = "$(sed -n 's/SigIgn:\t//p' out)" ] || fail "ignored signals differ"
expect 0 "$mutrace" grep -E 'SigBlk|SigIgn|SigCgt' /proc/self/status
mv out with
expect 0 grep -E 'SigBlk|SigIgn|SigCgt' /proc/self/status
cmp -s out with || fail "signal masks differ: $(cat with)"
expect 5 bash -c 'trap "" CHLD; "$0" sh -c "exit 5"' "$mutrace"
expect 0 "$mutrace" bash -c 'ulimit -Sn; ulimit -Sc'
mv out with
expect 0 bash -c 'ulimit -Sn; ulimit -Sc'
cmp -s out with || fail "limits differ"

# SIGUSR1: a report of the moment, and the program notices nothing.
rm -f ready
"$mutrace" sh -c 'trap "echo usr1 >got1" USR1; echo >ready; until [ -e go ]; do sleep 0.02; done; exit 4' \
	2>err &
pid=$!
until_true 10 test -e ready
kill -USR1 $pid
sleep 0.3
touch go
wait $pid
[ $? = 4 ] || fail "status after SIGUSR1"
[ ! -e got1 ] || fail "the program got SIGUSR1"
