/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The time line of the page: waits and holds of each thread, and what ended the waits. Where there are more than a page
 * can have, the shortest are left out, and it is said from which length on all are there. Called by html.c.
 */
#include <stdlib.h>

#include "src/render/html/private.h"
#include "src/trace/timeline.h"

#define SLICES_MOST 60000u
#define LENGTHS (64u * 8u) /* classes of lengths, eight for each power of two */

struct line_writer {
	struct html_page *page;
	const struct report_process *e;
	const struct model_process *p;
	struct timeline time;
	size_t lengths[LENGTHS];
	unsigned int least; /* class of the shortest ones that are shown */
	size_t left_out;
};

static unsigned int length_class(uint64_t ns)
{
	unsigned int bits = 63u - (unsigned int)__builtin_clzll(ns | 1);
	uint64_t part = bits >= 3 ? ns >> (bits - 3) & 7 : ns << (3 - bits) & 7;

	return bits * 8 + (unsigned int)part;
}

/* The row of a slice that is to be shown, NULL: none of it is. */
static const struct report_row *shown_row(const struct line_writer *w, const struct slice *s)
{
	if (!slice_lasts(s) || s->lock == MODEL_NONE)
		return NULL;
	return report_row_of(w->e, 0, s->lock);
}

/* A list of numbers for each slice: begin after the one before, length, type, lock, lane, the thread that ended it plus
 * 1, and how long before its end; the last two are 0 where that is not known. */
static void slice_add(struct line_writer *w, json_t *list, const struct slice *s,
		      const struct report_row *row, uint64_t *begin)
{
	struct json_out *j = w->page->json;
	uint32_t cause = s->event == MODEL_NONE ? MODEL_NONE : w->time.cause[s->event];
	uint64_t numbers[7] = { s->begin_ns - *begin, s->end_ns - s->begin_ns, s->type, row->id, s->lane };

	if (cause != MODEL_NONE) {
		const struct model_event *by = &w->p->events[cause];
		uint64_t effect = timeline_effect_ns(by);

		numbers[5] = by->thread + 1u;
		numbers[6] = effect < s->end_ns ? s->end_ns - effect : 0;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_append(j, list, json_count(numbers[i]));
	*begin = s->begin_ns;
}

static void lengths_count(struct line_writer *w, const struct slice *slices, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (shown_row(w, &slices[i]))
			w->lengths[length_class(slices[i].end_ns - slices[i].begin_ns)]++;
}

static void thread_emit(struct line_writer *w, uint32_t thread, const struct slice *slices, size_t n)
{
	const struct model_thread *t = &w->p->threads[thread];
	json_t *o = json_object(), *list = json_array();
	struct json_out *j = w->page->json;
	uint64_t begin = 0;

	for (size_t i = 0; i < n; i++) {
		const struct report_row *row = shown_row(w, &slices[i]);

		if (row && length_class(slices[i].end_ns - slices[i].begin_ns) >= w->least)
			slice_add(w, list, &slices[i], row, &begin);
	}
	json_set_count(j, o, "tid", t->tid);
	json_set(j, o, "name", json_text(t->name));
	json_set(j, o, "slices", list);
	json_emit(j, NULL, o);
}

/* All threads once. 0 or -ENOMEM. */
static int threads_walk(struct line_writer *w, bool emit)
{
	for (uint32_t i = 0; i < w->p->n_threads; i++) {
		struct slice *slices = NULL;
		size_t n = 0;
		int r = timeline_thread(&w->time, i, &slices, &n);

		if (r == 0 && emit)
			thread_emit(w, i, slices, n);
		else if (r == 0)
			lengths_count(w, slices, n);
		free(slices);
		if (r < 0)
			return r;
	}
	return 0;
}

static void least_choose(struct line_writer *w)
{
	size_t n = 0;

	for (unsigned int i = LENGTHS; i-- > 0;) {
		if (n + w->lengths[i] > SLICES_MOST) {
			w->least = i + 1;
			break;
		}
		n += w->lengths[i];
	}
	for (unsigned int i = 0; i < w->least; i++)
		w->left_out += w->lengths[i];
}

void html_timeline(struct html_page *page, const struct report_process *e)
{
	struct line_writer w = { .page = page, .e = e, .p = e->first };
	int r;

	if (e->n_processes != 1 || e->first->n_events == 0)
		return;
	r = timeline_new(e->first, &w.time);
	if (r == 0)
		r = threads_walk(&w, false);
	if (r == 0) {
		least_choose(&w);
		json_open_object(page->json, "timeline");
		json_emit(page->json, "from_ns", json_count(w.time.overwritten ? w.time.from_ns : 0));
		json_emit(page->json, "left_out", json_count(w.left_out));
		json_open_array(page->json, "threads");
		r = threads_walk(&w, true);
		json_close(page->json);
		json_close(page->json);
	}
	if (r < 0)
		json_out_fail(page->json, r);
	timeline_free(&w.time);
}
