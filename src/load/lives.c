/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Of threads: those that had a record before its present one, and which waits for whose end. Runs in mutrace. Called by
 * items.c and resolve.c.
 */
#include <errno.h>
#include <string.h>

#include "src/load/image.h"

int lives_take(struct image *im, const struct thread_rec *t, uint32_t number)
{
	struct model_process *p = im->process;

	for (int i = 0; i < LIVES; i++) {
		const struct life_rec *l = &t->lives[i];
		struct model_life *m;

		if (l->count == 0)
			continue;
		if (array_grow(&p->lives, p->n_lives, &im->cap_lives, sizeof(*p->lives)) < 0)
			return -ENOMEM;
		m = &p->lives[p->n_lives++];
		*m = (struct model_life){
			.thread = number,
			.count = l->count,
			.tid = l->tid,
			.life_ns = ticks_span(&im->rate, l->life),
			.blocked_ns = ticks_span(&im->rate, l->blocked),
			.cpu_ns = l->cpu_ns,
		};
		for (int k = 0; k < WAIT_CLASSES; k++)
			m->waited_ns[k] = ticks_span(&im->rate, l->waited[k]);
		memcpy(m->name, l->name, sizeof(l->name));
	}
	return 0;
}

int joins_resolve(struct image *im)
{
	struct model_process *p = im->process;
	struct table alive = { 0 };
	int r = 0;

	for (size_t i = 0; i < p->n_threads && r == 0; i++)
		if (!p->threads[i].ended && im->joins[i].self)
			r = table_put(&alive, im->joins[i].self, 0, (uint32_t)i);
	for (size_t i = 0; i < p->n_threads; i++) {
		struct model_thread *t = &p->threads[i];
		bool joins = !t->ended && t->waiting_lock == MODEL_NONE && im->joins[i].joining;

		t->joining = joins ? table_get(&alive, im->joins[i].joining, 0) : MODEL_NONE;
	}
	table_free(&alive);
	return r;
}
