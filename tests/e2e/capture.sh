#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Capturing a stack calls nothing of the program's allocator, which may itself be in a lock call. (That it
# takes no lock of the loader's is tests/conform's, loader/callback_waits.)
. "$(dirname "$0")/lib.sh"

source=tests/workloads/nomalloc.c
for options in "" "--contended-only" "--frames=128"; do
	# shellcheck disable=SC2086
	expect 0 "$mutrace" $options --json="$work/json" "$workloads/nomalloc"
	check_json "$work/json" 'lock("mutex")["contended"] == 5' \
		"lock('mutex')['waiters'][0]['stack'][0]['line'] == $(line_of $source "WAITS HERE")"
done
