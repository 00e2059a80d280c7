/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Books that no lock has now, see books.h. */
#include "src/record/books.h"

#include "src/record/memory.h"
#include "src/record/pilock.h"

static struct overlap *spares;
static uint32_t spares_word;

struct overlap *books_take(struct thread *t)
{
	struct overlap *o = t->books_spare;

	if (o) {
		t->books_spare = NULL;
		return o;
	}
	if (!pilock_lock(&spares_word, t->tid))
		return NULL;
	o = spares;
	if (o != NULL)
		spares = o->next;
	pilock_unlock(&spares_word, t->tid);
	return o != NULL ? o : memory_piece(sizeof(*o), t->tid);
}

void books_put(struct thread *t, struct overlap *o)
{
	if (!t->books_spare) {
		t->books_spare = o;
		return;
	}
	if (!pilock_lock(&spares_word, t->tid))
		return; /* never used again */
	o->next = spares;
	spares = o;
	pilock_unlock(&spares_word, t->tid);
}

void books_reset(void)
{
	spares = NULL;
	spares_word = 0;
}
