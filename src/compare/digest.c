/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON reports and baselines -> digests, see digest.h. Members are read by name and what is not known is
 * ignored, so reports of every format up to ours are read; the documents are not trusted.
 */
#include "src/compare/digest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/base/path.h"
#include "src/base/strings.h"
#include "src/base/table.h"
#include "src/load/model.h"
#include "src/session/kinds.h"

#define REPORT_FORMAT_NEWEST 2 /* formats of reports that are read: 1 to this */
#define NUMBER_MAX 1e18        /* more is damage */

struct reading { /* of one report */
	struct selection *selection;
	struct strings identities;
	struct table numbers; /* of the locks, by identity */
};

void digest_free(struct digest *d)
{
	if (!d)
		return;
	free(d->locks);
	pool_free(&d->pool);
	free(d);
}

const struct digest_lock *digest_counterpart(const struct digest *d, const struct digest *from,
					     const struct digest_lock *l)
{
	const struct digest_lock *found = digest_find(d, l->identity);
	const char *module = strchr(l->identity, ':');
	size_t length = from->program ? strlen(from->program) : 0;
	char *renamed;

	/* kind:module:what */
	if (found || !module || length == 0 || !d->program || strcmp(d->program, from->program) == 0 ||
	    strncmp(module + 1, from->program, length) != 0 || module[1 + length] != ':')
		return found;
	if (asprintf(&renamed, "%.*s:%s%s", (int)(module - l->identity), l->identity, d->program,
		     module + 1 + length) < 0)
		return NULL;
	found = digest_find(d, renamed);
	free(renamed);
	/* not if it is itself still there */
	return found && !digest_find(from, found->identity) ? found : NULL;
}

double digest_number(const json_t *object, const char *key)
{
	double v = json_number_value(json_object_get(object, key));

	return v > NUMBER_MAX ? NUMBER_MAX : v > 0 ? v : 0;
}

const char *digest_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const char *digest_keep(struct digest *d, const char *text)
{
	return text ? pool_copy(&d->pool, text, strlen(text)) : NULL;
}

struct digest_lock *digest_add(struct digest *d, const char *identity)
{
	struct digest_lock *l;

	if (array_grow(&d->locks, d->n, &d->capacity, sizeof(*d->locks)) < 0)
		return NULL;
	l = &d->locks[d->n];
	*l = (struct digest_lock){ .identity = digest_keep(d, identity) };
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

static void raise_to(double *value, double other)
{
	if (other > *value)
		*value = other;
}

static double ratio(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

/* The value that so many of a side's holds keep below. Within a bucket they count as spread evenly. */
static double hold_at(const json_t *histogram, double most, double rank)
{
	const json_t *bounds = json_object_get(histogram, "bounds_ns"),
		     *holds = json_object_get(histogram, "hold");
	double below = 0;

	for (size_t i = 0; i < json_array_size(holds); i++) {
		double n = json_number_value(json_array_get(holds, i));
		double low = json_number_value(json_array_get(bounds, i)), high = most;

		if (n <= 0 || below + n < rank) {
			below += n > 0 ? n : 0;
			continue;
		}
		if (i + 1 < json_array_size(bounds) &&
		    json_number_value(json_array_get(bounds, i + 1)) < most)
			high = json_number_value(json_array_get(bounds, i + 1));
		return low + (high - low) * (rank - below) / n;
	}
	return most;
}

/*
 * If half of the holds are short and half are long, a few of them decide which the median is. So chance may move it
 * by two standard deviations of the number of short ones. What that makes of it is kept if it is another length.
 */
static void median_spread(struct digest_lock *l, const json_t *side, double holds, double p50)
{
	const json_t *histogram = json_object_get(side, "histogram");
	double most = digest_number(json_object_get(side, "hold_ns"), "max"), low = p50, high = p50;

	if (histogram && holds > 0) {
		l->noise.p25 += holds * hold_at(histogram, most, holds / 4);
		low = hold_at(histogram, most, holds / 2 - sqrt(holds));
		high = hold_at(histogram, most, holds / 2 + sqrt(holds));
	}
	if (high <= 2 * low)
		low = high = p50;
	l->noise.p50_low += holds * (low < p50 ? low : p50);
	l->noise.p50_high += holds * (high > p50 ? high : p50);
}

/* One side. work: threads wait there for work, which is no contention. */
static void side_take(struct digest_lock *l, const json_t *side, bool work, struct noise_facts *facts)
{
	const json_t *wait = json_object_get(side, "wait_ns"), *hold = json_object_get(side, "hold_ns");
	bool known = !json_is_null(json_object_get(side, "acquired"));
	/* of some locks only the acquisitions that wait are known, and the holds after these */
	double *value = l->figures.value, holds = digest_number(side, known ? "acquired" : "contended");

	if (known)
		value[FIGURE_ACQUIRED] += holds;
	else
		l->figures.known &= ~(1u << FIGURE_ACQUIRED | 1u << FIGURE_CONTENDED_SHARE);
	if (work) {
		l->figures.known &= 1u << FIGURE_ACQUIRED;
		return;
	}
	value[FIGURE_CONTENDED] += digest_number(side, "contended");
	facts->holds += holds;
	facts->waits += digest_number(side, "waits") + digest_number(side, "unfinished_waits");
	facts->wait_total += digest_number(wait, "total") + digest_number(side, "unfinished_ns");
	facts->handoff += digest_number(side, "handoff_ns");
	facts->hold_total += digest_number(hold, "total");
	facts->threads += digest_number(side, "threads");
	raise_to(&value[FIGURE_WAIT_P99], digest_number(wait, "p99"));
	raise_to(&value[FIGURE_WAIT_MAX], digest_number(wait, "max"));
	if (!hold)
		return;
	/* a median of two sides is not known; their weighted mean lies between them */
	facts->p50 += holds * digest_number(hold, "p50");
	median_spread(l, side, holds, digest_number(hold, "p50"));
	facts->p95 += holds * digest_number(hold, "p95");
	raise_to(&value[FIGURE_HOLD_P99], digest_number(hold, "p99"));
	raise_to(&value[FIGURE_HOLD_MAX], digest_number(hold, "max"));
}

static void holder_take(const json_t *holder, struct noise_facts *facts)
{
	double slept = digest_number(holder, "slept_ns");

	facts->preempted += digest_number(holder, "preempted_ns");
	facts->slept += slept;
	if (digest_sleeps_alone(json_object_get(holder, "slept_in")))
		facts->slept_seen += slept;
}

static void sides_take(struct digest_lock *l, const json_t *lock, const struct processors *p)
{
	const json_t *read = json_object_get(lock, "read"), *holders = json_object_get(lock, "holders");
	const char *role = digest_text(lock, "role");
	bool work = role && strcmp(role, "work") == 0;
	struct noise_facts facts = { 0 };

	side_take(l, lock, work, &facts);
	if (read) {
		l->figures.value[FIGURE_WRITES] += digest_number(lock, "acquired");
		side_take(l, read, work, &facts);
	}
	for (size_t i = 0; i < json_array_size(holders); i++)
		holder_take(json_array_get(holders, i), &facts);
	l->noise.holds += facts.holds;
	l->noise.waits += facts.waits;
	l->noise.wait_total += facts.wait_total;
	l->noise.hold_total += facts.hold_total;
	l->noise.p50 += facts.p50;
	facts.p50 = ratio(facts.p50, facts.holds);
	facts.p95 = ratio(facts.p95, facts.holds);
	noise_add(&l->noise, &facts, p);
}

static unsigned int figures_of_total(void)
{
	unsigned int known = 0;

	for (int f = 0; f < FIGURE_MAX; f++)
		known |= (unsigned int)figure_of_total(f) << f;
	return known;
}

/* The figures that a kind of lock has. */
unsigned int digest_figures(enum lock_kind kind)
{
	unsigned int known = (1u << FIGURE_MAX) - 1;

	if (!kind_has(kind, TRAIT_HOLDS))
		known &= (1u << FIGURE_HOLD_SHARE) - 1;
	return kind_has(kind, TRAIT_SIDES) ? known : known & ~(1u << FIGURE_WRITES);
}

static int lock_take(struct digest *d, struct reading *x, const json_t *lock, const struct processors *p)
{
	const char *identity = digest_text(lock, "identity"), *kind = digest_text(lock, "kind"),
		   *name = digest_text(lock, "name");
	const char *named_by = digest_text(lock, "named_by"), *interned;
	struct digest_lock *l;
	uint32_t number;
	bool known;

	if (!identity || !kind || !name)
		return -EBADMSG;
	if (named_by && strcmp(named_by, "address") == 0) {
		d->unnamed++;
		return 0;
	}
	interned = strings_intern(&x->identities, identity);
	if (!interned)
		return -ENOMEM;
	number = table_get(&x->numbers, (uintptr_t)interned, 0);
	if (number == TABLE_NONE) {
		number = (uint32_t)d->n;
		l = digest_add(d, identity);
		if (!l || table_put(&x->numbers, (uintptr_t)interned, 0, number) < 0)
			return -ENOMEM;
		l->name = digest_keep(d, name);
		l->kind = digest_keep(d, kind);
		l->module = digest_keep(d, path_name(digest_text(lock, "module")));
		l->figures.known = digest_figures(kind_named(kind));
		if (!l->name || !l->kind)
			return -ENOMEM;
	}
	l = &d->locks[number];
	l->kept = selection_keeps(x->selection, lock, &known) || l->kept;
	l->is_known = l->is_known || known;
	sides_take(l, lock, p);
	return digest_places(d, l, lock);
}

void digest_total(struct digest *d)
{
	static const size_t parts[] = { offsetof(struct figures, value), offsetof(struct figures, likely),
					offsetof(struct figures, sure), offsetof(struct figures, low),
					offsetof(struct figures, high) };

	d->total = (struct figures){ .known = figures_of_total() };
	for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
		double *to = (double *)((char *)&d->total + parts[k]), contended = 0;

		for (size_t i = 0; i < d->n; i++) {
			const double *from = (const double *)((const char *)&d->locks[i].figures + parts[k]);

			for (int f = 0; f < FIGURE_MAX; f++)
				if (figure_of_total(f))
					to[f] += from[f];
			contended += from[FIGURE_CONTENDED_SHARE] * from[FIGURE_ACQUIRED];
			to[FIGURE_WAIT_MAX] -= from[FIGURE_WAIT_MAX];
			raise_to(&to[FIGURE_WAIT_MAX], from[FIGURE_WAIT_MAX]);
		}
		to[FIGURE_CONTENDED_SHARE] = ratio(contended, to[FIGURE_ACQUIRED]);
	}
}

/* As far as chance may move the median, it is not sure. */
static void spread_apply(struct figures *f, double low, double high)
{
	if (low < f->sure[FIGURE_HOLD_P50])
		f->sure[FIGURE_HOLD_P50] = low;
	if (low < f->low[FIGURE_HOLD_P50])
		f->low[FIGURE_HOLD_P50] = low;
	raise_to(&f->high[FIGURE_HOLD_P50], high);
}

/* Computes the figures that follow from the sums of all processes. */
static void derive(struct digest *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct digest_lock *l = &d->locks[i];
		const struct noise *n = &l->noise;
		double *v = l->figures.value;

		v[FIGURE_CONTENDED_SHARE] = ratio(v[FIGURE_CONTENDED], v[FIGURE_ACQUIRED]);
		v[FIGURE_WAIT_TOTAL] = n->wait_total;
		v[FIGURE_WAIT_SHARE] = ratio(n->wait_total, d->thread_time);
		v[FIGURE_WAIT_AVG] = ratio(n->wait_total, n->waits);
		v[FIGURE_HOLD_AVG] = ratio(n->hold_total, n->holds);
		v[FIGURE_HOLD_SHARE] = ratio(n->hold_total, d->thread_time);
		v[FIGURE_HOLD_P50] = ratio(n->p50, n->holds);
		noise_apply(n, &l->figures, d->thread_time, d->queued_ns);
		spread_apply(&l->figures, ratio(n->p50_low, n->holds), ratio(n->p50_high, n->holds));
	}
	digest_total(d);
}

/* The counts of the kernel for some of the threads, taken for all of them. */
static struct processors processors_take(struct digest *d, const json_t *process)
{
	const json_t *o = json_object_get(process, "processors");
	double known = digest_number(o, "thread_time_ns"), all = digest_number(process, "thread_time_ns");
	double scale = known > 0 && all > known ? all / known : 1;
	struct processors p = {
		.run_ns = digest_number(o, "run_ns") * scale,
		.queued_ns = digest_number(o, "queued_ns") * scale,
		.slices = digest_number(o, "slices") * scale,
	};

	d->run_ns += p.run_ns;
	d->queued_ns += p.queued_ns;
	return p;
}

static int process_take(struct digest *d, struct reading *x, const json_t *p)
{
	const json_t *locks = json_object_get(p, "locks");
	struct processors processors = processors_take(d, p);
	int r = 0;

	if (!d->program)
		d->program = digest_keep(d, path_name(digest_text(p, "program")));
	digest_deadlock(d, p);
	d->thread_time += digest_number(p, "thread_time_ns");
	d->lost += (uint64_t)digest_number(p, "lost_events");
	d->incomplete = d->incomplete || json_is_false(json_object_get(p, "complete"));
	for (size_t i = 0; i < json_array_size(locks) && r == 0; i++)
		r = lock_take(d, x, json_array_get(locks, i), &processors);
	return r;
}

static int report_take(struct digest *d, const json_t *document, const char *name, struct selection *s,
		       char *error)
{
	json_int_t format = json_integer_value(json_object_get(document, "format"));
	const json_t *processes = json_object_get(document, "processes");
	struct reading x = { .selection = s };
	size_t i;
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
		const json_t *p = json_array_get(processes, i);

		if (json_is_true(json_object_get(json_object_get(p, "recording"), "contended_only"))) {
			snprintf(error, MODEL_ERROR_SIZE,
				 "%s was recorded with --contended-only and has no counts to compare", name);
			r = -ENODATA;
			break;
		}
		r = process_take(d, &x, p);
		if (r == -EBADMSG)
			snprintf(error, MODEL_ERROR_SIZE, "%s: a lock lacks its identity, name or kind",
				 name);
	}
	d->lost += (uint64_t)digest_number(document, "unrecorded_processes") +
		   (uint64_t)digest_number(document, "unreadable_recordings");
	table_free(&x.numbers);
	strings_free(&x.identities);
	if (r == 0)
		derive(d);
	return r;
}

int digest_from_json(const json_t *document, const char *name, struct selection *s, struct digest **ret,
		     char *error)
{
	struct digest *d = calloc(1, sizeof(*d));
	int r = -ENOMEM;

	if (d) {
		d->runs = 1;
		r = baseline_is(document) ? baseline_read(d, document, name, s, error)
					  : report_take(d, document, name, s, error);
	}
	if (r == -ENOMEM)
		snprintf(error, MODEL_ERROR_SIZE, "%s: out of memory", name);
	return digest_end(d, r, ret);
}
