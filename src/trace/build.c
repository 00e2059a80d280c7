/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events become operations, see private.h. Called by what_if.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/base/table.h"
#include "src/trace/private.h"

#define LENGTH_MOST (UINT64_C(1) << 56) /* ns */
#define HELD_LOOKED 64                  /* locks that a thread held at the end */
#define GENERATION_UNKNOWN UINT32_MAX
#define SUMMED_HOLDS 150000u
#define WAITS_OPEN 32 /* waits of a thread whose holds are looked for */

/* One thread's stream while it is read. */
struct stream {
	struct trace *t;
	uint32_t thread;
	struct strand *strand;
	size_t first_strand;
	uint64_t before;          /* end of the event before */
	size_t sums, n_sums;      /* in process.events: not placed yet */
	size_t waits[WAITS_OPEN]; /* operations: acquisitions after a wait whose hold has not come yet */
	uint32_t n_waits;
	uint32_t order;
};

uint64_t trace_inside(const struct trace *t, uint64_t ns)
{
	return ns < t->from ? 0 : ns - t->from < t->length ? ns - t->from : t->length;
}

static struct op *add(struct stream *s, enum op_type type, const struct model_event *e)
{
	struct op *o = trace_op_add(s->t);

	if (!o)
		return NULL;
	o->type = (uint8_t)type;
	o->order = s->order++;
	if (!e)
		return o;
	o->t0 = trace_inside(s->t, e->begin_ns);
	o->t1 = trace_inside(s->t, e->end_ns);
	o->t1 = o->t1 < o->t0 ? o->t0 : o->t1;
	o->lock = e->lock;
	o->side = e->side;
	o->stack = e->stack;
	return o;
}

static int strand_begin(struct stream *s, uint64_t begin, uint32_t generation)
{
	struct trace *t = s->t;
	struct op *o;

	if (array_grow(&t->strands, t->n_strands, &t->cap_strands, sizeof(*t->strands)) < 0)
		return -ENOMEM;
	s->strand = &t->strands[t->n_strands++];
	*s->strand = (struct strand){
		.first = t->n_ops, .thread = s->thread, .generation = generation, .begin = begin
	};
	s->before = begin;
	s->n_waits = s->order = 0;
	o = add(s, OP_START, NULL);
	if (!o)
		return -ENOMEM;
	o->t0 = o->t1 = begin;
	return 0;
}

static bool holds_at_end(const struct stream *s, uint32_t lock)
{
	const struct model_process *p = s->t->process;
	const struct model_thread *m = &p->threads[s->thread];

	for (uint32_t i = 0; i < m->held_count && i < HELD_LOOKED; i++)
		if (p->held[m->held_first + i].lock == lock)
			return true;
	return false;
}

/* An acquisition whose release is not known must not keep the lock for ever. Of a futex it may be no lock, and the wait
 * one for a wake. */
static void wait_settle(struct stream *s, struct op *o)
{
	unsigned int kind = s->t->process->locks[o->lock].kind;

	if (!holds_at_end(s, o->lock))
		o->type = kind_has(kind, TRAIT_WAITS_ONLY) ? OP_WAIT : OP_PAUSE;
}

static void waits_settle(struct stream *s)
{
	for (uint32_t i = 0; i < s->n_waits; i++)
		wait_settle(s, &s->t->ops[s->waits[i]]);
	s->n_waits = 0;
}

/* Processor time that the strand had within the window, by what it had in all its life. */
static double cpu_share(const struct stream *s, uint64_t cpu_ns, uint64_t life_ns)
{
	const struct strand *a = s->strand;
	uint64_t window = a->end - a->begin, waited = 0;
	double cpu = life_ns > window ? (double)cpu_ns * (double)window / (double)life_ns : (double)cpu_ns;

	for (size_t i = a->first; i < a->first + a->n; i++)
		waited += s->t->ops[i].t1 - s->t->ops[i].t0;
	s->strand->runs = window > waited ? window - waited : 0;
	if (waited >= window)
		return 1;
	cpu /= (double)(window - waited);
	return cpu < 1 ? cpu : 1;
}

static int op_compare(const void *a, const void *b)
{
	const struct op *x = a, *y = b;

	if (x->t0 != y->t0)
		return x->t0 < y->t0 ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int sums_settle(struct stream *s, uint64_t from, uint64_t to)
{
	size_t n = s->n_sums;

	s->n_sums = 0;
	return n ? trace_sums(s->t, s->t->process->events + s->sums, n, from, to) : 0;
}

static int strand_end(struct stream *s, enum op_type how, uint64_t end, uint64_t cpu_ns, uint64_t life_ns)
{
	struct strand *a = s->strand;
	struct op *o;

	if (sums_settle(s, s->before, end) < 0)
		return -ENOMEM;
	waits_settle(s);
	o = add(s, how, NULL);
	if (!o)
		return -ENOMEM;
	o->t0 = o->t1 = a->end = end > s->before ? end : s->before;
	o->order = UINT32_MAX;
	a->n = s->t->n_ops - a->first;
	a->ended = how == OP_EXIT;
	qsort(s->t->ops + a->first, a->n, sizeof(*s->t->ops), op_compare);
	trace_team_waits(s->t, a);
	a->cpu = cpu_share(s, cpu_ns, life_ns);
	s->strand = NULL;
	return 0;
}

/* A wait: what ends it is known later, or never. */
static int take_wait(struct stream *s, const struct model_event *e)
{
	const struct model_process *p = s->t->process;
	unsigned int kind = e->lock != MODEL_NONE ? p->locks[e->lock].kind : 0;
	bool lock = kind_has(kind, TRAIT_HOLDS);
	struct op *o = add(s, OP_PAUSE, e);

	if (!o)
		return -ENOMEM;
	o->timed_out = e->flags & EVENT_TIMED_OUT;
	if (o->timed_out || kind == 0)
		return 0;
	if (kind == KIND_COND || kind == KIND_SEM)
		o->type = OP_WAIT;
	if (!lock)
		return 0;
	o->type = OP_LOCK;
	if (s->n_waits == WAITS_OPEN) {
		wait_settle(s, &s->t->ops[s->waits[0]]);
		memmove(s->waits, s->waits + 1, --s->n_waits * sizeof(*s->waits));
	}
	s->waits[s->n_waits++] = s->t->n_ops - 1;
	return 0;
}

static int take_hold(struct stream *s, const struct model_event *e)
{
	struct op *o;
	uint32_t i = s->n_waits;

	if (e->lock == MODEL_NONE)
		return 0;
	if (e->flags & EVENT_WAITED)
		while (i > 0 && s->t->ops[s->waits[i - 1]].lock != e->lock)
			i--;
	if (e->flags & EVENT_WAITED && i > 0) {
		memmove(s->waits + i - 1, s->waits + i, (s->n_waits - i) * sizeof(*s->waits));
		s->n_waits--;
	} else {
		o = add(s, OP_LOCK, e);
		if (!o)
			return -ENOMEM;
		o->t1 = o->t0;
		o->order = 0; /* before all within it */
	}
	o = add(s, OP_UNLOCK, e);
	if (!o)
		return -ENOMEM;
	o->t0 = o->t1;
	return 0;
}

/* A thread's part in a parallel region, or the region: its beginning and its end. */
static int take_region(struct stream *s, const struct model_event *e)
{
	bool part = e->type == EVENT_PART;

	for (int end = 0; end < 2; end++) {
		struct op *o = add(s, part ? (end ? OP_LEAVE : OP_ENTER) : (end ? OP_MEET : OP_FORK), e);

		if (!o)
			return -ENOMEM;
		o->t0 = o->t1 = end ? o->t1 : o->t0;
		o->order = end ? o->order : 1; /* before all within it */
		o->weight = e->other;          /* the thread that made it */
		o->arg = e->flags;
	}
	return 0;
}

static int take_other(struct stream *s, const struct model_event *e)
{
	static const uint8_t types[EVENT_MAX] = {
		[EVENT_SIGNAL] = OP_SIGNAL, [EVENT_POST] = OP_SIGNAL,   [EVENT_BARRIER] = OP_BARRIER,
		[EVENT_JOIN] = OP_JOIN,     [EVENT_CREATE] = OP_CREATE, [EVENT_PHASE] = OP_MARK
	};
	struct op *o;

	if (types[e->type] == 0)
		return 0;
	o = add(s, types[e->type], e);
	if (!o)
		return -ENOMEM;
	if (e->type == EVENT_BARRIER && o->t0 < s->before) /* tasks were run there */
		o->t0 = s->before < o->t1 ? s->before : o->t1;
	/* of signals only whether it was a broadcast, until they are matched; of threads the generation; of phases the number */
	o->arg = e->flags;
	if (e->type == EVENT_CREATE || e->type == EVENT_JOIN)
		o->lock = e->other;
	return 0;
}

/* Puts what the sums tell where it must have been: before this event, and what was within the lock of a hold, inside it. */
static int take_sums(struct stream *s, const struct model_event *e)
{
	uint64_t begin = trace_inside(s->t, e->begin_ns), end = trace_inside(s->t, e->end_ns);
	const struct model_event *sums = s->t->process->events + s->sums;
	struct sums_parted parts;

	begin = begin > s->before ? begin : s->before;
	if (s->n_sums == 0)
		return 0;
	if (e->type == EVENT_PART || e->type == EVENT_TEAM)
		return sums_settle(s, begin, end);
	if (e->type != EVENT_HOLD || e->lock == MODEL_NONE)
		return sums_settle(s, s->before, begin);
	trace_part_sums(sums, s->n_sums, e->lock, &parts);
	s->n_sums = 0;
	if (trace_sums(s->t, parts.outside, parts.n_outside, s->before, begin) < 0)
		return -ENOMEM;
	return trace_sums(s->t, parts.inside, parts.n_inside, begin, end);
}

/* Of a thread whose beginning was written over, the generation is known from the next one's. */
static void name_cut(const struct stream *s, uint32_t generation)
{
	struct strand *last;

	if (s->t->n_strands <= s->first_strand)
		return;
	last = &s->t->strands[s->t->n_strands - 1];
	if (last->generation == GENERATION_UNKNOWN)
		last->generation = generation;
}

static int take(struct stream *s, size_t number)
{
	const struct model_event *e = &s->t->process->events[number];
	const struct model_thread *m = &s->t->process->threads[s->thread];
	uint64_t end = trace_inside(s->t, e->end_ns);
	int r;

	if (e->end_ns <= s->t->from && s->t->cut)
		return 0;
	/* sums first: before a beginning they tell of the last life's end, else of the strand that goes on */
	if (e->type == EVENT_SUM) {
		if (s->n_sums++ == 0)
			s->sums = number;
		return 0;
	}
	if (e->type == EVENT_NAP) {
		r = s->strand ? take_sums(s, e) : 1;
		return r != 0 ? r : trace_nap(s->t, (uint32_t)(s->strand - s->t->strands), e);
	}
	if (e->type == EVENT_START || !s->strand) {
		bool began = e->type == EVENT_START;

		if (s->strand && strand_end(s, OP_EXIT, s->before, 0, 0) < 0)
			return -ENOMEM;
		if (began) {
			s->n_sums = 0;
			name_cut(s, e->flags - 1u);
		}
		r = strand_begin(s, began ? end : 0, began ? e->flags : GENERATION_UNKNOWN);
		if (r < 0 || began)
			return r;
	}
	if (e->type == EVENT_EXIT)
		return strand_end(s, OP_EXIT, end, e->span_ns,
				  e->end_ns > m->start_ns ? e->end_ns - m->start_ns : 0);
	r = take_sums(s, e);
	if (r == 0)
		r = e->type == EVENT_WAIT   ? take_wait(s, e)
		    : e->type == EVENT_HOLD ? take_hold(s, e)
		    : e->type >= EVENT_PART ? take_region(s, e)
					    : take_other(s, e);
	s->before = end > s->before ? end : s->before;
	return r;
}

/* The last wait of a strand, which had not ended with the process. */
static int add_unfinished(struct stream *s, const struct model_thread *m)
{
	uint64_t since = trace_inside(s->t, m->waiting_since_ns);
	struct op *o;

	if (m->ended || (m->waiting_lock == MODEL_NONE && m->joining == MODEL_NONE))
		return 0;
	s->strand->stuck = true;
	if (sums_settle(s, s->before, since) < 0 || !(o = add(s, OP_PAUSE, NULL)))
		return -ENOMEM;
	o->t0 = since;
	o->t1 = s->t->length;
	o->lock = m->waiting_lock;
	o->timed_out = true;
	s->before = o->t1 > s->before ? o->t1 : s->before;
	return 0;
}

static int read_thread(struct trace *t, uint32_t thread)
{
	const struct model_thread *m = &t->process->threads[thread];
	struct stream s = { .t = t, .thread = thread, .first_strand = t->n_strands };

	for (uint32_t i = 0; i < m->events_count; i++)
		if (take(&s, m->events_first + i) < 0)
			return -ENOMEM;
	name_cut(&s, m->generation);
	if (!s.strand)
		return 0;
	if (add_unfinished(&s, m) < 0)
		return -ENOMEM;
	return strand_end(&s, OP_END, t->length, m->cpu_ns, m->end_ns - m->start_ns);
}

/* The window: where the oldest event of some thread was written over, earlier ones of all others are cut off. */
static void find_window(struct trace *t)
{
	const struct model_process *p = t->process;

	for (size_t i = 0; i < p->n_threads; i++) {
		const struct model_thread *m = &p->threads[i];
		const struct model_event *first = m->events_count != 0 ? &p->events[m->events_first] : NULL;
		uint64_t known;

		if (m->events_lost == 0 || !first)
			continue;
		t->cut = true; /* the last of many naps that one event tells of may be much later */
		known = first->type == EVENT_NAP ? first->begin_ns : first->end_ns;
		t->from = known > t->from ? known : t->from;
	}
	t->length = p->runtime_ns > t->from ? p->runtime_ns - t->from : 0;
	if (t->length > LENGTH_MOST)
		t->length = LENGTH_MOST;
}

static uint64_t life_key(uint32_t thread, uint32_t generation)
{
	return (uint64_t)thread << 16 | (generation & UINT16_MAX);
}

/* Finds the strands that others created and joined. */
static int link_strands(struct trace *t)
{
	struct table lives = { 0 };
	int r = 0;

	for (size_t i = 0; i < t->n_strands && r == 0; i++)
		r = table_put(&lives, life_key(t->strands[i].thread, t->strands[i].generation), 0,
			      (uint32_t)i);
	for (size_t i = 0; i < t->n_ops; i++) {
		struct op *o = &t->ops[i];
		uint32_t found = MODEL_NONE;

		if (o->type != OP_CREATE && o->type != OP_JOIN)
			continue;
		if (o->lock != MODEL_NONE)
			found = table_get(&lives, life_key(o->lock, o->arg), 0);
		o->lock = MODEL_NONE;
		o->arg = found;
		if (o->type == OP_CREATE && found != MODEL_NONE && o->t0 <= t->strands[found].begin) {
			t->strands[found].created = true;
			t->strands[found].lag = t->strands[found].begin - o->t0;
		} else if (o->type == OP_JOIN && found == MODEL_NONE) {
			o->type = OP_PAUSE;
			t->joined_unknown += o->t1 - o->t0;
		}
	}
	table_free(&lives);
	return r;
}

static void find_main(struct trace *t)
{
	t->main = MODEL_NONE;
	for (size_t i = 0; i < t->n_strands; i++)
		if (t->process->threads[t->strands[i].thread].tid == t->process->pid && !t->strands[i].ended)
			t->main = (uint32_t)i;
}

int trace_build(struct trace *t)
{
	static int (*const steps[])(struct trace *) = {
		link_strands, trace_mark_tries,    trace_permits, trace_match, trace_rounds,     trace_built,
		trace_teams,  trace_count_permits, trace_polls,   trace_pools, trace_signallers, trace_timers,
	};
	const struct model_process *p = t->process;
	int r;

	/* so that the holds of sums are not many more than the events */
	t->sum_most = SUMMED_HOLDS / (p->n_events + 1);
	t->sum_most = t->sum_most > 32 ? 32 : t->sum_most < 2 ? 2 : t->sum_most;
	find_window(t);
	r = trace_busy(t);
	for (size_t i = 0; i < p->n_threads && r == 0; i++)
		r = read_thread(t, (uint32_t)i);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && r == 0; i++)
		r = steps[i](t);
	find_main(t);
	return r;
}
