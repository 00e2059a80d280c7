#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Planted regressions: check fails and names the lock; and the unchanged program passes beside a busy loop,
# every time. ROUNDS=50 (make check-long) for the figures that the man page promises; make check does a few.
. "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-3}
source=$top_srcdir/tests/workloads/regress.c
mkdir base longer hot unsplit
build() {
	"${CC:-cc}" -g -O1 -pthread $2 -o "$1/regress" "$source" || exit 99
}
build base ""
build longer -DLONGER
build hot -DHOT_LOCK
build unsplit -DUNSPLIT

expect 0 "$mutrace" check --write-baseline=baseline.json --repeat=5 -- base/regress
check_baseline() {
	/usr/bin/python3 - "$1" <<'PY' || fail "the baseline"
import json, sys
text = open(sys.argv[1]).read()
d = json.loads(text)
assert d["mutrace-baseline"] == 1 and d["runs"] == 5 and len(d["locks"]) == 16, d
assert all(l["acquired"] == 500 for l in d["locks"].values())
assert list(d["locks"]) == sorted(d["locks"])
assert json.dumps(d, indent=1, sort_keys=True).count("\n") == text.count("\n") - 1  # one figure a line
PY
}
check_baseline baseline.json

# The busy loop takes the other core as far as it can.
pin=
command -v taskset >/dev/null && pin="taskset -c $(($(getconf _NPROCESSORS_ONLN) - 1))"
# shellcheck disable=SC2086 # a command and its arguments
$pin sh -c 'while :; do :; done' &
busy=$!
trap 'kill $busy 2>/dev/null; rm -rf "$work"' EXIT

# planted DIRECTORY LOCK FIGURE: how many of the rounds failed as they must
planted() {
	local caught=0
	for ((round = 0; round < rounds; round++)); do
		"$mutrace" check --baseline=baseline.json --repeat=3 -- "$1/regress" >out 2>err
		case $? in
		1) grep -qE "FAILED $2: $3 is .*(table_add|audit) regress.c:[0-9]+ < worker" err &&
			caught=$((caught + 1)) ;;
		0) ;;
		*) fail "check could not be done" ;;
		esac
	done
	echo "$1: $caught of $rounds caught: $(grep -m1 -F FAILED err)"
	[ $((caught * 50)) -ge $((rounds * 49)) ] || fail "$1: only $caught of $rounds caught"
}
planted longer 'shards.*' hold-p50
planted hot audit_lock acquired
planted unsplit shards acquired

passed=0
for ((round = 0; round < rounds; round++)); do
	expect 0 "$mutrace" check --baseline=baseline.json --repeat=3 -- base/regress
	passed=$((passed + 1))
done
echo "unchanged: $passed of $rounds passed"
