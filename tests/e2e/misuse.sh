#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Misuse of locks: the program goes on as without mutrace, the report names lock, kind and place and flags it
# "!", and with --trap the program stops there.
. "$(dirname "$0")/lib.sh"

misuse=$workloads/misuse

# kind OF-WORKLOAD IN-JSON NAME FUNCTION [STATUS]
kind() {
	local status=${5:-0}

	echo "== $1"
	expect $status "$misuse" $1
	mv out plain
	expect $status "$mutrace" --json=json "$misuse" $1
	cmp -s plain out || fail "the outcome differs"
	check_json json \
		"[(l['name'], l['misuse'], l['misuses']) for l in p['locks'] + p['conditions'] if l.get('misuse')] \
		== [('$3', ['$2'], 1)]" \
		"'$4' in [f for l in p['locks'] + p['conditions'] if l.get('misuse') for f in functions(l['misused_at'])[:2]]"
	grep -qE "^ +[0-9]+ +$3\b.* [MWSC]!\.|^ +[0-9]+ +$3\b.* P!\." err || fail "no flag"
	grep -qE "^ +! $3( \(misuse\.c\))?: " err || fail "the text does not say so"
	# 133: SIGTRAP
	expect 133 "$mutrace" --json=json --trap "$misuse" $1
	[ ! -s out ] || fail "it went on"
	check_json json "[l['misuse'] for l in p['locks'] + p['conditions'] if l.get('misuse')] == [['$2']]"
}

kind unlock_others unlock-not-held lock unlock_main
kind unlock_free unlock-not-held lock unlock_free
kind unlock_rwlock unlock-not-held rwlock rwlock_main
kind unlock_spin unlock-not-held spin unlock_spin
kind destroy_held destroy-held lock destroy_held
kind destroy_rwlock destroy-held rwlock destroy_rwlock
kind destroy_spin destroy-held spin destroy_spin
kind destroy_twice destroy-twice lock destroy_twice
kind use_after_destroy use-after-destroy lock use_after_destroy
kind relock relock lock relock 142 # SIGALRM: it never returned, and yet the report says it
kind destroy_waited destroy-waited cond destroy_main
kind destroy_sem destroy-waited sem destroy_sem
kind two_mutexes two-mutexes cond cond_main

# Nothing is said where nothing is wrong.
expect 0 "$mutrace" --json=json --trap "$misuse" none
check_json json 'not any(l.get("misuse") for l in p["locks"] + p["conditions"])'
