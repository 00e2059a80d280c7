#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Preloaded by hand, without mutrace: the ranked report comes at exit just the same, on stderr.
. "$(dirname "$0")/lib.sh"

library=${MUTRACE_LIBRARY:-$top_builddir/.libs/libmutrace.so}
[ -e "$library" ] || exit 99
PATH=$(dirname "$mutrace"):$PATH expect 0 env LD_PRELOAD="$library" "$workloads/truth"
grep -q '^waited_ns' out || fail "the program's output"
[ "$(wc -l <out)" = 1 ] || fail "something else on stdout"
grep -E '^ +1 +guilty_lock +mutex ' err | grep -qE '\b200 */? +400\b' || fail "no ranked report"
