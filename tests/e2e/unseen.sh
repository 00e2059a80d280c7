#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Libraries that do not find our functions are said. All are found along the program's run path, as without
# mutrace.
. "$(dirname "$0")/lib.sh"

mkdir lib
echo 'int answer(void) { return 42; }' >answer.c
$CC -shared -fPIC -o lib/libanswer.so answer.c || exit 99
$CC -g -D_GNU_SOURCE -o unseen "$top_srcdir/tests/workloads/unseen.c" -ldl -Wl,-rpath,"$work/lib" || exit 99
expect 0 ./unseen plain libanswer.so
expect 0 "$mutrace" --json=plain.json ./unseen plain libanswer.so
grep -q "not seen" err && fail "a library was said that is seen"
check_json plain.json '"unseen_libraries" not in d'
for how in deepbind namespace; do
	expect 0 "$mutrace" --json=$how.json ./unseen $how libanswer.so
	grep -q "1 library was loaded .*(libanswer.so): its lock calls are not seen" err ||
		fail "$how: $(cat err)"
	check_json $how.json 'd["unseen_libraries"] == 1'
done

# A program that looks for functions in a library that it opens, as Free Pascal's do, gets those that are
# recorded.
cat >handle.c <<'END'
#include <dlfcn.h>
#include <pthread.h>

static pthread_mutex_t accounts = PTHREAD_MUTEX_INITIALIZER;

int main(void)
{
	void *library = dlopen("libc.so.6", RTLD_NOW);
	int (*lock)(pthread_mutex_t *) = dlsym(library, "pthread_mutex_lock");
	int (*unlock)(pthread_mutex_t *) = dlsym(library, "pthread_mutex_unlock");

	for (int i = 0; i < 200; i++) {
		lock(&accounts);
		unlock(&accounts);
	}
	return dlsym(library, "dlsym") == 0 || dlsym(library, "pthread_mutex_lok") != 0;
}
END
$CC -g -o handle handle.c -ldl -pthread || exit 99
expect 0 ./handle
expect 0 "$mutrace" --json=handle.json ./handle
check_json handle.json 'lock("accounts")["acquired"] == 200' 'p["lost_events"] == 0'

# A thread that waits for a variable to change, without a lock: what is seen of that is said.
cat >looks.c <<'END'
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_int ready;
static pthread_mutex_t locks[2] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static int yields, sleeps, alone;

static void *sleeper(void *lock)
{
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(lock);
		usleep(100);
		pthread_mutex_unlock(lock);
	}
	return NULL;
}

static void *looker(void *unused)
{
	while (!atomic_load(&ready))
		if (yields)
			sched_yield();
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t t;

	yields = argc > 1 && strcmp(argv[1], "yields") == 0;
	sleeps = argc > 1 && strcmp(argv[1], "sleeps") == 0;
	alone = argc > 1 && strcmp(argv[1], "alone") == 0;
	pthread_create(&t, NULL, sleeps || alone ? sleeper : looker, &locks[0]);
	if (sleeps || alone)
		sleeper(&locks[alone]);
	else
		sleep(1);
	atomic_store(&ready, 1);
	return pthread_join(t, NULL);
}
END
$CC -g -o looks looks.c -pthread || exit 99
for i in 1 2 3; do # a busy machine may let the thread hardly run
	expect 0 "$mutrace" --json=yields.json ./looks yields
	grep -q "went into looking again and again" err && break
done
says "went into looking again and again"
says "looker looks.c:"
check_json yields.json 'len(p["polled"]) == 1 and p["polled"][0]["threads"] == 1' \
	'functions(p["polled"][0]["stack"])[0] == "looker" and p["polled"][0]["calls"] > 1000' \
	'p["polled"][0]["ns"] > 0.3 * p["thread_time_ns"]'
expect 0 "$mutrace" --json=spins.json ./looks spins
says "no locks were seen"
says "loops that spin, without a system call"
check_json spins.json '"polled" not in p'
expect 0 "$mutrace" --json=sleeps.json ./looks sleeps # with a lock: whoever waits for that knows why
check_json sleeps.json '"polled" not in p'
expect 0 "$mutrace" --json=alone.json ./looks alone # nobody waits for theirs
check_json alone.json '"polled" not in p'

# A lock that is built by a mutex and a condition is no place where threads wait for work; a queue is one.
cat >built.c <<'END'
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int taken, tasks;

__attribute__((noinline)) static void rates_lock(void)
{
	pthread_mutex_lock(&guard);
	while (taken)
		pthread_cond_wait(&changed, &guard);
	taken = 1;
	pthread_mutex_unlock(&guard);
}

__attribute__((noinline)) static void rates_unlock(void)
{
	pthread_mutex_lock(&guard);
	taken = 0;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&guard);
}

__attribute__((noinline)) static void pop_unlocked(void)
{
	while (!tasks)
		pthread_cond_wait(&changed, &guard);
	tasks--;
}

__attribute__((noinline)) static void push_unlocked(void)
{
	tasks++;
	pthread_cond_signal(&changed);
}

static void *user(void *unused)
{
	for (int i = 0; i < 20; i++) {
		rates_lock();
		usleep(5000);
		rates_unlock();
		usleep(100);
	}
	return unused;
}

static void *taker(void *unused)
{
	pthread_mutex_lock(&guard);
	for (int i = 0; i < 20; i++)
		pop_unlocked();
	pthread_mutex_unlock(&guard);
	return unused;
}

int main(int argc, char **argv)
{
	int queue = argc > 1 && strcmp(argv[1], "queue") == 0;
	pthread_t t;

	pthread_create(&t, NULL, queue ? taker : user, NULL);
	for (int i = 0; queue && i < 20; i++) {
		usleep(5000);
		pthread_mutex_lock(&guard);
		push_unlocked();
		pthread_mutex_unlock(&guard);
	}
	if (!queue)
		user(NULL);
	return pthread_join(t, NULL);
}
END
$CC -g -O1 -fno-optimize-sibling-calls -o built built.c -pthread || exit 99
expect 0 "$mutrace" --json=built.json ./built lock
says "conditions by which locks are built, as the names of functions tell, account for"
check_json built.json 'p["headline"]["share"] > 0.1' \
	'p["conditions"][0]["name"] == "changed" and p["conditions"][0]["role"] == "lock"'
expect 0 "$mutrace" --json=queue.json ./built queue
says "Waiting for work (no contention): changed"
check_json queue.json 'p["conditions"][0]["role"] == "work"'
! grep -q "conditions by which locks are built" err || fail "a queue is taken for a lock"

# Threads that live shortly, up to four at a time on one processor, wait for it. Only some are asked how
# long: it is what they all tell, by and large.
cat >brief.c <<'END'
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static unsigned long total, briefs, makers;
static cpu_set_t one, others;

static void tell(unsigned long *queued)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "r");
	unsigned long waited = 0;

	if (f == NULL || fscanf(f, "%*u %lu", &waited) != 1)
		waited = 0;
	if (f != NULL)
		fclose(f);
	pthread_mutex_lock(&guard);
	total++;
	*queued += waited;
	pthread_mutex_unlock(&guard);
}

static void *brief(void *unused)
{
	struct timespec now = { .tv_nsec = 0 };

	sched_setaffinity(0, sizeof(one), &one);
	while (now.tv_sec == 0 && now.tv_nsec < 100000)
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	tell(&briefs);
	return unused;
}

static void *maker(void *unused)
{
	pthread_t t;

	for (int i = 0; i < 500; i++) {
		pthread_create(&t, NULL, brief, NULL);
		pthread_join(t, NULL);
	}
	tell(&makers);
	return unused;
}

int main(void)
{
	pthread_t t[4];
	int cpu = sched_getcpu();

	CPU_SET(cpu, &one);
	sched_getaffinity(0, sizeof(others), &others);
	CPU_CLR(cpu, &others);
	sched_setaffinity(0, sizeof(others), &others); /* refused where there is one processor only */
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, maker, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("queued_ns %lu %lu\n", briefs, makers);
	return total != 2004;
}
END
$CC -g -o brief brief.c -pthread || exit 99
expect 0 "$mutrace" --json=brief.json ./brief
read -r briefs makers <<<"$(sed -n 's/^queued_ns //p' out)"
# Else the kernel does not count, or others are in the way.
[ "$briefs" -lt 100000000 ] || [ "$makers" -gt "$briefs" ] ||
	check_json brief.json 'lock("guard")["acquired"] == 2004' \
		"0.75 * $briefs < p['processors']['queued_ns'] - $makers < 1.5 * $briefs"
