#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The demo's report fits in one screen and makes plain which lock and whose code is to blame.
. "$(dirname "$0")/lib.sh"

unset COLUMNS # as wide as for anybody
expect 0 "$mutrace" --json=json "$top_builddir/demo/bank"
cat err
[ "$(wc -l <err)" -le 40 ] || fail "more than a screen: $(wc -l <err) lines"
[ "$(wc -L <err)" -le 160 ] || fail "lines of $(wc -L <err) columns"
check_json json 'p["locks"][0]["name"] == "accounts_lock"' \
	'p["locks"][0]["wait_ns"]["total"] > 0.8 * sum(l["wait_ns"]["total"] for l in p["locks"])' \
	'functions(p["locks"][0]["holders"][0]["stack"])[0] == "audit"' \
	'p["locks"][0]["holders"][0]["blocked_ns"] > 0.5 * p["locks"][0]["wait_ns"]["total"]' \
	'functions(max(p["locks"][0]["waiters"], key=lambda w: w["wait_ns"])["stack"])[0] in ("transfer", "balance")'
grep -q 'because .*audit' err || fail "the text does not name audit"
check_json json '"polled" not in p' # the clerks rest between customers, and look for nothing
