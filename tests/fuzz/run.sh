#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Fuzzes the session loader and what reads its model: make fuzz, or tests/fuzz/run.sh [SECONDS] from a build tree. Needs
# clang with libFuzzer. What it finds new is kept in fuzz-corpus/ of the build tree, what crashes in crash-*.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$PWD}"
seconds=${1:-${FUZZ_SECONDS:-60}}
cd "$top_builddir"
command -v clang >/dev/null || {
	echo "skipped: no clang"
	exit 77
}
mkdir -p fuzz-corpus
clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -D_GNU_SOURCE -std=gnu11 \
	-I"$top_srcdir/src" -I"$top_srcdir" -I. -Isrc "$top_srcdir/tests/fuzz/fuzz_session.c" \
	"$top_srcdir/tests/unit/fake_symbols.c" "$top_srcdir"/src/base/*.c "$top_srcdir"/src/load/*.c \
	"$top_srcdir"/src/analysis/*.c "$top_srcdir"/src/render/*.c src/render/profile.pb-c.c \
	$(pkg-config --libs jansson libprotobuf-c zlib) -o fuzz-session
tests/fuzz/replay_session --seed fuzz-corpus/seed
./fuzz-session -max_len=65536 -max_total_time="$seconds" -rss_limit_mb=4096 fuzz-corpus
