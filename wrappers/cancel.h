/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A wait that a cancellation may end, by which the wrapper never returns. */
#ifndef MUTRACE_WRAPPERS_CANCEL_H
#define MUTRACE_WRAPPERS_CANCEL_H

#include "src/record/recorder.h"

struct cancellable {
	struct thread *thread;
	struct wait wait;
	struct use use;
	uint32_t *waiters; /* to be lowered, or NULL */
	/* condition variables: the mutex that is held again when the wait ends; cell 0: none */
	struct use mutex_use;
	const void *mutex;
};

/* For pthread_cleanup_push(), with a struct cancellable: books a wait that did not end well. */
void cancellable_unwound(void *data);
/* The mutex of a condition variable is held again. */
void cancellable_reopen(const struct cancellable *c);

#endif
