/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * OpenMP's locks, critical sections and ordered regions, of gcc's runtime and clang's. Both wait by system calls of their
 * own, or spin, so they are seen by these functions only. A critical section cannot be tried: it is contended if
 * another thread is seen to be inside.
 */
#include <errno.h>

#include "wrappers/families.h"
#include "wrappers/family.h"
#include "wrappers/foreign.h"

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
	.relocks = foreign_relocks,
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

static void ends(void *l, uint8_t kind, void (*original)(void *), struct site site)
{
	struct thread *t = enter_uncontended();

	foreign_ends(t, l, kind, site);
	original(l);
	if (t != NULL)
		recorder_destroyed(t, l, kind);
}

void ours_omp_destroy_lock(void *l)
{
	ends(l, KIND_OMP_LOCK, ORIGINAL(omp_destroy_lock), SITE_HERE);
}

void ours_omp_destroy_nest_lock(void *l)
{
	ends(l, KIND_OMP_NEST_LOCK, ORIGINAL(omp_destroy_nest_lock), SITE_HERE);
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
	p->wait.attachment = recorder.attachment;
	if (p->t == NULL)
		return;
	p->use = recorder_use(p->t, lock, KIND_OMP_CRITICAL, SIDE_EXCLUSIVE, site);
	if (p->use.cell == 0)
		p->t = NULL;
	else if (hold_exists(p->t, lock, p->use.lock)) {
		p->waits = true;
		if (foreign_relocks(p->t, p->use, lock))
			recorder_misuse(p->t, p->use.lock, STATE_RELOCK, site);
		wait_begin(p->t, p->use, lock, SIDE_EXCLUSIVE, site, &p->wait);
	}
}

static void pass_end(struct pass *p, const void *lock)
{
	if (p->t == NULL || wait_outlived(p->t, &p->wait))
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

/*
 * An ordered region is entered in the order of the iterations. A thread has waited for its turn if another one was
 * inside, or came out meanwhile.
 */
static uint64_t ordered_ends;

struct turn {
	struct pass pass;
	uint64_t ends;
};

/* Stands for all ordered regions: the compiler may have made several of one. */
static uint64_t ordered;

static void turn_begin(struct turn *o, struct site site)
{
	struct pass *p = &o->pass;

	o->ends = __atomic_load_n(&ordered_ends, __ATOMIC_ACQUIRE);
	p->t = recorder_enter_quickly();
	if (p->t == NULL)
		return;
	p->use = recorder_use(p->t, &ordered, KIND_OMP_ORDERED, SIDE_EXCLUSIVE, site);
	if (p->use.cell == 0) {
		p->t = NULL;
		return;
	}
	p->waits = hold_exists(p->t, &ordered, p->use.lock);
	wait_begin(p->t, p->use, &ordered, SIDE_EXCLUSIVE, site, &p->wait);
}

static void turn_end(struct turn *o)
{
	struct pass *p = &o->pass;

	if (p->t == NULL)
		return;
	p->waits = p->waits || __atomic_load_n(&ordered_ends, __ATOMIC_ACQUIRE) != o->ends;
	if (!p->waits)
		wait_drop(p->t, &p->wait);
	pass_end(p, &ordered);
}

static void turn_over_begin(struct leaving *l, struct site site)
{
	leave_begin(l, &ordered, site);
	__atomic_fetch_add(&ordered_ends, 1, __ATOMIC_RELEASE);
}

#define ORDERED(start, end, parameters, arguments) \
	void ours_##start parameters \
	{ \
		struct turn o; \
\
		turn_begin(&o, SITE_HERE); \
		ORIGINAL(start) arguments; \
		turn_end(&o); \
	} \
	void ours_##end parameters \
	{ \
		struct leaving l; \
\
		turn_over_begin(&l, SITE_HERE); \
		ORIGINAL(end) arguments; \
		leave_end(&l); \
	}

ORDERED(GOMP_ordered_start, GOMP_ordered_end, (void), ())
ORDERED(__kmpc_ordered, __kmpc_end_ordered, (void *place, int32_t thread), (place, thread))
