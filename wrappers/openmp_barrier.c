/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * OpenMP's barriers, of gcc's runtime and clang's: those that the program has, and those at the ends of loops, sections
 * and single regions. The last thread of a team to come made the others wait.
 */
#include "wrappers/arrive.h"
#include "wrappers/families.h"

/* A barrier is known by its place in the program. */
static void team_arrives(struct arrival *a, struct site site)
{
	const void *barrier = (const void *)(site.ip & ~(uintptr_t)15);
	struct thread *t = recorder_enter_quickly();
	uint32_t team = t != NULL ? (uint32_t)ORIGINAL(omp_get_num_threads)() : 0;
	struct use use = { 0, 0 };

	if (team > 1)
		use = recorder_use(t, barrier, KIND_OMP_BARRIER, SIDE_EXCLUSIVE, site);
	if (use.cell != 0)
		use_lock(use)->other = team;
	arrive(a, t, use, barrier, site);
}

#define BARRIER(name, parameters, arguments) \
	void ours_##name parameters \
	{ \
		struct arrival a; \
\
		team_arrives(&a, SITE_HERE); \
		ORIGINAL(name) arguments; \
		arrived(&a, false); \
	}

/* The same where the team may have been cancelled. */
#define BARRIER_CANCEL(type, name, parameters, arguments) \
	type ours_##name parameters \
	{ \
		struct arrival a; \
		type r; \
\
		team_arrives(&a, SITE_HERE); \
		r = ORIGINAL(name) arguments; \
		arrived(&a, false); \
		return r; \
	}

BARRIER(GOMP_barrier, (void), ())
BARRIER(GOMP_loop_end, (void), ())
BARRIER(GOMP_sections_end, (void), ())
BARRIER(__kmpc_barrier, (void *place, int32_t thread), (place, thread))
BARRIER(__kmpc_copyprivate,
	(void *place, int32_t thread, size_t size, void *data, void (*copy)(void *, void *), int32_t did),
	(place, thread, size, data, copy, did))
BARRIER_CANCEL(bool, GOMP_barrier_cancel, (void), ())
BARRIER_CANCEL(bool, GOMP_loop_end_cancel, (void), ())
BARRIER_CANCEL(bool, GOMP_sections_end_cancel, (void), ())
BARRIER_CANCEL(int32_t, __kmpc_cancel_barrier, (void *place, int32_t thread), (place, thread))

/* Stands for the barrier at the end of a single region whose values are copied to all threads. */
static uint64_t single;

static struct use single_use(struct thread *t, struct site site)
{
	if (t == NULL || ORIGINAL(omp_get_num_threads)() <= 1)
		return (struct use){ 0, 0 };
	return recorder_use(t, &single, KIND_OMP_BARRIER, SIDE_EXCLUSIVE, site);
}

void *ours_GOMP_single_copy_start(void)
{
	struct thread *t = recorder_enter_quickly();
	struct arrival a;
	void *data;

	arrive(&a, t, single_use(t, SITE_HERE), &single, SITE_HERE);
	data = ORIGINAL(GOMP_single_copy_start)();
	if (data != NULL)
		arrived(&a, false);
	else if (a.t != NULL) /* it is this thread that runs the region */
		wait_drop(a.t, &a.wait);
	return data;
}

/* The others wait for the thread that ran the region. */
void ours_GOMP_single_copy_end(void *data)
{
	struct thread *t = recorder_enter_quickly();
	struct use use = single_use(t, SITE_HERE);

	if (use.cell != 0) {
		__atomic_store_n(&use_lock(use)->last_owner, t->ref, __ATOMIC_RELAXED);
		__atomic_store_n(&use_lock(use)->last_cell, use.cell, __ATOMIC_RELAXED);
		use_came_last(use);
	}
	ORIGINAL(GOMP_single_copy_end)(data);
}
