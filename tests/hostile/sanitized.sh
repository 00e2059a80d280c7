#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Programs that were built with a sanitizer are profiled like others.
. "$(dirname "$0")/../e2e/lib.sh"

tried=0
for cc in gcc clang; do
	for kind in address thread undefined; do
		$cc -g -O1 -D_GNU_SOURCE -I"$top_srcdir" -fsanitize=$kind \
			"$top_srcdir/tests/workloads/truth.c" -o truth \
			-lpthread 2>log && ./truth >out 2>err || continue # not installed
		expect 0 "$mutrace" --json=json ./truth
		check_json json \
			'lock("guilty_lock")["acquired"] == 400 and lock("guilty_lock")["contended"] == 200' \
			'p["complete"] and p["lost_events"] == 0' \
			'functions(lock("guilty_lock")["waiters"][0]["stack"])[0] == "wait_for_lock"'
		echo "$cc -fsanitize=$kind: as it must be"
		tried=$((tried + 1))
	done
done
[ $tried -gt 0 ] || {
	echo "skipped: no compiler with sanitizers"
	exit 77
}
