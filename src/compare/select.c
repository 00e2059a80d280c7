/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which locks are compared, see select.h. */
#include "src/compare/select.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/compare/digest.h"
#include "src/load/model.h"

struct taking {
	struct selection *s;
	const char *file;
};

static int known_take(void *data, const char *glob, unsigned int line)
{
	struct taking *t = data;
	struct selection *s = t->s;
	const char *copy = pool_copy(&s->pool, glob, strlen(glob));

	if (!copy || array_grow(&s->known, s->n_known, &s->capacity, sizeof(*s->known)) < 0)
		return -ENOMEM;
	s->known[s->n_known++] = (struct known){ .glob = copy, .file = t->file, .line = line };
	return 0;
}

int selection_read(struct selection *s, const char *const *files, char *error)
{
	for (; files && *files; files++) {
		int r = globs_read(*files, known_take, &(struct taking){ s, *files });

		if (r < 0) {
			snprintf(error, MODEL_ERROR_SIZE, "%s: %s", *files, strerror(-r));
			return r;
		}
	}
	return 0;
}

void selection_free(struct selection *s)
{
	free(s->known);
	pool_free(&s->pool);
	*s = (struct selection){ 0 };
}

/* Globs of functions, or one glob of a function or module: some frame of the stack matches. */
static bool stack_matches(const json_t *stack, const char *const *functions, const char *known)
{
	for (size_t i = 0; i < json_array_size(stack); i++) {
		const json_t *frame = json_array_get(stack, i);
		const char *function = digest_text(frame, "function");

		if (functions ? function && match_any_function(functions, function)
			      : match_function(known, function) ||
					match_module(known, digest_text(frame, "module")))
			return true;
	}
	return false;
}

/* The stacks of those that waited for a lock, held it and used it. */
static bool stacks_match(const json_t *lock, const char *const *functions, const char *known)
{
	static const char *const lists[] = { "waiters", "holders", "users", "waiting_now" };

	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
		const json_t *list = json_object_get(lock, lists[k]);

		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *group = json_array_get(list, i);

			if (stack_matches(json_object_get(group, "stack"), functions, known) ||
			    stack_matches(json_object_get(group, "held_at"), functions, known))
				return true;
		}
	}
	return false;
}

static bool threads_match(const json_t *lock, const char *const *threads)
{
	const json_t *names = json_object_get(lock, "thread_names");

	for (size_t i = 0; i < json_array_size(names); i++)
		if (match_any(threads, json_string_value(json_array_get(names, i))))
			return true;
	return false;
}

bool selection_keeps_named(struct selection *s, const char *name, const char *identity, bool *ret_known)
{
	*ret_known = false;
	for (size_t i = 0; i < s->n_known; i++) {
		struct known *k = &s->known[i];

		if (fnmatch(k->glob, name, 0) == 0 || fnmatch(k->glob, identity, 0) == 0)
			*ret_known = k->matched = true;
	}
	return !s->filter.locks || match_any(s->filter.locks, name);
}

bool selection_keeps(struct selection *s, const json_t *lock, bool *ret_known)
{
	const struct filter *f = &s->filter;
	bool keeps =
		selection_keeps_named(s, digest_text(lock, "name"), digest_text(lock, "identity"), ret_known);

	for (size_t i = 0; i < s->n_known; i++)
		if (stacks_match(lock, NULL, s->known[i].glob))
			*ret_known = s->known[i].matched = true;
	return keeps && (!f->threads || threads_match(lock, f->threads)) &&
	       (!f->functions || stacks_match(lock, f->functions, NULL));
}

static bool kept(const struct selection *s, const struct digest_lock *l)
{
	return l && l->kept && l->figures.value[FIGURE_WAIT_TOTAL] >= (double)s->filter.wait_ns;
}

/* Which locks of d are to go. In d alone: other is NULL, or lacks the lock. */
static void mark(struct selection *s, struct digest *d, const struct digest *other, bool count)
{
	for (size_t i = 0; i < d->n; i++) {
		struct digest_lock *l = &d->locks[i];
		const struct digest_lock *o = other ? digest_counterpart(other, d, l) : NULL;
		bool known = l->is_known || (o && o->is_known);

		l->out = known || !(kept(s, l) || kept(s, o));
		s->ignored += count && known;
		s->left_out += count && l->out && !known;
	}
}

static void take_out(struct digest *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		if (!d->locks[i].out)
			d->locks[n++] = d->locks[i];
	d->n = n;
	digest_total(d);
}

void selection_apply(struct selection *s, struct digest *a, struct digest *b)
{
	s->left_out = s->ignored = 0;
	if (filter_empty(&s->filter) && s->n_known == 0)
		return;
	mark(s, a, b, true);
	if (b) {
		mark(s, b, a, false);
		take_out(b);
	}
	take_out(a);
}
