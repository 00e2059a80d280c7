#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The first lines of the report name the function that is to blame, not the lock that is contended most often
# and not the thread that waits most.
. "$(dirname "$0")/lib.sh"

source=tests/workloads/blame.c
expect 0 "$mutrace" --json="$work/json" "$workloads/blame"
waits=$(line_of $source "CUSTOMER WAITS")
hoards=$(line_of $source "HOARD TAKES")
starts=$(line_of $source "STARTER INITIALISES")
hurries=$(line_of $source "HURRY TAKES")
check_json "$work/json" \
	'lock("busy_lock")["contended"] == 300 and lock("costly_lock")["contended"] == 20' \
	'lock("costly_lock")["rank"] == 1' \
	'lock("costly_lock")["wait_ns"]["total"] >= 20 * 20000000' \
	'len(lock("costly_lock")["holders"]) == 1' \
	'functions(lock("costly_lock")["holders"][0]["stack"])[0] == "hoard"' \
	"lock('costly_lock')['holders'][0]['stack'][0]['line'] == $hoards" \
	'functions(lock("busy_lock")["holders"][0]["stack"])[0] == "hurry"' \
	"lock('busy_lock')['holders'][0]['stack'][0]['line'] == $hurries" \
	'sum(h["count"] for h in lock("busy_lock")["holders"]) == 300' \
	'functions(lock("costly_lock")["waiters"][0]["stack"])[0] == "customer"' \
	"lock('costly_lock')['waiters'][0]['stack'][0]['line'] == $waits"
# Which readers kept the writer out, all that did, and the other way round.
check_json "$work/json" \
	'lock("table_lock")["contended"] == 10 and lock("table_lock")["read"]["contended"] == 10' \
	'sorted((functions(w["stack"])[0], w["side"], w["count"]) for w in lock("table_lock")["waiters"]) == [("look", "read", 10), ("rewrite", "write", 10)]' \
	'sorted((functions(h["stack"])[0], h["side"], h["count"]) for h in lock("table_lock")["holders"]) == [("browse", "read", 10), ("rewrite", "write", 10), ("study", "read", 10)]' \
	"$(line_of $source "STUDY TAKES") in [h['stack'][0]['line'] for h in lock('table_lock')['holders']]"
# No reader waits for a reader.
check_json "$work/json" \
	'[(functions(h["stack"])[0], h["side"]) for h in lock("news_lock")["holders"]] == [("publish", "write")]' \
	'lock("news_lock")["read"]["handoff_ns"] >= 5000000 and lock("news_lock")["read"]["unknown_ns"] == 0'
check_json "$work/json" \
	'[functions(w["stack"])[0] for w in lock("meeting")["waiters"]] == ["be_in_time"]' \
	"[h['stack'][0]['line'] for h in lock('meeting')['holders']] == [$(line_of $source "LATE HERE")]"

check_json "$work/json" \
	'lock("once_control")["acquired"] == 2 and lock("once_control")["contended"] == 1' \
	'[functions(w["stack"])[0] for w in lock("once_control")["waiters"]] == ["needs_it"]' \
	"[h['stack'][0]['line'] for h in lock('once_control')['holders']] == [$starts]" \
	'lock("once_control")["blocked_ns"] >= 300000 and lock("once_control")["unknown_ns"] == 0'
# Whom each of them waited for.
check_json "$work/json" \
	'[globals().__setitem__("name", lambda l, who, i: functions(l[who][i]["stack"])[0])]' \
	'[globals().__setitem__("pair", lambda l, x: (name(l, "waiters", x["waiter"]), name(l, "holders", x["holder"]), x["count"]))]' \
	'[globals().__setitem__("pairs", lambda n: sorted(pair(lock(n), x) for x in lock(n)["pairs"] if x["wait_ns"]))]' \
	'pairs("busy_lock") == [("customer", "hurry", 300)]' \
	'[x for x in pairs("table_lock") if x[0] == "look"] == [("look", "rewrite", 10)]' \
	'[x for x in pairs("table_lock") if x[0] == "rewrite"] == [("rewrite", "browse", 10), ("rewrite", "study", 10)]' \
	'all(sum(x["wait_ns"] for x in l["pairs"]) == sum(h["blocked_ns"] for h in l["holders"]) for l in p["locks"])'
sed -n '/^  Lock .*: table_lock/,/^$/p' "$work/err" |
	grep -qE '(pairs| ) +[0-9]+ %  look .*waited for rewrite ' ||
	fail "the report does not say whom look() waited for"

grep -m 1 -E '^ +[0-9]+ ' "$work/err" | grep -qE '^ +1 +costly_lock ' ||
	fail "the first row is not costly_lock"
sed -n '/^  Lock 1: /,/^$/p' "$work/err" | grep -qE "because +100 %  hoard blame.c:$hoards " ||
	fail "hoard is not blamed at the top"

# In contention's own order the other lock comes first.
expect 0 "$mutrace" --mutex-order=n-contended "$workloads/blame"
grep -qE '^ +1 +busy_lock ' "$work/err" || fail "--mutex-order=n-contended"

# An annotation lands on the holder's line, not on that of the thread that waited.
expect 1 "$mutrace" check --limit=costly_lock:wait-max=1ms --github=notes -- "$workloads/blame"
grep -qE "^::error file=[^,]*blame\.c,line=$hoards,.*costly_lock: .*; hoard blame\.c:$hoards" notes ||
	fail "the annotation is not at the holder's line"

# One function that holds it for many callers: no place has much, and the function is named.
cat >callers.c <<'SOURCE'
#include <pthread.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static atomic_int held, waiter, rounds;

static __attribute__((noinline)) void hoard(void)
{
	pthread_mutex_lock(&m);
	atomic_fetch_add(&held, 1);
	await_step(&waiter, 1);
	await_asleep(atomic_load(&waiter));
	sleep_us(5000);
	pthread_mutex_unlock(&m);
	await_step(&rounds, atomic_load(&held));
}
#define CALLER(n) \
	static __attribute__((noinline)) void caller_##n(void) \
	{ \
		hoard(); \
		atomic_store(&waiter, 0); \
	}
CALLER(1) CALLER(2) CALLER(3) CALLER(4) CALLER(5) CALLER(6) CALLER(7) CALLER(8) CALLER(9)

static void *wait_all(void *unused)
{
	for (int i = 1; i <= 9; i++) {
		await_step(&held, i);
		atomic_store(&waiter, own_tid());
		pthread_mutex_lock(&m);
		pthread_mutex_unlock(&m);
		atomic_fetch_add(&rounds, 1);
		while (i < 9 && atomic_load(&waiter) != 0)
			sleep_us(20);
	}
	return unused;
}

int main(void)
{
	void (*const callers[])(void) = { caller_1, caller_2, caller_3, caller_4, caller_5,
					  caller_6, caller_7, caller_8, caller_9 };
	pthread_t t;

	pthread_create(&t, NULL, wait_all, NULL);
	for (int i = 0; i < 9; i++)
		callers[i]();
	pthread_join(t, NULL);
	return 0;
}
SOURCE
${CC:-cc} -g -O1 -fno-optimize-sibling-calls -D_GNU_SOURCE -I"$top_srcdir" -o callers callers.c -lpthread ||
	exit 99
# If a holder loses its processor its place has most of the wait, and the others' is not worth a word.
many_places() {
	"$mutrace" ./callers >out 2>err || fail "callers"
	grep -qE '^ +[0-9]+ % +[0-9] other places, [0-9]+ % in hoard$' err
}
until_true 60 many_places
