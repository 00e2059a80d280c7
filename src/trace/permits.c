/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Semaphores that are used as locks: the threads that wait for a permit give it back themselves. Their waits and posts become
 * acquisitions and releases of a lock that several threads have at once. Called by build.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "src/trace/private.h"

#define OPEN_MOST 16 /* semaphores of which a strand has a permit */
#define OWN_PART 0.8 /* of the posts are by threads that wait for the semaphore, too */

/* The permits that a strand has. */
struct taken {
	uint32_t lock[OPEN_MOST];
	size_t op[OPEN_MOST];
	uint32_t n;
};

struct step {
	uint64_t at;
	uint32_t lock;
	int change;
};

static bool is_semaphore(const struct trace *t, const struct op *o)
{
	return o->lock != MODEL_NONE && t->process->locks[o->lock].kind == KIND_SEM;
}

/* The number of the lock in the table; n if it is not there. */
static uint32_t taken_find(const struct taken *a, uint32_t lock)
{
	uint32_t i = 0;

	while (i < a->n && a->lock[i] != lock)
		i++;
	return i;
}

/* Which semaphores are locks: permits[] is 1 for them. */
static void choose(struct trace *t, uint32_t *posts, uint32_t *own)
{
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		struct taken waited = { .n = 0 };

		for (size_t k = s->first; k < s->first + s->n; k++) {
			const struct op *o = &t->ops[k];

			if (!is_semaphore(t, o))
				continue;
			if (o->type == OP_WAIT && taken_find(&waited, o->lock) == waited.n &&
			    waited.n < OPEN_MOST)
				waited.lock[waited.n++] = o->lock;
			posts[o->lock] += o->type == OP_SIGNAL;
			own[o->lock] += o->type == OP_SIGNAL && taken_find(&waited, o->lock) < waited.n;
		}
	}
	for (size_t i = 0; i < t->process->n_locks; i++)
		t->permits[i] = posts[i] != 0 && own[i] >= OWN_PART * posts[i];
}

/* Makes a wait and the post that follows it in the strand one hold. Returns how many there are. */
static size_t convert(struct trace *t, const struct strand *s)
{
	struct taken a = { .n = 0 };
	size_t n = 0;

	for (size_t k = s->first; k < s->first + s->n; k++) {
		struct op *o = &t->ops[k];
		uint32_t i;

		if (!is_semaphore(t, o) || !t->permits[o->lock])
			continue;
		i = taken_find(&a, o->lock);
		if (o->type == OP_WAIT && i < OPEN_MOST) {
			a.lock[i] = o->lock;
			a.op[i] = k;
			a.n += i == a.n;
			o->type = OP_PAUSE; /* as long as no post is seen */
		} else if (o->type == OP_SIGNAL) {
			o->type = OP_UNLOCK;
			if (i == a.n)
				continue;
			t->ops[a.op[i]].type = OP_LOCK;
			a.n--;
			a.lock[i] = a.lock[a.n];
			a.op[i] = a.op[a.n];
			n++;
		}
	}
	return n;
}

static int step_compare(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->change - y->change;
}

/* How many permits there are: as many as threads had at once. */
static int count(struct trace *t, size_t holds)
{
	struct step *steps = malloc((2 * holds + 1) * sizeof(*steps));
	size_t n = 0, now = 0;

	if (!steps)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_strands; i++) {
		const struct strand *s = &t->strands[i];
		struct taken had = { .n = 0 };

		for (size_t k = s->first; k < s->first + s->n && n + 1 < 2 * holds + 1; k++) {
			const struct op *o = &t->ops[k];
			uint32_t place;

			if (!is_semaphore(t, o) || (o->type != OP_LOCK && o->type != OP_UNLOCK))
				continue;
			place = taken_find(&had, o->lock);
			if (o->type == OP_LOCK && place < OPEN_MOST) {
				had.lock[place] = o->lock;
				had.n += place == had.n;
				steps[n++] = (struct step){ o->t1, o->lock, 1 };
			} else if (o->type == OP_UNLOCK && place < had.n) {
				had.lock[place] = had.lock[--had.n];
				steps[n++] = (struct step){ o->t0, o->lock, -1 };
			}
		}
	}
	qsort(steps, n, sizeof(*steps), step_compare);
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
	size_t n_locks = t->process->n_locks, holds = 0;
	uint32_t *posts = calloc(n_locks + 1, sizeof(*posts)), *own = calloc(n_locks + 1, sizeof(*own));
	int r = -ENOMEM;

	t->permits = calloc(n_locks + 1, sizeof(*t->permits));
	if (posts && own && t->permits) {
		choose(t, posts, own);
		for (size_t i = 0; i < t->n_strands; i++)
			holds += convert(t, &t->strands[i]);
		r = holds ? count(t, holds) : 0;
	}
	free(posts);
	free(own);
	return r;
}
