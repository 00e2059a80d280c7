/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Futex calls by syscall(): the locks of Rust, GLib, Qt 6, C++20 and of whoever builds his own. What a call
 * means is told here; episodes.h says what is made of it. A call that neither sleeps nor wakes anybody must
 * cost next to nothing. Nothing that the arguments point to is read unless it was found readable: the kernel says EFAULT
 * where we would crash.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>

#include "wrappers/futex.h"
#include "wrappers/real.h"

__thread const void *futex_told __attribute__((tls_model("initial-exec")));

enum what { NEITHER, WAITS, WAKES };

/* A call, and the word that it is about. */
struct plan {
	enum what what;
	struct futex_word word;
	const void *also; /* a second word that it may wake */
};

static struct plan plan_futex(const long a[6])
{
	const void *word = (const void *)a[0];

	switch ((int)a[1] & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return (struct plan){ WAITS,
				      { .address = word, .expected = (uint32_t)a[2], .compares = true },
				      NULL };
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2: return (struct plan){ WAITS, { .address = word, .inherits = true }, NULL };
	case FUTEX_WAIT_REQUEUE_PI:
		return (struct plan){ WAITS, { .address = word, .condition = true }, NULL };
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET: return (struct plan){ WAKES, { .address = word }, NULL };
	case FUTEX_WAKE_OP: return (struct plan){ WAKES, { .address = word }, (const void *)a[4] };
	case FUTEX_UNLOCK_PI: return (struct plan){ WAKES, { .address = word, .inherits = true }, NULL };
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_CMP_REQUEUE_PI:
		return (struct plan){ WAKES, { .address = word, .condition = true }, NULL };
	default: return (struct plan){ NEITHER, { .address = NULL }, NULL };
	}
}

static struct plan plan_of(long number, const long a[6])
{
	const void *word = (const void *)a[0];

	switch (number) {
	case SYS_futex_wait:
		return (struct plan){ WAITS,
				      { .address = word, .expected = (uint32_t)a[1], .compares = true },
				      NULL };
	case SYS_futex_wake: return (struct plan){ WAKES, { .address = word }, NULL };
	case SYS_futex_waitv:
		return (struct plan){ WAITS, episode_first_word(word, (unsigned int)a[1]), NULL };
	case SYS_futex_requeue: {
		struct plan p = { WAKES, episode_first_word(word, 2), NULL };

		p.word.condition = true;
		return p;
	}
	default: return plan_futex(a);
	}
}

static inline long call(long number, const long a[6])
{
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static COLD long waits(struct thread *t, const struct plan *p, long number, const long a[6], struct site site)
{
	struct futex_wait w;
	int saved = errno, error;
	long r;

	if (!episode_wait_begin(t, p->word, site, &w))
		return call(number, a);
	errno = saved;
	r = call(number, a);
	error = errno;
	episode_wait_end(t, &w, r < 0 ? error : 0);
	errno = error;
	return r;
}

/* In a function of a lock that is recorded: what it lets go of is not told here, but threads may wait for work there. */
static void wakes_silently(struct thread *t, const void *address, const struct futex_word *word,
			   struct site site)
{
	struct futex_word w = *word;

	w.address = address;
	if (address != NULL && address != futex_told &&
	    __atomic_load_n(futex_waiting_at(address), __ATOMIC_RELAXED) != 0)
		episode_wake_work(t, w, site);
}

static long call_silently(struct thread *t, long number, const long a[6], struct site site)
{
	struct plan p = plan_of(number, a);
	int saved = errno;

	if (p.what == WAKES) {
		wakes_silently(t, p.word.address, &p.word, site);
		wakes_silently(t, p.also, &p.word, site);
	}
	errno = saved;
	return call(number, a);
}

static COLD long wakes(struct thread *t, const struct plan *p, long number, const long a[6], struct site site)
{
	struct futex_release release, second;
	int saved = errno;
	long r;

	episode_release(t, p->word, site, &release);
	if (p->also != NULL)
		episode_release(t, (struct futex_word){ .address = p->also }, site, &second);
	errno = saved;
	r = call(number, a);
	saved = errno;
	episode_released(t, &release);
	if (p->also != NULL)
		episode_released(t, &second);
	errno = saved;
	return r;
}

static bool wakes_nobody(struct thread *t, const struct plan *p)
{
	return episode_no_news(t, p->word.address) && (p->also == NULL || episode_no_news(t, p->also));
}

/* Those that sleep or wake. */
static long recorded(struct thread *t, long number, const long a[6], struct site site)
{
	struct plan p = plan_of(number, a);

	switch (p.what) {
	case WAKES: return wakes_nobody(t, &p) ? call(number, a) : wakes(t, &p, number, a, site);
	case WAITS: return waits(t, &p, number, a, site);
	default: return call(number, a);
	}
}

long futex_call(long number, const long a[6], struct site site)
{
	struct thread *t = recorder_enter_quickly();

	if (t == NULL)
		return call(number, a);
	if (unlikely(silent_is(t, (uintptr_t)__builtin_frame_address(0), KIND_FUTEX)))
		return call_silently(t, number, a, site);
	return recorded(t, number, a, site);
}
