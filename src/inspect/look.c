/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looks at the threads of a target twice, and takes their stacks. A sleeping thread's stack is read while it sleeps and is
 * good if the thread did not run meanwhile. Threads are stopped only for registers that are needed and not known, and
 * only where that does not show: not in a call that would return EINTR.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "src/inspect/calls.h"
#include "src/inspect/private.h"

#define BETWEEN_LOOKS_NS 100000000
#define TRIES 3
#define SETTLE_NS 1000000 /* until a thread that was stopped sleeps again */
#define SETTLE_TRIES 50
#define RUNNING_MAX 32 /* threads that run and are stopped to see whether they spin for a lock */

bool look_same_wait(const struct target_thread *a, const struct target_thread *b)
{
	return a->asleep && b->asleep && a->sp == b->sp && a->pc == b->pc &&
	       a->call.number == b->call.number && a->turns == b->turns &&
	       memcmp(a->call.arguments, b->call.arguments, sizeof(a->call.arguments)) == 0;
}

bool look_again(const struct inspect_private *v, uint32_t thread)
{
	struct target_thread now = v->target->threads[thread];

	return v->target->core ||
	       (process_thread_look(v->target, &now) && look_same_wait(&v->target->threads[thread], &now));
}

static struct unwound *stack_new(struct inspect_private *v, uint32_t thread)
{
	if (!v->stacks[thread])
		v->stacks[thread] = calloc(1, sizeof(*v->stacks[thread]));
	return v->stacks[thread];
}

/* Without a stop. */
static int stack_asleep(struct inspect_private *v, uint32_t thread)
{
	struct target_thread *t = &v->target->threads[thread];
	struct unwound *u = stack_new(v, thread);
	struct registers r;

	if (!u)
		return -ENOMEM;
	for (int i = 0; i < TRIES && t->asleep; i++) {
		arch_registers_asleep(&r, t->sp, t->pc);
		unwinder_walk_asleep(v->unwinder, &r, u);
		if (look_again(v, thread))
			return 0;
		/* it went on: its pages are old */
		v->i.threads[thread].still = false;
		target_forget(v->target);
		process_thread_look(v->target, t);
	}
	u->n = 0;
	t->asleep = false;
	return 0;
}

static void stack_stopped(struct inspect_private *v, uint32_t thread, const struct stop *s)
{
	struct target_thread *t = &v->target->threads[thread];
	struct registers r;
	uint8_t code[8];

	v->i.n_stopped++;
	if (s->ns > v->i.stopped_max_ns)
		v->i.stopped_max_ns = s->ns;
	t->all = s->all;
	t->have_all = true;
	arch_registers(&r, &s->all);
	unwinder_walk(v->unwinder, &r, s, v->stacks[thread]);
	if (target_read(v->target, r.pc - 4, code, sizeof(code)) < 0 || t->asleep)
		return;
	/* it ran a moment ago, and was asleep when it was stopped */
	t->call = arch_call(&s->all, code);
	t->asleep = t->call.number >= 0;
	t->sp = r.sp;
	t->pc = r.pc;
}

/* A stopped thread was given a turn for it: it is in the same wait if it is in the same place. */
static void turn_allow(struct inspect_private *v, uint32_t thread)
{
	struct target_thread *t = &v->target->threads[thread], now;
	struct timespec pause = { 0, SETTLE_NS };

	for (int i = 0; t->asleep && i < SETTLE_TRIES; i++) {
		now = *t;
		if (!process_thread_look(v->target, &now))
			break;
		t->turns = now.turns;
		/* a wait with a time-out goes on under another number */
		if (now.call.number == SYS_restart_syscall)
			t->call.number = SYS_restart_syscall;
		if (look_same_wait(t, &now))
			return;
		nanosleep(&pause, NULL);
	}
	v->i.threads[thread].still = false;
}

int look_stopped(struct inspect_private *v, const uint32_t *threads, size_t n)
{
	int r = 0;

	if (!v->stops)
		v->stops = stops_new();
	if (!v->stops)
		return -ENOMEM;
	for (size_t first = 0; first < n && r == 0; first += STOPS_MAX) {
		size_t count = n - first < STOPS_MAX ? n - first : STOPS_MAX;

		for (size_t i = 0; i < count && r == 0; i++) {
			v->stops[i].tid = v->target->threads[threads[first + i]].tid;
			r = stack_new(v, threads[first + i]) ? 0 : -ENOMEM;
		}
		if (r == 0)
			r = process_stop(v->target, v->stops, count);
		target_forget(v->target);
		for (size_t i = 0; i < count && r == 0; i++) {
			if (!v->stops[i].done)
				continue;
			stack_stopped(v, threads[first + i], &v->stops[i]);
			turn_allow(v, threads[first + i]);
		}
	}
	return r;
}

/* The threads whose stack needs registers, or that run. */
static int stacks_by_stop(struct inspect_private *v)
{
	struct target *t = v->target;
	uint32_t *list = malloc((t->n_threads + 1) * sizeof(*list));
	size_t n = 0, running = 0;
	int r;

	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n_threads; i++) {
		const struct target_thread *thread = &t->threads[i];

		if (thread->asleep ? v->stacks[i] && v->stacks[i]->incomplete && thread->state == 'S' &&
					     call_repeats(t, &thread->call)
				   : thread->state == 'R' && running++ < RUNNING_MAX)
			list[n++] = i;
	}
	r = n ? look_stopped(v, list, n) : 0;
	free(list);
	return r;
}

static int stacks_of_core(struct inspect_private *v)
{
	for (uint32_t i = 0; i < v->target->n_threads; i++) {
		struct registers r;

		if (!stack_new(v, i))
			return -ENOMEM;
		arch_registers(&r, &v->target->threads[i].all);
		unwinder_walk_asleep(v->unwinder, &r, v->stacks[i]);
		v->i.threads[i].still = true;
	}
	return 0;
}

static int arrays_new(struct inspect_private *v)
{
	size_t n = v->target->n_threads;

	v->i.threads = pool_take(&v->pool, (n + 1) * sizeof(*v->i.threads));
	v->stacks = calloc(n + 1, sizeof(*v->stacks));
	v->i.n_threads = n;
	return v->i.threads && v->stacks ? 0 : -ENOMEM;
}

/* The second look. */
static int looked_before(struct inspect_private *v, const struct target_thread *before, size_t n)
{
	for (uint32_t i = 0; i < v->target->n_threads; i++) {
		const struct target_thread *t = &v->target->threads[i];

		for (size_t k = 0; k < n; k++) {
			if (before[k].tid == t->tid)
				v->i.threads[i].still = look_same_wait(&before[k], t);
		}
	}
	return 0;
}

int look_threads(struct inspect_private *v)
{
	struct timespec between = { 0, BETWEEN_LOOKS_NS };
	struct target *t = v->target;
	struct target_thread *before;
	size_t n = 0;
	int r;

	if (t->core) {
		r = arrays_new(v);
		return r < 0 ? r : stacks_of_core(v);
	}
	r = process_threads(t);
	if (r < 0)
		return r;
	n = t->n_threads;
	before = malloc(n * sizeof(*before));
	if (!before)
		return -ENOMEM;
	memcpy(before, t->threads, n * sizeof(*before));
	nanosleep(&between, NULL);
	r = process_threads(t);
	if (r == 0)
		r = arrays_new(v);
	if (r == 0)
		r = looked_before(v, before, n);
	free(before);
	for (uint32_t i = 0; i < t->n_threads && r == 0; i++) {
		if (t->threads[i].asleep)
			r = stack_asleep(v, i);
	}
	return r < 0 ? r : stacks_by_stop(v);
}
