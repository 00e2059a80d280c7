/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * free, as the end of locks that no call destroys. Nearly all calls cost two loads more. The block is the
 * allocator's business as before, whichever allocator that is.
 */
#include <errno.h>

#include "src/record/heap.h"
#include "src/record/recorder.h"
#include "wrappers/real.h"

static COLD void free_slow(void *p)
{
	struct thread *t;
	int saved = errno;

	if (!real.resolved) {
		static __thread bool resolving __attribute__((tls_model("initial-exec")));

		if (resolving) /* the loader frees something while it looks free up: that is lost */
			return;
		resolving = true;
		real_need();
		resolving = false;
	}
	if (p != NULL && heap_may_hold((uintptr_t)p) && REAL(malloc_usable_size) != NULL &&
	    !busy_is(thread_self) && thread_self->mode != MODE_OFF && (t = recorder_enter()) != NULL)
		recorder_freeing(t, (uintptr_t)p, REAL(malloc_usable_size)(p));
	errno = saved;
	REAL(free)(p);
}

EXPORT void free(void *p)
{
	if (likely(!heap_may_hold((uintptr_t)p)) && likely(REAL(free) != NULL))
		REAL(free)(p);
	else
		free_slow(p);
}
