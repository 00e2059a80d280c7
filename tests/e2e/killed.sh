#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kill -9 of the program: mutrace dies of the same signal, and the report is complete up to that moment and says so.
. "$(dirname "$0")/lib.sh"

# In a shell of its own: the one that runs this would otherwise write "Killed" into our stderr.
expect 137 bash -c '"$@"; exit $?' - "$mutrace" --json="$work/json" \
	sh -c 'echo "$MUTRACE_SESSION" >where; exec "$0" then-die' "$workloads/truth"
measured=$(sed -n 's/^waited_ns //p' "$work/out")
check_json "$work/json" \
	'[q["complete"] for q in d["processes"] if q["locks"]] == [False]' \
	'lock("guilty_lock")["acquired"] == 400 and lock("guilty_lock")["contended"] == 200' \
	"abs(lock('guilty_lock')['wait_ns']['total'] - $measured) <= 0.15 * $measured"
says guilty_lock
says "killed by SIGKILL"
[ -s where ] && [ ! -e "$(cat where)" ] || fail "the session was left behind in $(cat where)"
