#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The C library's own locks: contended acquisitions are exact, waiter and holder are named to the line, by
# the functions that the program called. And it is said where they are not seen.
. "$(dirname "$0")/lib.sh"

export libc_rows=
source=tests/workloads/libclocks.c
run=$workloads/libclocks

# holds LOAD KIND NAME HOLDER-FUNCTIONS WAITER-FUNCTIONS MARK-OF-HOLDER MARK-OF-WAITER
holds() {
	local holder waiter left=
	# glibc 2.43's malloc() goes to its slow part by a jump, and leaves no frame of its own.
	[[ $5 != malloc\ * ]] || left="'${5#malloc }'.split()"
	holder=$(line_of $source "HOLDS $6")
	waiter=$(line_of $source "WAITS $7")
	expect 0 "$mutrace" --json="$work/json" "$run" "$1"
	grep -q '"libc_locks": *"seen"' "$work/json" || return
	check_json "$work/json" \
		'p["lost_events"] == 0 and len(p["locks"]) == 1' \
		"p['locks'][0]['kind'] == '$2' and p['locks'][0]['made_by'] == 'libc'" \
		"p['locks'][0]['role'] == 'lock' and p['locks'][0]['contended'] == 200" \
		"'$3' in p['locks'][0]['name']" \
		"p['locks'][0]['wait_ns']['total'] >= 200 * 300000" \
		"p['locks'][0]['blocked_ns'] >= 0.5 * p['locks'][0]['cost_ns']" \
		"len(p['locks'][0]['waiters']) == len(p['locks'][0]['holders']) == 1" \
		"functions(p['locks'][0]['holders'][0]['stack']) == '$4'.split()" \
		"functions(p['locks'][0]['waiters'][0]['stack']) in ('$5'.split(), $left)" \
		"$holder in [f.get('line') for f in p['locks'][0]['holders'][0]['stack']]" \
		"$waiter in [f.get('line') for f in p['locks'][0]['waiters'][0]['stack']]"
}

holds arena arena 'main arena' 'malloc_stats arena_hold holder' 'malloc arena_wait waiter' ARENA ARENA
grep -q '"libc_locks": *"seen"' "$work/json" || {
	says "the C library's own locks (malloc, stdio and others) were not seen: "
	echo "skipped: the C library is one whose own locks are not seen"
	exit 77
}
says "main arena, malloc arena"
says "threads share malloc's arenas."
says "1 lock, 200 contended acquisitions; of 1 lock (the C library's own) no others are seen."
check_json "$work/json" \
	"lock('main arena')['acquired'] is None and lock('main arena')['named_by'] == 'purpose'" \
	"lock('main arena')['id'] not in [w['lock'] for w in p['what_if']['locks']]" \
	"[x['locks'] for x in p['diagnoses'] if x['kind'] == 'allocator'] == [[lock('main arena')['id']]]"
says "what fixing lock 1 would gain is not known"
holds stdio FILE fwrite 'fwrite stdio_hold holder' 'fwrite stdio_wait waiter' STDIO STDIO
holds loader libc "loader" 'dl_iterate_phdr loader_hold holder' \
	'dl_iterate_phdr loader_wait waiter' LOADER LOADER

# FILEs that the program locks itself: all these acquisitions are seen, with stdio's that wait beside them.
holds flock FILE flock_hold 'flock_hold holder' 'flock_wait waiter' FLOCK FLOCK
check_json "$work/json" "p['locks'][0]['acquired'] == 400"
holds mixed FILE putc 'flock_hold holder' 'putc mixed_wait waiter' FLOCK MIXED
holds deixm FILE fwrite 'fwrite stdio_hold holder' 'flock_wait waiter' STDIO FLOCK
holds path FILE /dev/null 'flock_hold holder' 'putc mixed_wait waiter' FLOCK MIXED
check_json "$work/json" "p['locks'][0]['identity'] == 'FILE:/dev/null'"
holds standard FILE stdout 'flock_hold holder' 'putc mixed_wait waiter' FLOCK MIXED

# Those of a realtime thread are told by matrace, beside the call that they are in.
waited="[(a['function'], a['count'], functions(a['stack'])[-1]) for a in p['allocations']]"
for load in arena stdio loader; do
	expect 0 "${MATRACE:-$top_builddir/matrace}" --also=locks --rt-threads=libclocks --json="$work/json" \
		"$run" $load
	check_json "$work/json" \
		"sum(n for f, n, last in $waited if f == 'lock of the C library' and last == 'waiter') == 200"
done

# The acquisitions of other locks are counted beside them.
expect 0 "$mutrace" "$run" arena mutex
says "1 lock, 1 acquisition, 0 contended (0 %)."
says "1 more lock (the C library's own), 200 contended acquisitions; no others are seen."

# All that a pthread mutex does down there is counted once.
expect 0 "$mutrace" --json="$work/json" "$run" mutex
check_json "$work/json" "len(p['locks']) == 1 and lock('mutex')['contended'] == 200" \
	"lock('mutex')['acquired'] == 400 and lock('mutex')['made_by'] == 'pthread'"

# A child after fork() and one after vfork(), beside threads that allocate.
expect 0 "$mutrace" "$run" forks

# Names do not depend on debug information of the C library.
expect 0 "$mutrace" --sysroot=/nonexistent --json="$work/json" "$run" arena
check_json "$work/json" "lock('main arena')['contended'] == 200"

expect 0 "$mutrace" --no-libc-locks --json="$work/json" "$run" arena
says "no locks were seen."
says "the C library's own locks (malloc, stdio and others) were not seen: --no-libc-locks."
check_json "$work/json" 'p["libc_locks"] == "not-wanted" and p["locks"] == []'
expect 0 "$mutrace" --no-libc-locks "$run" nothing
says "no locks were seen."
expect 0 "$mutrace" "$run" nothing
! grep -q "own locks" "$work/err" || fail "they are seen by themselves"

# The program runs all the same if its code cannot be changed.
for how in seccomp mdwe; do
	"$run" unwritable $how true || continue
	expect 0 "$run" unwritable $how "$mutrace" --json="$work/json" "$run" flock
	says "were not seen: the system does not let the program's code be changed."
	check_json "$work/json" "p['libc_locks'] == 'refused' and p['locks'][0]['contended'] == 200"
done
