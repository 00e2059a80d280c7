#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later Planted regressions: check fails and names the lock. And the
# unchanged programs never fail; if there is too much noise to judge, that is said. BUSY loops run beside.
# make check-long (ROUNDS=50) holds what the man page promises, on a machine with nothing else to do and
# beside four busy loops; make check does a few.
. "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-1}
loops=${BUSY:-1}
source=$top_srcdir/tests/workloads/regress.c
kinds=$workloads/regress-kinds
mkdir base longer hot unsplit
build() {
	${CC:-cc} -g -O1 -pthread $2 -o "$1/regress" "$source" || exit 99
}
build base ""
build longer -DLONGER
build hot -DHOT_LOCK
build unsplit -DUNSPLIT

busy=
trap '[ -z "$busy" ] || kill $busy 2>/dev/null; rm -rf "$work"' EXIT
for ((i = 0; i < loops; i++)); do
	sh -c 'while :; do :; done' &
	busy="$busy $!"
done

expect 0 "$mutrace" check --write-baseline=table.json --repeat=5 -- base/regress
for program in cache journal pool crowd; do
	expect 0 "$mutrace" check --write-baseline=$program.json --repeat=5 -- "$kinds" $program
done
check_baseline() {
	/usr/bin/python3 - "$1" <<'PY' || fail "the baseline"
import json, sys
text = open(sys.argv[1]).read()
d = json.loads(text)
assert d["mutrace-baseline"] == 2 and d["runs"] == 5 and len(d["locks"]) == 16, d
assert all(l["acquired"] == 500 for l in d["locks"].values())
assert list(d["locks"]) == sorted(d["locks"])
assert json.dumps(d, indent=1, sort_keys=True).count("\n") == text.count("\n") - 1  # one figure a line
PY
}
check_baseline table.json

found=0 planted=0 passed=0 unchanged=0 undecided=0
# plant BASELINE LOCK FIGURE CODE COMMAND...: one of a round's regressions
plant() {
	local baseline=$1 wanted="FAILED $2: $3 is .*$4 .*\.c:[0-9]+"
	shift 4
	"$mutrace" check --baseline="$baseline.json" --repeat=3 -- "$@" >out 2>err
	status=$?
	planted=$((planted + 1))
	case $status in
	0 | 1) ;;
	*) fail "check could not be done" ;;
	esac
	if grep -qE "$wanted" err; then
		found=$((found + 1))
	else
		echo "not found: $*"
		cat err
	fi
}
# keep BASELINE COMMAND...: one that is unchanged
keep() {
	local baseline=$1
	shift
	"$mutrace" check --baseline="$baseline.json" --repeat=3 -- "$@" >out 2>err
	status=$?
	unchanged=$((unchanged + 1))
	case $status in
	0) passed=$((passed + 1)) ;;
	1) echo "false alarm: $*" && cat err ;;
	*) fail "check could not be done" ;;
	esac
	grep -q "too noisy to judge" err && undecided=$((undecided + 1))
}

for ((round = 0; round < rounds; round++)); do
	plant table 'shards.*' hold-p50 'table_add' longer/regress
	plant table audit_lock acquired 'audit' hot/regress
	plant table 'shards.*' acquired 'table_add' unsplit/regress
	plant cache table_lock write-acquired 'lookup' "$kinds" cache worse
	plant journal journal_lock wait-share 'append' "$kinds" journal worse
	plant pool queue_lock hold-p50 '(take_job|pool)' "$kinds" pool worse
	plant crowd crowd_lock hold-p50 'meet' "$kinds" crowd worse
	keep table base/regress
	keep cache "$kinds" cache
	keep journal "$kinds" journal
	keep crowd "$kinds" crowd
	keep pool "$kinds" pool
	keep pool "$kinds" pool idle
done
echo "$loops busy loops: $found of $planted regressions found," \
	"$passed of $unchanged unchanged programs passed, $undecided not decided"
[ $found = $planted ] || fail "a regression was not found"
[ $passed = $unchanged ] || fail "a false alarm"
# A few rounds prove no share.
[ "$rounds" -lt 10 ] || [ $((undecided * 100)) -le $((unchanged * (loops ? 30 : 10))) ] ||
	fail "too often not decided"
