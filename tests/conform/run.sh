#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The conformance suite: every case of the programs beside this script must come out the same with
# libmutrace.so as without. Also as children of a profiled process that do not exec, in the lighter modes, and
# with matrace's library that wraps most. What differs is printed ("<" without the profiler, ">" with it).
#
# LIBMUTRACE=LIBRARY runs all with another library, CONFORM_FRONT=mutrace also below the command; make
# check-conform does.
#
# run.sh [NAME-OR-PREFIX...]; CONFORM_STABLE=N runs the cases N times without the profiler instead, and they
# must come out the same each time: what flickers by itself proves nothing.

set -u
export LC_ALL=C
unset LD_PRELOAD MUTRACE_SESSION
: "${top_builddir:=$PWD}"
[ -e /proc/self/stat ] || {
	echo "skipped: there is no /proc, by which a thread is seen to sleep"
	exit 77
}
programs=$top_builddir/tests/conform
library=${LIBMUTRACE:-$top_builddir/.libs/libmutrace.so}
[ -r "$library" ] && [ -x "$programs/conform" ] || {
	echo "not built: $library or $programs/conform"
	exit 99
}
work=$(mktemp -d) || exit 99
session=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 99
# Some cases go on as another user, who finds no library below root's home directory.
chmod 711 "$work"
cp "$library" "$top_builddir/.libs/libmatrace-all.so" "$work/" || exit 99
library=$work/$(basename "$library")
trap 'rm -rf "$work" "$session"' EXIT
jobs=4 # most cases sleep most of the time
status=0

# known-differences lists the lines that may differ: the line without the profiler, the line with it, and why.
# There the profiled run must be as listed, and no line may be listed that does not differ.
known=${top_srcdir:-$(dirname "$0")/../..}/tests/conform/known-differences

# compare WHAT: $work/got against $work/expected
compare() {
	if diff "$work/expected" "$work/got" >"$work/diff"; then
		echo "$1: same"
	else
		echo "$1: $(grep '^[<>]' "$work/diff" |
			cut -c3- | cut -d: -f1 | sort -u | wc -l) cases differ"
		grep '^[<>]' "$work/diff" | head -n 100
		status=1
	fi
}

# with CONFORM's options: a run with the profiler; the runner fails if a case was not recorded
with() {
	local program=$1 what=$2
	shift 2
	"$programs/$program" -j $jobs -p "$library" "$@" >"$work/got" || {
		echo "$program $what: the runner failed"
		status=1
	}
	compare "$program $what"
}

# expect: $work/expected from $work/plain and the known differences
expect() {
	awk -F '\t' \
		'FNR == NR { if ($0 !~ /^#/ && NF >= 2) with[$1] = $2; next } { print ($0 in with) ? with[$0] : $0 }' \
		"$known" "$work/plain" >"$work/expected"
}

for program in conform conform-cxx; do
	[ -x "$programs/$program" ] || { # no C++ compiler
		echo "$program was not built"
		continue
	}
	[ "$("$programs/$program" -n "$@")" -gt 0 ] || continue
	"$programs/$program" -j $jobs "$@" >"$work/plain" || exit 99
	cp "$work/plain" "$work/expected"
	echo "$program: $("$programs/$program" -n "$@") cases, $(wc -l <"$work/plain") lines"
	if [ -n "${CONFORM_STABLE:-}" ]; then
		for ((i = 2; i <= CONFORM_STABLE; i++)); do
			"$programs/$program" -j $jobs "$@" >"$work/got"
			compare "$program, run $i of $CONFORM_STABLE"
		done
		continue
	fi
	expect
	with "$program" profiled "$@"
	with "$program" contended-only -c contended_only=1 "$@"
	with "$program" sampled -c sample_hold=4 "$@"
	if [ -z "${LIBMUTRACE:-}" ]; then
		library=$work/libmatrace-all.so
		with "$program" "under matrace" "$@"
		library=$work/libmutrace.so
	fi
	if [ -n "${CONFORM_FRONT:-}" ]; then
		"$CONFORM_FRONT" --json="$work/json" "$programs/$program" -j $jobs \
			"$@" >"$work/got" 2>"$work/report" || {
			echo "$program below $CONFORM_FRONT: the runner failed"
			status=1
		}
		sed -i "s|: _=$CONFORM_FRONT\$|: _=$programs/$program|" "$work/got" # that is bash
		compare "$program below $CONFORM_FRONT"
		tail -n 1 "$work/report"
	fi

	# the children of a profiled process that do not exec
	"$programs/$program" -j $jobs -f "$@" >"$work/plain" || exit 99
	expect
	"$programs/$program" -S "$session" || exit 99
	LD_PRELOAD=$library MUTRACE_SESSION=$session "$programs/$program" -j $jobs -f "$@" >"$work/got" ||
		status=1
	compare "$program forked"
	[ "$(find "$session" -name 'image.*' | wc -l)" -gt 1 ] || {
		echo "the children left no image in the session"
		status=1
	}
	rm -rf "${session:?}"/*
done
exit $status
