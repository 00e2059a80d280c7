#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# `mutrace hang` names who waits for whom in processes that nobody prepared: deadlocks of every kind, waits
# behind threads that sleep or run, lost wake-ups; live and from core files; and refuses in one line what it
# cannot look at. HANG_TRIES: how often a busy program is looked at, which must not notice.
. "$(dirname "$0")/lib.sh"
: "${CC:=cc}"
unset DEBUGINFOD_URLS
[ -r /proc/self/syscall ] || {
	echo "skipped: this kernel does not tell of system calls"
	exit 77
}
children=
trap 'kill -9 $children 2>/dev/null; rm -rf "$work"' EXIT

# start PROGRAM MODE: it runs, is stuck, and is $pid.
start() {
	: >said
	"$@" >said 2>/dev/null &
	pid=$!
	children="$children $pid"
	until_true 20 grep -q stuck said
}

# look MODE PATTERN: the first line matches (@: the process); the rest is in $work/out, and a.json is there.
look() {
	expect 0 "$mutrace" hang --json=a.json "$pid"
	head -n 1 out | grep -qE -e "^mutrace: ${2/@/$pid}\$" || fail "$1: first line is not '$2'"
	[ ! -s err ] || fail "$1: something on stderr"
}

# stuck MODE PATTERN
stuck() {
	mode=$1
	start "$workloads/stuck" "$1"
	look "$1" "$2"
}

lock_is_waited_for() {
	"$mutrace" hang "$pid" | grep -q "waits for .*lock"
}

# As stuck; of threads that run the program does not know when they have got there.
stuck_soon() {
	mode=$1
	start "$workloads/stuck" "$1"
	until_true 20 lock_is_waited_for
	look "$1" "$2"
}

also() {
	grep -qE -e "$1" out || fail "$mode: no line like '$1'"
}

finish() {
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
}

# circle N EXPRESSION...: of so many threads, each held by the next. o(t): what thread t waits for.
circle() {
	/usr/bin/python3 - "$@" <<'PY' || fail "$mode: the circle in JSON"
import json, sys
d = json.load(open("a.json"))
threads = {t["tid"]: t for t in d["threads"]}
def o(tid): return d["objects"][threads[tid]["waits_for"]]
assert len(d["deadlocks"]) == 1, d["deadlocks"]
c = d["deadlocks"][0]["threads"]
assert len(c) == int(sys.argv[1]), c
for k, tid in enumerate(c):
    assert o(tid)["held_by"] == c[(k + 1) % len(c)], (k, o(tid))
    assert tid in o(tid)["waiters"]
names = sorted(o(t).get("name", o(t)["kind"]) for t in c)
for expression in sys.argv[2:]:
    assert eval(expression), (expression, names)
PY
}

holder='stuck \([0-9]+\)'
lines() {
	line_of tests/workloads/stuck.c "$1"
}
for mode in pair robust plain write read join; do
	stuck $mode "DEADLOCK in stuck \(PID @\): 2 threads wait for each other\."
	case $mode in
	pair | robust) circle 2 'names == ["first_lock", "second_lock"]' ;;
	plain) circle 2 'names == ["first_lock", "plain_lock"]' ;;
	write | read) circle 2 'names == ["first_lock", "table"]' ;;
	join) circle 2 'names == ["first_lock", "thread"]' ;;
	esac
	[ $mode != robust ] || also "first_lock \(mutex, robust\), held by"
	finish
done
stuck inherit "DEADLOCK in stuck \(PID @\): 2 threads wait for each other\."
circle 2
also "waits for a priority-inheriting mutex \(which one is not known"
finish
stuck timed "stuck \(PID @\): 2 threads wait for each other; a time-out will end it\."
also "first_lock \(mutex\), held by .*"
also "\((for about [0-9]+ s, )?at most [0-9]+ s more\)"
finish

# Other hangs, of the workload that the report of the moment is tested with.
for mode in '' self recursive; do
	start "$workloads/deadlock" $mode
	case $mode in
	'') look philosophers "DEADLOCK in deadlock \(PID @\): 3 threads wait for each other\."
		circle 3 'names == ["fork_a", "fork_b", "fork_c"]' ;;
	self) look self "DEADLOCK in deadlock \(PID @\): a thread waits for a lock that it holds itself\."
		circle 1 'names == ["fork_a"]' ;;
	recursive) look recursive "DEADLOCK in deadlock \(PID @\): 2 threads wait for each other\."
		circle 2 'names == ["again_a", "again_b"]' ;;
	esac
	finish
done
start "$workloads/deadlock" ended
look ended \
	"HANG in deadlock \(PID @\): all .* can wake one: deadlock \([0-9]+\) waits for fork_a \(mutex\), held by thread [0-9]+, which ended without releasing it\."
finish
start "$workloads/deadlock" readers
look readers \
	"deadlock .* waits for fork_a \(mutex\), held by .*, which waits for table \(rwlock\), held by 2 readers .*"
finish

# A holder that sleeps, runs, or waits.
stuck asleep \
	"stuck \(PID @\): $holder waits for first_lock \(mutex\), held by $holder, which is asleep in read on a pipe\."
also "is asleep in read on a pipe at sleep_in_read stuck.c:[0-9]+ < hold_and_read stuck.c:[0-9]+"
also "waits at want_first stuck.c:[0-9]+"
finish
stuck epoll "stuck .* held by $holder, which is asleep in epoll_wait\."
finish
# An interrupted sleep goes on as another call.
all_are() {
	! cat /proc/"$pid"/task/*/status | grep '^State:' | grep -qv "$1"
}
stuck nap "stuck .* held by $holder, which is asleep in clock_nanosleep\."
kill -STOP "$pid"
until_true 10 all_are stopped
kill -CONT "$pid"
until_true 10 all_are sleeping
look nap "stuck .* held by $holder, which is asleep in clock_nanosleep\."
finish
stuck_soon runs "stuck .* first_lock \(mutex\), held by $holder, which is running\."
also "is running at compute stuck.c:[0-9]+ < hold_and_run"
finish
stuck many \
	"stuck \(PID @\): 29 threads wait for first_lock \(mutex\), held by $holder, which is asleep in read on a pipe\."
also "29 threads wait at many_want stuck.c:[0-9]+"
# a stopped process can be looked at as well
kill -STOP "$pid"
until_true 10 all_are stopped
look stopped "stuck .*: 29 threads wait for first_lock .*"
kill -CONT "$pid"
finish
stuck once \
	"stuck .* waits for control \(once-control\), which is initialised by $holder, which is asleep in read on a pipe\."
finish
stuck stream \
	"stuck .*lock inside the C library(,| at 0x[0-9a-f]+ \() ?in fwrite\), held by $holder, which is asleep in read on a pipe\."
finish
if [ "$(uname -m)" != i686 ]; then
	mode=spin
	stuck_soon spin "stuck .* waits for spin \(spin lock\), its holder is not known\."
	also "waits at spin_want stuck.c:[0-9]+"
	finish
fi
stuck file "stuck .* waits for the flock lock on .*stuck.lock, held by process [0-9]+ \(stuck\)\."
finish
stuck shared \
	"stuck .* waits for a mutex at 0x[0-9a-f]+ \(shared between processes\), held by another process, thread [0-9]+ \(stuck\)\."
finish

stuck runtime "HANG in stuck .* waits for runtime_word \(futex\), its holder is not known\."
finish

# Nobody is left to wake them.
for mode in lost plain-lost semaphore semaphores barrier; do
	stuck $mode "HANG in stuck \(PID @\): all of its threads wait; nothing in the process can wake one\."
	case $mode in
	lost) also "waits for news \(condition\) with mutex first_lock at lost_wait" ;;
	plain-lost) also "waits for plain_news \(condition\) with mutex plain_lock at plain_wait" ;;
	semaphore) also "waits for work \(semaphore\) at semaphore_wait" ;;
	semaphores)
		bench='bench(\+0x[0-9a-f]+)?'
		also "2 threads wait for $bench, $bench \(semaphores\) at bench_wait"
		;;
	barrier) also "waits for gate \(barrier\), where 1 of 3 have arrived at gate_wait" ;;
	esac
	finish
done

if [ -x "$workloads/stuck-cxx" ]; then
	for mode in pair condition shared once static; do
		start "$workloads/stuck-cxx" $mode
		case $mode in
		pair) look pair "DEADLOCK in stuck-cxx .*2 threads wait for each other\."
			also "waits for app::yours \(mutex\), held by"
			also "at app::transfer stuck-cxx.cc:[0-9]+" ;;
		condition) look condition "HANG in stuck-cxx .*"
			also "app::mine\+0x[12]8 \(condition\) with mutex app::mine at app::await_change" ;;
		shared) look shared \
			"stuck-cxx .*app::mine\+0x[45]8 \(rwlock\), held by .*, which is asleep in pause\." ;;
		once) look once \
			"stuck-cxx .*\(once-control\), which is initialised by .*, which is asleep in pause\."
		;;
		static) look static \
			"stuck-cxx .*use_static.*, which is initialised by .*, which is asleep in pause\."
			also "is asleep in pause at app::slow_start" ;;
		esac
		finish
	done
fi

# Statically linked: no table for unwinding, and without symbols no names.
if $CC -static -g -O1 -fno-optimize-sibling-calls -D_GNU_SOURCE -I"$top_srcdir" -o stuck-static \
	"$top_srcdir/tests/workloads/stuck.c" -lpthread 2>cc.log; then
	start ./stuck-static pair
	look static "DEADLOCK in stuck-static .*: 2 threads wait for each other\."
	mode=static
	also "at take_both stuck.c:[0-9]+ < pair_second stuck.c:[0-9]+"
	finish
	strip stuck-static
	start ./stuck-static lost
	look stripped "HANG in stuck-static .*"
	also "waits for a condition at 0x[0-9a-f]+ with mutex 0x[0-9a-f]+ at stuck-static\+0x"
	finish
fi

# Code whose stacks need registers: the threads are stopped for an instant, and their waits go on.
start "$workloads/stuck-pointers" once
look pointers \
	"stuck-pointers .* waits for control \(once-control\), which is initialised by .*, which is asleep in read on a pipe\."
look pointers "stuck-pointers .* waits for control .*" # again: they are as they were
# The vdso of i386 keeps the registers on the stack: nobody has to be stopped there.
[ "$(uname -m)" = i686 ] || ! grep -q '"stopped": 0' a.json || fail "frame pointers: nobody was stopped"
finish

# A filter that kills whoever goes on with a sleep that was interrupted.
if [ "$(uname -m)" != i686 ]; then
	mkfifo lines
	"$workloads/filtered" restart_syscall sleeper <lines >said 2>/dev/null &
	pid=$!
	children="$children $pid"
	exec 4>lines
	until_true 20 grep -q ready said
	stopped=0
	for ((i = 0; i < 10; i++)); do
		expect 0 "$mutrace" hang --json=a.json "$pid"
		! grep -q '"stopped": 1' a.json || stopped=$((stopped + 1))
	done
	[ $stopped -gt 0 ] || fail "a confined thread was not stopped"
	# One that hardly gets a processor is waited for: it is interrupted already.
	if [ "$(id -u)" = 0 ] && command -v taskset >/dev/null; then
		hogs=
		renice -n 19 -p $(ls "/proc/$pid/task") >/dev/null
		taskset -apc 0 "$pid" >/dev/null && for i in 1 2 3 4 5 6; do
			taskset -c 0 nice -n -20 sh -c 'while :; do :; done' &
			hogs="$hogs $!"
		done
		children="$children $hogs"
		for i in 1 2 3 4 5 6; do # it may just be awake
			expect 0 "$mutrace" hang --json=a.json "$pid"
			! grep -q '"stopped": 1' a.json || break
		done
		kill $hogs
		grep -q '"stopped": 1' a.json || fail "a confined thread without a processor was not stopped"
	fi
	echo >&4
	until_true 20 grep -q done said
	exec 4>&-
	wait "$pid" || fail "a confined program was harmed"
fi

# A process that executes another program meanwhile, as a shell's child after "&", is looked at again.
cat >hops.sh <<'SH'
[ "$1" = 0 ] && exec sleep 60
sleep 0.03
exec "$2" hops.sh $(($1 - 1)) "$3" "$2"
SH
for i in 1 2 3 4 5; do
	exec 5< <(exec sh hops.sh 8 bash sh)
	pid=$!
	children="$children $pid"
	expect 0 "$mutrace" hang "$pid"
	kill "$pid"
	exec 5<&-
done

# Core files: of gcore, and of the kernel if it leaves them here.
core_check() {
	expect 0 "$mutrace" hang --json=a.json "$1"
	head -n 1 out | grep -qE "DEADLOCK in stuck \(core file $1\): 2 threads wait for each other\." ||
		fail "core file $1"
	mode="core file"
	circle 2 'names == ["first_lock", "second_lock"]' \
		'threads[c[0]]["stack"][0]["function"] == "take_both"'
}
if command -v gcore >/dev/null; then
	start "$workloads/stuck" pair
	gcore -o made "$pid" >gcore.log 2>&1 || fail "gcore: $(cat gcore.log)"
	core_check "made.$pid"
	# the same, cut off at any place: no crash, and no wrong circle
	size=$(stat -c %s "made.$pid")
	for part in 0 40 100 1000 4096 $((size / 3)) $((size - 5000)); do
		head -c "$part" "made.$pid" >cut
		"$mutrace" hang cut >out 2>err
		[ $? -le 2 ] || fail "a core file cut at $part"
	done
	finish
	start "$workloads/stuck" lost
	gcore -o made "$pid" >gcore.log 2>&1
	expect 0 "$mutrace" hang "made.$pid"
	also "waits for news \(condition\) with mutex first_lock at lost_wait"
	finish
	start "$workloads/stuck" asleep
	gcore -o made "$pid" >gcore.log 2>&1
	expect 0 "$mutrace" hang "made.$pid"
	head -n 1 out | grep -q "waits for first_lock (mutex), held by .*, which is in read on descriptor" \
		|| fail "asleep, from a core file"
	finish
fi
if [ "$(cat /proc/sys/kernel/core_pattern)" = core ]; then
	rm -f core core.*
	ulimit -c unlimited
	start "$workloads/stuck" pair
	ulimit -c 0
	kill -ABRT "$pid"
	wait "$pid" 2>/dev/null
	if [ -s core ]; then
		core_check core
	fi
fi

# A process that is traced already.
if command -v strace >/dev/null; then
	start "$workloads/stuck" pair
	strace -f -o /dev/null -p "$pid" 2>strace.log &
	tracer=$!
	until_true 10 grep -q attached strace.log
	look traced "DEADLOCK in stuck .*"
	kill "$tracer"
	wait "$tracer" 2>/dev/null
	finish
fi

# A busy program that looks after itself notices nothing, and is never called hung.
mkfifo control
"$workloads/unharmed" <control >said &
pid=$!
children="$children $pid"
exec 3>control
until_true 10 grep -q runs said
for ((i = 0; i < ${HANG_TRIES:-10}; i++)); do
	expect 0 "$mutrace" hang --json=a.json "$pid"
	head -n 1 out | grep -qE "DEADLOCK|HANG" && fail "a busy program is called hung"
done
exec 3>&-
wait "$pid"
[ $? = 0 ] || fail "the busy program was harmed: $(cat said)"
grep -q "unharmed after" said || fail "the busy program said: $(cat said)"

# A program that was replaced while it runs is still there; for a core file it is not.
cp "$workloads/stuck" gone
start ./gone pair
! command -v gcore >/dev/null || gcore -o of-gone "$pid" >gcore.log 2>&1
rm gone
look gone "DEADLOCK in gone .*: 2 threads wait for each other\."
circle 2 'names == ["first_lock", "second_lock"]'
if [ -e "of-gone.$pid" ]; then
	expect 0 "$mutrace" hang "of-gone.$pid"
	mode="core file of a program that is gone"
	also "/gone is not there, so nothing is named from it"
	cp "$workloads/deadlock" gone
	expect 0 "$mutrace" hang "of-gone.$pid"
	also "/gone is not the file that runs, so nothing is named from it"
fi
finish

# In a container the threads have other numbers there than here.
if [ "$(id -u)" = 0 ] && unshare -p -f --mount-proc true 2>/dev/null; then
	: >said
	unshare -p -f --mount-proc "$workloads/stuck" pair >said &
	parent=$!
	children="$children $parent"
	until_true 20 grep -q stuck said
	pid=$(pgrep -P $parent)
	look container "DEADLOCK in stuck \(PID @\): 2 threads wait for each other\."
	circle 2 'names == ["first_lock", "second_lock"]'
	finish
fi

# In a changed root: started there, with mounts of its own too, and changed to when all was mapped.
if [ "$(id -u)" = 0 ] && chroot / true 2>/dev/null; then
	mkdir root
	start "$workloads/stuck" pair root
	look "changed root" "DEADLOCK in stuck \(PID @\): 2 threads wait for each other\."
	circle 2 'names == ["first_lock", "second_lock"]'
	finish
fi
if [ "$(id -u)" = 0 ] && unshare -m sh -c 'mount --rbind / root && chroot root true' 2>/dev/null; then
	# shellcheck disable=SC2016 # the inner shell's
	start unshare -m sh -c 'mount --rbind / root && exec chroot root "$0" pair' "$workloads/stuck"
	look "started in a changed root" "DEADLOCK in stuck \(PID @\): 2 threads wait for each other\."
	circle 2 'names == ["first_lock", "second_lock"]'
	finish
fi

# Refusals: one line each, status 2.
refuse() {
	local text=$1
	shift
	expect 2 "$mutrace" hang "$@"
	says_only "$text"
	[ ! -s out ] || fail "a refusal with something on stdout"
}
refuse "there is no process" 4194303
refuse "one process or core file is wanted"
refuse "one process or core file is wanted" 1 2
refuse "No such file" ./nothing
refuse "no core file" "$top_srcdir/README.md"
refuse "not a core file" "$mutrace"
refuse "not a regular file" .
[ ! -e /proc/2/exe ] || [ "$(cat /proc/2/comm)" != kthreadd ] || refuse "a thread of the kernel" 2
/usr/bin/python3 -c '
import os, time
if os.fork() == 0: os._exit(0)
time.sleep(30)' &
parent=$!
children="$children $parent"
until_true 10 pgrep -P $parent >/dev/null
zombie=$(pgrep -P $parent)
until_true 10 grep -q "State:.Z" "/proc/$zombie/status"
refuse "has ended" "$zombie"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	start "$workloads/stuck" pair
	chmod 755 "$work"
	setpriv --reuid=65534 --clear-groups "$mutrace" hang "$pid" >out 2>err
	[ $? = 2 ] || fail "another user's process"
	says_only "belongs to another user"
	finish
fi
exit 0
