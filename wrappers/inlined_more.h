/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Spin locks and rwlocks of glibc that nobody else has, or that only readers have, taken and released without a call: as
 * inlined.h does for mutexes, and tried out at the start as well. All that a waiter may have to be told of is left to
 * glibc. Used by spin.c, rwlock.c and inlined.c.
 */
#ifndef MUTRACE_WRAPPERS_INLINED_MORE_H
#define MUTRACE_WRAPPERS_INLINED_MORE_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>

#include "src/record/raw.h"
#include "src/record/state.h"

/* The state of a writer's release: it is done; nothing was done; who waits for the writers' futex is to be woken in the
 * end; the word of readers has changed, and the end is left. */
enum inlined_given { INLINED_GIVEN, INLINED_REFUSED, INLINED_WAKE, INLINED_HALF };

/* The word of a spin lock differs by processor; the trial finds out. */
static inline bool inlined_spin_take(pthread_spinlock_t *s)
{
	int free = recorder.spin_free;

	return likely(recorder.spins_inlined) &&
	       __atomic_compare_exchange_n(s, &free, recorder.spin_taken, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static inline bool inlined_spin_give(pthread_spinlock_t *s)
{
	if (unlikely(!recorder.spins_inlined))
		return false;
	__atomic_store_n(s, recorder.spin_free, __ATOMIC_RELEASE);
	return true;
}

#ifdef __GLIBC__
/* The low bits of the word of readers: it is the writers' turn, a writer has it or wants it, readers wait. */
#define INLINED_RW_BITS 7u
#define INLINED_RW_READER 8u
#define INLINED_RW_PHASE 1u
#define INLINED_RW_WRITER 2u
#define INLINED_RW_USED 2u /* of a futex word: somebody may sleep there */

/* One reader more, or less, of a lock that no writer wants. */
static inline bool inlined_read_add(pthread_rwlock_t *rw, uint32_t add, int order)
{
	uint32_t *word = &rw->__data.__readers, was = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (likely((was & INLINED_RW_BITS) == 0) && likely((int32_t)(was + add) >= 0))
		if (likely(__atomic_compare_exchange_n(word, &was, was + add, true, order, __ATOMIC_RELAXED)))
			return true;
	return false;
}

static inline bool inlined_read_take(pthread_rwlock_t *rw)
{
	return likely(recorder.rwlocks_inlined) && inlined_read_add(rw, INLINED_RW_READER, __ATOMIC_ACQUIRE);
}

/* Only for a lock that the thread has as a reader. */
static inline bool inlined_read_give(pthread_rwlock_t *rw)
{
	return likely(recorder.rwlocks_inlined) && inlined_read_add(rw, -INLINED_RW_READER, __ATOMIC_RELEASE);
}

/* True if a thread has it as its writer, and it may be released here. */
static inline bool inlined_written_by(const pthread_rwlock_t *rw, uint32_t tid)
{
	return likely(recorder.rwlocks_inlined) &&
	       __atomic_load_n(&rw->__data.__cur_writer, __ATOMIC_RELAXED) == (int)tid;
}

/* A lock that nobody has. */
static inline bool inlined_write_take(pthread_rwlock_t *rw, uint32_t tid)
{
	uint32_t was = __atomic_load_n(&rw->__data.__readers, __ATOMIC_RELAXED);

	if (unlikely(!recorder.rwlocks_inlined) || unlikely((was & ~INLINED_RW_PHASE) != 0) ||
	    unlikely(!__atomic_compare_exchange_n(&rw->__data.__readers, &was,
						  INLINED_RW_PHASE | INLINED_RW_WRITER, false,
						  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		return false;
	__atomic_store_n(&rw->__data.__writers_futex, 1, __ATOMIC_RELAXED);
	if (was == 0)
		__atomic_store_n(&rw->__data.__wrphase_futex, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&rw->__data.__cur_writer, (int)tid, __ATOMIC_RELAXED);
	return true;
}

/* Only for a lock that the thread has as a writer. Those that prefer writers are glibc's business. */
static inline enum inlined_given inlined_write_give(pthread_rwlock_t *rw)
{
	uint32_t had = INLINED_RW_PHASE | INLINED_RW_WRITER;

	if (unlikely(!recorder.rwlocks_inlined) ||
	    unlikely(rw->__data.__flags != PTHREAD_RWLOCK_PREFER_READER_NP) ||
	    unlikely(__atomic_load_n(&rw->__data.__readers, __ATOMIC_RELAXED) != had) ||
	    unlikely(__atomic_load_n(&rw->__data.__writers_futex, __ATOMIC_RELAXED) != 1))
		return INLINED_REFUSED;
	__atomic_store_n(&rw->__data.__cur_writer, 0, __ATOMIC_RELAXED);
	if (unlikely(__atomic_exchange_n(&rw->__data.__writers_futex, 0, __ATOMIC_RELAXED) & INLINED_RW_USED))
		return INLINED_WAKE;
	return likely(__atomic_compare_exchange_n(&rw->__data.__readers, &had, INLINED_RW_PHASE, false,
						  __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		       ? INLINED_GIVEN
		       : INLINED_HALF;
}

static inline void inlined_rw_wake(const pthread_rwlock_t *rw, uint32_t *word, uint32_t n)
{
	raw_futex(word, rw->__data.__shared ? FUTEX_WAKE : FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL);
}

/* The end of such a release, as glibc's: readers that have come have it now, or else it stays the writers' turn. */
static inline void inlined_write_end(pthread_rwlock_t *rw, bool wake)
{
	uint32_t was = __atomic_load_n(&rw->__data.__readers, __ATOMIC_RELAXED), more;

	do
		more = was >= INLINED_RW_READER ? INLINED_RW_PHASE : 0;
	while (!__atomic_compare_exchange_n(&rw->__data.__readers, &was, was ^ INLINED_RW_WRITER ^ more, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (more != 0 &&
	    __atomic_exchange_n(&rw->__data.__wrphase_futex, 0, __ATOMIC_RELAXED) & INLINED_RW_USED)
		inlined_rw_wake(rw, &rw->__data.__wrphase_futex, INT_MAX);
	if (wake)
		inlined_rw_wake(rw, &rw->__data.__writers_futex, 1);
}
#else
static inline bool inlined_written_by(const pthread_rwlock_t *rw, uint32_t tid)
{
	(void)rw, (void)tid;
	return false;
}

static inline bool inlined_read_take(pthread_rwlock_t *rw)
{
	(void)rw;
	return false;
}

static inline bool inlined_read_give(pthread_rwlock_t *rw)
{
	(void)rw;
	return false;
}

static inline bool inlined_write_take(pthread_rwlock_t *rw, uint32_t tid)
{
	(void)rw, (void)tid;
	return false;
}

static inline enum inlined_given inlined_write_give(pthread_rwlock_t *rw)
{
	(void)rw;
	return INLINED_REFUSED;
}

static inline void inlined_write_end(pthread_rwlock_t *rw, bool wake)
{
	(void)rw, (void)wake;
}
#endif

#endif
