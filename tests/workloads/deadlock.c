/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Three philosophers: each holds a fork and wants the next one's. A fourth thread waits for a fork without
 * being part of it. Says "stuck" on stdout when all four are seen asleep. With an argument, other hangs, of
 * which places, met, ended, condition, timed, timed-join, clock-join, joins, heir and idle are no deadlocks:
 *   self       a thread wants the lock that it has
 *   upgrade    two threads that read want to write
 *   readers    a reader wants a mutex whose holder wants to write; another one reads too
 *   recursive  two recursive mutexes, each locked twice
 *   permit     a thread wants a mutex; its holder wants the only permit of a semaphore, which that thread has
 *   places     the same with two permits, of which somebody else has the other one
 *   meet       two threads have the only permit of a semaphore each, none given back before, and want both
 *   met        the same, while a thread runs that could give one
 *   again      a thread wants the only permit of a semaphore, which it has
 *   ended      a thread waits for a lock whose holder has ended; others have come and gone since
 *   condition  a thread waits for a lock whose holder waits for a condition
 *   join       a thread waits for the end of one that wants the lock that it has
 *   timed-join, clock-join  the same, but it will give up
 *   joins      three threads wait for each other's ends, and will give up
 *   late-join  as join; it has given up waits for a lock and for that end before
 *   timed      two philosophers, of whom one will give up
 *   heir       as ended; the thread that waits holds a robust mutex that it inherited
 *   idle       three threads wait for a condition at one place, and one at another
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t fork_a = PTHREAD_MUTEX_INITIALIZER, fork_b = PTHREAD_MUTEX_INITIALIZER,
		       fork_c = PTHREAD_MUTEX_INITIALIZER;
static atomic_int ready, tids[4];

static void *dine(pthread_mutex_t *left, pthread_mutex_t *right, int seat)
{
	pthread_mutex_lock(left);
	atomic_fetch_add(&ready, 1);
	await_step(&ready, 3);
	atomic_store(&tids[seat], own_tid());
	pthread_mutex_lock(right); /* NEVER RETURNS */
	return NULL;
}

static void *first(void *argument)
{
	(void)argument;
	return dine(&fork_a, &fork_b, 0);
}

static void *second(void *argument)
{
	(void)argument;
	return dine(&fork_b, &fork_c, 1);
}

static void *third(void *argument)
{
	(void)argument;
	return dine(&fork_c, &fork_a, 2);
}

static void *guest(void *argument)
{
	await_step(&ready, 3);
	atomic_store(&tids[3], own_tid());
	pthread_mutex_lock(&fork_a);
	return argument;
}

static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t again_a = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
		       again_b = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

/* Both threads hold a lock before either wants more. */
static void meet(int seat)
{
	atomic_fetch_add(&ready, 1);
	await_step(&ready, 2);
	atomic_store(&tids[seat], own_tid());
}

static void *lock_twice(void *argument)
{
	pthread_mutex_lock(&fork_a);
	atomic_store(&tids[0], own_tid());
	pthread_mutex_lock(&fork_a);
	return argument;
}

static void *upgrade(void *seat)
{
	pthread_rwlock_rdlock(&table);
	meet(*(int *)seat);
	pthread_rwlock_wrlock(&table);
	return NULL;
}

static void *read_on(void *argument)
{
	pthread_rwlock_rdlock(&table);
	atomic_fetch_add(&ready, 1);
	for (;;)
		sleep_us(1000);
	return argument;
}

static void *read_and_want(void *seat)
{
	pthread_rwlock_rdlock(&table);
	meet(*(int *)seat);
	pthread_mutex_lock(&fork_a);
	return NULL;
}

static void *write_want(void *seat)
{
	pthread_mutex_lock(&fork_a);
	meet(*(int *)seat);
	pthread_rwlock_wrlock(&table);
	return NULL;
}

static void *lock_again(void *seat)
{
	pthread_mutex_t *mine = *(int *)seat ? &again_a : &again_b;

	pthread_mutex_lock(mine);
	pthread_mutex_lock(mine);
	meet(*(int *)seat);
	pthread_mutex_lock(*(int *)seat ? &again_b : &again_a);
	return NULL;
}

static void *take_and_end(void *argument)
{
	pthread_mutex_lock(&fork_a); /* NEVER RELEASED */
	return argument;
}

static void *pass(void *argument)
{
	pthread_mutex_lock(&fork_b);
	pthread_mutex_unlock(&fork_b);
	return argument;
}

static void *want(void *seat)
{
	await_step(&ready, 1);
	atomic_store(&tids[*(int *)seat], own_tid());
	pthread_mutex_lock(&fork_a);
	return NULL;
}

static void *wait_for_news(void *seat)
{
	pthread_mutex_lock(&fork_a);
	pthread_mutex_lock(&fork_b);
	atomic_store(&tids[*(int *)seat], own_tid());
	atomic_fetch_add(&ready, 1);
	pthread_cond_wait(&never, &fork_b);
	return NULL;
}

static pthread_t seated[4];

static const struct timespec late = { .tv_sec = 0x7fffffff }, /* 2038, the last of 32 bits */
	past = { .tv_sec = 1 };

static void hold_for_joined(void *seat)
{
	pthread_mutex_lock(&fork_a); /* JOINER TAKES */
	atomic_fetch_add(&ready, 1);
	await_step(&tids[1], 1);
	atomic_store(&tids[*(int *)seat], own_tid());
}

static void *hold_and_join(void *seat)
{
	hold_for_joined(seat);
	pthread_join(seated[1], NULL); /* NEVER ENDS */
	return NULL;
}

static void *hold_and_join_in_time(void *seat)
{
	hold_for_joined(seat);
	pthread_timedjoin_np(seated[1], NULL, &late);
	return NULL;
}

static void *hold_and_join_by_clock(void *seat)
{
	hold_for_joined(seat);
	pthread_clockjoin_np(seated[1], NULL, CLOCK_MONOTONIC, &late);
	return NULL;
}

static void *hold_and_join_later(void *seat)
{
	hold_for_joined(seat);
	pthread_mutex_timedlock(&fork_a, &past);
	pthread_timedjoin_np(seated[1], NULL, &past);
	pthread_timedjoin_np(seated[1], NULL, NULL); /* no time: for ever */
	return NULL;
}

static void *join_next(void *seat)
{
	await_step(&ready, 1); /* all are there */
	atomic_store(&tids[*(int *)seat], own_tid());
	pthread_timedjoin_np(seated[(*(int *)seat + 1) % 3], NULL, &late);
	return NULL;
}

static void *dine_in_time(void *seat)
{
	pthread_mutex_lock(*(int *)seat ? &fork_a : &fork_b);
	meet(*(int *)seat);
	if (*(int *)seat)
		pthread_mutex_lock(&fork_b);
	else
		pthread_mutex_timedlock(&fork_a, &late);
	return NULL;
}

static pthread_mutex_t left;
static atomic_int heir;

static void *leave(void *argument)
{
	pthread_mutexattr_t robust;

	pthread_mutexattr_init(&robust);
	pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&left, &robust);
	pthread_mutex_lock(&left);
	atomic_store(&ready, 1);
	await_step(&heir, 1);
	await_asleep(atomic_load(&heir));
	return argument;
}

static void *inherit(void *seat)
{
	atomic_store(&heir, own_tid());
	if (pthread_mutex_lock(&left) == EOWNERDEAD)
		pthread_mutex_consistent(&left);
	sleep_us(500000);
	atomic_store(&tids[*(int *)seat], own_tid());
	pthread_mutex_lock(&fork_a);
	return NULL;
}

static void *idle(void *seat)
{
	pthread_mutex_lock(&fork_a);
	atomic_store(&tids[*(int *)seat], own_tid());
	pthread_cond_wait(&never, &fork_a); /* THREE WAIT */
	return NULL;
}

static void *idle_too(void *seat)
{
	pthread_mutex_lock(&fork_a);
	atomic_store(&tids[*(int *)seat], own_tid());
	pthread_cond_wait(&never, &fork_a); /* ONE WAITS */
	return seat;
}

static sem_t place, other_place;

/* Threads take it and give it back, as they do with a lock. */
static void use_place(unsigned int permits)
{
	sem_init(&place, 0, permits);
	for (int i = 0; i < 3; i++) {
		sem_wait(&place);
		sem_post(&place);
	}
}

static void *make_one(void *argument)
{
	use_place(1);
	return argument;
}

static void *make_two(void *argument)
{
	use_place(2);
	sem_wait(&place);
	return argument;
}

static void *place_and_want(void *seat)
{
	sem_wait(&place); /* PLACE TAKEN */
	atomic_fetch_add(&ready, 1);
	await_step(&ready, 2);
	atomic_store(&tids[*(int *)seat], own_tid());
	pthread_mutex_lock(&fork_a);
	return NULL;
}

static void *want_place(void *seat)
{
	pthread_mutex_lock(&fork_a);
	atomic_fetch_add(&ready, 1);
	await_step(&ready, 2);
	atomic_store(&tids[*(int *)seat], own_tid());
	sem_wait(&place);
	return NULL;
}

static void *make_both(void *argument)
{
	sem_init(&place, 0, 1);
	sem_init(&other_place, 0, 1);
	return argument;
}

static void *take_both(void *seat)
{
	sem_wait(*(int *)seat == 0 ? &place : &other_place); /* FIRST PLACE */
	atomic_fetch_add(&ready, 1);
	await_step(&ready, 2);
	atomic_store(&tids[*(int *)seat], own_tid());
	sem_wait(*(int *)seat == 0 ? &other_place : &place);
	return NULL;
}

static void *take_twice(void *seat)
{
	sem_wait(&place); /* FIRST OF TWO */
	atomic_store(&tids[*(int *)seat], own_tid());
	sem_wait(&place);
	return NULL;
}

static void *stay(void *argument)
{
	atomic_fetch_add(&ready, 1);
	for (;;)
		sleep_us(100000);
	return argument;
}

static const struct {
	const char *name;
	void *(*before[2])(void *); /* these run one after another, and end */
	void *(*aside)(void *);     /* runs beside */
	void *(*who[4])(void *);
} hangs[] = {
	{ "", { NULL }, NULL, { first, second, third, guest } },
	{ "self", { NULL }, NULL, { lock_twice } },
	{ "upgrade", { NULL }, NULL, { upgrade, upgrade } },
	{ "readers", { NULL }, read_on, { read_and_want, write_want } },
	{ "recursive", { NULL }, NULL, { lock_again, lock_again } },
	{ "permit", { make_one }, NULL, { place_and_want, want_place } },
	{ "places", { make_two }, NULL, { place_and_want, want_place } },
	{ "meet", { make_both }, NULL, { take_both, take_both } },
	{ "met", { make_both }, stay, { take_both, take_both } },
	{ "again", { make_both }, NULL, { take_twice } },
	{ "ended", { take_and_end, pass }, pass, { want } },
	{ "condition", { NULL }, NULL, { wait_for_news, want } },
	{ "join", { NULL }, NULL, { hold_and_join, want } },
	{ "timed-join", { NULL }, NULL, { hold_and_join_in_time, want } },
	{ "clock-join", { NULL }, NULL, { hold_and_join_by_clock, want } },
	{ "late-join", { NULL }, NULL, { hold_and_join_later, want } },
	{ "joins", { NULL }, NULL, { join_next, join_next, join_next } },
	{ "timed", { NULL }, NULL, { dine_in_time, dine_in_time } },
	{ "heir", { take_and_end }, leave, { inherit } },
	{ "idle", { NULL }, NULL, { idle, idle, idle, idle_too } },
};

int main(int argc, char **argv)
{
	static int seats[4] = { 0, 1, 2, 3 };
	pthread_t thread;
	size_t h = 0;

	while (argc > 1 && h < sizeof(hangs) / sizeof(hangs[0]) - 1 && strcmp(hangs[h].name, argv[1]) != 0)
		h++;
	for (int i = 0; i < 2 && hangs[h].before[i]; i++) {
		if (pthread_create(&thread, NULL, hangs[h].before[i], NULL) != 0)
			return 99;
		pthread_join(thread, NULL);
	}
	if (hangs[h].aside) {
		if (pthread_create(&thread, NULL, hangs[h].aside, NULL) != 0)
			return 99;
		if (hangs[h].aside == pass)
			pthread_join(thread, NULL);
		else
			await_step(&ready, 1);
		atomic_store(&ready, hangs[h].aside == pass);
	}
	for (int i = 0; i < 4 && hangs[h].who[i]; i++) {
		if (pthread_create(&seated[i], NULL, hangs[h].who[i], &seats[i]) != 0)
			return 99;
	}
	atomic_fetch_add(&ready, hangs[h].who[0] == join_next);
	for (int i = 0; i < 4 && hangs[h].who[i]; i++) {
		while (atomic_load(&tids[i]) == 0)
			sleep_us(100);
		await_asleep(atomic_load(&tids[i]));
	}
	puts("stuck");
	fflush(stdout);
	pthread_join(seated[0], NULL);
	return 0;
}
