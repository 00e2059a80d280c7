/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A thread's cache of calls, see callcache.h. Called by the slow paths with "busy" or "hot" set; takes no
 * lock. */
#include "src/record/callcache.h"

#include <string.h>

#include "src/record/folds.h"
#include "src/record/hot.h"
#include "src/record/internal.h"
#include "src/record/memory.h"
#include "src/record/phases.h"

#define CACHE_FIRST_LOG 5u
#define CACHE_LAST_LOG 21u
#define CACHE_BYTES_PER_LOCK 44u
#define CACHE_BYTES_ALWAYS (2u << 20)
#define CACHE_BYTES_TOGETHER (16u << 20)

static uint64_t cache_size_mask(uint32_t log)
{
	return (sizeof(struct call_slot) << log) - sizeof(struct call_slot);
}

static size_t cache_bytes(const struct thread *t)
{
	return (size_t)t->cache_mask + sizeof(struct call_slot);
}

bool cache_setup(struct thread *t)
{
	t->cache = memory_piece(sizeof(struct call_slot) << CACHE_FIRST_LOG, t->tid);
	t->cache_mask = cache_size_mask(CACHE_FIRST_LOG);
	__atomic_fetch_add(&recorder.cache_bytes, cache_bytes(t), __ATOMIC_RELAXED);
	return t->cache != NULL;
}

/* The count in a slot may be ahead of its cell. */
static void slot_write_back(const struct call_slot *s)
{
	if (s->address != 0 && s->cell != 0 && !(s->stamp & STAMP_CELL))
		cell_catch_up(REF_POINTER(s->cell), s->acquired);
}

void cache_reset(struct thread *t)
{
	for (size_t i = 0; i < cache_bytes(t) / sizeof(*t->cache); i++)
		slot_write_back(&t->cache[i]);
	memset(t->cache, 0, cache_bytes(t));
	t->recent = 0;
}

static struct call_slot *cache_far(const void *address, uintptr_t ip)
{
	return cache_home((const void *)((uintptr_t)address ^ (uintptr_t)ip << 12), ~ip);
}

static inline struct call_slot *cache_free(struct call_slot *home)
{
	for (unsigned int i = 0; i < CACHE_WAYS; i++)
		if (cache_way(home, i)->address == 0)
			return cache_way(home, i);
	return NULL;
}

struct call_slot *cache_find_far(const void *address, uintptr_t ip, uint32_t mark)
{
	struct call_slot *far;

	if (!thread_self->far || cache_free(cache_home(address, ip)) !=
					 NULL) /* it would be there: another cache line is not worth a look */
		return NULL;
	far = cache_far(address, ip);
	for (unsigned int i = 0; i < CACHE_WAYS; i++)
		if (cache_is(cache_way(far, i), address, ip, mark))
			return cache_way(far, i);
	return NULL;
}

/* The slot among the four ways that a call has, or else the first that is free; NULL: all are others'. */
static inline struct call_slot *cache_choose(struct call_slot *home, const void *address, uintptr_t ip,
					     uint32_t mark)
{
	struct call_slot *free = NULL;

	for (unsigned int i = 0; i < CACHE_WAYS; i++) {
		struct call_slot *way = cache_way(home, i);

		if (way->address == 0)
			free = free ? free : way;
		else if (cache_is(way, address, ip, mark))
			return way;
	}
	return free;
}

void cache_put(struct thread *t, const void *address, uint32_t mark, const struct call_slot *what)
{
	struct call_slot *home = cache_home(address, what->ip),
			 *s = cache_choose(home, address, what->ip, mark);

	if (((uintptr_t)address & 3) != 0) /* no room for the mark */
		return;
	if (s == NULL && t->far && mark != CACHE_LIFE)
		s = cache_find_far(address, what->ip, mark);
	/* A thread that uses more locks than its cache may have slots for does not look in two places for each. */
	if (s == NULL && mark != CACHE_LIFE && t->folding == NULL &&
	    (s = cache_free(cache_far(address, what->ip))) != NULL)
		t->far = 1;
	if (s == NULL && hot_is(t))
		return;
	if (s == NULL) {
		s = home;
		t->evicted += mark != CACHE_LIFE;
	}
	slot_write_back(s);
	s->address = 0; /* a signal handler may look */
	signal_fence();
	s->ip = what->ip;
	s->cell = what->cell;
	s->lock = what->lock;
	s->acquired = what->acquired;
	s->stamp = what->stamp;
	signal_fence();
	s->address = (uintptr_t)address | mark;
}

/*
 * True if a thread's cache may become so large though it has no cells for so many slots: their locks are folded. All
 * caches together take CACHE_BYTES_PER_LOCK for each lock. But each may have CACHE_BYTES_ALWAYS, up to
 * CACHE_BYTES_TOGETHER: some ten thousand locks that many threads use would have too few slots.
 */
static bool cache_may_grow(const struct thread *t, uint32_t log)
{
	uint64_t most = (uint64_t)__atomic_load_n(&recorder.locks, __ATOMIC_RELAXED) * CACHE_BYTES_PER_LOCK;
	uint64_t own = sizeof(struct call_slot) << log;
	uint64_t all = __atomic_load_n(&recorder.cache_bytes, __ATOMIC_RELAXED) - cache_bytes(t) + own;

	return log <= CACHE_LAST_LOG &&
	       (all <= most || (own <= CACHE_BYTES_ALWAYS && all <= CACHE_BYTES_TOGETHER));
}

void cache_grow(struct thread *t)
{
	struct call_slot *fresh, *old = t->cache;
	size_t old_bytes = cache_bytes(t);
	uint32_t log = CACHE_FIRST_LOG;

	while (log < CACHE_LAST_LOG &&
	       (t->cells.count > (1u << log) / 2 || cache_size_mask(log) < t->cache_mask))
		log++;
	if (t->evicted > (1u << log) / 4) {
		t->evicted = 0;
		if (cache_may_grow(t, log + 1))
			log++;
	}
	if (cache_size_mask(log) == t->cache_mask || hot_is(t))
		return;
	if (log < 8)
		log = 8;
	fresh = memory_map(sizeof(*fresh) << log);
	if (fresh == NULL)
		return;
	__atomic_fetch_add(&recorder.cache_bytes, (sizeof(*fresh) << log) - old_bytes, __ATOMIC_RELAXED);
	t->cache = thread_own.cache = fresh;
	t->cache_mask = thread_own.cache_mask = cache_size_mask(log);
	t->far = 0;
	for (size_t i = 0; i < old_bytes / sizeof(*old); i++)
		if (old[i].address != 0)
			cache_put(t, (const void *)(uintptr_t)(old[i].address & ~3ull), old[i].address & 3,
				  &old[i]);
	if (old_bytes < 4096)
		return; /* from a slab */
	/* This may be a signal handler, and the call that it interrupted may be about to read the old
	 * cache. */
	memory_empty(old, old_bytes);
	memory_unmap(t->cache_before, t->cache_before_bytes);
	t->cache_before = old;
	t->cache_before_bytes = old_bytes;
}

/* True if the lock's record says that this thread uses it. */
static inline bool claimed(const struct thread *t, const struct lock_rec *l)
{
	uint32_t user = __atomic_load_n(&l->user, __ATOMIC_RELAXED);

	return user == t->ref || user == USER_SEVERAL || !lock_tells_user(l);
}

/* The stamp for a lock that this thread has claimed. The epoch was read before the record. */
static inline uint32_t stamp(const struct thread *t, const struct lock_rec *l, uint32_t epoch,
			     const struct call_slot *s)
{
	epoch |= s->stamp & STAMP_CELL;
	if (__atomic_load_n(&l->user, __ATOMIC_RELAXED) != t->ref || !lock_tells_user(l))
		return epoch | STAMP_SETTLED;
	return __atomic_load_n(&l->last_owner, __ATOMIC_RELAXED) == t->ref ? epoch | STAMP_ALONE : epoch;
}

/* Checks a slot against the lock's record. True: it holds after all, and has the right count now. */
static inline bool renew(const struct thread *t, struct call_slot *s, const struct lock_rec *l,
			 const void *address)
{
	if (__atomic_load_n(&l->address, __ATOMIC_ACQUIRE) != (uintptr_t)address || !claimed(t, l))
		return false;
	if ((s->address & 3) == 0 && lock_needs_care(l)) /* it needed none when the slot was made */
		return false;
	if (s->stamp & STAMP_CELL && fold_is_hot(t, s->lock))
		return false;
	if (((const struct cell *)REF_POINTER(s->cell))->phase != phase_now())
		return false;
	slot_catch_up(t, s);
	return true;
}

bool hot_renew(const struct thread *t, struct call_slot *s)
{
	const void *address = (const void *)(uintptr_t)(s->address & ~3ull);
	uint32_t epoch = __atomic_load_n(lock_epoch(address), __ATOMIC_ACQUIRE);
	const struct lock_rec *l = REF_POINTER(s->lock);

	if (!renew(t, s, l, address))
		return false;
	s->stamp = stamp(t, l, epoch, s);
	return true;
}

bool hot_own_shared(struct thread *t, struct call_slot *s, const void *address)
{
	uint32_t epoch = __atomic_load_n(lock_epoch(address), __ATOMIC_ACQUIRE);
	struct lock_rec *l = REF_POINTER(s->lock);
	uint32_t folded = s->stamp & STAMP_CELL;
	bool settled = s->stamp == (epoch | STAMP_SETTLED | folded);

	if (s->stamp == (epoch | STAMP_ALONE | STAMP_CELL))
		return fold_count(t, s);
	if (((s->stamp ^ epoch) >= EPOCH_STEP && !renew(t, s, l, address)) || unlikely(lock_waited(l)))
		return false;
	hot_own(t, l, REF_POINTER(s->cell), s->cell);
	if (unlikely(!settled))
		s->stamp = stamp(t, l, epoch, s);
	return !folded || fold_count(t, s);
}
