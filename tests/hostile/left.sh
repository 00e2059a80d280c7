#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Waits that end in another order than they began, or never (see left.c).
. "$(dirname "$0")/../e2e/lib.sh"

left=$top_builddir/tests/hostile/left

# The hand-off of a wait is known though another wait began before it was booked.
expect 0 timeout 60 "$mutrace" --json=json "$left" nested
check_json json 'p["complete"]' \
	'all(lock(n)["contended"] == 20 and lock(n)["handoff_ns"] > 0 for n in ("outer", "inner"))'

# Later waits of a thread that a handler took out of one are charged as ever.
expect 0 timeout 60 "$mutrace" --json=json "$left" jumped
check_json json 'p["complete"]' 'lock("inner")["contended"] == 20' \
	'lock("inner")["blocked_ns"] > lock("inner")["wait_ns"]["total"] / 2'

# A handler of the program waits for a lock whose holder meets a new place.
expect 0 timeout 60 "$mutrace" --json=json "$left" forked
check_json json 'p["complete"]' 'lock("inner", p)["acquired"] == 1'
# The holder forks as well.
expect 0 timeout 60 "$mutrace" --json=json "$left" forked_twice
check_json json 'p["complete"] and len(d["processes"]) == 3' \
	'all(lock("outer", q)["acquired"] == 1 for q in d["processes"][1:])'
