/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Records that are no lock: two threads that use a new lock for the first time at once make two records of it, and the
 * second one is given up, marked dead and never counted in. Runs in mutrace. Called by resolve.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/load/image.h"

int spares_drop(struct model_process *p)
{
	bool *used;
	size_t i;

	for (i = 0; i < p->n_locks; i++) {
		if (p->locks[i].flags & LOCK_FOLD) /* whose use does not show: all of them were used */
			return 0;
	}
	used = calloc(p->n_locks + 1, sizeof(*used));
	if (!used)
		return -ENOMEM;
	for (i = 0; i < p->n_cells; i++)
		used[p->cells[i].lock] = true;
	for (i = 0; i < p->n_edges; i++)
		used[p->edges[i].lock] = true;
	for (i = 0; i < p->n_threads; i++) {
		if (p->threads[i].waiting_lock != MODEL_NONE)
			used[p->threads[i].waiting_lock] = true;
	}
	for (i = 0; i < p->n_locks; i++) {
		struct model_lock *l = &p->locks[i];

		if (!used[i] && l->state & STATE_DEAD && !(l->flags & LOCK_INITIALIZED) &&
		    l->created_stack == MODEL_NONE && l->misuses == 0)
			l->kind = 0;
	}
	free(used);
	return 0;
}
