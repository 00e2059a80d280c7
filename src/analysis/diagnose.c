/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Patterns that have a name and a remedy. Here are those that a row's sums tell; those of single locks are in
 * diagnose_locks.c, of pairs of locks in diagnose_order.c. A pattern is named only where it takes a part of the
 * program's time, and where nothing else looks like it. Runs in mutrace. Called by report.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

#define TEXT_SIZE 1024

const char *const report_diagnosis_names[DIAGNOSIS_MAX] = {
	[DIAGNOSIS_DEADLOCK] = "deadlock",
	[DIAGNOSIS_LOCK_ORDER] = "lock-order",
	[DIAGNOSIS_HOLDER_SLEPT] = "holder-slept",
	[DIAGNOSIS_HOLDER_PREEMPTED] = "holder-preempted",
	[DIAGNOSIS_CONVOY] = "convoy",
	[DIAGNOSIS_WRITER_STARVATION] = "writer-starvation",
	[DIAGNOSIS_THUNDERING_HERD] = "thundering-herd",
	[DIAGNOSIS_HOT_INSTANCE] = "hot-instance",
	[DIAGNOSIS_FALSE_SHARING] = "false-sharing",
	[DIAGNOSIS_ALLOCATOR] = "allocator",
};

int diagnosis_add(struct diagnoses *d, enum diagnosis kind, const struct report_row *const *rows, size_t n,
		  const char *format, ...)
{
	struct report_process *e = d->e;
	const struct report_row **kept;
	char text[TEXT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (array_grow(&e->diagnoses, e->n_diagnoses, &d->capacity, sizeof(*e->diagnoses)) < 0)
		return -ENOMEM;
	kept = pool_take(&d->v->pool, n * sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	memcpy(kept, rows, n * sizeof(*kept));
	e->diagnoses[e->n_diagnoses] = (struct report_diagnosis){
		.kind = kind,
		.rows = kept,
		.n_rows = n,
		.text = strings_intern(&d->v->strings, text),
	};
	return e->diagnoses[e->n_diagnoses++].text ? 0 : -ENOMEM;
}

#define WAITS_LEAST 10u
#define TIME_SHARE 100u   /* of the threads' time, */
#define RUNTIME_SHARE 20u /* or of the run time: a server may have many idle threads */

bool diagnosis_matters(const struct diagnoses *d, const struct report_row *row)
{
	uint64_t wait = row_wait(row);

	return wait != 0 && !row->work &&
	       (wait >= d->e->thread_time_ns / TIME_SHARE || wait >= d->e->runtime_ns / RUNTIME_SHARE);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* A holder is to blame for a quarter of what was blocked by not running. */
#define NOT_RUNNING_PERCENT 25

/* The function in which a holder sleeps, if programs wait for events there; else NULL. */
static const char *waits_for_events(const struct report_group *holder)
{
	static const char *const functions[] = { "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll",
						 "ppoll",      "select",      "pselect" };
	const char *name =
		holder->slept_in && holder->slept_in->n ? holder->slept_in->frames[0].function : NULL;

	if (!name)
		return NULL;
	name += strncmp(name, "__GI_", 5) == 0 ? 5 : 0;
	name += strspn(name, "_");
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (strcmp(name, functions[i]) == 0)
			return functions[i];
	return NULL;
}

/* For how much of the wait of which more than a little is known the holder waited for events, where that is much. */
static uint64_t parked_for(const struct report_row *row, uint64_t *ret_known, const char **ret_function)
{
	uint64_t known = 0, slept = 0;

	for (size_t i = 0; i < row->n_holders; i++) {
		const char *name = waits_for_events(&row->holders[i]);

		known += row->holders[i].known_ns;
		slept += name ? row->holders[i].slept_ns : 0;
		*ret_function = name ? name : *ret_function;
	}
	*ret_known = known;
	return known < row_wait(row) / 4 || percent(slept, known) < NOT_RUNNING_PERCENT ? 0 : slept;
}

/* A lock whose holder waits for events: most of what it kept others waiting is idleness, if that is meant. */
static int parked(struct diagnoses *d, const struct report_row *row, bool *ret)
{
	const char *function = NULL;
	uint64_t known, slept = parked_for(row, &known, &function);

	if (slept == 0)
		return 0;
	*ret = true;
	return diagnosis_add(
		d, DIAGNOSIS_HOLDER_SLEPT, &row, 1,
		"holders wait for events: for %.0f %% of the wait the thread that had the lock slept, "
		"mostly in %s(). If it holds the lock to park the others until there is work, that "
		"part is idleness; else release the lock before.",
		percent(slept, known), function);
}

static int holders_ran(struct diagnoses *d, const struct report_row *row)
{
	uint64_t known = 0, preempted = 0, slept = 0, waits = row->side[0].contended + row->side[1].contended;
	bool told = false;
	int r;

	for (size_t i = 0; i < row->n_holders; i++) {
		known += row->holders[i].known_ns;
		preempted += row->holders[i].preempted_ns;
		slept += row->holders[i].slept_ns;
	}
	r = parked(d, row, &told);
	/* of waits of which little is known nothing is said */
	if (waits < WAITS_LEAST || known < row_wait(row) / 4)
		return r;
	if (r == 0 && !told && percent(slept, known) >= NOT_RUNNING_PERCENT)
		r = diagnosis_add(
			d, DIAGNOSIS_HOLDER_SLEPT, &row, 1,
			"holders sleep: for %.0f %% of the wait the thread that had the lock slept in system "
			"calls. Do what sleeps before the lock is taken or after it is released.",
			percent(slept, known));
	if (r == 0 && percent(preempted, known) >= NOT_RUNNING_PERCENT)
		r = diagnosis_add(
			d, DIAGNOSIS_HOLDER_PREEMPTED, &row, 1,
			"holders are preempted: for %.0f %% of the wait the thread that had the lock waited "
			"for "
			"a processor. Run fewer busy threads than there are processors, or hold it shorter.",
			percent(preempted, known));
	return r;
}

#define CONVOY_PERCENT 60 /* acquisitions that wait */
#define CONVOY_LEAST 30u
#define CONVOY_HOLDS 1.8 /* they wait so many holds on average; with two threads that take turns it is one */

static int convoy(struct diagnoses *d, const struct report_row *row)
{
	const struct counters *c = &row->side[SIDE_EXCLUSIVE];
	double wait = (double)durations_average(&c->wait), hold = (double)durations_average(&c->hold);

	if (!kind_has(row->kind, TRAIT_HOLDS) || kind_has(row->kind, TRAIT_SIDES) ||
	    kind_has(row->kind, TRAIT_LIBC) || /* not all of its holds are seen */
	    d->e->first->config.contended_only || d->e->first->cut || c->contended < CONVOY_LEAST ||
	    percent(c->contended, c->acquired) < CONVOY_PERCENT || hold <= 0 || wait < CONVOY_HOLDS * hold)
		return 0;
	return diagnosis_add(
		d, DIAGNOSIS_CONVOY, &row, 1,
		"convoy: %.0f %% of the acquisitions wait, on average %.3g times as long as it is held, so "
		"there is always a queue. Hold it shorter, do more each time, or split what it protects.",
		percent(c->contended, c->acquired), wait / hold);
}

/* Each thread has blocks of its own at hand with other allocators, so they seldom meet. */
static int allocator(struct diagnoses *d, const struct report_row *row)
{
	if (row->kind != KIND_ARENA || row->side[SIDE_EXCLUSIVE].contended < WAITS_LEAST)
		return 0;
	return diagnosis_add(
		d, DIAGNOSIS_ALLOCATOR, &row, 1,
		"threads share malloc's arenas. Allocate less often there, or use an allocator with "
		"larger caches for each thread (LD_PRELOAD of jemalloc or tcmalloc).");
}

#define STARVED_LEAST 3u
#define STARVED_HOLDS \
	2 /* a writer waits for those who read when it comes: at most one hold, if none came later */

static int writer_starvation(struct diagnoses *d, const struct report_row *row)
{
	const struct counters *w = &row->side[SIDE_EXCLUSIVE], *r = &row->side[SIDE_SHARED];
	uint64_t by_readers = 0, wait = durations_average(&w->wait);
	uint64_t hold = durations_percentile(&r->hold, 0.99); /* the longest may have lost the processor */

	if (row->kind != KIND_RWLOCK || row->type != RWLOCK_PREFER_READER || w->wait.count < STARVED_LEAST)
		return 0;
	for (size_t i = 0; i < row->n_holders; i++)
		by_readers += row->holders[i].side == SIDE_SHARED ? row->holders[i].ns : 0;
	if (by_readers < w->cost_ns / 2 || hold == 0 || wait < STARVED_HOLDS * hold)
		return 0;
	return diagnosis_add(
		d, DIAGNOSIS_WRITER_STARVATION, &row, 1,
		"writers starve: they wait %.3g times as long as nearly all reads take, since new readers "
		"pass them by. Let the rwlock prefer writers (PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP).",
		(double)wait / (double)hold);
}

#define HERD_RATE 50u /* futile wakeups a second */
#define HERD_LEAST 30u
#define HERD_WOKEN 3u /* by each broadcast */

static int herd(struct diagnoses *d, const struct report_row *row)
{
	const struct counters *c = &row->side[SIDE_EXCLUSIVE];
	uint64_t calls = c->broadcasts + c->acquired; /* signals */

	/* If nobody ever lets go of the mutex before it waits again, they may as well do their work with it held. */
	if (c->broadcasts == 0 || c->futile < HERD_LEAST || c->futile < c->waits / 2 ||
	    c->waits < c->futile + calls / 2 || c->waits < HERD_WOKEN * calls ||
	    (double)c->futile * 1e9 < HERD_RATE * (double)d->e->runtime_ns)
		return 0;
	return diagnosis_add(
		d, DIAGNOSIS_THUNDERING_HERD, &row, 1,
		"thundering herd: each broadcast wakes %.3g threads, and %.0f %% of them find nothing to do "
		"and wait again. Wake one (pthread_cond_signal), or give each kind of waiter a condition.",
		(double)c->waits / (double)calls, percent(c->futile, c->waits));
}

static int deadlocks(struct diagnoses *d)
{
	int r = 0;

	for (size_t i = 0; i < d->e->n_cycles && r == 0; i++) {
		const struct report_cycle *c = &d->e->cycles[i];
		const struct report_row **rows = malloc((c->n + 1) * sizeof(*rows));
		size_t n = 0;

		if (!rows)
			return -ENOMEM;
		for (size_t k = 0; k < c->n; k++)
			if (c->waits[k]->row)
				rows[n++] = c->waits[k]->row;
		if (n)
			r = diagnosis_add(
				d, DIAGNOSIS_DEADLOCK, rows, n,
				"deadlock: %zu thread%s for ever. Take the locks in one order everywhere.",
				c->n, c->n == 1 ? " waits for itself" : "s wait for each other");
		free(rows);
	}
	return r;
}

static int row_patterns(struct diagnoses *d, const struct report_row *row)
{
	static int (*const patterns[])(struct diagnoses *, const struct report_row *) = {
		holders_ran,
		convoy,
		allocator,
		writer_starvation,
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]) && r == 0; i++)
		r = patterns[i](d, row);
	return r;
}

int diagnoses_make(struct report_private *v, struct report_process *e, const struct row_map *map)
{
	struct diagnoses d = { .v = v, .e = e, .map = map };
	const char *function = NULL;
	uint64_t known;
	int r = deadlocks(&d);

	if (r == 0)
		r = diagnose_orders(&d);
	for (size_t i = 0; i < e->n_locks && r == 0; i++) {
		if (!diagnosis_matters(&d, &e->locks[i]))
			continue;
		e->locks[i].parked_ns = parked_for(&e->locks[i], &known, &function);
		r = row_patterns(&d, &e->locks[i]);
	}
	for (size_t i = 0; i < e->n_conditions && r == 0; i++)
		r = herd(&d, &e->conditions[i]);
	if (r == 0)
		r = diagnose_instances(&d);
	if (r == 0)
		r = diagnose_neighbours(&d);
	return r;
}
