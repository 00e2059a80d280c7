# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by /bin/sh before each test, see Makefile.am, and by tests/e2e/lib.sh, for tests that are run by
# hand: the result must not depend on the shell that starts them.

# The system's tools come first. With another python3 in front (pyenv), or another rustc, a test would ask one
# for what it does with the other.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}
LC_ALL=C COLUMNS=400 # no paragraph is broken into lines
export PATH LC_ALL COLUMNS
umask 022
# A closed descriptor would be the next file that is opened.
(exec 9<&0) 2>/dev/null || exec </dev/null
[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 1024 ] || ulimit -S -n 1024 2>/dev/null || :
# Files are made, and programs run, in a directory that can have them. Neither libtool's nor LD_PRELOAD's
# paths have blanks, nor the latter colons.
usable() {
	case $1 in
	*[[:space:]:]*) return 1 ;;
	/*) ;;
	*) return 1 ;;
	esac
	probe=$(mktemp "$1/mutrace.XXXXXX" 2>/dev/null) || return 1
	{ printf '#!/bin/sh\nexit\n' && head -c 1000000 /dev/zero | tr '\0' '\n'; } >"$probe" 2>/dev/null &&
		chmod +x "$probe" && "$probe" 2>/dev/null
	set -- "$probe" $?
	rm -f "$1"
	return "$2"
}
[ -z "${TMPDIR+set}" ] || usable "$TMPDIR" || unset TMPDIR
[ -n "${TMPDIR+set}" ] || usable /tmp || ! usable /var/tmp || export TMPDIR=/var/tmp
[ -w "${HOME:-/nonexistent}" ] || export HOME="${TMPDIR:-/tmp}"
# how reports look and where sessions are
unset MUTRACE_OPTIONS MUTRACE_SESSION NO_COLOR TERM LANGUAGE DEBUGINFOD_URLS DEBUGINFOD_CACHE_PATH \
	XDG_CACHE_HOME GITHUB_WORKSPACE
# the loader, the allocator, OpenMP
unset LD_PRELOAD LD_AUDIT LD_DEBUG LD_BIND_NOW LD_PROFILE GLIBC_TUNABLES MALLOC_ARENA_MAX MALLOC_ARENA_TEST \
	MALLOC_CHECK_ MALLOC_PERTURB_ MALLOC_TOP_PAD_ MALLOC_TRIM_THRESHOLD_ MALLOC_MMAP_THRESHOLD_ \
	OMP_NUM_THREADS OMP_THREAD_LIMIT OMP_DYNAMIC OMP_PROC_BIND OMP_PLACES OMP_SCHEDULE OMP_WAIT_POLICY \
	OMP_DISPLAY_ENV GOMP_CPU_AFFINITY GOMP_SPINCOUNT
# shells, interpreters, compilers and what builds the examples
unset CDPATH BASH_ENV ENV POSIXLY_CORRECT GREP_OPTIONS PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONWARNINGS \
	PYTHONSTARTUP CFLAGS CXXFLAGS CPPFLAGS LDFLAGS CCACHE_BASEDIR CCACHE_NOHASHDIR CMAKE_GENERATOR \
	MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL TESTS TEST_LOGS TEST_SUITE_LOG check_PROGRAMS \
	GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
