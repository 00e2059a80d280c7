/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The phases of a program: from the session into the model; and which of them the user asks for. Runs in mutrace. Called by
 * items.c, resolve.c and src/cmd/pipeline.c.
 */
#include <errno.h>
#include <string.h>

#include "src/base/array.h"
#include "src/base/match.h"
#include "src/base/whole.h"
#include "src/load/image.h"

#define NO_PHASE "(none)" /* how the user calls the time outside of all phases */

static int phase_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct phase_rec *rec = item;
	struct model_phase *m;
	uint64_t begin = ticks_time(&im->rate, rec->begin_ticks), end;

	(void)c;
	if (array_grow(&p->phases, number, &im->cap_phases, sizeof(*p->phases)) < 0)
		return -ENOMEM;
	m = &p->phases[p->n_phases++];
	end = rec->end_ticks ? ticks_time(&im->rate, rec->end_ticks) : UINT64_MAX;
	*m = (struct model_phase){ .begin_ns = begin, .end_ns = end, .times = rec->times ? rec->times : 1 };
	if (rec->times == 0) { /* by a writer that knew no more */
		m->since_ns = begin;
		m->total_ns = end == UINT64_MAX ? 0 : end - begin;
	} else {
		m->since_ns = ticks_time(&im->rate, rec->since_ticks);
		m->total_ns = ticks_span(&im->rate, rec->total_ticks);
	}
	memcpy(m->name, rec->name, sizeof(rec->name));
	return 0;
}

static int span_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	struct model_process *p = im->process;
	const struct phase_span *s = item;

	(void)c, (void)number;
	if (p->n_spans >= PHASE_SPANS_MOST)
		return 0;
	if (array_grow(&p->spans, p->n_spans, &im->cap_spans, sizeof(*p->spans)) < 0)
		return -ENOMEM;
	p->spans[p->n_spans++] = (struct model_span){
		.begin_ns = ticks_time(&im->rate, s->begin_ticks),
		.end_ns = s->end_ticks ? ticks_time(&im->rate, s->end_ticks) : UINT64_MAX,
		.phase = s->phase,
	};
	return 0;
}

int phases_read(struct image *im)
{
	int r = chunks_each(im, CHUNK_PHASES, sizeof(struct phase_rec), phase_take);

	return r < 0 ? r : chunks_each(im, CHUNK_PHASE_SPANS, sizeof(struct phase_span), span_take);
}

/* A counter of a phase that is not there is one of none. */
static void check(struct model_process *p, uint8_t *phase)
{
	if (*phase <= p->n_phases)
		return;
	p->damaged++;
	*phase = 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void phases_resolve(struct model_process *p)
{
	uint64_t from = 0;
	size_t n = 0;

	for (size_t i = 0; i < p->n_phases; i++) {
		struct model_phase *m = &p->phases[i];
		bool lasts = m->end_ns == UINT64_MAX;

		m->end_ns = least(m->end_ns, p->runtime_ns);
		m->begin_ns = least(m->begin_ns, m->end_ns);
		if (lasts && m->since_ns < m->end_ns)
			m->total_ns += m->end_ns - m->since_ns;
		m->total_ns = least(m->total_ns, p->runtime_ns);
	}
	/* in the order of time, one after the other */
	for (size_t i = 0; i < p->n_spans; i++) {
		struct model_span s = p->spans[i];

		s.end_ns = least(s.end_ns, p->runtime_ns);
		if (s.phase == 0 || s.phase > p->n_phases || s.begin_ns < from || s.end_ns < s.begin_ns)
			continue;
		from = s.end_ns;
		p->spans[n++] = s;
	}
	p->n_spans = n;
	for (size_t i = 0; i < p->n_cells; i++)
		check(p, &p->cells[i].phase);
	for (size_t i = 0; i < p->n_edges; i++)
		check(p, &p->edges[i].phase);
}

static bool ended_by(const void *span, const void *ns)
{
	return ((const struct model_span *)span)->end_ns <= *(const uint64_t *)ns;
}

/* The time of the chosen phases before a moment. */
static uint64_t before(const struct model_process *p, uint64_t ns)
{
	size_t low = array_before(p->spans, p->n_spans, sizeof(*p->spans), ended_by, &ns);
	uint64_t chosen, known;

	chosen = low ? p->spans[low - 1].chosen_ns : 0;
	known = low ? p->spans[low - 1].known_ns : 0;
	if (low < p->n_spans && p->spans[low].begin_ns < ns) {
		uint64_t part = ns - p->spans[low].begin_ns;

		chosen += p->phases[p->spans[low].phase - 1].chosen ? part : 0;
		known += part;
	}
	return chosen + (p->none_chosen ? ns - least(ns, known) : 0);
}

uint64_t model_phase_time(const struct model_process *p, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t times = 0, known, all;

	if (!p->phases_chosen || to_ns <= from_ns)
		return to_ns > from_ns ? to_ns - from_ns : 0;
	known = before(p, to_ns) - before(p, from_ns);
	for (size_t i = 0; i < p->n_phases; i++)
		times += p->phases[i].times;
	all = before(p, p->runtime_ns);
	if (times == p->n_spans || all == 0)
		return known;
	return whole((double)known * (double)p->chosen_ns / (double)all);
}

bool model_at_phase(const struct model_process *p, uint64_t ns)
{
	return !p->phases_chosen || before(p, ns + 1) > before(p, ns);
}

bool model_in_phase(const struct model_process *p, uint8_t phase)
{
	return !p->phases_chosen || (phase ? p->phases[phase - 1].chosen : p->none_chosen);
}

static void choose(struct model_process *p, const char *const *globs)
{
	uint64_t named = 0, chosen = 0, known = 0;

	p->phases_chosen = true;
	p->none_chosen = false;
	for (size_t i = 0; globs[i]; i++)
		p->none_chosen = p->none_chosen || strcmp(globs[i], NO_PHASE) == 0;
	p->chosen_ns = 0;
	for (size_t i = 0; i < p->n_phases; i++) {
		p->phases[i].chosen = match_any(globs, p->phases[i].name);
		p->chosen_ns += p->phases[i].chosen ? p->phases[i].total_ns : 0;
		named += p->phases[i].total_ns;
	}
	if (p->none_chosen)
		p->chosen_ns += p->runtime_ns - least(p->runtime_ns, named);
	for (size_t i = 0; i < p->n_spans; i++) {
		struct model_span *s = &p->spans[i];
		uint64_t length = s->end_ns - s->begin_ns;

		known += length;
		chosen += p->phases[s->phase - 1].chosen ? length : 0;
		s->known_ns = known;
		s->chosen_ns = chosen;
	}
}

bool model_choose_phases(struct model *m, const char *const *globs)
{
	bool any = false;

	for (size_t i = 0; i < m->n_processes; i++) {
		struct model_process *p = &m->processes[i];

		choose(p, globs);
		any = any || p->none_chosen;
		for (size_t k = 0; k < p->n_phases; k++)
			any = any || p->phases[k].chosen;
	}
	return any;
}
