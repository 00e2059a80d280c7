#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# "make lint": our sources under gcc -fanalyzer, clang-tidy (.clang-tidy) and cppcheck, those that are
# installed. Fails on each finding that tests/tools/lint-accepted does not justify. LINT_FLAGS: where headers
# are.
#
# Of gcc's analyzer the checks for leaks and for uninitialised values are left out: those of gcc 12 take what
# is stored in a structure, or filled in a loop, for lost. make check-sanitizers looks for leaks in what
# really happens.
set -u
: "${top_srcdir:=$PWD}" "${top_builddir:=$PWD}"
cd "$top_srcdir" || exit 99
out=$(mktemp) || exit 99
trap 'rm -f "$out"' EXIT
# shellcheck disable=SC2206
flags=(-D_GNU_SOURCE -I. -Isrc -I"$top_builddir" -I"$top_builddir/src" ${LINT_FLAGS:-} -DBINDIR='""' \
	-DPKGLIBDIR='""')
tools=0

# each COMMAND...: with each source, and its own macros.
each() {
	for file in src/*/*.c wrappers/*.c; do
		case $file in
		src/render/*.pb-c.c) ;;
		src/record/watch.c | wrappers/watch_*.c) "$@" "$file" -DMATRACE ;;
		*) "$@" "$file" ;;
		esac
	done
}

analyze() {
	gcc -fanalyzer -O1 -Wall -Wextra -Wno-missing-prototypes -Wno-analyzer-malloc-leak \
		-Wno-analyzer-use-of-uninitialized-value -fvisibility=hidden "${flags[@]}" "${@:2}" -c \
		"$1" -o /dev/null 2>>"$out"
}
tidy() {
	clang-tidy --quiet "$1" -- -std=gnu11 "${flags[@]}" "${@:2}" 2>/dev/null >>"$out"
}
if command -v gcc >/dev/null; then
	tools=$((tools + 1))
	each analyze
fi
if command -v clang-tidy >/dev/null; then
	tools=$((tools + 1))
	each tidy
fi
if command -v cppcheck >/dev/null; then
	tools=$((tools + 1))
	cppcheck --enable=warning,performance,portability --quiet --std=c11 -D_GNU_SOURCE -D__x86_64__ \
		'-DElfW(t)=Elf64_##t' '-Djson_array_foreach(a,i,v)=if((i=0,v=json_array_get(a,i)))' \
		'-Djson_object_foreach(o,k,v)=if((v=json_object_get(o,k="k")))' -I. -Isrc \
		--suppress=missingIncludeSystem \
		--template='{file}:{line}:{column}: {severity}: {message} [{id}]' \
		src wrappers 2>>"$out"
fi
[ $tools -gt 0 ] || exit 77

new=0
while IFS= read -r finding; do
	finding=${finding#"$PWD"/}
	finding=${finding#./}
	finding=${finding//[‘’]/\'}
	accepted=
	while IFS= read -r line; do
		case $line in
		'#'* | '') continue ;;
		esac
		line=${line%%   #*}
		if [ "${finding%%:*}" = "${line%%:*}" ] && [[ $finding == *"${line#*: }"* ]]; then
			accepted=1
			break
		fi
	done <tests/tools/lint-accepted
	if [ -z "$accepted" ]; then
		echo "$finding"
		new=$((new + 1))
	fi
done < <(grep -E '(warning|error|performance|portability): ' "$out" | sort -u)
echo "$tools tools, $new findings that tests/tools/lint-accepted does not have"
[ $new = 0 ]
