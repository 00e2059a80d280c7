/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads that were signalled while they waited for a condition, and are not back because somebody has the mutex: they
 * wait for that since the signal. Runs in mutrace. Called by items.c and unfinished.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/base/whole.h"
#include "src/load/image.h"

static int signal_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	const struct signal_rec *s = item;

	(void)c, (void)number;
	if (s->left == 0)
		return 0;
	if (array_grow(&im->signals, im->n_signals, &im->cap_signals, sizeof(*im->signals)) < 0)
		return -ENOMEM;
	im->signals[im->n_signals++] = *s;
	return 0;
}

int signals_read(struct image *im)
{
	return chunks_each(im, CHUNK_SIGNALS, sizeof(struct signal_rec), signal_take);
}

/* A session may be made to cost time: so many signals are looked at. */
#define SIGNALS_MOST 4096u

/* The thread that has waited longest for a condition when it was signalled; MODEL_NONE if there is none. */
static uint32_t longest_waiter(const struct model_process *p, uint32_t cond, uint64_t at_ns)
{
	uint32_t found = MODEL_NONE;

	for (uint32_t i = 0; i < p->n_threads; i++) {
		const struct model_thread *t = &p->threads[i];

		if (t->waiting_lock == cond && t->waiting_since_ns <= at_ns &&
		    (found == MODEL_NONE || t->waiting_since_ns < p->threads[found].waiting_since_ns))
			found = i;
	}
	return found;
}

/* From the signal on the thread waits for the mutex. What it waited for the condition is over. */
static int wait_part(struct image *im, uint32_t thread, uint32_t mutex, uint64_t at_ns)
{
	struct model_process *p = im->process;
	struct model_thread *t = &p->threads[thread];
	uint64_t ns = at_ns - t->waiting_since_ns;
	struct model_edge *e;

	if (array_grow(&p->edges, p->n_edges, &im->cap_edges, sizeof(*p->edges)) < 0)
		return -ENOMEM;
	e = &p->edges[p->n_edges++];
	*e = edge_from(&(struct wait_facts){ .holder = MODEL_NONE }, SIDE_EXCLUSIVE);
	e->lock = t->waiting_lock;
	e->thread = thread;
	e->phase = t->waiting_phase;
	e->wait_stack = t->waiting_stack;
	e->hold_stack = MODEL_NONE;
	e->count = 1;
	e->wait_total = e->wait_max = ns;
	e->hist[hist_bucket(whole((double)ns / im->rate.ns_per_tick))] = 1;
	t->waiting_lock = mutex;
	t->waiting_since_ns = at_ns;
	t->waiting_timed = false;
	return 0;
}

int signals_answer(struct image *im, const uint32_t *holder)
{
	struct model_process *p = im->process;
	uint32_t answered = 0;

	for (size_t i = 0; i < im->n_signals && i < SIGNALS_MOST; i++) {
		const struct signal_rec *s = &im->signals[i];
		uint32_t cond = lock_number(im, s->cond), mutex = lock_number(im, s->mutex);
		uint64_t at_ns = ticks_time(&im->rate, s->at);

		if (cond == MODEL_NONE || mutex == MODEL_NONE || p->locks[cond].kind != KIND_COND ||
		    holder[mutex] == MODEL_NONE)
			continue;
		for (uint32_t k = 0; k < s->left && answered < SIGNALS_MOST; k++, answered++) {
			uint32_t thread = longest_waiter(p, cond, at_ns);

			if (thread == MODEL_NONE)
				break;
			if (wait_part(im, thread, mutex, at_ns) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}
