/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Semaphores that are used as locks: the threads that wait for a permit give it back themselves. Their waits and posts become
 * acquisitions and releases of a lock that several threads have at once. Where a permit was there, only sums tell of it, or
 * nothing does but its post. Called by build.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/trace/private.h"

#define OPEN_MOST 16     /* semaphores of which a strand has a permit */
#define LOOSE_MOST 4096u /* operations before a sum that are looked at */
#define OWN_PART 0.8     /* of the posts are by threads that wait for the semaphore, too */

/* The permits that a strand has, and since when. */
struct taken {
	uint32_t lock[OPEN_MOST];
	uint64_t since[OPEN_MOST];
	uint32_t n;
};

/* A wait for a permit, or a post. */
struct use {
	uint64_t at; /* a wait: its end */
	uint64_t since;
	uint32_t lock, strand;
};

/* While waits and posts become holds: both by lock and time, and what is to be added to the operations. */
struct holds {
	struct trace *t;
	struct use *waits, *posts;
	size_t n_waits, n_posts;
	struct addition *added;
	size_t n_added;
};

/* The number of the lock in the table; n if it is not there. */
static uint32_t taken_find(const struct taken *a, uint32_t lock)
{
	uint32_t i = 0;

	while (i < a->n && a->lock[i] != lock)
		i++;
	return i;
}

static void taken_add(struct taken *a, uint32_t lock, uint64_t since)
{
	uint32_t i = taken_find(a, lock);

	if (i == OPEN_MOST)
		return;
	a->lock[i] = lock;
	a->since[i] = since;
	a->n += i == a->n;
}

static void taken_end(struct taken *a, uint32_t i)
{
	a->n--;
	a->lock[i] = a->lock[a->n];
	a->since[i] = a->since[a->n];
}

/* Which semaphores are locks: permits[] is 1 for them. */
static void choose(struct trace *t, uint32_t *posts, uint32_t *own)
{
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		struct taken waited = { .n = 0 };

		for (size_t k = s->first; k < s->first + s->n; k++) {
			const struct op *o = &t->ops[k];
			bool gives = o->type == OP_SIGNAL || o->type == OP_GIVE;

			if (!trace_is_semaphore(t, o))
				continue;
			if ((o->type == OP_WAIT || o->type == OP_TAKE) &&
			    taken_find(&waited, o->lock) == waited.n && waited.n < OPEN_MOST)
				waited.lock[waited.n++] = o->lock;
			posts[o->lock] += gives ? o->weight : 0;
			own[o->lock] += gives && taken_find(&waited, o->lock) < waited.n ? o->weight : 0;
		}
	}
	for (size_t i = 0; i < t->process->n_locks; i++)
		t->permits[i] = posts[i] != 0 && own[i] >= OWN_PART * posts[i];
}

static bool is_sum(const struct op *o)
{
	return o->type == OP_TAKE || o->type == OP_GIVE;
}

static int use_compare(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void collect(struct holds *h)
{
	const struct trace *t = h->t;

	for (uint32_t i = 0; i < t->n_strands; i++)
		for (size_t k = t->strands[i].first; k < t->strands[i].first + t->strands[i].n; k++) {
			const struct op *o = &t->ops[k];

			if (!trace_is_semaphore(t, o) || !t->permits[o->lock])
				continue;
			if (o->type == OP_WAIT)
				h->waits[h->n_waits++] = (struct use){ o->t1, o->t0, o->lock, i };
			else if (o->type == OP_SIGNAL)
				h->posts[h->n_posts++] = (struct use){ o->t0, o->t0, o->lock, i };
		}
	qsort(h->waits, h->n_waits, sizeof(*h->waits), use_compare);
	qsort(h->posts, h->n_posts, sizeof(*h->posts), use_compare);
}

static bool is_before(const void *use, const void *key)
{
	return use_compare(use, key) < 0;
}

/* The first use of a lock at a time or after it; n: none. */
static size_t use_after(const struct use *uses, size_t n, uint32_t lock, uint64_t at)
{
	const struct use key = { .lock = lock, .at = at };

	return array_before(uses, n, sizeof(*uses), is_before, &key);
}

/* When another strand last gave a permit back before a time; `least` if that was earlier. */
static uint64_t last_post(const struct holds *h, uint32_t strand, uint32_t lock, uint64_t at, uint64_t least)
{
	size_t i = use_after(h->posts, h->n_posts, lock, at);

	while (i > 0 && h->posts[i - 1].lock == lock && h->posts[i - 1].at > least)
		if (h->posts[--i].strand != strand)
			return h->posts[i].at;
	return least;
}

static void add(struct holds *h, const struct strand *s, enum op_type type, uint32_t lock, uint32_t stack,
		uint64_t at, size_t end)
{
	struct addition *a = &h->added[h->n_added++];
	uint32_t k = trace_at_time(h->t, s, at);

	if (type == OP_LOCK)
		k = trace_outside(h->t, k, (uint32_t)end);
	trace_addition(a, k, type, at > h->t->ops[k - 1].t1 ? at : h->t->ops[k - 1].t1, 0);
	a->op.lock = lock;
	a->op.stack = stack;
}

/* A permit that was given back while others waited, and of which it was not seen when it was taken: at the latest when they began to
 * wait; and not before another gave it back. */
static void add_before(struct holds *h, uint32_t strand, const struct op *post, uint64_t free_since)
{
	const struct strand *s = &h->t->strands[strand];
	size_t i = use_after(h->waits, h->n_waits, post->lock, post->t0);
	bool waits = i < h->n_waits && h->waits[i].lock == post->lock && h->waits[i].since < post->t0;
	uint64_t at = waits ? h->waits[i].since : post->t0;

	at = last_post(h, MODEL_NONE, post->lock, post->t0, at > free_since ? at : free_since);
	if (at + 1 < post->t0) /* after the post before */
		add(h, s, OP_LOCK, post->lock, post->stack, at + 1, (size_t)(post - h->t->ops));
}

/*
 * From operation k on a strand did what sums tell of one semaphore. Permits that it took and gave back there kept nobody waiting; one
 * that it took and kept, or gave back, counts. When that was is not known: as soon as may be. Returns the operation after them.
 */
static size_t convert_sums(struct holds *h, uint32_t strand, size_t k, struct taken *a)
{
	struct trace *t = h->t;
	const struct strand *s = &t->strands[strand];
	uint32_t lock = t->ops[k].lock, place = taken_find(a, lock);
	int64_t kept = 0;
	uint64_t at;
	size_t end = k, from = k;

	for (; end < s->first + s->n && is_sum(&t->ops[end]) && t->ops[end].lock == lock; end++) {
		kept += t->ops[end].type == OP_TAKE ? t->ops[end].weight : -(int64_t)t->ops[end].weight;
		t->ops[end].type = OP_NOTHING;
	}
	if (kept != (place == a->n ? 1 : -1) || place == OPEN_MOST)
		return end;
	while (from > s->first + 1 && k - from < LOOSE_MOST &&
	       (t->ops[from - 1].loose || is_sum(&t->ops[from - 1])))
		from--;
	at = t->ops[from - 1].t1 + 1;
	at = kept > 0 ? last_post(h, strand, lock, t->ops[k].t0, at) : at;
	add(h, s, kept > 0 ? OP_LOCK : OP_UNLOCK, lock, t->ops[k].stack, at, k);
	if (kept > 0)
		taken_add(a, lock, at);
	else
		taken_end(a, place);
	return end;
}

/* Makes a wait and the post that follows it in the strand one hold. Of waits without a post the holds are brief. */
static void convert(struct holds *h, uint32_t strand)
{
	struct trace *t = h->t;
	const struct strand *s = &t->strands[strand];
	struct taken a = { .n = 0 };

	for (size_t k = s->first, next; k < s->first + s->n; k = next) {
		struct op *o = &t->ops[k];
		uint32_t i = trace_is_semaphore(t, o) ? taken_find(&a, o->lock) : 0;

		next = k + 1;
		if (!trace_is_semaphore(t, o) || !t->permits[o->lock])
			continue;
		if (is_sum(o)) {
			next = convert_sums(h, strand, k, &a);
		} else if (o->type == OP_WAIT) {
			o->type = OP_LOCK;
			if (i < a.n)
				add(h, s, OP_UNLOCK, o->lock, MODEL_NONE, a.since[i] + 1, k);
			taken_add(&a, o->lock, o->t1);
		} else if (o->type == OP_SIGNAL) {
			o->type = OP_UNLOCK;
			if (i < a.n)
				taken_end(&a, i);
			else
				add_before(h, strand, o, s->begin);
		}
	}
	for (; a.n > 0; a.n--)
		add(h, s, OP_UNLOCK, a.lock[a.n - 1], MODEL_NONE, a.since[a.n - 1] + 1, s->first + s->n);
}

static int convert_all(struct trace *t)
{
	struct holds h = { .t = t,
			   .waits = malloc((t->n_ops + 1) * sizeof(*h.waits)),
			   .posts = malloc((t->n_ops + 1) * sizeof(*h.posts)),
			   .added = malloc((2 * t->n_ops + 1) *
					   sizeof(*h.added)) }; /* two for what a sum tells */
	int r = h.waits && h.posts && h.added ? 0 : -ENOMEM;

	if (r == 0) {
		collect(&h);
		for (uint32_t i = 0; i < t->n_strands; i++)
			convert(&h, i);
		r = trace_insert(t, h.added, h.n_added);
	}
	free(h.waits);
	free(h.posts);
	free(h.added);
	return r;
}

/* How many acquisitions and releases of semaphores there are. */
static size_t count_steps(const struct trace *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_ops; i++)
		n += trace_is_semaphore(t, &t->ops[i]) &&
		     (t->ops[i].type == OP_LOCK || t->ops[i].type == OP_UNLOCK);
	return n;
}

int trace_step_compare(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->change < y->change ? -1 : x->change > y->change;
}

/* How many permits there are: as many as threads had at once. */
static int count(struct trace *t, size_t most)
{
	struct step *steps = malloc((most + 1) * sizeof(*steps));
	size_t n = 0, now = 0;

	if (!steps)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		struct taken had = { .n = 0 };

		for (size_t k = s->first; k < s->first + s->n && n < most; k++) {
			const struct op *o = &t->ops[k];
			uint32_t place;

			if (!trace_is_semaphore(t, o) || (o->type != OP_LOCK && o->type != OP_UNLOCK))
				continue;
			place = taken_find(&had, o->lock);
			if (o->type == OP_LOCK && place == had.n && place < OPEN_MOST) {
				had.lock[place] = o->lock;
				had.n++;
				steps[n++] = (struct step){ .at = o->t1, .lock = o->lock, .change = 1 };
			} else if (o->type == OP_UNLOCK && place < had.n) {
				had.lock[place] = had.lock[--had.n];
				steps[n++] = (struct step){ .at = o->t0, .lock = o->lock, .change = -1 };
			}
		}
	}
	qsort(steps, n, sizeof(*steps), trace_step_compare);
	for (size_t i = 0; i < n; i++) {
		now = i == 0 || steps[i].lock != steps[i - 1].lock ? 0 : now;
		if (steps[i].change > 0 && ++now > t->permits[steps[i].lock])
			t->permits[steps[i].lock] = (uint32_t)now;
		else if (steps[i].change < 0 && now > 0)
			now--;
	}
	free(steps);
	return 0;
}

int trace_permits(struct trace *t)
{
	size_t n_locks = t->process->n_locks, steps;
	uint32_t *posts = calloc(n_locks + 1, sizeof(*posts)), *own = calloc(n_locks + 1, sizeof(*own));
	int r = -ENOMEM;

	t->permits = calloc(n_locks + 1, sizeof(*t->permits));
	if (posts && own && t->permits) {
		choose(t, posts, own);
		r = convert_all(t);
		steps = r == 0 ? count_steps(t) : 0;
		r = steps ? count(t, steps) : r;
	}
	free(posts);
	free(own);
	return r;
}
