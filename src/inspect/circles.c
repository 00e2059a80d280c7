/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Circles of threads that wait for one another. Each waits for one thing with one holder at most, so following is enough. */
#include "src/inspect/private.h"

#include <errno.h>
#include <stdlib.h>

uint32_t inspect_next(const struct inspection *i, uint32_t thread)
{
	const struct inspect_thread *t = &i->threads[thread];
	const struct inspect_object *o = t->object == INSPECT_NONE ? NULL : &i->objects[t->object];

	return o && o->owner == OWNER_THREAD ? o->holder : INSPECT_NONE;
}

/* A thread that was not asleep all the time may have gone on meanwhile. */
static bool follows(const struct inspection *i, uint32_t thread)
{
	return i->threads[thread].still && inspect_next(i, thread) != INSPECT_NONE;
}

static int circle_take(struct inspect_private *v, uint32_t first)
{
	struct inspection *i = &v->i;
	struct inspect_circle *c = &i->circles[i->n_circles];
	uint32_t at = first;

	*c = (struct inspect_circle){ 0 };
	do {
		c->n++;
		c->timed = c->timed || i->threads[at].timed;
		at = inspect_next(i, at);
	} while (at != first);
	c->threads = pool_take(&v->pool, c->n * sizeof(*c->threads));
	if (!c->threads)
		return -ENOMEM;
	for (size_t k = 0; k < c->n; k++, at = inspect_next(i, at)) {
		c->threads[k] = at;
		i->threads[at].circle = (uint32_t)i->n_circles;
	}
	i->n_circles++;
	return 0;
}

int circles_find(struct inspect_private *v)
{
	struct inspection *i = &v->i;
	uint32_t *walk = calloc(i->n_threads + 1, sizeof(*walk)), at;
	int r = 0;

	i->n_circles = 0;
	i->circles = pool_take(&v->pool, (i->n_threads + 1) * sizeof(*i->circles));
	if (!walk || !i->circles)
		r = -ENOMEM;
	for (uint32_t k = 0; k < i->n_threads; k++)
		i->threads[k].circle = INSPECT_NONE;
	/* walk: by thread, the number of the walk that came by */
	for (uint32_t k = 0; k < i->n_threads && r == 0; k++) {
		for (at = k; walk[at] == 0 && follows(i, at); at = inspect_next(i, at))
			walk[at] = k + 1;
		if (walk[at] == k + 1 && follows(i, at))
			r = circle_take(v, at);
	}
	free(walk);
	return r;
}
