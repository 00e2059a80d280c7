/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The C library's own locks: those of malloc's arenas, of FILEs, of the time zone, the loader and others. Only calls
 * that wait or wake are seen. A waiting call returns when its thread has the lock, so it is one contended
 * acquisition, and whoever waited wakes when it lets go. Whoever wakes and did not wait was the holder.
 *
 * All this may run inside malloc() and free(). Takes no lock but those of the functions that it calls. Called by
 * wrappers/lowlock.c and wrappers/flockfile.c.
 */
#ifndef MUTRACE_RECORD_LOWLOCK_H
#define MUTRACE_RECORD_LOWLOCK_H

#include "src/record/episodes.h"

/* Before the program runs: the FILEs that everybody has. */
void lowlock_start(void);

/* True if calls of the C library's lowest lock functions that are made now are to be passed by: below a wait that is
 * recorded, or within the recorder. here: a frame's address. */
bool lowlock_silent(struct thread *t, uintptr_t here);

/* A waiting call that is going on. Lives on the stack of a wrapper. */
struct lowlock_wait {
	struct use use;
	struct wait wait;
};

/* Before and after the call. False: it is not recorded. */
bool lowlock_wait_begin(struct thread *t, const void *word, struct site site, struct lowlock_wait *w);
void lowlock_wait_end(struct thread *t, const void *word, struct lowlock_wait *w);

/* True if a wake is no news: nobody is known to wait there, and this thread did not. */
bool lowlock_no_news(struct thread *t, const void *word);

/* Other wrappers know of a FILE's lock what it is. */
void lowlock_name_file(struct thread *t, uint32_t lock, const void *word);

#endif
