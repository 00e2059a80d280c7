/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The books of locks that are waited for, see books.h. */
#include "src/record/books.h"

#include <string.h>

#include "src/record/memory.h"
#include "src/record/pilock.h"

struct bucket books_buckets[1u << BUCKETS_LOG];
static struct overlap *spares;
static uint32_t spares_word;

struct overlap *books_find(struct thread *t)
{
	struct overlap *o;

	if (!pilock_lock(&spares_word, t->tid))
		return NULL;
	o = spares;
	if (o != NULL)
		spares = o->next;
	pilock_unlock(&spares_word, t->tid);
	return o != NULL ? o : memory_piece(sizeof(*o), t->tid);
}

void books_leave(struct thread *t, struct overlap *o)
{
	if (!pilock_lock(&spares_word, t->tid))
		return; /* never used again */
	o->next = spares;
	spares = o;
	pilock_unlock(&spares_word, t->tid);
}

void books_reset(void)
{
	memset(books_buckets, 0, sizeof(books_buckets));
	spares = NULL;
	spares_word = 0;
}
