#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Locks that we take without a call are as the C library leaves them; a library that stands between us and
# the C library sees every call; and where locks are elided, or the mutex is of another kind, it is the C
# library's business.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/e2e/lib.sh"

program=$top_builddir/tests/hostile/inlined
"$program" >plain
[ $? = 77 ] && exit 77

for options in "" --sample-hold=4 --contended-only --track-rt --no-follow; do
	expect 0 "$mutrace" ${options:+"$options"} --json=json "$program"
	cmp -s out plain || fail "$options: another count"
	[ "$options" = --contended-only ] || check_json json \
		'all(q["lost_events"] == 0 for q in d["processes"])' \
		'sum(l["acquired"] for q in d["processes"] for l in q["locks"]) > 20000' \
		'not any(l.get("misuse") for q in d["processes"] for l in q["locks"] if "wait_for_it" in l["name"])'
done

GLIBC_TUNABLES=glibc.elision.enable=1 expect 0 "$mutrace" --json=json "$program"

command -v ${CC:-cc} >/dev/null || exit 0
${CC:-cc} -shared -fPIC -DSPY -o spy.so "$top_srcdir/tests/hostile/inlined.c" -ldl || exit 99
expect 0 env LD_PRELOAD="$work/spy.so" "$program"
cp out plain
for options in "" --sample-hold=4 --contended-only; do
	LD_PRELOAD=$work/spy.so expect 0 "$mutrace" ${options:+"$options"} --json=json "$program"
	wanted=$(sed -n 's/unlocks //p' out)
	seen=$(sed -n 's/seen //p' out | sort -n | tail -n 1) # the command has the library, too
	[ "$seen" -ge "$wanted" ] || fail "$options: a library behind us saw $seen of $wanted calls"
done
