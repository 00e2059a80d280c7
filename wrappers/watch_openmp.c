/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrace --also=locks: OpenMP's locks, critical sections, ordered regions and barriers, for which a realtime thread
 * had to wait. gcc's runtime waits by system calls of its own, or spins, and clang's spins, so they are seen by these
 * functions only. A lock is tried first. A critical section cannot be tried: a thread waits for it if another one
 * is inside. Barriers wait by their nature. In libmatrace-all.so.
 */
#include "src/record/clock.h"
#include "src/record/watch.h"
#include "wrappers/families.h"

/* How many threads are in the critical sections of a lock. Locks that find no room are not watched. */
#define INSIDE 256u

static struct inside {
	const void *lock;
	uint32_t threads;
} insides[INSIDE];

static struct inside *inside_of(const void *lock)
{
	size_t home = (uintptr_t)lock / sizeof(void *) % INSIDE;

	for (size_t i = 0; i < INSIDE; i++) {
		struct inside *x = &insides[(home + i) % INSIDE];
		const void *nobody = NULL;

		if (__atomic_load_n(&x->lock, __ATOMIC_RELAXED) == lock ||
		    __atomic_compare_exchange_n(&x->lock, &nobody, lock, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED) ||
		    nobody == lock)
			return x;
	}
	return NULL;
}

static bool others_inside(const void *lock)
{
	const struct inside *x = inside_of(lock);

	return x && __atomic_load_n(&x->threads, __ATOMIC_RELAXED) != 0;
}

static void enters(const void *lock, int by)
{
	struct inside *x = inside_of(lock);

	if (x)
		__atomic_fetch_add(&x->threads, (uint32_t)by, __ATOMIC_RELAXED);
}

#define WATCHED_IF(condition, what, call) \
	do { \
		struct watch w; \
		bool begun = !watch_plain() && (condition) && watch_begin(&w, what, SITE_HERE, 0, 0); \
\
		call; \
		if (begun) \
			watch_end(&w); \
	} while (0)

/* ---- locks ---- */

void ours_omp_set_lock(void *l)
{
	if (!watch_plain() && ORIGINAL(omp_test_lock)(l))
		return;
	WATCHED_IF(true, WATCHED_omp_lock, ORIGINAL(omp_set_lock)(l));
}

void ours_omp_set_nest_lock(void *l)
{
	if (!watch_plain() && ORIGINAL(omp_test_nest_lock)(l))
		return;
	WATCHED_IF(true, WATCHED_omp_nest_lock, ORIGINAL(omp_set_nest_lock)(l));
}

/* ---- critical sections ---- */

/* Stands for the lock of all critical sections without a name. */
static const uint64_t unnamed;

#define ENTER(lock, call) \
	WATCHED_IF(others_inside(lock), WATCHED_omp_critical, call); \
	enters(lock, 1)

void ours_GOMP_critical_start(void)
{
	ENTER(&unnamed, ORIGINAL(GOMP_critical_start)());
}

void ours_GOMP_critical_name_start(void **lock)
{
	ENTER(lock, ORIGINAL(GOMP_critical_name_start)(lock));
}

void ours___kmpc_critical(void *place, int32_t thread, void *lock)
{
	ENTER(lock, ORIGINAL(__kmpc_critical)(place, thread, lock));
}

void ours___kmpc_critical_with_hint(void *place, int32_t thread, void *lock, uint32_t hint)
{
	ENTER(lock, ORIGINAL(__kmpc_critical_with_hint)(place, thread, lock, hint));
}

void ours_GOMP_critical_end(void)
{
	enters(&unnamed, -1);
	ORIGINAL(GOMP_critical_end)();
}

void ours_GOMP_critical_name_end(void **lock)
{
	enters(lock, -1);
	ORIGINAL(GOMP_critical_name_end)(lock);
}

void ours___kmpc_end_critical(void *place, int32_t thread, void *lock)
{
	enters(lock, -1);
	ORIGINAL(__kmpc_end_critical)(place, thread, lock);
}

/* ---- ordered regions: a thread has waited for its turn if another one was inside, or came out meanwhile ---- */

static const uint64_t ordered;
static uint64_t ordered_ends;

struct turn {
	uint64_t start, ends;
	bool waits;
};

static struct turn turn_begin(void)
{
	return (struct turn){ clock_now(), __atomic_load_n(&ordered_ends, __ATOMIC_ACQUIRE),
			      others_inside(&ordered) };
}

static void turn_end(const struct turn *o, struct site site)
{
	struct watch w;

	if (!watch_plain() && (o->waits || __atomic_load_n(&ordered_ends, __ATOMIC_ACQUIRE) != o->ends) &&
	    watch_begin(&w, WATCHED_omp_ordered, site, 0, 0)) {
		w.start = o->start;
		watch_end(&w);
	}
	enters(&ordered, 1);
}

static void turn_over(void)
{
	enters(&ordered, -1);
	__atomic_fetch_add(&ordered_ends, 1, __ATOMIC_RELEASE);
}

#define ORDERED(start, end, parameters, arguments) \
	void ours_##start parameters \
	{ \
		struct turn o = turn_begin(); \
\
		ORIGINAL(start) arguments; \
		turn_end(&o, SITE_HERE); \
	} \
	void ours_##end parameters \
	{ \
		turn_over(); \
		ORIGINAL(end) arguments; \
	}

ORDERED(GOMP_ordered_start, GOMP_ordered_end, (void), ())
ORDERED(__kmpc_ordered, __kmpc_end_ordered, (void *place, int32_t thread), (place, thread))

/* ---- barriers ---- */

#define BARRIER(name, parameters, arguments) \
	void ours_##name parameters \
	{ \
		WATCHED_IF(ORIGINAL(omp_get_num_threads)() > 1, WATCHED_omp_barrier, \
			   ORIGINAL(name) arguments); \
	}

#define BARRIER_RESULT(type, name, parameters, arguments) \
	type ours_##name parameters \
	{ \
		type r; \
\
		WATCHED_IF(ORIGINAL(omp_get_num_threads)() > 1, WATCHED_omp_barrier, \
			   r = ORIGINAL(name) arguments); \
		return r; \
	}

BARRIER(GOMP_barrier, (void), ())
BARRIER(GOMP_loop_end, (void), ())
BARRIER(GOMP_sections_end, (void), ())
BARRIER(GOMP_single_copy_end, (void *data), (data))
BARRIER(__kmpc_barrier, (void *place, int32_t thread), (place, thread))
BARRIER(__kmpc_copyprivate,
	(void *place, int32_t thread, size_t size, void *data, void (*copy)(void *, void *), int32_t did),
	(place, thread, size, data, copy, did))
BARRIER_RESULT(void *, GOMP_single_copy_start, (void), ())
BARRIER_RESULT(bool, GOMP_barrier_cancel, (void), ())
BARRIER_RESULT(bool, GOMP_loop_end_cancel, (void), ())
BARRIER_RESULT(bool, GOMP_sections_end_cancel, (void), ())
BARRIER_RESULT(int32_t, __kmpc_cancel_barrier, (void *place, int32_t thread), (place, thread))

/* ---- these do not wait ---- */

int ours_omp_test_lock(void *l)
{
	return ORIGINAL(omp_test_lock)(l);
}

int ours_omp_test_nest_lock(void *l)
{
	return ORIGINAL(omp_test_nest_lock)(l);
}

int ours_omp_get_num_threads(void)
{
	return ORIGINAL(omp_get_num_threads)();
}

#define PASSED(name) \
	void ours_##name(void *l) \
	{ \
		ORIGINAL(name)(l); \
	}

PASSED(omp_unset_lock)
PASSED(omp_destroy_lock)
PASSED(omp_unset_nest_lock)
PASSED(omp_destroy_nest_lock)
