#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Rust's locks: exact, by their path, with the first frames outside of the standard library; in both
# manglings.
. "$(dirname "$0")/lib.sh"
need rustc

source=tests/workloads/rustlocks.rs
for mangling in legacy v0; do
	rustc -g -C symbol-mangling-version=$mangling -o rustlocks "$top_srcdir/$source" 2>"$work/err" ||
		rustc -g -o rustlocks "$top_srcdir/$source" 2>"$work/err" || {
		echo "skipped: rustc does not work here"
		exit 77
	}
	expect 0 "$mutrace" --json="$work/json" ./rustlocks mutex
	check_json "$work/json" \
		'p["lost_events"] == 0 and len(p["locks"]) == 1' \
		'lock("rustlocks::bank::ACCOUNTS")["made_by"] == "futex" and p["locks"][0]["role"] == "lock"' \
		'p["locks"][0]["contended"] == 200' \
		'functions(p["locks"][0]["waiters"][0]["stack"])[0] == "rustlocks::rust_waiter"' \
		"p['locks'][0]['waiters'][0]['stack'][0]['line'] == $(line_of $source 'WAITS HERE')" \
		'functions(p["locks"][0]["holders"][0]["stack"]) == ["rustlocks::rust_holder", "rustlocks::main"]' \
		"p['locks'][0]['holders'][0]['stack'][0]['line'] == $(line_of $source 'HELD HERE')"
done

expect 0 "$mutrace" --json="$work/json" ./rustlocks rwlock
check_json "$work/json" \
	'lock("rustlocks::RATES")["role"] == "lock" and lock("rustlocks::RATES")["contended"] == 200'
expect 0 "$mutrace" --json="$work/json" ./rustlocks once
check_json "$work/json" \
	'[(l["role"], l["contended"]) for l in p["locks"]] == [("lock", 1)]' \
	'p["locks"][0]["name"] == "rustlocks::SETUP" or "rustlocks::main" in p["locks"][0]["name"]'
expect 0 "$mutrace" --json="$work/json" ./rustlocks condition
check_json "$work/json" \
	'lock("rustlocks::READY")["role"] == "work" and lock("rustlocks::READY")["waits"] >= 200'
for what in park channel; do
	expect 0 "$mutrace" --json="$work/json" ./rustlocks $what
	check_json "$work/json" \
		'all(l["role"] == "work" for l in p["locks"]) and sum(l["waits"] for l in p["locks"]) == 200' \
		'functions(p["locks"][0]["woken_by"][0]["stack"])[0] == "rustlocks::main"'
done
