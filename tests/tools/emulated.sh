#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# For `make check-arm64`: builds in an emulated Debian, runs the demo, and the tests that qemu-user can bear.
# It has no ptrace and no seccomp, and a program that reads /proc finds the emulator there.
set -euo pipefail
cd "$(dirname "$0")/../.."
export MUTRACE_CONFIGURE="${MUTRACE_CONFIGURE:-} --enable-werror"

./bootstrap.sh demo 2>&1 | tee demo.out
grep -q 'because.*audit bank.c:[0-9]* < auditor bank.c' demo.out
tests="tests/tree/exports.py tests/tree/lowlock.py tests/unit/test_format tests/unit/test_load
	tests/unit/test_report tests/e2e/truth.sh"
# shellcheck disable=SC2086 # in one word
MAKEFLAGS="-- TESTS=$(printf '%s\\ ' $tests)" ./bootstrap.sh check
