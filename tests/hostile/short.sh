#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Short of everything: file systems that are full, fill up or are read-only, limits on files, memory and
# descriptors, no /dev/shm, no /proc. The program's result stays what it is, and what is not in the report is
# said to be lost.
if [ -z "${IN_NAMESPACE:-}" ]; then
	export IN_NAMESPACE=no
	for how in -m -rm; do
		if unshare $how mount -t tmpfs tmpfs /mnt 2>/dev/null; then
			IN_NAMESPACE=yes exec unshare $how bash "$0"
		fi
	done
fi
# The descriptors that are counted below are to be ours.
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
# The test makes /tmp read-only for itself, and looks whether /dev/shm is empty in the end.
if [ $IN_NAMESPACE = yes ]; then
	mount -t tmpfs tmpfs /mnt && mount -t tmpfs -o size=256m tmpfs /dev/shm || exit 99
	export TMPDIR=/mnt
fi
. "$(dirname "$0")/../e2e/lib.sh"
short=$top_builddir/tests/hostile/short
mkdir fs tmp
mkfifo o e
export TMPDIR=$work/tmp

# result COMMAND...: it must end as the program does, with its output. By pipes, as files may not be written
# to.
result() {
	local got
	cat o >out &
	cat e >err &
	"$@" >o 2>e
	got=$?
	wait
	[ $got = 7 ] || fail "exit status $got of: $*"
	grep -q '^calls [0-9]' out || fail "the program's output"
	calls=$(sed -n 's/^calls //p' out)
}

# adds_up: what was recorded and what was lost are what the program did; a thread that has no record of its
# own loses more than its calls, as its releases are not known either.
adds_up() {
	check_json json \
		"d.get('unrecorded_processes') or sum(l['acquired'] for q in d['processes'] for l in q['locks']) + \
		sum(q['lost_events'] for q in d['processes']) >= $calls" \
		"d.get('unrecorded_processes') or any('thread' in q['losses'] for q in d['processes']) or \
		sum(l['acquired'] for q in d['processes'] for l in q['locks']) + sum(q['lost_events'] for q in d['processes']) == $calls"
}

# As far as the limits on a process go. The library that is preloaded needs a descriptor to be found by.
limited() {
	local limit=$1
	shift
	result "$mutrace" --json=json bash -c "ulimit $limit && exec \"\$0\" \"\$@\"" "$short" "$@"
}
for limit in '-f 0' '-f 4' '-f 8' '-f 20' '-f 100' '-v 60000' '-v 200000' '-n 4'; do
	limited "$limit" 1000 3
	adds_up
done
result "$mutrace" --json=json "$short" 10 1 fork
check_json json "p['losses'] == {'child': 1}"
says 'child processes that could not record'
# kB: no room for its threads
expect 2 "$(dirname "$mutrace")/matrace" --fail bash -c "ulimit -f 20 && exec $short 1000 3"
says 'events were lost, so --fail cannot say'
for blocks in 0 1 4 64; do # of mutrace itself
	result bash -c "ulimit -f $blocks; exec \"\$0\" \"\$@\"" "$mutrace" --json=json "$short" 1000 3
	if [ $blocks -lt 4 ]; then
		says 'runs without being recorded'
	else
		adds_up
	fi
done
for n in 4 5 6 7 8 9 10 12; do
	result bash -c "ulimit -n $n; exec \"\$0\" \"\$@\"" "$mutrace" "$short" 100 3
	echo "$n descriptors: $(grep -m1 -E 'runs without|acquisitions|room|is kept' err)"
	# With too few for the report the session stays, and can be read when there are more.
	kept=$(sed -n 's/.*the session is kept in //p' err)
	[ -z "$kept" ] || expect 0 "$mutrace" report --remove-session "$kept"
done
result bash -c 'ulimit -f 0; LD_PRELOAD=$0 exec "$@"' "$top_builddir/.libs/libmutrace.so" "$short" 1000 3

if [ $IN_NAMESPACE != yes ]; then
	echo "the rest needs a mount namespace"
	exit 0
fi

# Full from the start: with the session in it, with less than a page for it, and by hand.
for size in 4k 8k 12k 16k 32k 64k 128k 256k 1m 8m; do
	mount -t tmpfs -o size=$size tmpfs fs || exit 99
	result "$mutrace" -o fs/s --json=json "$short" 3000 20
	if grep -q 'the session is kept in' err; then # no room for it at all
		[ $size = 4k ] || fail "$size: the session is elsewhere"
		expect 0 "$mutrace" report --json=json --remove-session \
			"$(sed -n 's/.*is kept in //p' err | head -n 1)"
	else
		adds_up
		[ $size = 8m ] || grep -qE 'no space in the session|1 process could not be recorded' err ||
			fail "$size: losses are not said"
	fi
	echo "$size: $(grep -m1 -E 'lost|nothing was|kept' err)"
	umount fs
done
mount -t tmpfs -o size=64k tmpfs /dev/shm && mount -t tmpfs -o size=64k tmpfs tmp || exit 99
result env LD_PRELOAD="$top_builddir/.libs/libmutrace.so" "$short" 3000 20
ls -A /dev/shm tmp | grep -q mutrace && fail "a session by hand was left behind"

# Full in mid-run: somebody else took the rest.
for size in 256k 1m 8m; do
	mount -t tmpfs -o size=$size tmpfs fs || exit 99
	rm -f half go
	(
		until [ -e half ]; do sleep 0.02; done
		dd if=/dev/zero of=fs/filler bs=4k 2>/dev/null
		touch go
	) &
	result "$mutrace" -o fs/s --json=json "$short" 12000 5 half go
	wait
	adds_up
	says 'no space in the session'
	echo "$size, filled: $(grep -m1 lost err)"
	umount fs
done

# Nowhere to write: the program runs unrecorded, unless its record is what matters.
umount /dev/shm tmp
for place in /dev/shm /tmp tmp; do # not hidden: the build tree may be in there
	{ mount --rbind $place $place && mount -o remount,ro,bind $place; } || exit 99
done
result "$mutrace" "$short" 100 3
says 'runs without being recorded'
expect 2 "$mutrace" check --limit=wait-max=5s -- "$short" 100 3
expect 2 "${mutrace%mutrace}matrace" --fail "$short" 100 3
umount /dev/shm tmp
umount -l /tmp # whatever is mounted in there
mount -t tmpfs -o ro tmpfs fs
result "$mutrace" -o fs/s --json=json "$short" 100 3
adds_up
says 'Read-only file system'
expect 0 "$mutrace" report --remove-session "$(sed -n 's/.*is kept in //p' err | head -n 1)"
umount fs

# No /dev/shm: $TMPDIR. No /proc: the same report.
[ -z "$(find /dev/shm tmp -mindepth 1)" ] || fail "left behind: $(find /dev/shm tmp -mindepth 1)"
mount -t tmpfs -o mode=000,ro tmpfs /dev/shm || exit 99
result "$mutrace" --json=json "$short" 100 3
adds_up
mount -t tmpfs -o ro tmpfs /proc || exit 99
result "$mutrace" --json=json "$short" 100 3
adds_up
umount /proc
