#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kill -9 of the program: mutrace dies of the same signal, and the report is complete up to that moment and says so.
. "$(dirname "$0")/lib.sh"

# In a shell of its own: the one that runs this would otherwise write "Killed" into our stderr.
expect 137 bash -c '"$@"; exit $?' - "$mutrace" --json="$work/json" "$workloads/truth" then-die
measured=$(sed -n 's/^waited_ns //p' "$work/out")
check_json "$work/json" \
	'not p["complete"]' \
	'lock("guilty_lock")["acquired"] == 400 and lock("guilty_lock")["contended"] == 200' \
	"abs(lock('guilty_lock')['wait_ns']['total'] - $measured) <= 0.15 * $measured"
says guilty_lock
grep -qiE 'killed|SIGKILL|signal 9' "$work/err" || fail "the report does not say that the program was killed"
[ -z "$(sessions_left | while read -r d; do [ "$d" -nt "$top_builddir/mutrace" ] && [ -O "$d" ] &&
	grep -qs truth "$d"/image.* && echo "$d"; done)" ] || fail "a session was left behind"
