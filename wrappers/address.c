/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Waits for what lies at an address, by functions of TBB (its mutex and rw_mutex) and of LLVM's C++ library (atomics,
 * and with them semaphores, latches, barriers). The futex underneath is one of many that stand in a table; so the
 * address that the functions are given stands for the lock. Only waits and wakes are seen, as of a futex.
 *
 * And the ends of g_bit_lock() and QSemaphore, which call the kernel only if somebody waits: each is as good as a wake.
 * Without them a thread that has waited and lets go unseen would seem to wait on when it waits again.
 */
#include <errno.h>

#include "src/record/episodes.h"
#include "wrappers/families.h"
#include "wrappers/futex.h"
#include "wrappers/real.h"

struct address_wait {
	struct thread *t; /* NULL: not recorded */
	struct futex_wait wait;
	uintptr_t silent;
};

static inline __attribute__((always_inline)) void wait_on(struct address_wait *w, struct futex_word word,
							  struct site site)
{
	int saved = errno;

	w->t = recorder_enter_quickly();
	if (w->t != NULL && !episode_wait_begin(w->t, word, site, &w->wait))
		w->t = NULL;
	if (w->t != NULL)
		w->silent = silent_enter(w->t);
	errno = saved;
}

static void waited_on(struct address_wait *w)
{
	int saved = errno;

	if (w->t == NULL)
		return;
	silent_leave(w->t, w->silent);
	episode_wait_end(w->t, &w->wait, 0);
	errno = saved;
}

struct address_wake {
	struct thread *t; /* NULL: it is no news */
	struct futex_release release;
	uintptr_t silent;
};

static inline __attribute__((always_inline)) void wake_on(struct address_wake *w, const void *address,
							  struct site site)
{
	int saved = errno;

	w->t = recorder_enter_quickly();
	if (w->t != NULL && episode_no_news(w->t, address))
		w->t = NULL;
	if (w->t != NULL) {
		episode_release(w->t, (struct futex_word){ .address = address }, site, &w->release);
		w->silent = silent_enter(w->t);
	}
	errno = saved;
}

static void woken_on(struct address_wake *w)
{
	int saved = errno;

	if (w->t == NULL)
		return;
	silent_leave(w->t, w->silent);
	episode_released(w->t, &w->release);
	errno = saved;
}

void ours_tbb_wait(void *address, void *predicate, uintptr_t context)
{
	struct address_wait w;

	wait_on(&w, (struct futex_word){ .address = address, .kind = KIND_TBB_WAIT }, SITE_HERE);
	ORIGINAL(tbb_wait)(address, predicate, context);
	waited_on(&w);
}

void ours_tbb_notify(void *address, uintptr_t context)
{
	struct address_wake w;

	wake_on(&w, address, SITE_HERE);
	ORIGINAL(tbb_notify)(address, context);
	woken_on(&w);
}

/* The value of a word is that of the program's own atomic, if it is an int. */
void ours_libcxx_wait(const void *address, int value)
{
	struct address_wait w;

	wait_on(&w,
		(struct futex_word){ .address = address,
				     .expected = (uint32_t)value,
				     .compares = true,
				     .kind = KIND_CXX_WAIT },
		SITE_HERE);
	ORIGINAL(libcxx_wait)(address, value);
	waited_on(&w);
}

void ours_libcxx_wait_any(const void *address, int value)
{
	struct address_wait w;

	wait_on(&w, (struct futex_word){ .address = address, .kind = KIND_CXX_WAIT }, SITE_HERE);
	ORIGINAL(libcxx_wait_any)(address, value);
	waited_on(&w);
}

#define WAKE(name, type) \
	void ours_##name(type address) \
	{ \
		struct address_wake w; \
\
		wake_on(&w, address, SITE_HERE); \
		ORIGINAL(name)(address); \
		woken_on(&w); \
	}

WAKE(tbb_notify_one, void *)
WAKE(tbb_notify_all, void *)
WAKE(libcxx_one, const void *)
WAKE(libcxx_one_any, const void *)
WAKE(libcxx_all, const void *)
WAKE(libcxx_all_any, const void *)

/* A thread lets go of what lies at an address, and then wakes those who wait there by a futex call of its own, if any. */
#define LETS_GO(name, parameters, arguments) \
	void ours_##name parameters \
	{ \
		const struct thread *t = thread_self; \
		struct address_wake w; \
\
		if (likely(futex_open(t) && episode_no_news(t, address))) { \
			ORIGINAL(name) arguments; \
			return; \
		} \
		wake_on(&w, address, SITE_HERE); \
		futex_told = w.t != NULL ? address : NULL; \
		ORIGINAL(name) arguments; \
		futex_told = NULL; \
		woken_on(&w); \
	}

LETS_GO(g_bit_unlock, (void *address, int bit), (address, bit))
LETS_GO(g_pointer_bit_unlock, (void *address, int bit), (address, bit))
LETS_GO(g_bit_unlock_and_set, (void *address, unsigned int bit, int value, int keep),
	(address, bit, value, keep))
LETS_GO(g_pointer_bit_unlock_and_set, (void *address, unsigned int bit, void *value, uintptr_t keep),
	(address, bit, value, keep))
LETS_GO(qt_semaphore_release, (void *address, int n), (address, n))
