#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# matrace: counts are exact for each function, places are named to the line, and nothing but the program's own
# calls is in them; whichever allocator is underneath, and however a thread came to be a realtime one.
. "$(dirname "$0")/lib.sh"

matrace=${MATRACE:-$top_builddir/matrace}
watched=$workloads/watched
source=tests/workloads/watched.c
"$watched" clean >/dev/null 2>&1
[ $? = 77 ] && {
	echo "skipped: no realtime policy may be set here"
	exit 77
}

# check FILE EXPRESSION...: as check_json; calls(FUNCTION): how many, and at(FUNCTION): lines -> counts, of
# all processes.
check() {
	local file=$1
	shift
	check_json "$file" \
		'[globals().__setitem__("every", [a for q in d["processes"] for a in q["allocations"]]),
		globals().__setitem__("calls", lambda f: sum(a["count"] for a in every if a["function"] == f)),
		globals().__setitem__("at", lambda f: {a["stack"][0].get("line"): a["count"] for a in every if a["function"] == f}),
		globals().__setitem__("totals", lambda which: [sum(q["allocation_totals"][which][k] for q in d["processes"])
			for k in ("allocations", "frees", "bytes")])]' "$@"
}

line() {
	line_of $source "$1 HERE"
}

# The calls of allocate(), once.
once="calls('malloc') == 12 and calls('realloc') == 11 and calls('calloc') == 3 and calls('reallocarray') == 3"
each="calls('memalign') == calls('posix_memalign') == calls('aligned_alloc') == calls('valloc') == calls('pvalloc') == 1"
sum="[34, 20, 3994]" # realloc to nothing gives a block back, free(NULL) does not

expect 0 "$matrace" --json="$work/json" "$watched"
cat "$work/err"
check "$work/json" "$once" "$each" "calls('free') == 19" "totals('realtime') == $sum" \
	"totals('other') == $sum" \
	"at('malloc')[$(line MALLOC)] == 10 and at('realloc')[$(line REALLOC)] == 10" \
	"at('free')[$(line FREE)] == 10 and at('calloc') == {$(line CALLOC): 3}" \
	"at('reallocarray') == {$(line REALLOCARRAY): 3} and at('memalign') == {$(line MEMALIGN): 1}" \
	"at('posix_memalign') == {$(line POSIX_MEMALIGN): 1} and at('aligned_alloc') == {$(line ALIGNED_ALLOC): 1}" \
	"at('valloc') == {$(line VALLOC): 1} and at('pvalloc') == {$(line PVALLOC): 1}" \
	"[s for s in (functions(a['stack']) for a in every) if 'strdup' in str(s[0])][0][1] == 'allocate'" \
	'all("work" in functions(a["stack"]) for a in every)' \
	'all(a["class"] == "memory-allocator" and a["realtime_by"] == "policy" and a["tid_count"] == 1 for a in every)' \
	'all(0 < a["time_ns"]["max"] <= a["time_ns"]["total"] for a in every if a["count"] > 1)' \
	'p["realtime_threads"] == 1 and p["threads"] == 2 and p["complete"] and p["lost_events"] == 0' \
	'len({(a["function"], str(functions(a["stack"])), str([f.get("line") for f in a["stack"]])) for a in every}) == len(every)'

# Which threads count: by region and by name, and only for so long; none of a thread that does nothing.
expect 0 "$matrace" --json="$work/json" "$watched" region
check "$work/json" "$once" "$each" "totals('realtime') == $sum" "totals('other') == [2, 2, 2]" \
	'all(a["realtime_by"] == "region" for a in every)'
expect 0 "$matrace" --rt-threads='audio-*' --json="$work/json" "$watched" name
check "$work/json" "$once" "$each" "totals('realtime') == $sum" "totals('other') == [2, 2, 2]" \
	'all(a["realtime_by"] == "name" for a in every)'
expect 0 "$matrace" --rt-threads='midi-*' --fail --json="$work/json" "$watched" name
check "$work/json" 'every == []'

# The warm-up.
expect 0 "$matrace" --json="$work/json" "$watched" start
check "$work/json" "$once" "$each" "totals('realtime') == $sum"
expect 0 "$matrace" --after=1000 --fail --json="$work/json" "$watched"
check "$work/json" 'every == []' 'p["realtime_threads"] == 1'
expect 3 "$matrace" --after=0 --for=1000 --fail "$watched"

# Calls after the time that is watched are left out: the thread calls malloc() 20 ms after its process began.
cat >late.c <<'C'
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

void *volatile kept;

int main(void)
{
	usleep(20000);
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 }) < 0)
		return 1;
	kept = malloc(1);
	return 0;
}
C
${CC:-cc} -o late late.c || exit 99
expect 0 "$matrace" --for=0.01 --fail --json="$work/json" ./late
check "$work/json" 'every == []' 'p["realtime_threads"] == 1'
expect 3 "$matrace" --for=1000 --fail ./late

# The end of a thread, a library's constructor, a forked child, a program executed by it.
expect 0 "$matrace" --json="$work/json" "$watched" key
check "$work/json" "at('malloc') == {$(line KEY): 1}" "calls('free') == 2"
if ${CC:-cc} -g -shared -fPIC -x c -o plugin.so - 2>/dev/null <<'PLUGIN'; then
#include <stdlib.h>
static void *volatile keep;
__attribute__((constructor)) static void start(void)
{
	keep = malloc(77);
	free(keep);
}
PLUGIN
	expect 0 "$matrace" --json="$work/json" "$watched" load "$work/plugin.so"
	check "$work/json" "calls('malloc') == 1 and calls('free') == 1 and len(every) == 2" \
		'all(functions(a["stack"])[0] == "start" for a in every)'
fi
expect 0 "$matrace" --json="$work/json" "$watched" fork
check "$work/json" "$once" "$each" "totals('realtime') == $sum"
expect 0 "$matrace" --json="$work/json" "$watched" exec
check "$work/json" "$once" "$each" "totals('realtime') == $sum" "totals('other') == $sum"

# Exit statuses: those of --fail, and else the program's.
expect 0 "$matrace" --fail "$watched" clean
says "no realtime thread did anything that is watched"
expect 3 "$matrace" --fail "$watched"
expect 42 "$matrace" --fail=42 "$watched"
expect 0 "$matrace" "$watched"
expect 9 "$matrace" --fail sh -c "exit 9"

# Suppressions by function, by module, and by the watched function; those that match nothing are said.
printf '# known\nallocate\n' >known
expect 0 "$matrace" --fail --suppress=known --json="$work/json" "$watched"
check "$work/json" 'every == [] and p["suppressed"] == 53' "totals('realtime') == $sum"
printf 'free\n*/libc.so*\nno_such_*\n' >some
expect 3 "$matrace" --fail --suppress=some --json="$work/json" "$watched"
check "$work/json" "calls('free') == 0 and calls('malloc') == 11" 'p["suppressed"] == 20'
says "the suppression no_such_* (some:3) matched nothing"
expect 2 "$matrace" --suppress=nowhere "$watched"
says_only "nowhere"

# A session that is kept.
expect 0 "$matrace" -o kept "$watched"
expect 0 "$matrace" report --json="$work/json" kept
check "$work/json" "$once" "$each"
expect 0 "$matrace" report --max=5 kept
[ "$(grep -cE "^ +[0-9]+  [a-z]" out)" = 5 ] && grep -q "more; --all" out || fail "--max=5"
expect 0 "$matrace" report --suppress=known kept
grep -q "53 calls were suppressed" out || fail "suppressions in a later report"

# The other calls that a realtime thread must avoid: only those that did block, and that were asked for.
expect 0 "$matrace" --also=all --json="$work/json" "$watched" also
cat "$work/err"
check "$work/json" \
	'[calls(f) for f in ("pipe", "write", "read", "close", "fopen", "fprintf", "fclose")] == [1] * 7' \
	'[calls(f) for f in ("nanosleep", "poll", "mmap", "munmap", "pthread_create", "pthread_join")] == [1] * 6' \
	'calls("pthread_mutex_lock") == 1 and calls("sem_wait") == 0 and calls("page fault") >= 1' \
	"at('pthread_mutex_lock') == {$(line BLOCKS): 1} and at('nanosleep') == {$(line NANOSLEEP): 1}" \
	"at('pthread_create') == {$(line CREATE): 1} and at('fopen') == {$(line FOPEN): 1}" \
	'{a["class"] for a in every} == {"locks", "files", "sleep", "memory", "threads"}'
expect 0 "$matrace" --also=sleep,locks --json="$work/json" "$watched" also
check "$work/json" '{a["class"] for a in every} == {"memory-allocator", "locks", "sleep"}' \
	"calls('poll') == 1 and calls('pthread_mutex_lock') == 1"
expect 0 "$matrace" --also=all --json="$work/json" "$watched" more
check "$work/json" \
	'[calls(f) for f in ("setvbuf", "rewind", "ftell", "timerfd_create", "timerfd_gettime", "epoll_create1")] == [1] * 6' \
	'[calls(f) for f in ("setbuf", "setbuffer", "setlinebuf")] == [1] * 3' \
	'[calls(f) for f in ("inotify_init1", "getsockopt", "syscall", "sched_getaffinity", "waitpid")] == [1] * 5' \
	"at('futex wait') == {$(line FUTEX): 1}" \
	"calls('umask') == 2 and at('fork') == {$(line FORK): 1} and at('exec') == {$(line EXEC): 1}"
# All that RealtimeSanitizer takes exception to on Linux, but for the functions that cannot wait.
if [ -e "$(dirname "$matrace")/.libs/libmatrace-all.so" ]; then
	nm -D --defined-only "$(dirname "$matrace")/.libs/libmatrace-all.so" | sed -n 's/^[0-9a-f]* T //p' |
		sed 's/@.*//' | sort -u >exported
	for f in calloc free malloc realloc valloc aligned_alloc posix_memalign mmap mmap64 mremap munmap \
		madvise posix_madvise mprotect msync mincore shm_open shm_unlink memfd_create memalign \
		pvalloc open open64 openat openat64 close chdir fchdir readlink readlinkat unlink unlinkat \
		symlink symlinkat truncate ftruncate truncate64 ftruncate64 fopen fopen64 freopen64 fread \
		read write pread pread64 preadv preadv64 readv pwrite pwrite64 pwritev pwritev64 writev \
		fwrite fclose fcntl fcntl64 creat creat64 puts fputs fflush pipe2 fdopen freopen fopencookie \
		open_memstream fmemopen setbuf setvbuf setlinebuf setbuffer fgetpos fseek fseeko fsetpos \
		ftell ftello rewind fgetpos64 fseeko64 fsetpos64 ftello64 lseek lseek64 dup dup2 chmod \
		fchmod mkdir rmdir umask ioctl pthread_spin_lock pthread_create pthread_mutex_lock \
		pthread_join pthread_cond_wait pthread_cond_timedwait pthread_rwlock_rdlock \
		pthread_rwlock_wrlock sleep usleep nanosleep sched_yield sched_getaffinity sched_setaffinity \
		accept bind connect getaddrinfo getnameinfo listen recv recvfrom recvmsg recvmmsg send \
		sendmsg sendmmsg sendto shutdown socket accept4 getsockname getpeername getsockopt \
		setsockopt socketpair select pselect poll epoll_create epoll_create1 epoll_ctl epoll_wait \
		epoll_pwait ppoll inotify_init inotify_init1 inotify_add_watch inotify_rm_watch \
		timerfd_create timerfd_settime timerfd_gettime eventfd pipe mkfifo fork execve \
		process_vm_readv process_vm_writev syscall; do
		grep -qx $f exported || fail "$f is not watched"
	done
fi
expect 2 "$matrace" --also=naps true
says_only "there is no 'naps'"

# As it happens: each place once, before the program ends.
expect 0 "$matrace" --live sh -c \
	"\"$watched\"; until grep -q 'PID.*: pvalloc at allocate' '$work/err'; do sleep 0.05; done"
[ "$(grep -c 'PID.*: pvalloc at allocate' "$work/err")" = 1 ] || fail "a place was shown more than once"

# Other allocators. (pvalloc is the C library's with jemalloc, which then cannot free it: not for this test.)
for library in libtcmalloc_minimal.so.4 libjemalloc.so.2; do
	mode=alloc
	[ $library = libjemalloc.so.2 ] && mode="alloc portable"
	# shellcheck disable=SC2086
	LD_PRELOAD=$library "$watched" $mode >out 2>err || continue
	grep -q "cannot be preloaded" err && continue
	# shellcheck disable=SC2086
	expect 0 env LD_PRELOAD=$library "$matrace" --json="$work/json" "$watched" $mode
	if [ "$mode" = alloc ]; then
		check "$work/json" "$once" "$each" "totals('realtime') == $sum and totals('other') == $sum"
	else
		check "$work/json" "$once" "calls('pvalloc') == 0 and calls('valloc') == 1" \
			"totals('realtime')[0] == 33"
	fi
done

# C++: by way of malloc, or by operators that are the allocator's own.
if [ -x "$workloads/watched-cxx" ]; then
	new=$(line_of tests/workloads/watched-cxx.cc "NEW HERE")
	delete=$(line_of tests/workloads/watched-cxx.cc "DELETE HERE")
	for library in "" libtcmalloc_minimal.so.4 libjemalloc.so.2; do
		LD_PRELOAD=$library "$workloads/watched-cxx" >out 2>err || continue
		grep -q "cannot be preloaded" err && continue
		expect 0 env LD_PRELOAD=$library "$matrace" --json="$work/json" "$workloads/watched-cxx"
		check "$work/json" "totals('realtime') == [6, 6, 112]" \
			"all('objects' in str(functions(a['stack'])) or 'work' in str(functions(a['stack'])) for a in every)" \
			"sum(a['count'] for a in every if a['stack'][0].get('line') == $new) == 1" \
			"sum(a['count'] for a in every if a['stack'][0].get('line') == $delete) == 1"
	done
fi

# --help and the man page name the same options.
page=$top_srcdir/man/matrace.1
for command in run attach report; do
	expect 0 "$matrace" $command --help
	grep -oE '^ +(-[a-zA-Z],)? +--[a-z-]+' out | grep -oE -- '--[a-z-]+' >>help
done
sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' "$page" | sed 's/\\-/-/g' | sed -n 's/^\.B[RI]* //p' |
	grep -oE -- '--[a-z][a-z-]+' | sort -u >described
sort -u help | diff - described >out || fail "--help and the man page name different options"

# Preloaded by hand.
expect 0 env LD_PRELOAD="$(readlink -f "$(dirname "$matrace")/.libs/libmatrace.so" 2>/dev/null)" "$watched"
if [ -e "$(dirname "$matrace")/.libs/libmatrace.so" ]; then
	says "53 times, from"
fi
exit 0
