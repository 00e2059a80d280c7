/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The orders in which threads took locks, from the session into the model. Runs in mutrace. Called by items.c and
 * resolve.c. */
#include <errno.h>

#include "src/base/array.h"
#include "src/load/image.h"

static int order_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct order_rec *o = item;
	struct model_order *m;

	if (array_grow(&p->orders, number, &im->cap_orders, sizeof(*p->orders)) < 0)
		return -ENOMEM;
	m = &p->orders[p->n_orders++];
	*m = (struct model_order){
		.thread = c->thread,
		.generation = o->generation,
		.several = o->several != 0,
		.held = o->held,
		.taken = o->taken,
		.held_stack = o->held_stack,
		.taken_stack = o->taken_stack,
		.held_side = o->held_side == SIDE_SHARED,
		.taken_side = o->taken_side == SIDE_SHARED,
		.n_gates = o->n_gates <= ORDER_GATES ? o->n_gates : 0,
	};
	for (uint32_t i = 0; i < m->n_gates; i++)
		m->gate[i] = o->gate[i];
	return 0;
}

int orders_read(struct image *im)
{
	return chunks_each(im, CHUNK_ORDERS, sizeof(struct order_rec), order_take);
}

int orders_resolve(struct image *im)
{
	struct model_process *p = im->process;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < p->n_orders; i++) {
		struct model_order *o = &p->orders[n];

		*o = p->orders[i];
		o->thread = chunks_number(im, CHUNK_THREAD, o->thread);
		o->held = lock_number(im, o->held);
		o->taken = lock_number(im, o->taken);
		for (uint32_t k = 0; k < o->n_gates; k++)
			o->gate[k] = lock_number(im, o->gate[k]);
		if ((r = stack_resolve(im, &o->held_stack)) < 0 ||
		    (r = stack_resolve(im, &o->taken_stack)) < 0)
			return r;
		/* a lock that was recording nothing else may not be in use */
		n += o->thread != MODEL_NONE && o->held != MODEL_NONE && o->taken != MODEL_NONE;
	}
	p->n_orders = n;
	return 0;
}
