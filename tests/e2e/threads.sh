#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Per thread: how long it waited, how long it was idle, and how long others waited because of it; with the
# name that it had last, whoever gave it, also where threads had one record one after another.
. "$(dirname "$0")/lib.sh"

expect 0 "$mutrace" --json="$work/json" "$workloads/names"
check_json "$work/json" \
	'[globals().__setitem__("threads", lambda name: [t for t in p["thread_list"] if t["name"] == name])]' \
	'[globals().__setitem__("total", lambda name, what: sum(t[what] for t in threads(name)))]' \
	'sum(t["wait_ns"] for t in p["thread_list"]) == p["headline"]["lock_wait_ns"]' \
	'sum(t.get("threads", 1) for t in p["thread_list"]) == p["threads"] == 14' \
	'total("io-1", "wait_ns") >= 4000000 and total("io-2", "wait_ns") >= 2000000' \
	'total("flusher", "wait_ns") == 0' \
	'total("flusher", "blocked_ns") >= 5900000' \
	'abs(sum(t["blocked_ns"] for t in p["thread_list"]) - lock("lock", p)["blocked_ns"]) < 20' \
	'sum(t.get("threads", 1) for t in threads("visitor")) == 3' \
	'sum(t.get("threads", 1) for t in threads("late")) == 4' \
	'total("C2 guard", "wait_ns") >= 2000000 and total("C2 guard", "blocked_ns") == 0' \
	'total("thief", "blocked_ns") >= 2000000 and total("thief", "wait_ns") == 0' \
	'total("visitor", "blocked_ns") == total("late", "blocked_ns") == 0' \
	'[t["idle_ns"] > 6000000 and t["wait_ns"] == 0 for t in p["thread_list"] if t.get("entry") == "idler"] == [True]' \
	'all(t["cpu_ns"] > 0 for t in p["thread_list"])' \
	'len({t["tid"] for t in p["thread_list"] if "tid" in t}) == len([t for t in p["thread_list"] if "tid" in t])'

# Names that differ by a number are one entry.
tr '\n' ' ' <"$work/err" | tr -s ' ' >flat
grep -qE 'Threads: io-# \(2 threads\) waited [0-9.]+ ms, made others wait [0-9]' flat ||
	fail "the threads that waited"
grep -qE '; flusher waited 0, made others wait [0-9.]+ ms;' flat || fail "the thread that others waited for"
grep -qE "; C2 guard waited [0-9.]+ ms" flat || fail "a name with a blank"
grep -qE 'Waiting for work \(no contention\): work [0-9.]+ ms by 1 thread ' flat || fail "who waits for work"
grep -q 'visitor' flat && fail "threads that have no part in it"
exit 0
