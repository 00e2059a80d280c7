/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of operations: those of one strand after those of another, each in the order of time. Called by build.c and others. */
#include <errno.h>
#include <stdlib.h>

#include "src/base/array.h"
#include "src/trace/private.h"

#define MOVE_MOST 12 /* operations, by which an acquisition is moved */

struct op *trace_op_add(struct trace *t)
{
	if (array_grow(&t->ops, t->n_ops, &t->cap_ops, sizeof(*t->ops)) < 0)
		return NULL;
	t->ops[t->n_ops] = (struct op){ .lock = MODEL_NONE, .stack = MODEL_NONE, .weight = 1 };
	return &t->ops[t->n_ops++];
}

static bool begins_before(const void *op, const void *at)
{
	return ((const struct op *)op)->t0 < *(const uint64_t *)at;
}

uint32_t trace_at_time(const struct trace *t, const struct strand *s, uint64_t at)
{
	size_t first = s->first + 1;

	return (uint32_t)(first + array_before(t->ops + first, s->n > 1 ? s->n - 2 : 0, sizeof(*t->ops),
					       begins_before, &at));
}

uint32_t trace_outside(const struct trace *t, uint32_t k, uint32_t end)
{
	uint32_t depth = 0, found = k;

	for (uint32_t i = k; i < end && i < k + MOVE_MOST; i++) {
		if (t->ops[i].type == OP_LOCK)
			depth++;
		else if (t->ops[i].type == OP_UNLOCK && depth > 0)
			depth--;
		else if (t->ops[i].type == OP_UNLOCK)
			found = i + 1;
	}
	return found;
}

void trace_addition(struct addition *a, uint32_t before, enum op_type type, uint64_t at, uint32_t arg)
{
	*a = (struct addition){ before,
				{ .type = (uint8_t)type,
				  .t0 = at,
				  .t1 = at,
				  .lock = MODEL_NONE,
				  .stack = MODEL_NONE,
				  .guessed = type == OP_LOCK,
				  .arg = arg,
				  .weight = 1 } };
}

static int addition_compare(const void *a, const void *b)
{
	const struct addition *x = a, *y = b;

	if (x->before != y->before)
		return x->before < y->before ? -1 : 1;
	if (x->op.t0 != y->op.t0)
		return x->op.t0 < y->op.t0 ? -1 : 1;
	return x->op.type < y->op.type ? -1 : x->op.type > y->op.type;
}

int trace_insert(struct trace *t, struct addition *a, size_t n)
{
	struct op *ops;
	size_t from = 0, to = 0;

	if (n == 0)
		return 0;
	ops = malloc((t->n_ops + n + 1) * sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	qsort(a, n, sizeof(*a), addition_compare);
	for (size_t i = 0; i < t->n_strands; i++) {
		struct strand *s = &t->strands[i];
		size_t first = to;

		for (size_t k = s->first; k < s->first + s->n; k++) {
			while (from < n && a[from].before == k)
				ops[to++] = a[from++].op;
			ops[to++] = t->ops[k];
		}
		s->first = first;
		s->n = to - first;
	}
	free(t->ops);
	t->ops = ops;
	t->n_ops = t->cap_ops = to;
	return 0;
}
