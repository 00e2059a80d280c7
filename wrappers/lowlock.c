/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The C library's own locks: its four functions that wait and wake are ours (inject/lowlock.h). They do what the
 * library's do, by system calls of our own, and record it. pthread's mutexes come here, too, when they wait: they are
 * passed by, for their wrapper records them. But the loader's mutexes have no wrapper. In libmutrace.so and, for waits
 * of realtime threads, in libmatrace-all.so.
 *
 * They may be called anywhere: inside malloc(), in a signal handler, between fork()'s handlers.
 */
#include "wrappers/lowlock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "inject/lowlock.h"
#ifndef MATRACE
#include "src/record/lowlock.h"
#endif
#include "src/record/raw.h"
#ifdef MATRACE
#include "src/record/watch.h"
#endif
#include "wrappers/defined.h"
#include "wrappers/real.h"

/* The C library's words and its way to end a program whose lock cannot be waited for. */
static void (*libc_fatal)(const char *message);

#define TAKEN_WAITED 2u /* the word: 0 free, 1 taken, 2 taken and perhaps waited for */

/* As the C library waits. */
static void wait_for(uint32_t *word, int operation)
{
	bool sleeps = __atomic_load_n(word, __ATOMIC_RELAXED) == TAKEN_WAITED;

	while (sleeps || __atomic_exchange_n(word, TAKEN_WAITED, __ATOMIC_ACQUIRE) != 0) {
		int r = raw_futex(word, operation, TAKEN_WAITED, NULL);

		sleeps = false;
		if (r < 0 && r != -EAGAIN && r != -EINTR && libc_fatal)
			libc_fatal("The futex facility returned an unexpected error code.\n");
	}
}

/* The place on the stack, and the caller. */
#define FROM (uintptr_t) __builtin_frame_address(0), SITE_HERE

#ifdef MATRACE
/* pthread's mutexes have told of their waits when they come to the functions for locks that may be shared. */
static void waits(uint32_t *word, int operation, bool told, uintptr_t here, struct site site)
{
	struct thread *t = thread_self;
	struct watch w;
	bool begun = false;

	(void)here;
	if (t->mode != MODE_OFF && t->plain == NULL && !busy_is(t))
		begun = told ? watch_begin(&w, WATCHED_libc_lock, site, 0, 0)
			     : watch_wait_begin(&w, WATCHED_libc_lock, site);
	wait_for(word, operation);
	if (begun)
		watch_end(&w);
}

static void wakes(uint32_t *word, int operation, uintptr_t here, struct site site)
{
	(void)here;
	(void)site;
	raw_futex(word, operation, 1, NULL);
}
#else
static COLD void wait_recorded(struct thread *t, uint32_t *word, int operation, struct site site)
{
	struct lowlock_wait w;
	int saved = errno;
	bool recorded = lowlock_wait_begin(t, word, site, &w);

	wait_for(word, operation);
	if (recorded)
		lowlock_wait_end(t, word, &w);
	errno = saved;
}

static COLD void wake_recorded(struct thread *t, uint32_t *word, int operation, struct site site)
{
	struct futex_release release;
	int saved = errno;

	episode_release(t, (struct futex_word){ .address = word }, site, &release);
	raw_futex(word, operation, 1, NULL);
	episode_released(t, &release);
	errno = saved;
}

/* The calling thread if the call may be recorded, else NULL. One that the recorder does not know yet is not made known
 * here: that may allocate. */
static inline struct thread *enter(uintptr_t here)
{
	struct thread *t = thread_self;

	return t->mode == MODE_OFF || lowlock_silent(t, here) ? NULL : t;
}

static inline void waits(uint32_t *word, int operation, bool told, uintptr_t here, struct site site)
{
	struct thread *t = enter(here);

	(void)told;
	if (t != NULL)
		wait_recorded(t, word, operation, site);
	else
		wait_for(word, operation);
}

static inline void wakes(uint32_t *word, int operation, uintptr_t here, struct site site)
{
	struct thread *t = enter(here);

	if (t != NULL && !lowlock_no_news(t, word))
		wake_recorded(t, word, operation, site);
	else
		raw_futex(word, operation, 1, NULL);
}
#endif

static void ours_wait_private(uint32_t *word)
{
	waits(word, FUTEX_WAIT_PRIVATE, false, FROM);
}

static void ours_wake_private(uint32_t *word)
{
	wakes(word, FUTEX_WAKE_PRIVATE, FROM);
}

/* shared: 0, or FUTEX_PRIVATE_FLAG of a lock that processes share. */
static void ours_wait(uint32_t *word, int shared)
{
	if (shared == 0)
		waits(word, FUTEX_WAIT_PRIVATE, true, FROM);
	else
		wait_for(word, FUTEX_WAIT_PRIVATE ^ shared);
}

static void ours_wake(uint32_t *word, int shared)
{
	if (shared == 0)
		wakes(word, FUTEX_WAKE_PRIVATE, FROM);
	else
		raw_futex(word, FUTEX_WAKE_PRIVATE ^ shared, 1, NULL);
}

/* Of all that is loaded, by a name that no preloaded library has taken for itself. */
static const struct link_map *libc_find(void)
{
	const struct link_map *map = _r_debug.r_map;

	while (map != NULL && !defined_in(map, "gnu_get_libc_version"))
		map = map->l_next;
	return map;
}

/* A thread that the C library does not know of is seen in /proc, where each has a directory. */
static bool alone(void)
{
	struct statx s;

	return __libc_single_threaded &&
	       (raw_statx("/proc/self/task", STATX_NLINK, &s) < 0 || s.stx_nlink <= 3);
}

static enum libc_locks patch(void)
{
	static const void *const ours[LOWLOCK_FUNCTIONS] = {
		[LOWLOCK_WAIT_PRIVATE] = (const void *)ours_wait_private,
		[LOWLOCK_WAKE_PRIVATE] = (const void *)ours_wake_private,
		[LOWLOCK_WAIT] = (const void *)ours_wait,
		[LOWLOCK_WAKE] = (const void *)ours_wake,
	};
	const struct link_map *libc = libc_find();

	if (recorder.config.no_libc_locks)
		return LIBC_LOCKS_LEFT;
	if (recorder.valgrind)
		return LIBC_LOCKS_VALGRIND;
	if (!alone())
		return LIBC_LOCKS_THREADS;
	if (!libc)
		return LIBC_LOCKS_CODE;
	*(void **)&libc_fatal = defined_address(libc->l_addr, libc->l_ld, "__libc_fatal");
	switch (lowlock_patch(libc, ours)) {
	case LOWLOCK_DONE: return LIBC_LOCKS_SEEN;
	case LOWLOCK_REFUSED: return LIBC_LOCKS_REFUSED;
	default: return LIBC_LOCKS_CODE;
	}
}

void lowlocks_start(void)
{
	int saved = errno;

#ifndef MATRACE
	lowlock_start();
#endif
	recorder.libc_locks = (uint8_t)patch();
	recorder.header->libc_locks = recorder.libc_locks;
	errno = saved;
}
