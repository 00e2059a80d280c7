#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# exec*() in all its forms: same result, what was recorded before is complete, and the new image is another
# entry. daemon() ends the parent, in order too.
. "$(dirname "$0")/lib.sh"

# A program has the name that it was called by, in stacks too; one that was started as /proc/self/exe that of
# its file.
ln -s "$workloads/truth" called-so
expect 0 "$mutrace" --json=json ./called-so
check_json json 'p["program"].endswith("/called-so")' \
	'lock("guilty_lock")["module"].endswith("/called-so")'
expect 0 "$mutrace" --all -d --json=json python3 -c \
	'import os; os.execv("/proc/self/exe", ["x", "-c", "pass"])'
check_json json 'not any(q["program"].endswith("exe") for q in d["processes"])'

export PATH=$workloads:$PATH
exec=$workloads/exec

for how in execve execv execvp execvpe fexecve execveat execl execlp execle; do
	echo "== $how"
	expect 3 "$exec" $how
	mv out plain
	expect 3 "$mutrace" --json=json "$exec" $how
	cmp -s plain out || fail "output differs"
	[ "$(wc -l <out)" = 2 ] || fail "the program did not come to its end"
	check_json json 'len(d["processes"]) == 2' 'all(q["complete"] for q in d["processes"])' \
		'lock("before_lock")["acquired"] == 10' 'lock("after_lock")["acquired"] == 7' \
		'len({q["pid"] for q in d["processes"]}) == 1' \
		'not any(l["name"] == "after_lock" for q in d["processes"] for l in q["locks"] if q["arguments"][1] != "done")'
done

# The front end is not left waiting for an image that never comes: a static program, or one without us.
cat >away.sh <<'AWAY'
exec env -u LD_PRELOAD sleep 0.1
AWAY
expect 0 timeout 60 "$mutrace" bash away.sh

echo "== daemon"
"$mutrace" --json=json "$exec" daemon >out 2>err
[ $? = 0 ] || fail "exit status of a program that calls daemon()"
[ "$(cat out)" = daemon ] || fail "the daemon's output"
check_json json 'len(d["processes"]) == 2' 'all(q["complete"] for q in d["processes"])' \
	'lock("before_lock")["acquired"] == 5' 'lock("after_lock")["acquired"] == 7'
