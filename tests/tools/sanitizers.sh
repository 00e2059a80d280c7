#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# "make check-sanitizers": the recorder under memcheck and helgrind, preloaded, and under ThreadSanitizer,
# linked to a program under other names, since its functions would come before the sanitizer's own. Each
# exception is justified in tests/tools/*-suppressions. What is not installed is left out and said.
. "$(dirname "$0")/../e2e/lib.sh"

stress=$top_builddir/tests/tools/stress
here=$top_srcdir/tests/tools

under() {
	local tool=$1 program=$2
	"$mutrace" --json=json valgrind --tool="$tool" --error-exitcode=70 \
		--suppressions="$here/valgrind-suppressions" \
		--log-file=valgrind.%p "${@:3}" "$program" >out 2>err
}

if command -v valgrind >/dev/null; then
	for program in "$stress" "$workloads/truth"; do
		for tool in memcheck helgrind; do
			under $tool "$program" || {
				cat valgrind.*
				fail "$tool: $program"
			}
			check_json json 'p["complete"] and p["damaged_records"] == 0 and p["locks"]'
			rm -f valgrind.*
			echo "$tool: $(basename "$program") is clean"
		done
	done
	# And it finds what is wrong with a program that we are in.
	cat >wrong.c <<'C'
#include <pthread.h>
#include <stdlib.h>
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int shared;
static void *run(void *a)
{
	shared++;
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	return a;
}
int main(void)
{
	pthread_t t[2];
	volatile char *p = malloc(3);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, run, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	free((void *)p);
	shared += p[1] != 0;
	return 0;
}
C
	$CC -g -O0 -w wrong.c -o wrong -lpthread || exit 99
	for tool in memcheck helgrind; do
		under $tool ./wrong
		[ $? = 70 ] || fail "$tool finds nothing in a program that is wrong"
	done
else
	echo "no valgrind"
fi

# ThreadSanitizer. gcc's: it is in a library behind the program, where originals are looked for; clang's would
# be in the program. What the recorder has instead of memcpy() stays away: ThreadSanitizer has its own.
names=$(sed -n \
	's/^WRAP([a-z0-9]*, [^,]*, \(pthread_[a-z_]*\|sem_[a-z]*\|mtx_[a-z]*\|cnd_[a-z]*\|thrd_[a-z]*\|tss_create\|call_once\),.*/\1/p' \
	"$top_srcdir/wrappers/wrappers.def" | grep -v sched)
renamed=
for name in $names; do
	case $name in
	pthread_cond_clockwait) renamed="$renamed -D$name=recorded_$name" ;;
	pthread_cond_*) renamed="$renamed -D$name=${name}_current" ;; # as wrappers/cond.c calls them
	*) renamed="$renamed -D$name=recorded_$name" ;;
	esac
done
sources=$(cd "$top_srcdir" && ls src/unwind/{capture,probe}.c src/arch/stack.c src/session/directory.c \
	src/record/*.c wrappers/{barrier,c11,cancel,cond,defined,init,inplace,inlined,join,keys}.c \
	wrappers/{mutex,mutex_fast,mutex_more,once,real,rwlock,sem,spin,thread}.c \
	tests/tools/{stress,harness}.c |
	grep -v -e watch.c -e bytes.c)
if ! echo 'int main(void) { return 0; }' | gcc -fsanitize=thread -x c - -o empty 2>/dev/null; then
	echo "no ThreadSanitizer"
	exit 0
fi
# shellcheck disable=SC2086
(cd "$top_srcdir" && gcc -fsanitize=thread -g -O1 -w -D_GNU_SOURCE -I. -Isrc -I"$top_builddir" \
	-DBINDIR='""' -DCOND_VERSION=NULL $renamed $sources -o "$work/harness" -lpthread -ldl) 2>log || {
	cat log
	fail "ThreadSanitizer: the recorder does not link as a part of a program"
}

# The harness once, in a session with these options. ThreadSanitizer knows where programs and libraries
# lie only where the kernel does not move them.
races() {
	rm -rf session tsan.*
	"$top_builddir/tests/conform/conform" "$@" -S session || exit 99
	MUTRACE_SESSION=$PWD/session \
		TSAN_OPTIONS="log_path=tsan exitcode=70 suppressions=$here/tsan-suppressions" \
		timeout 300 setarch -R ./harness >out 2>err || {
		cat tsan.* err 2>/dev/null
		fail "ThreadSanitizer $*"
	}
	expect 0 "$mutrace" report --json=json session
	check_json json 'sum(l["contended"] for l in p["locks"]) > 0'
}

for round in 1 2 3 4 5; do
	races
	check_json json 'sum(l["acquired"] for l in p["locks"]) > 4000'
	races -c sample_hold=4
	check_json json 'sum(l["acquired"] for l in p["locks"]) > 4000'
	races -c contended_only=1
done
races -c track_rt=1
races -c per_instance=1
echo "ThreadSanitizer: clean"

# And it finds what the recorder does: without the suppressions there are races, which we have on purpose.
rm -rf session
"$top_builddir/tests/conform/conform" -S session || exit 99
TSAN_OPTIONS="exitcode=70" MUTRACE_SESSION=$PWD/session timeout 300 setarch -R ./harness >out 2>err
[ $? = 70 ] || fail "ThreadSanitizer finds nothing without its suppressions"
