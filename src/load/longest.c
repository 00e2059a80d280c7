/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The longest waits, from the session into the model. One that is being written just now is passed by; it is not among
 * the longest yet. Runs in mutrace. Called by items.c and resolve.c.
 */
#include <errno.h>
#include <string.h>

#include "src/base/array.h"
#include "src/load/image.h"

static int longest_item(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct long_wait *w = item;
	struct model_long_wait *m;

	(void)c;
	(void)number;
	if (w->sum != long_wait_sum(w))
		return 0;
	if (array_grow(&p->longest, p->n_longest, &im->cap_longest, sizeof(*p->longest)) < 0)
		return -ENOMEM;
	m = &p->longest[p->n_longest++];
	*m = (struct model_long_wait){
		.begin_ns = w->begin,
		.wait_ns = w->length,
		.realtime_ns = w->realtime_ns,
		.hold_address = w->hold_site,
		.lock = w->lock,
		.waiter = { .thread = w->waiter, .generation = w->waiter_generation, .tid = w->waiter_tid },
		.holder = { .thread = w->holder, .generation = w->holder_generation, .tid = w->holder_tid },
		.wait_stack = w->wait_stack,
		.hold_stack = w->hold_stack,
		.side = w->side == SIDE_SHARED,
		.gave_up = w->gave_up != 0,
	};
	memcpy(m->waiter.name, w->waiter_name, sizeof(w->waiter_name));
	memcpy(m->holder.name, w->holder_name, sizeof(w->holder_name));
	return 0;
}

int longest_read(struct image *im)
{
	return chunks_each(im, CHUNK_LONGEST, sizeof(struct long_wait), longest_item);
}

/* A thread's last name is its best one. */
static void who_resolve(struct image *im, struct model_who *who)
{
	const struct model_thread *t;

	who->thread = thread_number(im, who->thread);
	if (who->thread == MODEL_NONE)
		return;
	t = &im->process->threads[who->thread];
	if (t->generation == who->generation && t->name[0])
		memcpy(who->name, t->name, sizeof(who->name));
}

int longest_resolve(struct image *im)
{
	struct model_process *p = im->process;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < p->n_longest; i++) {
		struct model_long_wait *w = &p->longest[n];

		*w = p->longest[i];
		w->lock = lock_number(im, w->lock);
		who_resolve(im, &w->waiter);
		who_resolve(im, &w->holder);
		w->wait_ns = ticks_time(&im->rate, w->begin_ns + w->wait_ns); /* as of events, by both ends */
		w->begin_ns = ticks_time(&im->rate, w->begin_ns);
		w->wait_ns = w->wait_ns > w->begin_ns ? w->wait_ns - w->begin_ns : 0;
		if ((r = stack_resolve(im, &w->wait_stack)) < 0 ||
		    (r = stack_resolve(im, &w->hold_stack)) < 0 ||
		    (r = frame_resolve(im, w->hold_address, &w->hold_site)) < 0)
			return r;
		n += w->lock != MODEL_NONE && w->waiter.thread != MODEL_NONE;
	}
	p->n_longest = n;
	return 0;
}
