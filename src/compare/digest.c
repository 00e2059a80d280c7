/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON reports and baselines -> digests, see digest.h. Members are read by name and what is not known is
 * ignored, so reports of every format up to ours are read; the documents are not trusted.
 */
#include "src/compare/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/base/path.h"
#include "src/base/strings.h"
#include "src/base/table.h"
#include "src/load/model.h"
#include "src/render/frame.h"
#include "src/session/kinds.h"

#define REPORT_FORMAT_NEWEST 1 /* formats of reports that are read: 1 to this */
#define BASELINE_FORMAT 1
#define STACK_SHOWN 4
#define NUMBER_MAX 1e18 /* more is damage */
#define LINE_NUMBER_MAX 1e9
#define RUNS_MAX 1000000u

void digest_free(struct digest *d)
{
	if (!d)
		return;
	free(d->locks);
	pool_free(&d->pool);
	free(d);
}

static double number_of(const json_t *object, const char *key)
{
	double v = json_number_value(json_object_get(object, key));

	return v > NUMBER_MAX ? NUMBER_MAX : v > 0 ? v : 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const char *keep(struct digest *d, const char *text)
{
	return text ? pool_copy(&d->pool, text, strlen(text)) : NULL;
}

struct digest_lock *digest_add(struct digest *d, const char *identity)
{
	struct digest_lock *l;

	if (array_grow(&d->locks, d->n, &d->capacity, sizeof(*d->locks)) < 0)
		return NULL;
	l = &d->locks[d->n];
	*l = (struct digest_lock){ .identity = keep(d, identity) };
	if (!l->identity)
		return NULL;
	d->n++;
	return l;
}

static int lock_compare(const void *a, const void *b)
{
	return strcmp(((const struct digest_lock *)a)->identity, ((const struct digest_lock *)b)->identity);
}

static void digest_sort(struct digest *d)
{
	if (d->n)
		qsort(d->locks, d->n, sizeof(*d->locks), lock_compare);
}

int digest_end(struct digest *d, int r, struct digest **ret)
{
	if (r < 0) {
		digest_free(d);
		return r;
	}
	digest_sort(d);
	*ret = d;
	return 0;
}

const struct digest_lock *digest_find(const struct digest *d, const char *identity)
{
	const struct digest_lock key = { .identity = identity };

	return d->n ? bsearch(&key, d->locks, d->n, sizeof(*d->locks), lock_compare) : NULL;
}

static unsigned int line_of(const json_t *frame)
{
	double line = number_of(frame, "line");

	return line > LINE_NUMBER_MAX ? 0 : (unsigned int)line;
}

/* The number of a member like "0x1a4". */
static uint64_t hex_of(const json_t *frame, const char *key)
{
	const char *text = text_of(frame, key);

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
		frame_print(f, &(const struct frame_words){ .function = text_of(frame, "function"),
							    .file = text_of(frame, "file"),
							    .module = text_of(frame, "module"),
							    .line = line_of(frame),
							    .offset = hex_of(frame, "offset"),
							    .address = hex_of(frame, "address") });
	}
	if (fclose(f) == 0)
		place->stack = keep(d, text);
	free(text);
	place->file = keep(d, text_of(json_array_get(stack, 0), "file"));
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

		if (json_array_size(stack) == 0 || number_of(g, time) <= *ret)
			continue;
		*ret = number_of(g, time);
		best = stack;
	}
	return best;
}

static void raise_to(double *value, double other)
{
	if (other > *value)
		*value = other;
}

/* work: threads wait there for work, which is no contention. */
static void side_take(struct digest_lock *l, const json_t *side, bool work)
{
	const json_t *wait = json_object_get(side, "wait_ns"), *hold = json_object_get(side, "hold_ns");
	bool known = !json_is_null(json_object_get(side, "acquired"));
	/* of some locks only the acquisitions that wait are known, and the holds after these */
	double acquired = number_of(side, known ? "acquired" : "contended");

	l->value[FIGURE_ACQUIRED] += known ? acquired : 0;
	l->value[FIGURE_CONTENDED] += number_of(side, "contended");
	if (work)
		return;
	l->waits += number_of(side, "waits");
	l->wait_total += number_of(wait, "total") + number_of(side, "unfinished_ns");
	raise_to(&l->value[FIGURE_WAIT_P99], number_of(wait, "p99"));
	raise_to(&l->value[FIGURE_WAIT_MAX], number_of(wait, "max"));
	if (!hold)
		return;
	l->hold_total += number_of(hold, "total");
	/* a median of two sides is not known; their weighted mean lies between them */
	l->value[FIGURE_HOLD_P50] += acquired * number_of(hold, "p50");
	l->weight += acquired;
	raise_to(&l->value[FIGURE_HOLD_P99], number_of(hold, "p99"));
	raise_to(&l->value[FIGURE_HOLD_MAX], number_of(hold, "max"));
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

static int places_take(struct digest *d, struct digest_lock *l, const json_t *lock)
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

static int lock_take(struct digest *d, struct table *numbers, struct strings *identities, const json_t *lock)
{
	const char *identity = text_of(lock, "identity"), *kind = text_of(lock, "kind"),
		   *name = text_of(lock, "name"), *role = text_of(lock, "role");
	bool work = role && strcmp(role, "work") == 0;
	const char *named_by = text_of(lock, "named_by"), *interned;
	struct digest_lock *l;
	uint32_t number;

	if (!identity || !kind || !name)
		return -EBADMSG;
	if (named_by && strcmp(named_by, "address") == 0) {
		d->unnamed++;
		return 0;
	}
	interned = strings_intern(identities, identity);
	if (!interned)
		return -ENOMEM;
	number = table_get(numbers, (uintptr_t)interned, 0);
	if (number == TABLE_NONE) {
		number = (uint32_t)d->n;
		l = digest_add(d, identity);
		if (!l || table_put(numbers, (uintptr_t)interned, 0, number) < 0)
			return -ENOMEM;
		l->name = keep(d, name);
		l->kind = keep(d, kind);
		l->module = keep(d, path_name(text_of(lock, "module")));
		l->held = kind_has(kind_named(kind), TRAIT_HOLDS);
		if (!l->name || !l->kind)
			return -ENOMEM;
	}
	l = &d->locks[number];
	side_take(l, lock, work);
	if (json_object_get(lock, "read"))
		side_take(l, json_object_get(lock, "read"), work);
	return places_take(d, l, lock);
}

static double ratio(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

/* Computes the figures that follow from the sums of all processes. */
static void derive(struct digest *d)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		struct digest_lock *l = &d->locks[i];
		double *v = l->value;

		v[FIGURE_CONTENDED_SHARE] = ratio(v[FIGURE_CONTENDED], v[FIGURE_ACQUIRED]);
		v[FIGURE_WAIT_TOTAL] = l->wait_total;
		v[FIGURE_WAIT_SHARE] = ratio(l->wait_total, d->thread_time);
		v[FIGURE_WAIT_AVG] = ratio(l->wait_total, l->waits);
		v[FIGURE_HOLD_AVG] = ratio(l->hold_total, l->weight);
		v[FIGURE_HOLD_SHARE] = ratio(l->hold_total, d->thread_time);
		v[FIGURE_HOLD_P50] = ratio(v[FIGURE_HOLD_P50], l->weight);
		memcpy(l->low, v, sizeof(l->low));
		memcpy(l->high, v, sizeof(l->high));
		d->total[FIGURE_ACQUIRED] += v[FIGURE_ACQUIRED];
		d->total[FIGURE_CONTENDED] += v[FIGURE_CONTENDED];
		d->total[FIGURE_WAIT_TOTAL] += v[FIGURE_WAIT_TOTAL];
		raise_to(&d->total[FIGURE_WAIT_MAX], v[FIGURE_WAIT_MAX]);
	}
	d->total[FIGURE_CONTENDED_SHARE] = ratio(d->total[FIGURE_CONTENDED], d->total[FIGURE_ACQUIRED]);
	d->total[FIGURE_WAIT_SHARE] = ratio(d->total[FIGURE_WAIT_TOTAL], d->thread_time);
	memcpy(d->total_low, d->total, sizeof(d->total));
	memcpy(d->total_high, d->total, sizeof(d->total));
}

/* The first deadlock of a process, in words. */
static void deadlock_take(struct digest *d, const json_t *process)
{
	const json_t *circle = json_array_get(json_object_get(process, "deadlocks"), 0);
	size_t n = json_array_size(circle), size;
	char *text = NULL;
	FILE *f = n && !d->deadlock ? open_memstream(&text, &size) : NULL;

	if (!f)
		return;
	fprintf(f, "DEADLOCK in %s: ", path_name(text_of(process, "program")));
	if (n == 1)
		fputs("a thread waits for a lock that it holds itself (", f);
	else
		fprintf(f, "%zu threads wait for each other (", n);
	for (size_t i = 0; i < n; i++) {
		const char *lock = text_of(json_array_get(circle, i), "name");

		fprintf(f, "%s%s", i ? ", " : "", lock ? lock : "a thread's end");
	}
	fputc(')', f);
	if (fclose(f) == 0)
		d->deadlock = keep(d, text);
	free(text);
}

static int report_take(struct digest *d, const json_t *document, const char *name, char *error)
{
	json_int_t format = json_integer_value(json_object_get(document, "format"));
	const json_t *processes = json_object_get(document, "processes");
	struct strings identities = { 0 };
	struct table numbers = { 0 };
	size_t i, j;
	int r = 0;

	if (format < 1 || !json_is_array(processes)) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "%s is JSON, but neither a report of mutrace nor a baseline", name);
		return -EBADMSG;
	}
	if (format > REPORT_FORMAT_NEWEST) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "%s is of format %lld, made by a newer mutrace; this one reads up to %d", name,
			 (long long)format, REPORT_FORMAT_NEWEST);
		return -EPROTONOSUPPORT;
	}
	for (i = 0; i < json_array_size(processes) && r == 0; i++) {
		const json_t *p = json_array_get(processes, i), *locks = json_object_get(p, "locks");

		if (json_is_true(json_object_get(json_object_get(p, "recording"), "contended_only"))) {
			snprintf(error, MODEL_ERROR_SIZE,
				 "%s was recorded with --contended-only and has no counts to compare", name);
			r = -ENODATA;
			break;
		}
		if (!d->program)
			d->program = keep(d, path_name(text_of(p, "program")));
		deadlock_take(d, p);
		d->thread_time += number_of(p, "thread_time_ns");
		d->lost += (uint64_t)number_of(p, "lost_events");
		d->incomplete = d->incomplete || json_is_false(json_object_get(p, "complete"));
		for (j = 0; j < json_array_size(locks) && r == 0; j++)
			r = lock_take(d, &numbers, &identities, json_array_get(locks, j));
		if (r == -EBADMSG)
			snprintf(error, MODEL_ERROR_SIZE, "%s: a lock lacks its identity, name or kind",
				 name);
	}
	d->lost += (uint64_t)number_of(document, "unrecorded_processes") +
		   (uint64_t)number_of(document, "unreadable_recordings");
	table_free(&numbers);
	strings_free(&identities);
	if (r == 0)
		derive(d);
	return r;
}

static void figures_read(const json_t *object, double value[FIGURE_MAX])
{
	for (int i = 0; i < FIGURE_MAX; i++)
		value[i] = number_of(object, figure_specs[i].name);
}

static int baseline_take(struct digest *d, const json_t *document, const char *name, char *error)
{
	json_int_t format = json_integer_value(json_object_get(document, "mutrace-baseline"));
	json_t *locks = json_object_get(document, "locks"), *lock;
	const char *identity;
	double runs;

	if (format != BASELINE_FORMAT) {
		snprintf(error, MODEL_ERROR_SIZE, "%s is a baseline of format %lld; this mutrace reads %d",
			 name, (long long)format, BASELINE_FORMAT);
		return -EPROTONOSUPPORT;
	}
	runs = number_of(document, "runs");
	d->runs = runs > RUNS_MAX ? RUNS_MAX : (unsigned int)runs;
	d->program = keep(d, text_of(document, "program"));
	figures_read(json_object_get(document, "total"), d->total);
	memcpy(d->total_low, d->total, sizeof(d->total));
	memcpy(d->total_high, d->total, sizeof(d->total));
	json_object_foreach(locks, identity, lock)
	{
		struct digest_lock *l = digest_add(d, identity);

		if (!l)
			return -ENOMEM;
		l->name = keep(d, text_of(lock, "name"));
		l->kind = keep(d, text_of(lock, "kind"));
		l->module = keep(d, text_of(lock, "module"));
		if (!l->name || !l->kind) {
			snprintf(error, MODEL_ERROR_SIZE, "%s: %s lacks its name or kind", name, identity);
			return -EBADMSG;
		}
		l->held = kind_has(kind_named(l->kind), TRAIT_HOLDS);
		figures_read(lock, l->value);
		memcpy(l->low, l->value, sizeof(l->low));
		memcpy(l->high, l->value, sizeof(l->high));
	}
	return 0;
}

int digest_from_json(const json_t *document, const char *name, struct digest **ret, char *error)
{
	struct digest *d = calloc(1, sizeof(*d));
	int r = -ENOMEM;

	if (d) {
		d->runs = 1;
		r = json_object_get(document, "mutrace-baseline") ? baseline_take(d, document, name, error)
								  : report_take(d, document, name, error);
	}
	if (r == -ENOMEM)
		snprintf(error, MODEL_ERROR_SIZE, "%s: out of memory", name);
	return digest_end(d, r, ret);
}
