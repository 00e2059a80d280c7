/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kinds of strands and of runs: threads that only run as long as the others, servers, and what the work of a server is.
 * Nothing in the events says so; these are guesses. Called by what_if.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/base/table.h"
#include "src/trace/private.h"

#define SITES_MOST 32        /* of a strand */
#define SITE_PART 10         /* call sites with less than this part of its calls do not matter */
#define ROUNDS_LEAST 10      /* acquisitions of a strand whose rounds can be told */
#define GIVEN_PART 20        /* of the rounds of a thread to which others give work, that wait for them */
#define END_SLACK_NS 2000000 /* from the end of the others to that of a thread that runs as long as they do */
#define TOLD_SLEEPS 10       /* times as long a thread sleeps at least that is told to end */
#define WORKER_LIFE 0.5      /* of the window, or of a life */
#define MAIN_SLEEPS 0.6      /* of the window, in one go */
#define MAIN_CPU 0.1
#define SOURCE_RUNS \
	0.5 /* of the time in which such a thread is not seen to wait, for which it runs, or sleeps by choice */
#define FED_PART 0.05 /* of the lives of workers, that they wait for work from outside */

/* Acquisitions by attempts, of which others failed: the program goes another way if the lock is taken. */
int trace_mark_tries(struct trace *t)
{
	const struct model_process *p = t->process;
	struct table places = { 0 };
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < p->n_cells && r == 0; i++)
		if (p->cells[i].trylock_failed != 0) {
			any = true;
			r = table_put(&places, p->cells[i].lock, p->cells[i].stack, 1);
		}
	for (size_t i = 0; i < t->n_ops && any; i++) {
		struct op *o = &t->ops[i];

		o->tries = o->type == OP_LOCK && o->t1 == o->t0 && o->lock != MODEL_NONE &&
			   table_get(&places, o->lock, o->stack) == 1;
		t->tries = t->tries || o->tries;
	}
	table_free(&places);
	return r;
}

/* One strand's lock calls. */
struct profile {
	uint64_t kind;   /* from the stacks of most of its lock calls, in whatever order */
	uint64_t rounds; /* calls */
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ull;
	return x ^ x >> 29;
}

static struct profile profile_of(const struct trace *t, const struct strand *s)
{
	struct profile p = { 0 };
	uint32_t stacks[SITES_MOST], n = 0, k;
	uint64_t calls[SITES_MOST];

	for (size_t i = s->first; i < s->first + s->n; i++) {
		const struct op *o = &t->ops[i];

		if (o->type != OP_LOCK)
			continue;
		p.rounds += o->weight;
		for (k = 0; k < n && stacks[k] != o->stack; k++)
			;
		if (k == SITES_MOST)
			continue;
		if (k == n) {
			stacks[n] = o->stack;
			calls[n++] = 0;
		}
		calls[k] += o->weight;
	}
	for (k = 0; k < n; k++)
		if (calls[k] >= p.rounds / SITE_PART)
			p.kind += mix((uint64_t)stacks[k] + 1);
	return p;
}

/* Waits of a strand that signals of other kinds of strands ended. */
static uint64_t given(const struct trace *t, uint32_t strand, const struct profile *profiles)
{
	const struct strand *s = &t->strands[strand];
	uint64_t n = 0;

	for (size_t i = s->first; i < s->first + s->n; i++) {
		const struct op *o = &t->ops[i];
		uint32_t by = o->type == OP_WAIT ? t->signallers[o->arg - 1] : MODEL_NONE;

		n += by != MODEL_NONE && profiles[by].kind != profiles[strand].kind;
	}
	return n;
}

/*
 * Threads of one kind that end last, each within a round or two of the end of all others: do they only run as
 * long as the others do? The gain is then estimated both ways. Not of threads to which others give work.
 */
void trace_find_elastic(struct trace *t)
{
	struct profile *profiles = calloc(t->n_strands + 1, sizeof(*profiles));
	uint32_t last = MODEL_NONE;
	uint64_t others = 0;
	bool all = true;

	if (!profiles)
		return;
	for (uint32_t i = 0; i < t->n_strands; i++) {
		if (i == t->main)
			continue;
		profiles[i] = profile_of(t, &t->strands[i]);
		if (last == MODEL_NONE || t->strands[i].end > t->strands[last].end)
			last = i;
	}
	for (uint32_t i = 0; i < t->n_strands && last != MODEL_NONE; i++)
		if (i != t->main && profiles[i].kind != profiles[last].kind && t->strands[i].end > others)
			others = t->strands[i].end;
	for (uint32_t i = 0; i < t->n_strands && others != 0; i++) {
		const struct strand *s = &t->strands[i];

		if (i == t->main || profiles[i].kind != profiles[last].kind)
			continue;
		all = all && profiles[i].rounds >= ROUNDS_LEAST &&
		      given(t, i, profiles) * GIVEN_PART < profiles[i].rounds && s->end >= others &&
		      s->end < others + 2 * (s->end - s->begin) / profiles[i].rounds + END_SLACK_NS;
	}
	for (uint32_t i = 0; i < t->n_strands && others != 0 && all; i++)
		t->strands[i].elastic = i != t->main && profiles[i].kind == profiles[last].kind;
	free(profiles);
}

/* The thread slept for most of its life, up to its end. */
static bool sleeps_to_end(const struct trace *t, const struct strand *s)
{
	const struct op *last = &t->ops[s->first + s->n - 1];
	const struct op *before = s->n > 1 ? last - 1 : last;
	uint64_t slept;

	while (before->type == OP_POLL || before->type == OP_POLLED) /* it slept again and again */
		before--;
	slept = last->t0 > before->t1 ? last->t0 - before->t1 : 0;

	return s->ended && s->cpu < MAIN_CPU && slept > END_SLACK_NS * TOLD_SLEEPS &&
	       (double)slept > WORKER_LIFE * (double)(s->end - s->begin);
}

/*
 * Threads that wait for a signal or for input, in calls that are not seen, until the others have done their work and tell them
 * to end: such a thread sleeps, and its end is just when others begin to wait for it.
 */
void trace_find_told(struct trace *t)
{
	for (size_t i = 0; i < t->n_ops; i++) {
		const struct op *o = &t->ops[i];
		struct strand *s = o->type == OP_JOIN ? &t->strands[o->arg] : NULL;

		if (s && s->end < o->t0 + END_SLACK_NS && o->t0 < s->end + END_SLACK_NS &&
		    sleeps_to_end(t, s))
			s->told = true;
	}
}

/* The longest time for which a strand did nothing but run or sleep. */
static uint64_t longest_stretch(const struct trace *t, const struct strand *s)
{
	uint64_t longest = 0;

	for (size_t i = s->first; i + 1 < s->first + s->n; i++)
		if (t->ops[i + 1].t0 > t->ops[i].t1 && t->ops[i + 1].t0 - t->ops[i].t1 > longest)
			longest = t->ops[i + 1].t0 - t->ops[i].t1;
	return longest;
}

bool trace_is_server(const struct trace *t)
{
	const struct model_process *p = t->process;
	const struct strand *s;

	if (p->cut_end || p->end == PROCESS_ALIVE || p->end == PROCESS_DETACHED ||
	    p->end == PROCESS_UNKNOWN || p->end == PROCESS_KILLED || p->end == PROCESS_ENDED)
		return true;
	if (t->main == MODEL_NONE)
		return false;
	s = &t->strands[t->main];
	return s->stuck ||
	       (s->cpu < MAIN_CPU && (double)longest_stretch(t, s) > MAIN_SLEEPS * (double)t->length);
}

/* The lock that workers acquire most often while they hold no other. Ties and rare ones do not matter. */
static bool most_acquired(const struct trace *t, uint64_t *counts, uint32_t *ret)
{
	uint64_t most = 0;

	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		uint32_t depth = 0;

		if (!s->worker)
			continue;
		for (size_t k = s->first; k < s->first + s->n; k++) {
			const struct op *o = &t->ops[k];

			if (o->type == OP_LOCK && depth++ == 0)
				counts[o->lock] += o->weight;
			else if (o->type == OP_UNLOCK && depth > 0)
				depth--;
		}
	}
	for (size_t i = 0; i < t->process->n_locks; i++)
		if (counts[i] > most) {
			most = counts[i];
			*ret = (uint32_t)i;
		}
	return most >= ROUNDS_LEAST;
}

/* Marks the outermost acquisitions of that lock by workers. */
static void mark_work(struct trace *t)
{
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		uint32_t depth = 0;

		for (size_t k = s->first; s->worker && k < s->first + s->n; k++) {
			struct op *o = &t->ops[k];

			if (o->type == OP_LOCK)
				o->work = depth++ == 0 && o->lock == t->work;
			else if (o->type == OP_UNLOCK && depth > 0)
				depth--;
		}
	}
}

static bool lives_long(const struct trace *t, const struct strand *s)
{
	return (double)(s->end - s->begin) >= WORKER_LIFE * (double)t->length;
}

bool trace_find_work(struct trace *t)
{
	uint64_t *counts = calloc(t->process->n_locks + 1, sizeof(*counts));
	bool found;

	if (!counts)
		return false;
	for (uint32_t i = 0; i < t->n_strands; i++) {
		struct strand *s = &t->strands[i];

		s->worker = i != t->main && lives_long(t, s) && profile_of(t, s).rounds >= ROUNDS_LEAST;
		t->n_workers += s->worker;
	}
	found = t->n_workers > 0 && most_acquired(t, counts, &t->work);
	free(counts);
	if (found)
		mark_work(t);
	return found;
}

/* A thread that sleeps most of the time, and not by choice: it waits for what comes from outside. naps: of the strand, ns. */
static bool is_source(const struct strand *s, uint64_t naps)
{
	double ran = s->cpu * (double)s->runs + (double)naps;

	return (double)s->runs > WORKER_LIFE * (double)(s->end - s->begin) &&
	       ran < SOURCE_RUNS * (double)s->runs;
}

bool trace_is_fed(const struct trace *t)
{
	uint64_t *naps = calloc(t->n_strands + 1, sizeof(*naps));
	double lives = 0, waits = 0;

	for (size_t i = 0; naps && i < t->n_naps; i++)
		naps[t->naps[i].strand] += t->naps[i].slept;
	for (size_t i = 0; naps && i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];

		if (!s->worker)
			continue;
		lives += (double)(s->end - s->begin);
		for (size_t k = s->first; k < s->first + s->n; k++) {
			const struct op *o = &t->ops[k];
			uint32_t by = (o->type == OP_WAIT || o->type == OP_TAKE) && o->arg != 0
					      ? t->signallers[o->arg - 1]
					      : MODEL_NONE;

			if (by != MODEL_NONE && is_source(&t->strands[by], naps[by]))
				waits += (double)(o->t1 - o->t0);
		}
	}
	free(naps);
	return waits > FED_PART * lives;
}

static bool is_work(const struct op *o, const struct trace_work *work)
{
	if (o->type == OP_MARK)
		return o->arg <= PHASES_MOST && work->phases[o->arg];
	return o->type == OP_LOCK && o->lock != MODEL_NONE &&
	       (work->locks[o->lock] || (o->stack != MODEL_NONE && work->stacks[o->stack]));
}

bool trace_take_work(struct trace *t, const struct trace_work *work)
{
	bool any = false;

	for (size_t i = 0; i < t->n_strands; i++) {
		struct strand *s = &t->strands[i];

		for (size_t k = s->first; k < s->first + s->n; k++) {
			struct op *o = &t->ops[k];

			o->work = is_work(o, work);
			s->worker = s->worker || (o->work && lives_long(t, s));
			any = any || o->work;
		}
		t->n_workers += s->worker;
	}
	return any;
}
