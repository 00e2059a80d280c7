/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules: from options, and put together for a lock; see limits.h. */
#include "src/compare/limits.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/load/model.h"

#define MIN_ACQUIRED_DEFAULT 100 /* shares and medians of less are chance */

void limits_free(struct limits *l)
{
	free(l->rules);
	pool_free(&l->pool);
	*l = (struct limits){ 0 };
}

struct rule *limits_add(struct limits *l)
{
	struct rule *rule;

	if (array_grow(&l->rules, l->n, &l->capacity, sizeof(*l->rules)) < 0)
		return NULL;
	rule = &l->rules[l->n++];
	*rule = (struct rule){ .min_acquired = -1 };
	for (int i = 0; i < FIGURE_MAX; i++)
		rule->limit[i] = (struct limit){ .factor = -1, .slack = -1 };
	return rule;
}

static bool strip_prefix(const char **text, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(*text, prefix, n) != 0)
		return false;
	*text += n;
	return true;
}

int limits_option(struct limits *l, const char *text, char *error)
{
	const char *equals = strrchr(text, '='), *figure_at = text, *scope;
	struct rule *rule = limits_add(l);
	char *figure;
	int number;

	if (!rule)
		goto memory;
	if (!equals) {
		snprintf(error, MODEL_ERROR_SIZE, "--limit takes [SCOPE:]FIGURE=VALUE, not '%s'", text);
		return -EINVAL;
	}
	/* Names may have colons, figures have none. */
	for (const char *p = text; p < equals; p++)
		if (*p == ':')
			figure_at = p + 1;
	figure = pool_copy(&l->pool, figure_at, (size_t)(equals - figure_at));
	rule->where = pool_printf(&l->pool, "--limit=%s", text);
	if (!figure || !rule->where)
		goto memory;
	if (figure_at > text) {
		scope = pool_copy(&l->pool, text, (size_t)(figure_at - text - 1));
		if (!scope)
			goto memory;
		if (strcmp(scope, "total") == 0)
			rule->total = true;
		else if (strip_prefix(&scope, "identity "))
			rule->identity = scope;
		else if (strip_prefix(&scope, "module "))
			rule->module = scope;
		else {
			strip_prefix(&scope, "lock ");
			rule->name = scope;
		}
	}
	number = figure_find(figure);
	if (number < 0) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "--limit=%s: there is no figure '%s'; 'man mutrace-check' lists them", text, figure);
		return -EINVAL;
	}
	if (rule->total && !figure_of_total(number)) {
		snprintf(error, MODEL_ERROR_SIZE, "--limit=%s: the total has no %s", text, figure);
		return -EINVAL;
	}
	if (figure_parse(figure_specs[number].unit, equals + 1, &rule->limit[number].max) < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "--limit=%s: '%s' is not a value of %s (%s)", text,
			 equals + 1, figure,
			 figure_specs[number].unit == UNIT_SHARE ? "5%"
			 : figure_specs[number].unit == UNIT_NS  ? "50us"
								 : "1000");
		return -EINVAL;
	}
	rule->limit[number].has_max = true;
	l->absolute = true;
	return 0;
memory:
	snprintf(error, MODEL_ERROR_SIZE, "out of memory");
	return -ENOMEM;
}

static bool rule_matches(const struct rule *r, const struct digest_lock *lock)
{
	if (!lock || r->total)
		return !lock && r->total;
	if (r->name && fnmatch(r->name, lock->name, 0) != 0)
		return false;
	if (r->identity && fnmatch(r->identity, lock->identity, 0) != 0)
		return false;
	return !r->module || (lock->module && fnmatch(r->module, lock->module, 0) == 0);
}

void limits_of(struct limits *l, const struct digest_lock *lock, struct lock_limits *ret)
{
	ret->min_acquired = MIN_ACQUIRED_DEFAULT;
	for (int i = 0; i < FIGURE_MAX; i++)
		ret->limit[i] =
			(struct limit){ .factor = figure_specs[i].factor, .slack = figure_specs[i].slack };
	for (size_t k = 0; k < l->n; k++) {
		struct rule *r = &l->rules[k];

		if (!rule_matches(r, lock))
			continue;
		r->matched = true;
		if (r->min_acquired >= 0)
			ret->min_acquired = r->min_acquired;
		for (int i = 0; i < FIGURE_MAX; i++) {
			const struct limit *from = &r->limit[i];
			struct limit *to = &ret->limit[i];

			if (from->off)
				*to = (struct limit){ 0 };
			if (from->has_max) {
				to->has_max = true;
				to->max = from->max;
			}
			if (from->factor >= 0)
				to->factor = from->factor;
			if (from->slack >= 0)
				to->slack = from->slack;
		}
	}
}
