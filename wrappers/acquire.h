/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shared by the wrappers of all kinds of locks. */
#ifndef MUTRACE_WRAPPERS_ACQUIRE_H
#define MUTRACE_WRAPPERS_ACQUIRE_H

#include "src/record/hot.h"
#include "src/record/use.h"

static inline struct use use_of(const struct call_slot *s)
{
	return (struct use){ s->cell, s->lock };
}

/* The calling thread, for what is not recorded with --contended-only: initialisations, ends, signals. NULL:
 * call the original. */
static inline struct thread *enter_uncontended(void)
{
	struct thread *t = recorder_enter_quickly();

	return t != NULL && t->mode != MODE_CONTENDED ? t : NULL;
}

/* After an initialisation that succeeded; flags: LOCK_* that the object does not tell. */
static inline void initialized_at(const void *lock, uint8_t kind, uint8_t flags, struct site site)
{
	struct thread *t = enter_uncontended();
	struct lock_attributes a;

	if (t == NULL)
		return;
	a = object_attributes(lock, kind);
	a.flags |= flags;
	recorder_init(t, lock, a, site);
}

#endif
