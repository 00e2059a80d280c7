/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Names that the program gives to its locks (mutrace.h). A record with a name (STATE_NAMED) is used again for locks of that
 * name only. A name may come before the lock is known; then it waits for the lock's first use. Tables of fixed size: NAMES_AT_ONCE
 * named locks live at once, and what has no room stays without a name.
 *
 * Runs in the profiled process, with "busy" set; takes a lock of its own, and under it that of the image. Called by
 * records.c and locks.c.
 */
#ifndef MUTRACE_RECORD_NAMES_H
#define MUTRACE_RECORD_NAMES_H

#include "src/record/state.h"

#define NAMES_AT_ONCE 4096u
#define NAME_CREATOR 0xfffffffeu /* lock_rec.creator of a dead record that waits for its name */

/* The number of a name, not 0; 0: there is no room. */
uint32_t names_number(const struct thread *t, const char *name);
/* The name of a record; 0: it has none. */
uint32_t names_of(const struct thread *t, uint32_t lock);
/* Gives a record that has none a name. False: there is no room. */
bool names_give(struct thread *t, uint32_t lock, uint32_t name);
/* Keeps a dead record with a name. False: it has no name. */
bool names_put(const struct thread *t, struct lock_rec *l);
/* A dead record with this name, for a lock of the same kind; 0: there is none. */
uint32_t names_get(const struct thread *t, uint32_t name, uint8_t kind);
/* A lock at this address gets a name when it is made. */
void names_expect(const struct thread *t, uint64_t address, uint32_t name);
/* True if any lock is expected. */
extern uint32_t names_expected;
/* The name that a lock which was made now is to have; 0: none. */
uint32_t names_take(const struct thread *t, uint64_t address);
/* In a forked child, before it has an image: named locks that live are expected. */
void names_reset(void);

#endif
