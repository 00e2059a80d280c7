/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The places in code that a report names, as text: whose code waited for a lock, held it, and made a deadlock. Runs in
 * mutrace. Called by digest.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/compare/digest.h"
#include "src/render/frame.h"

#define STACK_SHOWN 4
#define SLEEP_FRAMES 3 /* the innermost ones, in which the call is */
#define LINE_NUMBER_MAX 1e9

static unsigned int line_of(const json_t *frame)
{
	double line = digest_number(frame, "line");

	return line > LINE_NUMBER_MAX ? 0 : (unsigned int)line;
}

/* The number of a member like "0x1a4". */
static uint64_t hex_of(const json_t *frame, const char *key)
{
	const char *text = digest_text(frame, key);

	return text ? strtoull(text, NULL, 16) : 0;
}

static int place_take(struct digest *d, struct digest_place *place, const json_t *stack)
{
	size_t size, i, n = json_array_size(stack);
	const json_t *frame;
	char *text = NULL;
	FILE *f;

	*place = (struct digest_place){ 0 };
	if (n == 0)
		return 0;
	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	for (i = 0; i < n && i < STACK_SHOWN; i++) {
		if (i)
			fputs(" < ", f);
		frame = json_array_get(stack, i);
		frame_print(f, &(const struct frame_words){ .function = digest_text(frame, "function"),
							    .file = digest_text(frame, "file"),
							    .module = digest_text(frame, "module"),
							    .line = line_of(frame),
							    .offset = hex_of(frame, "offset"),
							    .address = hex_of(frame, "address") });
	}
	if (fclose(f) == 0)
		place->stack = digest_keep(d, text);
	free(text);
	place->file = digest_keep(d, digest_text(json_array_get(stack, 0), "file"));
	place->line = line_of(json_array_get(stack, 0));
	return place->stack ? 0 : -ENOMEM;
}

/* The stack of the group with the greatest time; groups whose stack is not known are passed over. */
static const json_t *greatest(const json_t *groups, const char *time, double *ret)
{
	const json_t *best = NULL;
	size_t i;

	*ret = -1;
	for (i = 0; i < json_array_size(groups); i++) {
		const json_t *g = json_array_get(groups, i), *stack = json_object_get(g, "stack");

		if (json_array_size(stack) == 0 || digest_number(g, time) <= *ret)
			continue;
		*ret = digest_number(g, time);
		best = stack;
	}
	return best;
}

/* The place of most time, of all processes that have the lock. */
static int place_of_most(struct digest *d, struct digest_place *place, const json_t *lock, const char *groups,
			 const char *time)
{
	double most;
	const json_t *stack = greatest(json_object_get(lock, groups), time, &most);
	int r;

	if (!stack || (place->stack && most <= place->ns))
		return 0;
	r = place_take(d, place, stack);
	place->ns = most;
	return r;
}

int digest_places(struct digest *d, struct digest_lock *l, const json_t *lock)
{
	const json_t *stack;
	int r = place_of_most(d, &l->holder, lock, "holders", "blocked_ns");

	if (r == 0)
		r = place_of_most(d, &l->waiter, lock, "waiters", "wait_ns");
	if (r == 0)
		r = place_of_most(d, &l->user, lock, "users", "hold_ns");
	if (r < 0 || l->user.stack)
		return r;
	stack = json_object_get(lock, "first_used_at");
	if (json_array_size(stack) == 0)
		stack = json_object_get(lock, "created_at");
	return place_take(d, &l->user, stack);
}

void digest_deadlock(struct digest *d, const json_t *process)
{
	const json_t *circle = json_array_get(json_object_get(process, "deadlocks"), 0);
	size_t n = json_array_size(circle), size;
	char *text = NULL;
	FILE *f = n && !d->deadlock ? open_memstream(&text, &size) : NULL;

	if (!f)
		return;
	fprintf(f, "DEADLOCK in %s: ", path_name(digest_text(process, "program")));
	if (n == 1)
		fputs("a thread waits for a lock that it holds itself (", f);
	else
		fprintf(f, "%zu threads wait for each other (", n);
	for (size_t i = 0; i < n; i++) {
		const char *lock = digest_text(json_array_get(circle, i), "name");

		fprintf(f, "%s%s", i ? ", " : "", lock ? lock : "a thread's end");
	}
	fputc(')', f);
	if (fclose(f) == 0)
		d->deadlock = digest_keep(d, text);
	free(text);
}

bool digest_sleeps_alone(const json_t *stack)
{
	static const char *const others[] = { "futex", "lll_", "pthread_", "sem_", "syscall" };
	const char *innermost = digest_text(json_array_get(stack, 0), "function");

	for (size_t i = 0; innermost && i < json_array_size(stack) && i < SLEEP_FRAMES; i++) {
		const char *function = digest_text(json_array_get(stack, i), "function");

		for (size_t k = 0; function && k < sizeof(others) / sizeof(others[0]); k++)
			if (strstr(function, others[k]))
				return false;
	}
	return innermost;
}
