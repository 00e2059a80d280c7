#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the committed tree and runs the tests in bare Debians, one after the other, and prints a table:
#
#   debians.sh [--go-on] [PLACE...]     as in: debians.sh trixie-amd64 bookworm-i386 bookworm-amd64-user
#
# A place is SUITE-ARCHITECTURE, as root in /root, or SUITE-ARCHITECTURE-user, as a plain user. Tests run in
# parts. A test that fails runs once more, alone; if it passes then the table says so. $PACE is a command put
# before each part, as "nice". With --go-on what an earlier call built is brought up to date, and only
# tests run that have no result or failed. $PART and $JOBS: how many tests a part has (8), and how many of
# them run at a time (1). For arm64 on other machines it runs the demo and the tests that qemu-user can bear:
# it has no ptrace and no seccomp, and who reads /proc finds the emulator there. Results and logs are kept
# below $MUTRACE_CHROOTS (/var/cache/mutrace-chroots), in results.
set -u
here=$(cd "$(dirname "$0")" && pwd)
chroots=${MUTRACE_CHROOTS:-/var/cache/mutrace-chroots}
results=$chroots/results
part=${PART:-8} jobs=${JOBS:-1}
places="sid-amd64 trixie-amd64 bookworm-amd64-user bookworm-i386 bookworm-amd64 trixie-arm64"
emulated_tests="tests/tree/exports.py tests/tree/lowlock.py tests/unit/test_format tests/unit/test_load
	tests/unit/test_report tests/e2e/truth.sh"
goes_on=
if [ "${1:-}" = --go-on ]; then
	goes_on=1
	shift
fi
# shellcheck disable=SC2086 # several words
[ $# -gt 0 ] || set -- $places
mkdir -p "$results"

# inside COMMAND: in the place, in the tree there.
inside() {
	git -C "$here" log -1 --format='%h' >>"$results/$place.commits"
	# shellcheck disable=SC2086 # nothing or a command
	KEEP=$chroots/check-$place TREE=$tree ${PACE:-} bash "$here/chroot.sh" "$suite" "$architecture" \
		sh -c "$1" </dev/null
}

# as_user COMMAND: what runs it as who the tests are run by.
as_user() {
	if [ "$user" = user ]; then
		printf 'chown -R tester: . && exec runuser -u tester -- env HOME=/home/tester sh -c %q' "$1"
	else
		printf '%s' "$1"
	fi
}

# run TESTS: their results lie beside their logs.
run() {
	echo "debians.sh: $place: $*" >&2
	local limit="TEST_LIMIT='timeout --kill-after=10 600'"
	inside "$(as_user "$limit make -j$jobs -k -C build check TESTS='$*'")" \
		>>"$results/$place.log" 2>&1
}

# result TEST: PASS, FAIL, SKIP, ERROR, or nothing.
result() {
	local trs=${1%.*}
	sed -n 's/^:test-result: *\([A-Z]*\).*/\1/p' "$chroots/check-$place/$tree/build/$trs.trs" 2>/dev/null
}

# all_of RESULT: the tests of $tests that have it; of "-" those that have none.
all_of() {
	for test in $tests; do
		[ "$(result "$test")" != "${1#-}" ] || printf '%s ' "$test"
	done
}

# check_place PLACE: builds and tests there.
check_place() {
	place=$1 tests=
	IFS=- read -r suite architecture user <<<"$place"
	tree=/root/mutrace
	[ "$user" != user ] || tree=/home/tester/mutrace
	if [ -z "$goes_on" ]; then
		rm -rf --one-file-system "$chroots/check-$place"
		rm -f "$results/$place".*
	fi
	echo "debians.sh: $place: building" >&2
	[ "$user" != user ] ||
		inside 'id tester 2>/dev/null || useradd -m tester; ./bootstrap.sh packages' \
			>>"$results/$place.log" 2>&1
	local flags="MUTRACE_CONFIGURE=--enable-werror MAKEFLAGS='-- TESTS='"
	inside "$(as_user "$flags ./bootstrap.sh check")" \
		>>"$results/$place.log" 2>&1 || {
		tail -n 40 "$results/$place.log"
		return 1
	}
	tests=$emulated_tests
	case $architecture-$(uname -m) in
	arm64-aarch64 | [!a]* | amd64-*) # the last line: automake may say something before
		tests=$(PACE='' inside 'make -s -C build list-tests' | tail -n 1)
		;;
	*) # once
		local demo=$results/$place.demo
		[ -e "$demo" ] || inside 'build/mutrace build/demo/bank' >"$demo" 2>&1
		grep 'because.*audit bank.c:[0-9]* < auditor bank.c' "$demo" || return 1
		;;
	esac

	# shellcheck disable=SC2046 # several words
	set -- $(all_of -)
	while [ $# -gt 0 ]; do
		run "${@:1:part}"
		shift $((part < $# ? part : $#))
	done
	for test in $(all_of FAIL) $(all_of ERROR); do
		local log=$chroots/check-$place/$tree/build/${test%.*}
		cp "$log.log" "$results/$place.$(basename "$log").first.log"
		rm -f "$log.trs" "$log.log"
		echo "$test" >>"$results/$place.again"
		run "$test"
	done
}

# row: the table's line of $place.
row() {
	local passed again failed skipped late=
	passed=$(all_of PASS | wc -w)
	skipped=$(all_of SKIP)
	failed="$(all_of FAIL)$(all_of ERROR)$(all_of -)"
	while read -r test; do
		[ "$(result "$test")" != PASS ] || late="$late $test"
	done < <(sort -u "$results/$place.again" 2>/dev/null)
	again=$(wc -w <<<"$late")
	printf '| %s | %s | %s | %d | %d | %d | %d | %s |\n' "$suite" "$architecture" "${user:-root}" \
		"$passed" "$again" "$(wc -w <<<"$skipped")" "$(wc -w <<<"$failed")" \
		"$(uniq "$results/$place.commits" | paste -sd ' ')" >"$results/$place.row"
	for list in "passed at the second try:$late" "skipped:${skipped:+ $skipped}" \
		"failed:${failed:+ $failed}"; do
		[ -z "${list#*:}" ] || echo "$place: $list"
	done >"$results/$place.lists"
	cat "$results/$place.row" "$results/$place.lists" >&2
	[ -z "$failed" ] && [ "$passed" -gt 0 ]
}

status=0
rows=
for place; do
	check_place "$place" || status=1
	row || status=1
	rows="$rows $results/$place.row"
	for test in $(all_of FAIL) $(all_of ERROR); do
		echo "==== $place $test"
		tail -n 40 "$chroots/check-$place/$tree/build/${test%.*}.log"
	done
done
echo '| Debian | architecture | as | passed | of these at the second try | skipped | failed | commits |'
echo '|---|---|---|---|---|---|---|---|'
# shellcheck disable=SC2086 # several names
cat $rows
exit $status
