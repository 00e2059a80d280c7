#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Fuzzes what reads files: make fuzz, or from a build tree tests/fuzz/run.sh [TARGET [SECONDS]] with
#   session  images: loader, analysis, renderers; begins with recordings of the test programs
#   compare  JSON reports and baselines, as diff and check read them
#   rules    limits, --limit, suppressions
# Needs clang with libFuzzer. What it finds new is kept in fuzz-TARGET.corpus/ of the build tree, what crashes
# or hangs in fuzz-TARGET.found/ (FUZZ_OUT=DIR: there instead). FUZZ_BUILD_ONLY=1 only builds and lays out the
# seeds.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$PWD}"
targets=${1:-session compare rules}
seconds=${2:-${FUZZ_SECONDS:-60}}
cd "$top_builddir"
out=${FUZZ_OUT:-$PWD}
command -v clang >/dev/null || {
	echo "skipped: no clang"
	exit 77
}

build() {
	local sources=("$top_srcdir/tests/fuzz/fuzz_$1.c" "$top_srcdir/tests/fuzz/fuzz.c" \
		"$top_srcdir/tests/unit/fake_symbols.c" "$top_srcdir/tests/unit/make_session.c" \
		"$top_srcdir"/src/{base,load,trace,analysis,render/html,compare}/*.c \
		"$top_srcdir"/src/render/[!i]*.c "$top_srcdir/src/session/directory.c" \
		"$top_srcdir"/src/cmd/{pipeline,unpack}.c \
		"$top_srcdir/src/symbols/sym_jit.c" \
		src/render/{profile.pb-c,perfetto.pb-c,html/parts}.c)
	local packages="jansson libprotobuf-c zlib libxml-2.0 yaml-0.1"

	# shellcheck disable=SC2046 # several options
	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -D_GNU_SOURCE \
		-std=gnu11 \
		-I"$top_srcdir/src" -I"$top_srcdir" -I. -Isrc $(pkg-config --cflags $packages) \
		"${sources[@]}" \
		$(pkg-config --libs $packages) -o "fuzz-$1"
}

# Real recordings: what threads, stacks, a deadlock and matrace leave behind.
record() {
	local program kept=$out/recorded

	for program in truth blame deadlock inversion timeline window phases watched; do
		[ -x "tests/workloads/$program" ] || continue
		rm -rf "$kept"
		if [ $program = watched ]; then
			timeout 20 ./matrace --also=all -o \
				"$kept" tests/workloads/$program >/dev/null 2>&1 || true
		else
			timeout -s KILL 20 ./mutrace -o \
				"$kept" timeout 2 tests/workloads/$program >/dev/null 2>&1 || true
		fi
		for image in "$kept"/image.*; do
			[ -e "$image" ] && cp "$image" "$1/$program-${image##*.}"
		done
	done
	rm -rf "$kept"
}

for target in $targets; do
	corpus=$out/fuzz-$target.corpus
	found=$out/fuzz-$target.found
	mkdir -p "$corpus" "$found"
	build "$target"
	"tests/fuzz/replay_$target" --seed "$corpus"
	options=(-max_total_time="$seconds" -rss_limit_mb=4096 -timeout=60 -artifact_prefix="$found/")
	case $target in
	session)
		record "$corpus"
		options+=(-max_len=131072)
		;;
	compare)
		cp "$top_srcdir"/tests/fixtures/report-format*.json "$corpus"
		options+=(-max_len=16384 -dict="$top_srcdir/tests/fuzz/words.dict")
		;;
	rules)
		cp "$top_srcdir"/examples/ci/limits.yaml "$corpus"
		options+=(-max_len=4096 -dict="$top_srcdir/tests/fuzz/words.dict")
		;;
	esac
	[ -n "${FUZZ_BUILD_ONLY:-}" ] && continue
	"./fuzz-$target" "${options[@]}" "$corpus"
done
