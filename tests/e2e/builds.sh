#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Locks are known again in the next build of a program with an unrelated function added, with ASLR on: all of
# them, by diff and in sums over sessions of both builds.
. "$(dirname "$0")/lib.sh"

source=$top_srcdir/tests/workloads/builds.c
comparisons=0
# both OPTIONS: two builds, the second with more in it and in other places; with and without debug information
both() {
	rm -rf old new
	mkdir -p old new/src
	# shellcheck disable=SC2086 # options
	${CC:-cc} -O1 -pthread $1 -o old/app "$source" || exit 99
	sed '1s/^/\n\n\n/' "$source" >new/src/builds.c
	# shellcheck disable=SC2086
	${CC:-cc} -O1 -pthread $1 -DUNRELATED -o new/app new/src/builds.c || exit 99
	# A few runs of each: the places that the loader chooses would show. Waits in malloc come by chance.
	for run in 1 2 3; do
		expect 0 "$mutrace" --no-libc-locks --json=old/$run.json -o old/session$run old/app
		expect 0 "$mutrace" --no-libc-locks --json=new/$run.json -o new/session$run new/app
		/usr/bin/python3 - old/1.json old/$run.json new/$run.json <<'PY' || fail "identities ($1)"
import json, sys
docs = [json.load(open(f)) for f in sys.argv[1:]]
sets = [sorted(l["identity"] for p in d["processes"] for l in p["locks"]) for d in docs]
assert len(sets[0]) >= 13, sets[0]
assert len(set(sets[0])) == len(sets[0]), "twice: %s" % sets[0]
assert not any(l["named_by"] == "address" for d in docs for p in d["processes"] for l in p["locks"])
for other in sets[1:]:
    assert sets[0] == other, set(sets[0]) ^ set(other)
print("%d of %d locks are known again" % (len(set(sets[0]) & set(sets[2])), len(sets[0])))
PY
		comparisons=$((comparisons + 1))
	done
	# addresses did move: between runs by the loader, between builds by the compiler
	/usr/bin/python3 - old/1.json new/1.json <<'PY' || fail "the builds do not differ"
import json, sys
a, b = ({l["identity"]: l for l in json.load(open(f))["processes"][0]["locks"]} for f in sys.argv[1:])
assert any(a[i]["address"] != b[i]["address"] for i in a)
PY
	expect 0 "$mutrace" diff old/session1 new/session2 --json=diff.json
	grep -q ' 0 new, 0 gone' out || fail "diff finds new locks ($1)"

	# one ranking over sessions of both builds, each lock once, with what it was in each
	expect 0 "$mutrace" report --all --json=sum.json old/session1 old/session2 new/session1
	check_json sum.json 'len(d["processes"]) == 1 and p["images"] == 3' \
		'len({l["identity"] for l in p["locks"]}) == len(p["locks"])' \
		'all(l["processes"] == 3 for l in p["locks"])' \
		'all("/session" in l["wait_spread_ns"]["max_in"] for l in p["locks"])' \
		'lock("global_lock")["acquired"] == 3' \
		'lock("rwlock")["read"]["acquired"] == 3'
}
both -g
both ""
both "-g -O2"
echo "$comparisons comparisons"
