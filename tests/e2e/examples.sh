#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The examples of examples/ci: each build tool that is installed runs its check, in order, over a limit and
# with a program that fails, and says so in its own way. So are the recipes of the guide for such tools.
. "$(dirname "$0")/lib.sh"

need "${CC:-cc}"
cp "$top_srcdir"/examples/ci/* . || exit 99
mkdir bin
ln -s "$(realpath "$mutrace")" bin/mutrace
[ -n "${MUTRACE:-}" ] || ln -s "$(realpath "$top_builddir")/.libs" bin/.libs
export PATH=$work/bin:$PATH
${CC:-cc} -g -pthread -o worker worker.c || exit 99
expect 0 mutrace check --write-baseline=baseline.json --repeat=3 -- ./worker
tried=

# Twice as long a way through the lock as the baseline has: sed in the copy, so that the line numbers stay.
regress() {
	sed -i 's/i < 5000/i < 25000/; s/jobs == 10000/jobs == 50000/' worker.c
	${CC:-cc} -g -pthread -o worker worker.c || exit 99
}
restore() {
	cp "$top_srcdir/examples/ci/worker.c" .
}

# The workflow's own line, as the runner would give it to a shell
sed -n '/mutrace check/,$p' contention.yml >step.sh
${CC:-cc} -g -pthread -o worker worker.c
expect 0 bash -e step.sh
regress
expect 1 bash -e step.sh
grep -q '^::error file=worker.c,line=[0-9]*,title=[^:]*::jobs_lock: acquired is 50 000' out ||
	fail "annotation"
[ -s contention.xml ] || fail "no JUnit XML"
if /usr/bin/python3 -c 'import yaml' 2>/dev/null; then
	/usr/bin/python3 -c 'import yaml; assert yaml.safe_load(open("contention.yml"))["jobs"]' ||
		fail "the workflow"
fi
restore

# recipe WORDS: the command of the guide's page of recipes that has these words, as it stands there.
recipe() {
	sed -n '/^## gtest/,/^## GitHub/p' "$top_srcdir/doc/guide/8-recipes.md" | grep -F -e "$1" >recipe
	[ "$(wc -l <recipe)" = 1 ] || fail "the guide has not one command with $1"
	expect 0 bash -eu recipe
}
cp worker unit_tests
expect 0 mutrace check --write-baseline=base.json --repeat=3 -- ./unit_tests
recipe gtest_filter

if command -v cmake >/dev/null && command -v ctest >/dev/null; then
	expect 0 env CC="${CC:-cc}" cmake -S . -B build.cmake
	expect 0 cmake --build build.cmake
	expect 0 ctest --test-dir build.cmake -L contention
	grep -q '100% tests passed' out || fail "ctest"
	cd build.cmake || exit 99
	recipe 'tests.kept'
	grep -q '^mutrace: worker (PID' "$work/err" || fail "ctest under mutrace: no report of a test"
	cd ..
	regress
	expect 0 cmake --build build.cmake
	expect 8 ctest --test-dir build.cmake --output-on-failure -L contention
	grep -q 'FAILED jobs_lock: acquired is 50 000' out || fail "ctest does not say which lock"
	restore
	tried="$tried CTest"
	case $(cmake --version) in
	"cmake version 3."[01]?.* | "cmake version 3.2"[0-8].*) ;; # without launchers
	*)
		recipe CMAKE_TEST_LAUNCHER
		expect 0 cmake --build build
		expect 0 ctest --test-dir build --verbose -E contention
		grep -q 'mutrace check: .*in order' out || fail "ctest does not start mutrace check"
		tried="$tried and its launcher"
		;;
	esac
fi

if command -v meson >/dev/null && command -v ninja >/dev/null; then
	expect 0 meson setup build.meson
	expect 0 meson test -C build.meson --setup=contention
	expect 0 meson test -C build.meson --wrap="mutrace check --limits=$work/limits.yaml --"
	cd build.meson || exit 99
	recipe 'meson test'
	cd ..
	regress
	if meson test -C build.meson --setup=contention --print-errorlogs >out 2>err; then
		fail "meson does not fail"
	fi
	grep -q 'FAILED jobs_lock: acquired is 50 000' out || fail "meson does not say which lock"
	restore
	tried="$tried meson"
fi

if command -v automake >/dev/null && command -v autoconf >/dev/null; then
	mkdir automake
	cp configure.ac Makefile.am worker.c limits.yaml baseline.json automake/
	cd automake || exit 99
	expect 0 autoreconf -fi
	expect 0 ./configure CC="${CC:-cc}" CFLAGS=-g
	expect 0 make check
	expect 0 make check MUTRACE=mutrace
	grep -q 'in order, 1 lock' worker.log || fail "automake does not run the check"
	sed -i 's/i < 5000/i < 25000/; s/jobs == 10000/jobs == 50000/' worker.c
	expect 0 make check
	expect 2 make check MUTRACE=mutrace
	grep -q 'FAILED jobs_lock: acquired is 50 000' worker.log || fail "automake does not say which lock"
	# a test that skips itself is skipped
	sed -i 's/return jobs == .*/return 77;/' worker.c
	expect 0 make check MUTRACE=mutrace
	grep -q '^# SKIP: *1' "$work/out" || fail "a skipped test"
	cd ..
	tried="$tried automake"
fi

# the recipe runs the first python3 of PATH, which may be another than the system's, without pytest
if python3 -c 'import pytest' 2>/dev/null; then
	mkdir tests
	cat >tests/test_worker.py <<-'PY'
		import subprocess
		def test_worker():
		    assert subprocess.run(["./worker"]).returncode == 0
	PY
	${CC:-cc} -g -pthread -o worker worker.c || exit 99
	recipe '-m pytest'
	grep -q '1 passed' out || fail "pytest"
	grep -q '^ *1 *jobs_lock' err || fail "the locks of what pytest starts"
	tried="$tried pytest"
fi
echo "tried:$tried and the workflow's step"
