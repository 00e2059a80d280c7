/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Finds out whether mutexes and permits may be taken without a call, see inlined.h. Called by init.c; takes no lock of
 * others. */
#include "wrappers/inlined.h"

#include <errno.h>
#include <string.h>

#include "wrappers/inlined_more.h"
#include "wrappers/inlined_sem.h"
#include "wrappers/real.h"

#ifdef __GLIBC__
enum side { THEIRS, OURS };

static bool take(pthread_mutex_t *m, enum side side, bool try, uint32_t tid)
{
	if (side == OURS)
		return inlined_trylock(m, tid);
	return (try ? REAL(pthread_mutex_trylock)(m) : REAL(pthread_mutex_lock)(m)) == 0;
}

/* waited: as if a thread waited for it, whom nobody finds. */
static bool release(pthread_mutex_t *m, enum side side, bool waited)
{
	if (waited)
		m->__data.__lock = 2;
	if (side == THEIRS)
		return REAL(pthread_mutex_unlock)(m) == 0;
	if (inlined_release(m))
		return !waited;
	inlined_wake(m, inlined_kind(m));
	return waited;
}

/* Takes one mutex by glibc and another by us, and releases each by either. All bytes must be the same all the time. */
static bool same(int kind, bool try, enum side releases, bool waited, uint32_t tid)
{
	pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER, a, b;

	fresh.__data.__kind = kind;
	a = b = fresh;
	return take(&a, THEIRS, try, tid) && take(&b, OURS, try, tid) && memcmp(&a, &b, sizeof(a)) == 0 &&
	       a.__data.__kind == kind && REAL(pthread_mutex_trylock)(&b) == EBUSY &&
	       !inlined_trylock(&a, tid) && release(&a, releases, waited) &&
	       release(&b, OURS + THEIRS - releases, waited) && memcmp(&a, &fresh, sizeof(a)) == 0 &&
	       memcmp(&b, &fresh, sizeof(b)) == 0;
}

/* A recursive mutex of each, levels up and down, and what is refused to others. All bytes must be the same all the time. */
static bool nests_same(int pshared, bool try, uint32_t tid)
{
	pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER, a, b;

	fresh.__data.__kind = PTHREAD_MUTEX_RECURSIVE_NP | pshared;
	a = b = fresh;
	for (int i = 0; i < 3; i++)
		if (!take(&a, THEIRS, try, tid) || !inlined_nest(&b, tid) || memcmp(&a, &b, sizeof(a)) != 0)
			return false;
	if (inlined_nest(&a, tid + 1) || inlined_unnest(&a, tid + 1) || inlined_unnest_last(&a, tid) ||
	    memcmp(&a, &b, sizeof(a)) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		if (REAL(pthread_mutex_unlock)(&a) != 0 || !inlined_unnest(&b, tid) ||
		    memcmp(&a, &b, sizeof(a)) != 0)
			return false;
	/* the last level of each by the other */
	return !inlined_unnest(&b, tid) && !inlined_unnest_last(&b, tid + 1) &&
	       inlined_unnest_last(&a, tid) && REAL(pthread_mutex_unlock)(&b) == 0 &&
	       memcmp(&a, &fresh, sizeof(a)) == 0 && memcmp(&b, &fresh, sizeof(b)) == 0;
}

/* Takes permits from one semaphore by glibc and from another by us, gives them back, and compares all bytes. */
static bool sems_same(unsigned int value)
{
	const uint64_t waiter = (uint64_t)1 << 32;
	uint64_t word;
	sem_t a, b;
	bool fine;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (REAL(sem_init)(&a, 0, value) != 0 || REAL(sem_init)(&b, 0, value) != 0)
		return false;
	fine = (REAL(sem_trywait)(&a) == 0) == inlined_sem_take(&b) && memcmp(&a, &b, sizeof(a)) == 0 &&
	       (REAL(sem_post)(&a) == 0) == inlined_sem_give(&b) && memcmp(&a, &b, sizeof(a)) == 0;
	memcpy(&word, &b, sizeof(word));
	word += waiter; /* as if a thread waited */
	memcpy(&b, &word, sizeof(word));
	return fine && !inlined_sem_give(&b) && memcmp(&b, &word, sizeof(word)) == 0;
}

/* errno is as it was. */
static bool sems_fine(void)
{
	int saved = errno;
	bool fine = INLINED_SEMS && !recorder.valgrind && real_of_libc((void *)REAL(sem_trywait)) &&
		    real_of_libc((void *)REAL(sem_post)) && sems_same(0) && sems_same(1) && sems_same(2) &&
		    sems_same(SEM_VALUE_MAX);

	errno = saved;
	return fine;
}

/* Takes and gives back a spin lock by glibc, which says what the word is, and then by us. */
static bool spins_same(void)
{
	pthread_spinlock_t s;
	int free;

	if (REAL(pthread_spin_init)(&s, PTHREAD_PROCESS_PRIVATE) != 0)
		return false;
	free = s;
	if (REAL(pthread_spin_trylock)(&s) != 0 || s == free)
		return false;
	recorder.spin_free = free;
	recorder.spin_taken = s;
	recorder.spins_inlined = true;
	return REAL(pthread_spin_unlock)(&s) == 0 && s == free && inlined_spin_take(&s) &&
	       s == recorder.spin_taken && !inlined_spin_take(&s) &&
	       REAL(pthread_spin_trylock)(&s) == EBUSY && s == recorder.spin_taken && inlined_spin_give(&s) &&
	       s == free && REAL(pthread_spin_lock)(&s) == 0 && s == recorder.spin_taken &&
	       REAL(pthread_spin_unlock)(&s) == 0 && s == free;
}

static void spins_start(void)
{
	bool fine = !recorder.valgrind && real_of_libc((void *)REAL(pthread_spin_lock)) &&
		    real_of_libc((void *)REAL(pthread_spin_trylock)) &&
		    real_of_libc((void *)REAL(pthread_spin_unlock)) && spins_same();

	recorder.spins_inlined = fine;
}

/* Two rwlocks that went through the same, one by glibc and one by us, in all bytes. */
static bool twins(const pthread_rwlock_t *a, const pthread_rwlock_t *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Readers come and go. */
static bool reads_same(pthread_rwlock_t *a, pthread_rwlock_t *b)
{
	return REAL(pthread_rwlock_rdlock)(a) == 0 && inlined_read_take(b) && twins(a, b) &&
	       REAL(pthread_rwlock_tryrdlock)(a) == 0 && inlined_read_take(b) && twins(a, b) &&
	       REAL(pthread_rwlock_trywrlock)(a) == EBUSY && REAL(pthread_rwlock_trywrlock)(b) == EBUSY &&
	       REAL(pthread_rwlock_unlock)(a) == 0 && inlined_read_give(b) && twins(a, b) &&
	       inlined_read_give(a) && REAL(pthread_rwlock_unlock)(b) == 0 && twins(a, b) &&
	       !inlined_read_give(a);
}

/* A writer comes and goes, twice: afterwards it is the writers' turn. And each gives back what the other has taken. */
static bool writes_same(pthread_rwlock_t *a, pthread_rwlock_t *b, uint32_t tid)
{
	for (int i = 0; i < 2; i++)
		if ((i == 0 ? REAL(pthread_rwlock_wrlock)(a) : REAL(pthread_rwlock_trywrlock)(a)) != 0 ||
		    !inlined_write_take(b, tid) || !twins(a, b) || inlined_write_take(b, tid) ||
		    inlined_read_take(b) || REAL(pthread_rwlock_tryrdlock)(b) != EBUSY ||
		    inlined_read_give(b) || inlined_write_give(a) != INLINED_GIVEN ||
		    REAL(pthread_rwlock_unlock)(b) != 0 || !twins(a, b))
			return false;
	return true;
}

/* A writer goes, as if a writer or readers waited whom nobody finds. */
static bool ends_same(pthread_rwlock_t *a, pthread_rwlock_t *b, bool writer, bool readers)
{
	pthread_rwlock_t *both[2] = { a, b };

	for (int i = 0; i < 2; i++) {
		if (REAL(pthread_rwlock_wrlock)(both[i]) != 0)
			return false;
		if (writer)
			both[i]->__data.__writers_futex |= INLINED_RW_USED;
		if (readers)
			both[i]->__data.__readers += INLINED_RW_READER;
		if (readers)
			both[i]->__data.__wrphase_futex |= INLINED_RW_USED;
	}
	if (inlined_write_give(b) != INLINED_REFUSED || REAL(pthread_rwlock_unlock)(a) != 0)
		return false;
	b->__data.__cur_writer = 0; /* as inlined_write_give() does before the end */
	if ((__atomic_exchange_n(&b->__data.__writers_futex, 0, __ATOMIC_RELAXED) & INLINED_RW_USED) !=
	    (writer ? INLINED_RW_USED : 0))
		return false;
	inlined_write_end(b, writer);
	if (!twins(a, b))
		return false;
	return !readers || (REAL(pthread_rwlock_unlock)(a) == 0 && inlined_read_give(b) && twins(a, b));
}

static bool rwlocks_same(uint32_t tid)
{
	pthread_rwlock_t a = PTHREAD_RWLOCK_INITIALIZER, b = PTHREAD_RWLOCK_INITIALIZER;

	recorder.rwlocks_inlined = true;
	return reads_same(&a, &b) && writes_same(&a, &b, tid) && REAL(pthread_rwlock_rdlock)(&a) == 0 &&
	       !inlined_read_take(&b) && REAL(pthread_rwlock_rdlock)(&b) == 0 &&
	       REAL(pthread_rwlock_unlock)(&a) == 0 && inlined_read_give(&b) && reads_same(&a, &b) &&
	       ends_same(&a, &b, true, false) && ends_same(&a, &b, false, true) &&
	       ends_same(&a, &b, true, true) && reads_same(&a, &b);
}

static void rwlocks_start(uint32_t tid)
{
	bool fine = !recorder.valgrind && real_of_libc((void *)REAL(pthread_rwlock_rdlock)) &&
		    real_of_libc((void *)REAL(pthread_rwlock_wrlock)) &&
		    real_of_libc((void *)REAL(pthread_rwlock_tryrdlock)) &&
		    real_of_libc((void *)REAL(pthread_rwlock_trywrlock)) &&
		    real_of_libc((void *)REAL(pthread_rwlock_unlock)) && rwlocks_same(tid);

	recorder.rwlocks_inlined = fine;
}

void inlined_start(uint32_t tid)
{
	bool fine = !ARCH_SYSCALL_BY_LIBC && !recorder.valgrind &&
		    real_of_libc((void *)REAL(pthread_mutex_lock)) &&
		    real_of_libc((void *)REAL(pthread_mutex_trylock)) &&
		    real_of_libc((void *)REAL(pthread_mutex_unlock));

	for (int i = 0; i < 8 && fine; i++)
		fine = same(i & 1 ? INLINED_PSHARED : 0, i & 2, i & 4 ? OURS : THEIRS, false, tid);
	fine = fine && same(0, false, OURS, true, tid);
	recorder.mutex_unlike = !fine;
	for (int i = 0; i < 4 && fine; i++)
		fine = nests_same(i & 1 ? INLINED_PSHARED : 0, i & 2, tid);
	recorder.recursive_inlined = fine;
	recorder.sems_inlined = sems_fine();
	spins_start();
	rwlocks_start(tid);
}
#else
void inlined_start(uint32_t tid)
{
	(void)tid;
}
#endif
