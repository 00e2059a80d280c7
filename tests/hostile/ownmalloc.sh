#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The program's own allocator locks and opens files (see ownmalloc.c): nothing of ours calls it from inside a
# wrapper.
. "$(dirname "$0")/../e2e/lib.sh"
program=$top_builddir/tests/hostile/ownmalloc

"$program" >plain
[ $? = 7 ] || exit 99
for profiler in "$mutrace" "$mutrace --contended-only" "$mutrace --sample-hold=4" \
	"${mutrace%mutrace}matrace" \
	"${mutrace%mutrace}matrace --also=all"; do
	# shellcheck disable=SC2086 # a command and its option
	expect 7 timeout 60 $profiler "$program"
	cmp out plain || fail "$profiler: another output"
done
expect 7 timeout 60 "$mutrace" --json=json "$program"
check_json json "all(lock(n)['acquired'] >= 16000 for n in ('mutex', 'rwlock', 'spin'))" \
	'p["lost_events"] == 0'
