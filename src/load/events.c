/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Events: what happened to each thread, in the order of its time. Where there is no room left the oldest chunk
 * is written over, also while we read: then that chunk is passed by. Runs in mutrace. Called by items.c and resolve.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/load/image.h"

static struct model_event *event_add(struct image *im, const struct image_chunk *c, const struct event *e)
{
	struct model_process *p = im->process;
	struct model_event *m;

	if (array_grow(&p->events, p->n_events, &im->cap_events, sizeof(*p->events)) < 0 ||
	    array_grow(&im->event_chunks, p->n_events, &im->cap_event_chunks, sizeof(*im->event_chunks)) < 0)
		return NULL;
	im->event_chunks[p->n_events] = (uint32_t)(c - im->chunks);
	m = &p->events[p->n_events++];
	*m = (struct model_event){
		.type = e->type,
		.side = e->side == SIDE_SHARED,
		.flags = e->flags,
		.thread = c->thread,
		.lock = e->lock,
		.other = e->other,
		.stack = e->stack,
		.begin_ns = e->begin,
		.end_ns = e->end,
		.within = MODEL_NONE,
	};
	return m;
}

/* A wait and the hold after it, each by itself. */
static int event_part(struct image *im, const struct image_chunk *c, const struct event *e)
{
	struct model_event *wait = event_add(im, c, e), *hold;
	uint64_t end = e->begin + e->waited;

	if (!wait)
		return -ENOMEM;
	wait->type = EVENT_WAIT;
	wait->end_ns = end;
	if (e->held_after == 0 || e->flags & EVENT_TIMED_OUT)
		return 0;
	hold = event_add(im, c, e);
	if (!hold)
		return -ENOMEM;
	hold->type = EVENT_HOLD;
	hold->flags = EVENT_WAITED;
	hold->other = 0;
	hold->begin_ns = end;
	hold->end_ns = end + e->held_after;
	return 0;
}

static int event_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	const struct event copy = *(const struct event *)item, *e = &copy; /* it may be written to just now */
	struct model_event *m;

	(void)number;
	if (e->type == 0 || e->type >= EVENT_MAX)
		return 0;
	if (e->type == EVENT_TAKE)
		return event_part(im, c, e);
	m = event_add(im, c, e);
	if (!m)
		return -ENOMEM;
	if (e->type == EVENT_SUM) {
		m->span_ns = e->held;
		m->holds = e->holds;
		m->within = e->within;
	} else if (e->type == EVENT_EXIT || e->type == EVENT_START) {
		m->span_ns = e->begin;
	} else if (e->type == EVENT_NAP) {
		m->span_ns = (uint64_t)e->other << EVENT_NAP_UNIT_LOG;
		m->other = 0;
	}
	return 0;
}

/* True if the chunk still has what it had when it was read. */
static bool unchanged(const struct image *im, const struct image_chunk *c)
{
	struct chunk now;

	return file_read(im->fd, &now, sizeof(now), c->offset) == (int64_t)sizeof(now) &&
	       now.first == c->stream && now.thread == c->thread && now.used >= c->used;
}

int events_read(struct image *im)
{
	struct model_process *p = im->process;
	size_t i, n = 0;
	int r = chunks_each(im, CHUNK_EVENTS, sizeof(struct event), event_take);

	if (r < 0)
		return r;
	for (i = 0; i < im->n_chunks; i++) {
		if (im->chunks[i].type == CHUNK_EVENTS)
			im->chunks[i].gone = !unchanged(im, &im->chunks[i]);
	}
	for (i = 0; i < p->n_events; i++) {
		if (im->chunks[im->event_chunks[i]].gone)
			continue;
		im->event_chunks[n] = im->event_chunks[i];
		p->events[n++] = p->events[i];
	}
	p->n_events = n;
	return 0;
}

/* The events of one chunk: in the file they stand together, in the order of the thread's time. */
struct run {
	uint32_t thread;
	uint64_t stream; /* of the chunk */
	size_t first, n;
};

static int run_compare(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Returns how many there are; those of no thread are left out. */
static size_t runs_find(struct image *im, struct run *runs)
{
	struct model_process *p = im->process;
	size_t n = 0;

	for (size_t i = 0, next; i < p->n_events; i = next) {
		uint32_t thread = chunks_number(im, CHUNK_THREAD, p->events[i].thread);

		for (next = i + 1; next < p->n_events && im->event_chunks[next] == im->event_chunks[i];)
			next++;
		if (thread == MODEL_NONE)
			p->damaged += next - i;
		else
			runs[n++] =
				(struct run){ thread, im->chunks[im->event_chunks[i]].stream, i, next - i };
	}
	return n;
}

/* Sorts them by thread and, within one, by their order; those of no thread fall out. 0 or -errno. */
static int events_sort(struct image *im)
{
	struct model_process *p = im->process;
	struct run *runs = malloc((im->n_chunks + 1) * sizeof(*runs));
	struct model_event *sorted = malloc((p->n_events + 1) * sizeof(*sorted));
	size_t n, all = 0;

	if (!runs || !sorted) {
		free(runs);
		free(sorted);
		return -ENOMEM;
	}
	n = runs_find(im, runs);
	qsort(runs, n, sizeof(*runs), run_compare);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < runs[i].n; k++, all++) {
			sorted[all] = p->events[runs[i].first + k];
			sorted[all].thread = runs[i].thread;
		}
	free(runs);
	free(p->events);
	p->events = sorted;
	p->n_events = all;
	return 0;
}

/* How many events of a thread are no longer there: as many as came before the oldest of its chunks. */
static void lost_take(struct image *im)
{
	struct model_process *p = im->process;
	size_t i;

	for (i = 0; i < p->n_threads; i++)
		p->threads[i].events_lost = UINT64_MAX;
	for (i = 0; i < im->n_chunks; i++) {
		const struct image_chunk *c = &im->chunks[i];
		uint32_t thread =
			c->type == CHUNK_EVENTS ? chunks_number(im, CHUNK_THREAD, c->thread) : MODEL_NONE;

		if (thread != MODEL_NONE && !c->gone && c->used != 0 &&
		    c->stream < p->threads[thread].events_lost)
			p->threads[thread].events_lost = c->stream;
	}
	for (i = 0; i < p->n_threads; i++) {
		if (p->threads[i].events_lost == UINT64_MAX)
			p->threads[i].events_lost = 0;
	}
}

int events_resolve(struct image *im)
{
	struct model_process *p = im->process;
	uint64_t before = 0;
	size_t i;
	int r = events_sort(im);

	if (r < 0)
		return r;
	lost_take(im);
	for (i = 0; i < p->n_events; i++) {
		struct model_event *e = &p->events[i];
		struct model_thread *t = &p->threads[e->thread];

		if (t->events_count++ == 0) {
			t->events_first = (uint32_t)i;
			before = 0;
		}
		e->lock = lock_number(im, e->lock);
		e->within = lock_number(im, e->within);
		e->other = chunks_number(im, CHUNK_THREAD, e->other);
		if (e->type == EVENT_SUM) {
			if (e->lock == MODEL_NONE || p->locks[e->lock].kind != KIND_SEM)
				e->span_ns = ticks_span(&im->rate, e->span_ns);
			e->begin_ns = e->end_ns = before;
		} else {
			e->end_ns = ticks_time(&im->rate, e->end_ns);
			e->begin_ns = e->type == EVENT_EXIT || e->type == EVENT_START
					      ? e->end_ns
					      : ticks_time(&im->rate, e->begin_ns);
			if (e->type == EVENT_NAP)
				e->span_ns = ticks_span(&im->rate, e->span_ns);
			else
				before = e->end_ns;
		}
		r = stack_resolve(im, &e->stack);
		if (r < 0)
			return r;
	}
	return 0;
}
