#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Tools that look for errors find none of the recorder's: a program without errors (tools.c), built with each
# sanitizer of gcc and clang, and under valgrind's tools, ends and prints under mutrace as it does without.
# A tool that is not installed, or finds errors by itself, is left out and said.
. "$(dirname "$0")/../e2e/lib.sh"

source=$top_srcdir/tests/hostile/tools.c
modes=("$mutrace" "$mutrace --contended-only" "$top_builddir/matrace --also=all")
# LeakSanitizer knows the loader's memory by the caller of malloc, who is not seen behind matrace on i386.
[ "$(getconf LONG_BIT)" = 64 ] ||
	modes[2]="env ASAN_OPTIONS=detect_leaks=0 LSAN_OPTIONS=detect_leaks=0 ${modes[2]}"

# errors FILE: how many errors each process had, by valgrind.
errors() {
	sed -n 's/.*ERROR SUMMARY: \([0-9]* errors\).*/\1/p' "$1"
}

# same COMMAND...: the command fares in each mode as without.
same() {
	timeout 120 "$@" >plain 2>plain.err && [ -s plain ] || return 1
	for mode in "${modes[@]}"; do
		# shellcheck disable=SC2086 # words
		expect 0 timeout 120 $mode "$@"
		cmp -s plain out || fail "$mode $*: another output"
		! grep -E "WARNING|ERROR: |runtime error" err || fail "$mode $*: something was found"
		[ "$(errors err)" = "$(errors plain.err)" ] || fail "$mode $*: other errors: $(errors err)"
		! grep -E "switching stacks|unknown 'how'" err || fail "$mode $*: valgrind wonders"
	done
}

for compiler in gcc clang; do
	for sanitizer in thread address undefined leak memory; do
		options="-fsanitize=$sanitizer"
		[ $sanitizer = thread ] && options="$options -DWITHOUT_C11"
		# shellcheck disable=SC2086
		if $compiler $options -g -O1 -pthread "$source" -o sanitized 2>log && same ./sanitized; then
			echo "$compiler $sanitizer: same"
		else
			echo "left out: $compiler $sanitizer"
		fi
	done
done

${CC:-cc} -DWITHOUT_C11 -g -O1 -pthread "$source" -o program || exit 99
if command -v valgrind >/dev/null; then
	for tool in memcheck helgrind drd; do
		same valgrind --tool=$tool ./program || fail "valgrind $tool ends otherwise by itself"
		# And it records all the same.
		expect 0 "$mutrace" --json=json valgrind --tool=$tool ./program
		check_json json "sum(l['acquired'] for q in d['processes'] for l in q['locks']) > 3000"
		echo "valgrind $tool: same"
	done
	expect 0 valgrind --trace-children=yes --error-exitcode=70 "$mutrace" ./program
else
	echo "left out: valgrind"
fi
