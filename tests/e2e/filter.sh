#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# --lock, --thread, --function, --wait-min: only such locks are in the outputs and in the sums, and it is said
# how much is left out. And the locks that check is told to ignore.
. "$(dirname "$0")/lib.sh"

# Threads io-1, io-2 and guard wait for "lock", flusher and thief hold it; nobody waits for work_lock.
names=$workloads/names
expect 0 "$mutrace" -o session "$names"
expect 0 "$mutrace" report --json=all.json session

# left OPTION... -- LOCK...: the locks that are left; the sums are theirs, with what is left out they are
# the whole
left() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	expect 0 "$mutrace" report --json=left.json --csv=left.csv --folded=left.folded "${options[@]}" \
		session
	cp out text
	/usr/bin/python3 - "$@" <<'PY' || fail "left by ${options[*]}"
import csv, json, sys
whole, p = (json.load(open(f))["processes"][0] for f in ("all.json", "left.json"))
wanted = sorted(sys.argv[1:])
assert sorted(l["name"] for l in p["locks"]) == wanted, [l["name"] for l in p["locks"]]
assert sorted({row["name"] for row in csv.DictReader(open("left.csv"))}) == wanted
assert p["headline"]["lock_wait_ns"] == sum(l["cost_ns"] for l in p["locks"] if l["role"] == "lock")
out = p.get("left_out", {"locks": 0, "conditions": 0, "wait_ns": 0})
assert out["locks"] == len(whole["locks"]) - len(wanted)
assert out["conditions"] == len(whole["conditions"]) - len(p["conditions"])
# each report measures anew how long a tick is
all = whole["headline"]["lock_wait_ns"]
assert abs(out["wait_ns"] + p["headline"]["lock_wait_ns"] - all) <= all / 1000
assert [l["rank"] for l in p["locks"]] == list(range(1, len(wanted) + 1))
tips = {line.rsplit(" ", 1)[0].rsplit(";", 1)[1].split(" ")[0] for line in open("left.folded")}
assert tips <= set(wanted), tips
PY
	grep -q '^mutrace: this is filtered: ' text || fail "it is not said that it is filtered"
}
left --lock='work*' -- work_lock
grep -q 'filtered: 1 lock with [0-9.]* ms of waits and [01] condition' text ||
	fail "how much is left out"
left --lock='work*' --lock=lock -- work_lock lock
left --lock=nothing --
grep -q 'no lock matches the filter' text || fail "nothing is left"
left --thread='flush*' -- lock
left --thread='idler' -- work_lock # it has no name but its function
left --function='wait_for_*' -- lock
left --function=flush --lock='*o*' -- lock
left --function=main --lock=lock --
left --wait-min=1us -- lock
# Threads are called as they are without a filter: who has no name, by his function.
expect 0 "$mutrace" -o nameless "$workloads/overlap" 2 mutex 1000
says ', by worker ('
expect 0 "$mutrace" report --lock=mutex nameless
grep -qF ', by worker (' out || fail "a thread's name below a filter"
left --wait-min=100s --
expect 2 "$mutrace" report --wait-min=5xs session
says_only "takes a time with its unit"
expect 0 "$mutrace" report --wait-min=1 session # conditions, as the old mutrace has it
! grep -q filtered out || fail "a number is no time"
expect 0 "$mutrace" --lock='work*' --json=run.json "$names"
check_json run.json '[l["name"] for l in p["locks"]] == ["work_lock"]' 'p["left_out"]["locks"] == 1'
check_json all.json '"flusher" in lock("lock")["thread_names"]' '"idler" not in lock("lock")["thread_names"]'

# check and diff, of sessions and of reports; all that is compared has the same locks
for what in session all.json; do
	expect 1 "$mutrace" check --limit=acquired=1 $what
	grep -q '2 of 2 locks over a limit' out || fail "both locks"
	for filter in --lock='work*' --thread=idler --function=idler; do
		expect 1 "$mutrace" check --limit=total:acquired=9 $filter $what
		grep -q 'FAILED all locks: acquired is 10, limit 9' out || fail "the total of what is left"
		says "this is filtered: 1 lock is left out"
		expect 0 "$mutrace" diff --all $filter all.json $what
		grep -q 'work_lock' out && ! grep -qw lock out || fail "diff by $filter"
		says "this is filtered: 1 lock is left out"
	done
	expect 0 "$mutrace" check --limit=work_lock:acquired=1 --wait-min=1us $what
done
expect 2 "$mutrace" check --limit=acquired=1 --lock=nothing session
says_only "no lock is left by the filter"
expect 2 "$mutrace" check --limit=acquired=1 --wait-min=3 session
expect 0 "$mutrace" check --write-baseline=some.json --lock=lock session
[ "$(grep -c '"kind"' some.json)" = 1 ] || fail "a filtered baseline"

# Known locks: by name, identity, function or module, as matrace has it; those that match nothing are named.
expect 0 "$mutrace" check --write-baseline=base.json session
known() {
	printf '# known\n%s\n\n' "$1" >known
	expect "$2" "$mutrace" check --limit=lock:acquired=1 --suppress=known session
}
known lock 0
says "1 known lock is ignored"
known 'mutex:names:*:lock' 0
known 'flush' 0
known 'wait_for_lock' 0
known 'nothing*' 1
says "no lock matches 'nothing*' (known:2)"
known work_lock 1
printf '*\n' >known
expect 2 "$mutrace" check --limit=acquired=1 --suppress=known session
expect 2 "$mutrace" check --limit=acquired=1 --suppress=nowhere session
says_only "nowhere"
printf 'lock\n' >known
sed 's/"acquired": 5,/"acquired": 1,/' base.json >few.json # of the lock that is known
printf 'rules:\n  - acquired: {slack: 1}\n    hold-p50: off\n    hold-share: off\n' >limits.yaml
expect 1 "$mutrace" check --baseline=few.json --limits=limits.yaml session
expect 0 "$mutrace" check --baseline=few.json --limits=limits.yaml --suppress=known session
