/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * In which order locks are taken: which were held when a thread asked for another. Told by the slow paths of lock
 * calls, so an uncontended call that the cache knows costs nothing, and a pair is known from its first time on. Runs on
 * the calling thread, takes no lock.
 */
#ifndef MUTRACE_RECORD_ORDERS_H
#define MUTRACE_RECORD_ORDERS_H

#include "src/record/recorder.h"

void orders_book(struct thread *t, struct use use, uint8_t side, struct site site);

/* The calling thread asks for a lock and would wait for it, however long. */
static inline void orders_note(struct thread *t, struct use use, uint8_t side, struct site site)
{
	if (t->top >= t->held_first)
		orders_book(t, use, side, site);
}

#endif
