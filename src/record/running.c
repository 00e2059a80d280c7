/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Was the holder running? See running.h. Runs in the profiled process. */
#include "src/record/running.h"

#include <dlfcn.h>
#include <errno.h>

#include "src/record/internal.h"
#include "src/record/parts.h"
#include "src/record/raw.h"

#define LOOK_SHARE 64u    /* a hold is looked at if it takes so many times what a look takes */
#define WAITER_SHARE 512u /* of a waiter's time, looks at shorter ones take one part in so many */
#define CHANCE_LOG 10
#define CHANCE_LEAST (1u << CHANCE_LOG) /* at least one in so many is looked at */
#define CHANCE_UNKNOWN 64u              /* where nobody knows how long holds take */
#define PERIOD_LOOKS \
	16u        /* looks after which a waiter compares what they cost with the time that has passed */
#define OFTEN 8u   /* one hold in so many is switched out: that is usual */
#define UNUSUAL 8u /* times the usual is unusually long */
#define YOUNG 2u   /* acquisitions of a cell until its average says anything */

/* A critical section of no length, which no instruction lies in: what the kernel finds in our pointer. It looks
 * for the signature before the address to go to, and kills if it is not there. */
static const struct {
	uint32_t signature, landing;
} nowhere = { ARCH_RSEQ_SIGNATURE, 0 };

static struct {
	uint32_t version, flags;
	uint64_t start, length, abort;
} __attribute__((aligned(32))) section;

static ptrdiff_t area;      /* distance of a thread's rseq area from its thread pointer */
static bool area_known;     /* there is one */
static bool works;          /* and the kernel does what we need */
static uint8_t prepared;    /* running_prepare() was here */
static uint64_t long_ticks; /* holds that take longer on average are looked at */

/* The place of the pointer in the calling thread's area. */
static volatile uintptr_t *own_pointer(void)
{
	return (volatile uintptr_t *)((char *)__builtin_thread_pointer() + area + 8);
}

void running_start(void)
{
	const ptrdiff_t *offset = dlsym(RTLD_DEFAULT, "__rseq_offset");
	const unsigned int *size = dlsym(RTLD_DEFAULT, "__rseq_size");

	/* Under valgrind the kernel does not know the threads that the program sees. */
	if (ARCH_RSEQ_SIGNATURE == 0 || !ARCH_LITTLE_ENDIAN || offset == NULL || size == NULL || *size == 0 ||
	    recorder.valgrind)
		return;
	area = *offset;
	section.start = section.abort = (uintptr_t)&nowhere.landing;
	area_known = true;
}

/* Tries whether the kernel clears the pointer of a thread that sleeps. Some only do where it is preempted. */
static bool kernel_clears(void)
{
	const long shortest[2] = { 0, 1 };
	const uint64_t all = UINT64_MAX;
	volatile uintptr_t *p = own_pointer();
	uint64_t before;
	bool cleared;

	if (*p != 0)
		return false;
	*p = (uintptr_t)&section;
	raw_sigmask(&all, &before); /* a handler might come, and jump away */
	raw_sleep(shortest);
	raw_sigmask(&before, NULL);
	cleared = *p == 0;
	if (*p == (uintptr_t)&section)
		*p = 0;
	return cleared;
}

void running_prepare(void)
{
	if (likely(__atomic_load_n(&prepared, __ATOMIC_RELAXED)) || recorder.confined ||
	    __atomic_exchange_n(&prepared, 1, __ATOMIC_RELAXED))
		return;
	if (area_known && kernel_clears())
		__atomic_store_n(&works, true, __ATOMIC_RELAXED);
	__atomic_store_n(&long_ticks, LOOK_SHARE * look_cost(thread_self->tid), __ATOMIC_RELAXED);
}

/* While one thread prepares it, others go on: without the pointer, and with 0. */
static bool pointer_works(void)
{
	return __atomic_load_n(&works, __ATOMIC_RELAXED);
}

static uint64_t long_hold(void)
{
	return __atomic_load_n(&long_ticks, __ATOMIC_RELAXED);
}

/* Counts it if the thread was switched out since, and sets the pointer again if nobody else uses it. True: it
 * is set. */
static bool arm(struct thread *t)
{
	volatile uintptr_t *p = own_pointer();
	uintptr_t now = *p;

	if (now != (uintptr_t)&section) {
		t->switches++;
		if (now != 0)
			return false; /* a section of the program's own */
		*p = (uintptr_t)&section;
	}
	return true;
}

/* How long holds of a cell usually take, in ticks; 0: not known yet. The cell may be another thread's. */
static uint64_t usual_hold(const struct cell *c)
{
	uint64_t acquired = __atomic_load_n(&c->acquired, __ATOMIC_RELAXED);
	const struct lock_rec *l = REF_POINTER(c->lock);

	return acquired > YOUNG && kind_has(l->kind, TRAIT_HOLDS) ? c->hold_total / acquired : 0;
}

/* True if that is long enough for a look at each. Without a division: each wait asks. */
static bool usually_long(const struct cell *c)
{
	uint64_t acquired = __atomic_load_n(&c->acquired, __ATOMIC_RELAXED);
	const struct lock_rec *l = REF_POINTER(c->lock);

	return acquired > YOUNG && kind_has(l->kind, TRAIT_HOLDS) &&
	       __atomic_load_n(&c->hold_total, __ATOMIC_RELAXED) >= acquired * long_hold();
}

/* a / b, rounded up to a power of two, CHANCE_LEAST at most. Neither is 0. */
static uint32_t power_of_two(uint64_t a, uint64_t b)
{
	int more = __builtin_clzll(b) - __builtin_clzll(a);

	if (b >= a)
		return 1;
	return more >= CHANCE_LOG - 1 ? CHANCE_LEAST : 2u << more;
}

/* True with a chance of 1 in n, a power of two. */
static bool one_in(struct thread *t, uint32_t n)
{
	return ++t->looks * 0x9e3779b1u <= UINT32_MAX / n;
}

/*
 * The weight of a look at an own hold that begins; 0: none is worth while. It makes the hold longer, so looks take
 * at most one LOOK_SHARE of the time that a lock is held.
 */
static uint32_t own_weight(struct thread *t, const struct cell *c)
{
	uint64_t acquired = __atomic_load_n(&c->acquired, __ATOMIC_RELAXED);
	uint64_t held = __atomic_load_n(&c->hold_total, __ATOMIC_RELAXED), wanted = acquired * long_hold();
	const struct lock_rec *l = REF_POINTER(c->lock);
	uint32_t chance = CHANCE_UNKNOWN;

	if (long_hold() == 0)
		return 0;
	if (acquired > YOUNG && held >= acquired && kind_has(l->kind, TRAIT_HOLDS))
		chance = power_of_two(wanted, held);
	return one_in(t, chance) ? chance : 0;
}

/*
 * The weight of a look at another's hold. Unusually long ones are few and are all looked at, as the holder has
 * probably lost the processor. Of the others as many as take one WAITER_SHARE of the time of the thread that waits:
 * the holder must look, too, while it makes that thread wait.
 */
uint32_t running_other_weight(struct thread *t, uint32_t cell, uint64_t lasted, uint64_t now,
			      struct look_pace *p)
{
	const struct cell *c = REF_POINTER(cell);
	uint64_t cost = PERIOD_LOOKS * (WAITER_SHARE / LOOK_SHARE) * long_hold(), usual;

	if (long_hold() == 0)
		return 0;
	if (usually_long(c))
		return 1;
	if (lasted > long_hold() / UNUSUAL) {
		usual = usual_hold(c);
		if (usual != 0 && lasted > UNUSUAL * usual + long_hold() / UNUSUAL)
			return 1;
	}
	for (; p->chance_log != 0 && now - p->since > 2 * cost; p->since += 2 * cost, p->looks = 0)
		p->chance_log--;
	if (p->since == 0 || (p->chance_log == 0 && now - p->since > 2 * cost))
		p->since = now, p->looks = 0;
	if (!one_in(t, 1u << p->chance_log))
		return 0;
	if (++p->looks > PERIOD_LOOKS && now - p->since < cost && 1u << p->chance_log < CHANCE_LEAST) {
		p->chance_log++;
		p->since = now, p->looks = 0;
	}
	return 1u << p->chance_log;
}

static uint32_t ran_hash(const void *slot)
{
	return ((const struct hold_rec *)REF_POINTER(*(const uint32_t *)slot))->cell * 0x9e3779b1u;
}

static const struct hash_shape ran_table = { sizeof(uint32_t), 32, 2, HASH_OWN, ran_hash };

/* The record of a cell's holds, NULL if there is none. */
static struct hold_rec *known_find(const struct thread *t, uint32_t cell)
{
	uint32_t ref;

	for (uint32_t i = cell * 0x9e3779b1u; (ref = hash_ref(t->hold_recs.now, i)) != 0; i++) {
		struct hold_rec *h = REF_POINTER(ref);

		if (h->cell == cell)
			return h;
	}
	return NULL;
}

/* The same; made if need be. */
static struct hold_rec *known_make(struct thread *t, uint32_t cell)
{
	struct hold_rec *h = known_find(t, cell);

	if (h != NULL)
		return h;
	if (!hashtable_reserve(&t->hold_recs, &ran_table, t->tid))
		return NULL;
	h = arena_take(&t->hold_recs_arena, CHUNK_HOLDS, sizeof(*h), t->ref, t->tid);
	if (h == NULL)
		return NULL;
	h->cell = cell;
	arena_publish(&t->hold_recs_arena);
	*(uint32_t *)hashtable_place(&t->hold_recs, &ran_table, cell * 0x9e3779b1u) = POINTER_REF(h);
	return h;
}

/* True if holds of a cell are often switched out. */
static bool often_switched(const struct hold_rec *h)
{
	return h->switched >= h->ran_count / OFTEN;
}

/* True if without a look nothing could be said of a hold that is switched out. */
static bool look_needed(const struct thread *t, uint32_t cell)
{
	const struct hold_rec *h = pointer_works() ? known_find(t, cell) : NULL;

	return pointer_works() && (!h || h->ran_count == 0 || t->looked.ticks == 0);
}

/* Out of line: it is rare, and each hold comes by. */
static __attribute__((noinline)) void begin_look(struct thread *t, struct running *r)
{
	int saved = errno;

	if (look_take(t->tid, true, &r->first)) {
		r->since = r->first.ticks;
		t->looked = r->first;
	}
	errno = saved;
}

void running_begin(struct thread *t, uint32_t cell, uint64_t now, struct running *ret)
{
	running_none(ret);
	ret->since = now;
	ret->weight = look_needed(t, cell) ? 1 : own_weight(t, REF_POINTER(cell));
	if (unlikely(ret->weight != 0))
		begin_look(t, ret);
	if (pointer_works() && arm(t)) {
		ret->armed = true;
		ret->switches = t->switches;
	}
}

bool running_look_at(uint32_t holder, uint32_t weight, struct running *ret)
{
	int saved = errno;
	const struct thread_rec *r = REF_POINTER(holder);
	bool done;

	*ret = (struct running){ .weight = weight };
	done = look_take(__atomic_load_n(&r->tid, __ATOMIC_RELAXED), true, &ret->first);
	ret->since = ret->first.ticks;
	errno = saved;
	return done;
}

/*
 * A hold that was switched out and that no look began. It usually takes as long as others of the cell that ran all
 * the time; the rest it did not run. Where that is usual, holds that were looked at tell why. Else, and where it was
 * long, the thread's clocks do: it cannot have waited for a processor longer than it did since they were last looked at.
 */
static bool parts_guess(struct thread *t, const struct hold_rec *h, struct parts *p)
{
	uint64_t usual = parts_usual(h);
	uint64_t off = p->whole > usual ? p->whole - usual : 0;
	struct parts since = { 0 };
	struct look now;

	if (h->ran_count == 0)
		return false;
	if (often_switched(h) && off < long_hold()) {
		p->unsplit = off;
		return true;
	}
	if (t->looked.ticks == 0 || !look_take(t->tid, false, &now))
		return false;
	since.whole = now.ticks - t->looked.ticks;
	if (!parts_between(&t->looked, &now, &since))
		return false;
	t->looked = now;
	off = parts_least(off, since.preempted + since.slept);
	p->preempted = parts_least(off, since.preempted);
	p->slept = off - p->preempted;
	return true;
}

/* How a hold went that was looked at, and was switched out or may have been. False: not known. */
static bool parts_looked(struct thread *t, struct hold_rec *h, const struct running *r, struct parts *ret)
{
	struct look now;

	if (!look_take(t->tid, false, &now))
		return false;
	t->looked = now;
	if (!parts_between(&r->first, &now, ret))
		return false;
	if (ret->preempted + ret->slept < long_hold())
		parts_note_looked(h, ret);
	return true;
}

/* A hold that did not run all the time for sure, or the first of its cell. waited: ticks, by all who waited for it. */
static __attribute__((noinline)) void end_other(struct thread *t, uint32_t cell, const struct running *r,
						bool ran, uint64_t waited, struct parts *p)
{
	int saved = errno;
	uint8_t busy = busy_enter(t);
	struct hold_rec *h = known_make(t, cell);
	bool looked = r->first.ticks != 0;

	busy_leave(t, busy);
	if (h != NULL && !ran)
		h->switched++;
	if (h != NULL && (ran || (looked ? parts_looked(t, h, r, p) : r->armed && parts_guess(t, h, p)))) {
		if (!r->armed)
			waited *= r->weight;
		h->watched += waited;
		h->preempted += parts_share(waited, p->preempted, p->whole);
		h->slept += parts_share(waited, p->slept, p->whole);
		h->unsplit += parts_share(waited, p->unsplit, p->whole);
		/* Whole holds, and none that was guessed: the first few would decide for long what is usual. */
		if (r->armed && (ran || looked))
			parts_note_ran(h, p->whole - p->preempted - p->slept);
	}
	errno = saved;
}

void running_end(struct thread *t, uint32_t cell, const struct running *r, uint32_t waiters, uint64_t now)
{
	struct parts p = { 0 };
	struct hold_rec *h;
	uint64_t waited;
	uint8_t busy;
	bool ran;

	if (!running_known(r)) /* r->since says nothing, too */
		return;
	p.whole = now > r->since ? now - r->since : 0;
	waited = (waiters != 0 ? waiters : 1) * p.whole;
	waited -= r->late < waited ? r->late : waited;
	ran = r->armed && arm(t) && t->switches == r->switches;
	busy = busy_enter(t);
	h = ran ? known_find(t, cell) : NULL;
	busy_leave(t, busy);
	if (unlikely(h == NULL)) {
		end_other(t, cell, r, ran, waited, &p);
		return;
	}
	h->watched += waited;
	h->ran += p.whole;
	h->ran_count++;
}
