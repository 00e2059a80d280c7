#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Locks taken in odd places (see odd.c): the program fares as ever, counts are exact, nobody is blamed who had
# no part.
. "$(dirname "$0")/../e2e/lib.sh"

odd=$top_builddir/tests/hostile/odd
late=$top_builddir/tests/conform/late.so

run() {
	expect 0 timeout 60 "$mutrace" "$@"
	while read -r name count; do
		printf -v "$name" %d "$count"
	done <out
}

# Contended each time, on the smallest stack, in handlers on alternate stacks of several sizes, 100 calls
# deep.
expect 0 "$odd" altstack_need
read -r _ need <out
for frames in 1 16 64; do
	for what in small "altstack $need" deep; do
		# shellcheck disable=SC2086 # two words
		run --frames=$frames --json=json "$odd" $what
		[ "$waits" -gt 0 ] || fail "no waits"
		check_json json 'p["complete"] and p["damaged_records"] == 0' \
			"lock('odd_lock')['acquired'] == $odds and lock('odd_lock')['contended'] == $waits" \
			"sum(w['count'] for w in lock('odd_lock')['waiters']) == $waits" \
			"lock('life_lock')['acquired'] == $lives and not lock('odd_lock').get('misuse')"
	done
done
check_json json 'len(lock("odd_lock")["waiters"][0]["stack"]) == 64' 'p["lost_events"] == 0' \
	'functions(lock("odd_lock")["waiters"][0]["stack"])[:3] == ["want", "recurse", "recurse"]'

# Coroutines; every second unlock is another thread's, which is said (and such holds cannot be timed).
run --json=json "$odd" contexts
check_json json 'p["complete"]' \
	"lock('odd_lock')['acquired'] == $odds and lock('life_lock')['acquired'] == $lives" \
	'lock("odd_lock")["misuse"] == ["unlock-not-held"] and p["lost_events"] == 20'

# From main's first constructor to its last destructor; the plugin locks when it is loaded and unloaded.
run --json=json "$odd" life "$late"
check_json json "p['complete'] and lock('life_lock')['acquired'] == $lives" 'p["lost_events"] == 0' \
	"sum(l['acquired'] for l in p['locks'] if l['name'] == 'own') == 40"
# A library whose constructor comes before ours: from then on.
LD_PRELOAD=$late run --json=json "$odd" life "$late"
check_json json "p['complete'] and lock('life_lock')['acquired'] == $lives" 'p["lost_events"] == 0'

# Children of vfork lock on their parent's memory.
run --json=json "$odd" vforks
check_json json "p['complete'] and lock('odd_lock')['acquired'] == $odds" 'p["lost_events"] == 0'

# Two processes and their locks in shared memory: with one mutrace, and with one each. The second dies with a
# robust one.
for way in one two; do
	if [ $way = one ]; then
		holder="['other_holds']"
		run --json=first "$odd" forked memory
	else
		holder="[]" # of another session
		rm -f memory
		timeout 60 "$mutrace" --json=first "$odd" waits memory >out 2>err &
		until_true 20 test -s memory
		timeout 60 "$mutrace" --json=second "$odd" holds memory >/dev/null 2>&1
		wait $! || fail "the process that waits"
	fi
	check_json first 'p["complete"]' \
		'sum(l["pshared"] for l in p["locks"]) == 2' \
		'sorted((l["acquired"], l["contended"]) for l in p["locks"] if l["pshared"]) == [(21, 0), (21, 20)]' \
		"[functions(h['stack'])[0] for l in p['locks'] if l['pshared'] for h in l['holders'] if h['stack']] == $holder" \
		'not any(l.get("misuse") for l in p["locks"] if l["pshared"])'
	[ $way = two ] || cp first second
	check_json second \
		'sorted((l["acquired"], l["contended"]) for l in d["processes"][-1]["locks"] if l["pshared"]) == [(1, 0), (20, 0)]'
done
