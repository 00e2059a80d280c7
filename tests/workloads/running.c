/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Three threads want one lock, and keep books of how its holders spend their time:
 *
 *     running WHAT US
 *
 * WHAT is "nap" (the holder sleeps for so long), "burn" (it computes), "both" (a fifth and four fifths of
 * it), "places" (it sleeps for a fifth in one place and for the rest in another) or "crowded" (it computes,
 * and all threads share one processor with a busy one). In the end prints for how long holds kept threads
 * waiting, and for how much of that the holder had no processor while it could have run, and slept. A thread
 * that finds the lock taken looks at the holder's clocks before it waits, and the holder does before it
 * lets go.
 */
#include <inttypes.h>
#include <pthread.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>

#include "tests/workloads/handshake.h"

#define RUN_NS 1000000000u
#define HOLDERS 3

struct look {
	uint64_t wall, cpu, delay;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int over;
static const char *what;
static bool
	sleeps; /* else a holder without a processor has lost it, perhaps to the host, which nothing counts */
static long us;
static uint64_t whole, preempted, slept; /* under the lock */

struct person {
	int tid, stat; /* its schedstat */
	struct look arrived;
	unsigned int hold;   /* the hold that it found; 0: none, or another has come meanwhile */
	atomic_bool waiting; /* all before is set */
};

static struct person persons[HOLDERS];
static atomic_uint current; /* hold: its number times HOLDERS, plus the holder's; 0: none */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define UNDISTURBED_NS 20000u /* for as long a look may be without a processor */

static void read_clocks(const struct person *p, struct look *l)
{
	l->wall = clock_ns(CLOCK_MONOTONIC);
	l->cpu = clock_ns((clockid_t)(~(unsigned int)p->tid << 3 | 6));
}

/*
 * Of a person. The clocks are read last, or first. Who loses the processor between them and its own schedstat
 * looks again: else it would seem to have slept.
 */
static struct look look(const struct person *p, bool last)
{
	char text[64];
	struct look a, b;

	do {
		memset(text, 0, sizeof(text));
		read_clocks(p, &a);
		if (pread(p->stat, text, sizeof(text) - 1, 0) <= 0 ||
		    sscanf(text, "%*u %" SCNu64, &a.delay) != 1)
			abort();
		read_clocks(p, &b);
		b.delay = a.delay;
	} while (b.wall - a.wall > b.cpu - a.cpu + UNDISTURBED_NS && p->tid == own_tid());
	return last ? b : a;
}

/* Somebody waited from one look to the other. */
static void add(const struct look *a, const struct look *b)
{
	uint64_t wall = b->wall - a->wall, cpu = b->cpu - a->cpu;
	uint64_t off = wall > cpu ? wall - cpu : 0, delay = b->delay - a->delay;

	if (b->wall < a->wall) /* it came after the last look */
		return;
	delay = delay < off && sleeps ? delay : off;
	whole += wall;
	preempted += delay;
	slept += off - delay;
}

static void burn(long for_us)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < (uint64_t)for_us * 1000)
		;
}

/* Takes the lock. Whoever has to wait notes the clocks of the holder. */
static void want(struct person *self)
{
	unsigned int hold;

	if (pthread_mutex_trylock(&lock) == 0)
		return;
	hold = atomic_load(&current);
	self->hold = hold;
	if (hold != 0)
		self->arrived = look(&persons[hold % HOLDERS], true);
	if (hold != atomic_load(&current))
		self->hold = 0;
	atomic_store(&self->waiting, true);
	pthread_mutex_lock(&lock);
	atomic_store(&self->waiting, false);
}

static __attribute__((noinline)) void hold(struct person *self)
{
	static unsigned int number;
	struct look a, b;
	unsigned int own;

	want(self);
	own = ++number * HOLDERS + (unsigned int)(self - persons);
	atomic_store(&current, own);
	/* Reading a schedstat takes long for a short hold. It is between the clocks, as it is in the hold. */
	a = look(self, false);
	if (strcmp(what, "nap") == 0) {
		sleep_us(us);
	} else if (strcmp(what, "both") == 0) {
		burn(us / 5);
		sleep_us(us * 4 / 5);
	} else if (strcmp(what, "places") == 0) {
		sleep_us(us / 5);
		poll(NULL, 0, (int)(us * 4 / 5000)); /* POLLS */
	} else {
		burn(us);
	}
	b = look(self, true);
	for (const struct person *p = persons; p < persons + HOLDERS; p++)
		if (atomic_load(&p->waiting))
			add(p->hold == own ? &p->arrived : &a, &b);
	atomic_store(&current, 0);
	pthread_mutex_unlock(&lock);
}

static void *holder(void *argument)
{
	struct person *self = argument;
	char path[64];

	self->tid = own_tid();
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", self->tid);
	self->stat = open(path, O_RDONLY | O_CLOEXEC);
	while (!atomic_load(&over))
		hold(self);
	return argument;
}

static void *spinner(void *argument)
{
	while (!atomic_load(&over))
		;
	return argument;
}

int main(int argc, char **argv)
{
	bool crowded;
	pthread_t threads[HOLDERS + 1];
	cpu_set_t one;

	if (argc != 3 || access("/proc/self/schedstat", R_OK) != 0)
		return 77;
	what = argv[1];
	us = atol(argv[2]);
	crowded = strcmp(what, "crowded") == 0;
	sleeps = !crowded && strcmp(what, "burn") != 0;
	if (crowded) {
		CPU_ZERO(&one);
		CPU_SET(sched_getcpu(), &one);
		if (sched_setaffinity(0, sizeof(one), &one) != 0)
			return 77;
	}
	for (int i = 0; i < HOLDERS + crowded; i++)
		if (pthread_create(&threads[i], NULL, i < HOLDERS ? holder : spinner,
				   i < HOLDERS ? &persons[i] : NULL) != 0)
			return 99;
	sleep_us(RUN_NS / 1000);
	atomic_store(&over, 1);
	for (int i = 0; i < HOLDERS + crowded; i++)
		pthread_join(threads[i], NULL);
	printf("whole %" PRIu64 "\npreempted %" PRIu64 "\nslept %" PRIu64 "\n", whole, preempted, slept);
	return 0;
}
