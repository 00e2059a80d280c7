#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Counts are exact, the wait is what the program itself measured, and the stacks are named to the line.
. "$(dirname "$0")/lib.sh"

truth=tests/workloads/truth.c
expect 0 "$mutrace" --json="$work/json" "$workloads/truth"
measured=$(sed -n 's/^waited_ns //p' "$work/out")
[ -n "$measured" ] || fail "the program did not say how long it waited"
cat "$work/err"

waits=$(line_of $truth "WAITS HERE")
holds=$(line_of $truth "HELD HERE")
check_json "$work/json" \
	'd["format"] == 1 and len(d["processes"]) == 1' \
	'p["complete"] and p["lost_events"] == 0 and p["threads"] == 2' \
	'lock("guilty_lock")["kind"] == "mutex" and lock("guilty_lock")["type"] == "normal"' \
	'lock("guilty_lock")["acquired"] == 400' \
	'lock("guilty_lock")["contended"] == 200' \
	'lock("guilty_lock")["trylock_failed"] == 0 and lock("guilty_lock")["timed_out"] == 0' \
	'lock("guilty_lock")["threads"] == 2' \
	'lock("guilty_lock")["owner_changes"] in (399, 400)' \
	"abs(lock('guilty_lock')['wait_ns']['total'] - $measured) <= 0.15 * $measured" \
	'200 * 2000000 <= lock("guilty_lock")["hold_ns"]["total"]' \
	'lock("guilty_lock")["wait_ns"]["max"] >= 2000000' \
	'lock("guilty_lock")["wait_ns"]["p50"] <= lock("guilty_lock")["wait_ns"]["p99"] <= lock("guilty_lock")["wait_ns"]["max"]' \
	'len(lock("guilty_lock")["waiters"]) == 1 and lock("guilty_lock")["waiters"][0]["count"] == 200' \
	'functions(lock("guilty_lock")["waiters"][0]["stack"])[:2] == ["wait_for_lock", "waiter"]' \
	"lock('guilty_lock')['waiters'][0]['stack'][0]['line'] == $waits" \
	"lock('guilty_lock')['waiters'][0]['stack'][0]['file'].endswith('truth.c')" \
	'len(lock("guilty_lock")["holders"]) == 1 and lock("guilty_lock")["holders"][0]["count"] == 200' \
	'functions(lock("guilty_lock")["holders"][0]["stack"])[0] == "hold_lock"' \
	"lock('guilty_lock')['holders'][0]['stack'][0]['line'] == $holds"

# The text says the same, and puts the lock first.
grep -E '^ +1 +guilty_lock +mutex ' "$work/err" | grep -qE '\b200 */? +400\b' || fail "the table's first row"
grep -q "wait_for_lock truth.c:$waits" "$work/err" || fail "the waiter in the text"
grep -q "hold_lock truth.c:$holds" "$work/err" || fail "the holder in the text"

# Names that only programs built long ago call locks by.
if [ "$(uname -m)" = x86_64 ]; then
	cat >old.c <<'C'
#include <pthread.h>
#define OLD(name) extern __typeof(pthread_##name) old_##name; __asm__(".symver old_" #name ", __pthread_" #name "@GLIBC_2.2.5")
OLD(mutex_lock);
OLD(mutex_trylock);
OLD(mutex_unlock);
OLD(rwlock_rdlock);
OLD(rwlock_wrlock);
OLD(rwlock_unlock);
pthread_mutex_t old_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t old_rwlock = PTHREAD_RWLOCK_INITIALIZER;
int main(void)
{
	return old_mutex_lock(&old_lock) || old_mutex_unlock(&old_lock) || old_mutex_trylock(&old_lock) ||
	       old_mutex_unlock(&old_lock) || old_rwlock_rdlock(&old_rwlock) || old_rwlock_unlock(&old_rwlock) ||
	       old_rwlock_wrlock(&old_rwlock) || old_rwlock_unlock(&old_rwlock);
}
C
	${CC:-cc} -g -o old old.c -lpthread || exit 99
	expect 0 "$mutrace" ./old
	says "2 locks, 4 acquisitions"
fi
