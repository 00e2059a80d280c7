#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The session: private, kept with -o, read again by mutrace report to the same figures, else removed.
. "$(dirname "$0")/lib.sh"

expect 0 "$mutrace" -o kept --json=first "$workloads/truth"
[ "$(stat -c %a kept)" = 700 ] || fail "mode of the directory"
for file in kept/*; do
	[ "$(stat -c %a "$file")" = 600 ] || fail "mode of $file"
done
ls kept/image.* >/dev/null || fail "no image"
expect 0 "$mutrace" report --json=second kept
grep -q guilty_lock out || fail "mutrace report prints to stdout"
/usr/bin/python3 - <<'PY' || fail "the two reports differ"
import json, sys
a, b = (json.load(open(name)) for name in ("first", "second"))
sys.exit(a != b)
PY
expect 0 "$mutrace" report --json=- kept
/usr/bin/python3 -c 'import json, sys; json.load(sys.stdin)' <out ||
	fail "--json=- writes JSON and nothing else to stdout"

# A directory that is there may be used if it is empty and private; umask does not matter.
mkdir -m 700 there
(umask 0 && "$mutrace" -o there true 2>/dev/null) || fail "empty directory"
[ "$(stat -c %a there/session)" = 600 ] || fail "mode with umask 0"
(umask 777 && "$mutrace" true 2>err) || fail "umask 777"

# The program learns where its session is; that place is gone afterwards.
expect 0 "$mutrace" sh -c 'echo "$MUTRACE_SESSION"; stat -c %a "$MUTRACE_SESSION"'
where=$(head -n 1 out)
[ "$(tail -n 1 out)" = 700 ] || fail "mode of an unnamed session"
[ -n "$where" ] && [ ! -e "$where" ] || fail "session not removed: $where"

# mutrace killed: the program goes on, its session stays and can be read; mutrace report without a name finds
# it.
"$mutrace" sh -c 'echo "$MUTRACE_SESSION" >where; until [ -e go ]; do sleep 0.05; done; echo ended >done' \
	2>err &
pid=$!
until_true 10 test -s where
kill -9 $pid
wait $pid 2>/dev/null
touch go
until_true 10 test -s done
where=$(cat where)
[ -d "$where" ] || fail "the session is gone"
expect 2 "$mutrace" report
says "$where"
expect 0 "$mutrace" report "$where"
rm -r "$where"

# Nobody reads the report (closed pipe, full disk): the program's result counts, and nothing is left behind.
expect 6 bash -c \
	'set -o pipefail; "$0" --json=json sh -c "echo \$MUTRACE_SESSION >where; $1; exit 6" 2> >(exec true) >out' \
	"$mutrace" "$workloads/truth"
[ -s where ] && [ ! -e "$(cat where)" ] || fail "session left behind after a closed pipe"
check_json json 'lock("guilty_lock")["contended"] == 200'
if [ -e /dev/full ]; then
	expect 6 "$mutrace" --json=/dev/full -o again sh -c 'exit 6'
	expect 0 "$mutrace" report again
fi
