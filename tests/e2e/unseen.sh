#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Libraries that do not find our functions are said. All are found along the program's run path, as without
# mutrace.
. "$(dirname "$0")/lib.sh"

mkdir lib
echo 'int answer(void) { return 42; }' >answer.c
$CC -shared -fPIC -o lib/libanswer.so answer.c || exit 99
$CC -g -D_GNU_SOURCE -o unseen "$top_srcdir/tests/workloads/unseen.c" -ldl -Wl,-rpath,"$work/lib" || exit 99
expect 0 ./unseen plain libanswer.so
expect 0 "$mutrace" --json=plain.json ./unseen plain libanswer.so
grep -q "not seen" err && fail "a library was said that is seen"
check_json plain.json '"unseen_libraries" not in d'
for how in deepbind namespace; do
	expect 0 "$mutrace" --json=$how.json ./unseen $how libanswer.so
	grep -q "1 library was loaded .*(libanswer.so): its lock calls are not seen" err ||
		fail "$how: $(cat err)"
	check_json $how.json 'd["unseen_libraries"] == 1'
done
