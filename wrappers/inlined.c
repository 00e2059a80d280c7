/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Finds out whether mutexes and permits may be taken without a call, see inlined.h. Called by init.c; takes no lock of
 * others. */
#include "wrappers/inlined.h"

#include <errno.h>
#include <string.h>

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
static bool release(pthread_mutex_t *m, enum side side, bool waited, uint32_t tid)
{
	if (waited)
		m->__data.__lock = 2;
	if (side == THEIRS)
		return REAL(pthread_mutex_unlock)(m) == 0;
	if (!waited)
		return inlined_unlock(m, tid);
	if (inlined_release(m))
		return false;
	inlined_wake(m, inlined_kind(m));
	return true;
}

/* Takes one mutex by glibc and another by us, and releases each by either. All bytes must be the same all the time. */
static bool same(int kind, bool try, enum side releases, bool waited, uint32_t tid)
{
	pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER, a, b;

	fresh.__data.__kind = kind;
	a = b = fresh;
	return take(&a, THEIRS, try, tid) && take(&b, OURS, try, tid) && memcmp(&a, &b, sizeof(a)) == 0 &&
	       a.__data.__kind == kind && REAL(pthread_mutex_trylock)(&b) == EBUSY &&
	       !inlined_trylock(&a, tid) && release(&a, releases, waited, tid) &&
	       release(&b, OURS + THEIRS - releases, waited, tid) && memcmp(&a, &fresh, sizeof(a)) == 0 &&
	       memcmp(&b, &fresh, sizeof(b)) == 0;
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
	recorder.sems_inlined = sems_fine();
}
#else
void inlined_start(uint32_t tid)
{
	(void)tid;
}
#endif
