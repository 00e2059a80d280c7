/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Memory for the books of locks that threads wait for. A thread keeps one for itself; the others are in one list, which has a
 * lock of its own. Called by waited.c; the caller is busy. */
#ifndef MUTRACE_RECORD_BOOKS_H
#define MUTRACE_RECORD_BOOKS_H

#include "src/record/overlap.h"
#include "src/record/state.h"

/* NULL: no memory. */
struct overlap *books_take(struct thread *t);
void books_put(struct thread *t, struct overlap *o);
/* In a forked child. */
void books_reset(void);

#endif
