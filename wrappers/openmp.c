/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * OpenMP's locks, critical sections and barriers, of gcc's runtime and clang's. Both wait by system calls of their
 * own, or spin, so they are seen by these functions only. A critical section cannot be tried: it is contended if
 * another thread is seen to be inside.
 */
#include <errno.h>

#include "wrappers/arrive.h"
#include "wrappers/families.h"
#include "wrappers/family.h"

static int lock_lock(void *l, uint8_t side, const struct request *q)
{
	(void)side;
	(void)q;
	ORIGINAL(omp_set_lock)(l);
	return 0;
}

static int lock_try(void *l, uint8_t side)
{
	(void)side;
	return ORIGINAL(omp_test_lock)(l) ? 0 : EBUSY;
}

static int lock_unlock(void *l)
{
	ORIGINAL(omp_unset_lock)(l);
	return 0;
}

static int nest_lock(void *l, uint8_t side, const struct request *q)
{
	(void)side;
	(void)q;
	ORIGINAL(omp_set_nest_lock)(l);
	return 0;
}

/* The result of the last try: how often the thread has the lock now. */
static __thread int nest_count __attribute__((tls_model("initial-exec")));

static int nest_try(void *l, uint8_t side)
{
	(void)side;
	nest_count = ORIGINAL(omp_test_nest_lock)(l);
	return nest_count ? 0 : EBUSY;
}

static int nest_unlock(void *l)
{
	ORIGINAL(omp_unset_nest_lock)(l);
	return 0;
}

static const struct lock_family locks = {
	.kind = KIND_OMP_LOCK,
	.nameless = true,
	.lock = lock_lock,
	.trylock = lock_try,
	.unlock = lock_unlock,
};

static const struct lock_family nest_locks = {
	.kind = KIND_OMP_NEST_LOCK,
	.nameless = true,
	.lock = nest_lock,
	.trylock = nest_try,
	.unlock = nest_unlock,
};

void ours_omp_set_lock(void *l)
{
	family_lock(&locks, l, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN }, SITE_HERE);
}

int ours_omp_test_lock(void *l)
{
	return family_trylock(&locks, l, SIDE_EXCLUSIVE, SITE_HERE) == 0;
}

void ours_omp_unset_lock(void *l)
{
	family_unlock(&locks, l, SITE_HERE);
}

void ours_omp_set_nest_lock(void *l)
{
	family_lock(&nest_locks, l, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN }, SITE_HERE);
}

int ours_omp_test_nest_lock(void *l)
{
	return family_trylock(&nest_locks, l, SIDE_EXCLUSIVE, SITE_HERE) == 0 ? nest_count : 0;
}

void ours_omp_unset_nest_lock(void *l)
{
	family_unlock(&nest_locks, l, SITE_HERE);
}

static void destroyed(void *l, uint8_t kind)
{
	struct thread *t = enter_uncontended();

	if (t != NULL)
		recorder_destroyed(t, l, kind);
}

void ours_omp_destroy_lock(void *l)
{
	ORIGINAL(omp_destroy_lock)(l);
	destroyed(l, KIND_OMP_LOCK);
}

void ours_omp_destroy_nest_lock(void *l)
{
	ORIGINAL(omp_destroy_nest_lock)(l);
	destroyed(l, KIND_OMP_NEST_LOCK);
}

int ours_omp_get_num_threads(void)
{
	return ORIGINAL(omp_get_num_threads)();
}

/* A thread on its way into a critical section. */
struct pass {
	struct thread *t; /* NULL: not recorded */
	struct use use;
	struct wait wait;
	bool waits;
};

static void pass_begin(struct pass *p, const void *lock, struct site site)
{
	p->t = recorder_enter_quickly();
	p->waits = false;
	if (p->t == NULL)
		return;
	p->use = recorder_use(p->t, lock, KIND_OMP_CRITICAL, SIDE_EXCLUSIVE, site);
	if (p->use.cell == 0)
		p->t = NULL;
	else if (hold_exists(p->t, lock, p->use.lock)) {
		p->waits = true;
		wait_begin(p->t, p->use, lock, SIDE_EXCLUSIVE, site, &p->wait);
	}
}

static void pass_end(struct pass *p, const void *lock)
{
	if (p->t == NULL)
		return;
	if (p->waits)
		wait_end(p->t, &p->wait);
	hold_begin(p->t, p->use, lock, SIDE_EXCLUSIVE, p->waits ? &p->wait : NULL);
}

struct leaving {
	struct thread *t;
	struct held closed;
	uint64_t now;
};

static void leave_begin(struct leaving *l, const void *lock, struct site site)
{
	struct thread *t = recorder_enter_quickly();
	struct held *h = t != NULL ? hold_find(t, lock) : NULL;

	l->t = h != NULL && hold_end(t, h, site, &l->closed, &l->now) ? t : NULL;
}

static void leave_end(struct leaving *l)
{
	if (l->t != NULL)
		hold_book(l->t, &l->closed, l->now);
}

/* Stands for the lock of all critical sections without a name, which is gcc's runtime's secret. */
static uint64_t unnamed;

void ours_GOMP_critical_start(void)
{
	struct pass p;

	pass_begin(&p, &unnamed, SITE_HERE);
	ORIGINAL(GOMP_critical_start)();
	pass_end(&p, &unnamed);
}

void ours_GOMP_critical_end(void)
{
	struct leaving l;

	leave_begin(&l, &unnamed, SITE_HERE);
	ORIGINAL(GOMP_critical_end)();
	leave_end(&l);
}

void ours_GOMP_critical_name_start(void **lock)
{
	struct pass p;

	pass_begin(&p, lock, SITE_HERE);
	ORIGINAL(GOMP_critical_name_start)(lock);
	pass_end(&p, lock);
}

void ours_GOMP_critical_name_end(void **lock)
{
	struct leaving l;

	leave_begin(&l, lock, SITE_HERE);
	ORIGINAL(GOMP_critical_name_end)(lock);
	leave_end(&l);
}

void ours___kmpc_critical(void *place, int32_t thread, void *lock)
{
	struct pass p;

	pass_begin(&p, lock, SITE_HERE);
	ORIGINAL(__kmpc_critical)(place, thread, lock);
	pass_end(&p, lock);
}

void ours___kmpc_critical_with_hint(void *place, int32_t thread, void *lock, uint32_t hint)
{
	struct pass p;

	pass_begin(&p, lock, SITE_HERE);
	ORIGINAL(__kmpc_critical_with_hint)(place, thread, lock, hint);
	pass_end(&p, lock);
}

void ours___kmpc_end_critical(void *place, int32_t thread, void *lock)
{
	struct leaving l;

	leave_begin(&l, lock, SITE_HERE);
	ORIGINAL(__kmpc_end_critical)(place, thread, lock);
	leave_end(&l);
}

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

BARRIER(GOMP_barrier, (void), ())
BARRIER(GOMP_loop_end, (void), ())
BARRIER(GOMP_sections_end, (void), ())
BARRIER(__kmpc_barrier, (void *place, int32_t thread), (place, thread))
