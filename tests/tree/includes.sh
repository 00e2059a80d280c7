#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Which folder may include which: the table of HACKING.md, held to by make check. What is loaded into programs
# and what is mutrace share the session's format and nothing else.
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
cd "$top_srcdir" || exit 99

# folder (or file): folders and files of ours that it may include besides its own
allowed() {
	case $1 in
	src/arch) echo "" ;;
	src/session) echo "src/arch/arch.h" ;;
	src/record) echo "src/arch src/session src/unwind/capture.h src/unwind/probe.h" \
		"wrappers/real.h" ;;
	inject) echo "src/arch/arch.h src/record/raw.h wrappers/defined.h" ;;
	wrappers) echo "inject/loader.h inject/lowlock.h inject/marks.h inject/redirect.h" \
		"src/arch/arch.h src/record src/session include" ;;
	src/unwind) echo "src/arch src/record src/session" ;;
	src/symbols) echo "" ;;
	src/base) echo "" ;;
	src/load) echo "src/session src/base" ;;
	src/trace) echo "src/load/model.h src/session src/base" ;;
	src/analysis) echo "src/arch/arch.h src/load src/session src/base src/symbols/symbolize.h" \
		"src/trace/trace.h src/trace/path.h" ;;
	src/inspect) echo "src/arch/inject.h src/arch/thread.h src/analysis/report.h src/analysis/helpers.h" \
		"src/symbols/symbolize.h src/base" ;;
	src/attach) echo "src/arch/inject.h src/arch/thread.h src/inspect/process.h src/inspect/target.h" \
		"src/inspect/unwind.h src/inspect/filter.h src/inspect/filters.h src/inspect/resume.h" \
		"src/base/array.h" ;;
	src/render) echo "src/analysis src/inspect/inspect.h src/load src/session src/trace/timeline.h" \
		"src/base" ;;
	src/compare) echo "src/session/kinds.h src/load/model.h src/render/clean.h" \
		"src/render/frame.h src/render/number.h src/base" ;;
	src/cmd) echo "src/arch/arch.h src/attach/attach.h src/analysis src/compare" \
		"src/inspect/inspect.h src/inspect/sleeper.h" \
		"src/load/model.h src/load/refresh.h src/render src/session src/base" ;;
	*) return 1 ;;
	esac
}

wrong=0 seen=0
for file in src/*/*.[ch] inject/*.[ch] wrappers/*.[ch]; do
	[ -e "$file" ] || continue
	folder=$(dirname "$file")
	permitted=$(allowed "$folder") || {
		echo "$file: no rule for $folder in tests/tree/includes.sh"
		wrong=1
		continue
	}
	while read -r header; do
		[ -n "$header" ] || continue
		# as the compiler finds it: beside the file, from the top, from src/
		target=
		for try in "$(dirname "$file")/$header" "$header" "src/$header"; do
			[ -e "$try" ] && target=$try && break
		done
		[ -n "$target" ] || continue # config.h
		seen=$((seen + 1))
		[ "$(dirname "$target")" = "$folder" ] && continue
		fine=
		for one in $permitted; do
			case $target in
			"$one" | "$one"/*) fine=1 ;;
			esac
		done
		if [ -z "$fine" ]; then
			echo "$file includes $target: $folder may not"
			wrong=1
		fi
	done <<<"$(sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' "$file")"

	# One folder knows what machine it is compiled for.
	if [ "$folder" != src/arch ] && grep -nE \
		'__(x86_64|i386|aarch64|arm|riscv|powerpc64|s390x)__|__riscv\b' "$file"; then
		echo "$file: the above belongs into src/arch"
		wrong=1
	fi

	# The profiled process: no stdio, no malloc by header (string.h and the like are fine).
	case $folder in
	src/record | wrappers | src/unwind)
		if grep -nE '\b(printf|fprintf|malloc|calloc|realloc|strdup|abort|assert) *\(' "$file" |
			grep -vE '^[0-9]+:([[:space:]]*(/?\*|//)|EXPORT )'; then
			echo "$file: the above is not for the profiled process"
			wrong=1
		fi
		;;
	esac
done
[ $seen -gt 20 ] || {
	echo "only $seen includes seen: run it in the right place"
	exit 99
}
exit $wrong
