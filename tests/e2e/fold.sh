#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Locks by the million share counters: sums stay exact, a hot lock is known, the session stays small.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/e2e/lib.sh"

# rows EXPRESSION WHAT: of the JSON report
rows() {
	python3 - "$1" "$hot" <<-'END' || fail "$2"
	import json, sys
	d = json.load(open("json"))
	# whether threads meet in malloc is chance
	l = [r for p in d["processes"] for r in p["locks"] if r["kind"] != "libc"]
	one = l[0]
	others = [r for r in l if r["name"].endswith(", all others")]
	hot = [r for r in l if r["name"].endswith(" at " + sys.argv[2])]
	total = sum(r["acquired"] for r in l)
	if not eval("(" + sys.argv[1] + ")"):
	    print([(r["name"], r["instances"], r["acquired"], r["contended"], r["waits"]) for r in l][:20])
	    raise SystemExit(1)
	END
}

size() {
	du -sk session | cut -f1
}

for kind in mutex recursive spin rwlock robust; do
	rm -rf session
	expect 0 "$mutrace" --events=0 -o session --json=json "$workloads/fold" "$kind" 6000
	hot=$(head -n 1 out)
	rows 'len(l) == 1 and one["instances"] == 6000 and one["acquired"] == 42000 + 6000 // 256 * 256 and
		one["threads"] == 3 and one.get("read", {"acquired": 42000})["acquired"] == 42000' "$kind: counts"
	expect 0 "$mutrace" report --per-instance --all --json=json session
	rows 'len(others) == 1 and len(hot) == 1 and 14000 < hot[0]["acquired"] <= 18005 and
		total == 2 * 21000 + 6000 // 256 * 256' "$kind: one by one"
	[ "$(size)" -lt 3500 ] || fail "$kind: a session of $(size) KB"
done

expect 0 "$mutrace" --events=0 --sample-hold=8 --json=json "$workloads/fold" mutex 6000
rows 'one["acquired"] == 2 * 21000 + 6000 // 256 * 256' "sampled"

# Recorded with --per-instance: more of them are told apart.
expect 0 "$mutrace" --events=0 --per-instance --all --json=json "$workloads/fold" mutex 6000
hot=$(head -n 1 out)
rows 'not others and len(l) == 6000 and hot[0]["acquired"] == 18005' "recorded one by one"

rm -rf session
expect 0 "$mutrace" --events=0 -o session --json=json "$workloads/fold" churn 4000
rows 'one["instances"] == 24000 and one["acquired"] == 24000' "locks that come and go"

rm -rf session
expect 0 "$mutrace" -o session --json=json "$workloads/fold" waits 1500
hot=$(head -n 1 out)
rows 'one["instances"] == 1500 and one["contended"] == 2000 and one["waits"] == 2000 and
	one["acquired"] == 4000' "waits"
expect 0 "$mutrace" report --per-instance --all --json=json session
rows 'len(hot) == 1 and 300 < hot[0]["waits"] <= 501 and sum(r["waits"] for r in l) == 2000 and
	sum(r["contended"] for r in l) == 2000' "waits, one by one"

# So many as nobody counts by hand, by more threads than there are processors.
expect 0 "$mutrace" --events=0 -o session2 --json=json "$workloads/fold" mutex 100000
rows 'one["instances"] == 100000 and one["acquired"] == 2 * 350000 + 100000 // 256 * 256 and
	d["processes"][0]["lost_events"] == 0' "a hundred thousand"
[ "$(du -sk session2 | cut -f1)" -lt 12000 ] || fail "a large session"
