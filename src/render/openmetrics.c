/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The locks as metrics in the text format of Prometheus, for node_exporter's textfile collector. The number of series is
 * bounded: locks beyond the first ones by rank are one series together. Runs in mutrace. Called by src/cmd/pipeline.c.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "src/render/clean.h"
#include "src/render/render.h"
#include "src/session/histogram.h"

#define LOCKS_MOST 100u
#define LABEL_SIZE 512

/* Upper bounds of the buckets, in seconds. */
static const double bounds[] = { 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10 };
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

struct spread {
	uint64_t below[BOUNDS]; /* how many are in the buckets up to a bound */
	uint64_t count, total_ns;
};

struct series {
	const struct report_process *process; /* NULL: the locks that have no series of their own */
	const struct report_row *row;
	const char *side;
	uint64_t acquired, contended;
	bool acquired_known;
	struct spread wait, hold;
};

/* A bucket of the session counts where all of it lies. */
static void spread_add(struct spread *s, const struct durations *d)
{
	for (unsigned int b = 0; b < HIST_BUCKETS; b++) {
		uint64_t n = durations_bucket(d, b);
		double end = n && b + 1 < HIST_BUCKETS ? durations_bucket_ns(d, b + 1) / 1e9 : HUGE_VAL;

		for (size_t i = 0; n && i < BOUNDS; i++)
			s->below[i] += end <= bounds[i] ? n : 0;
	}
	s->count += d->count;
	s->total_ns += d->total_ns;
}

static void series_add(struct series *s, const struct report_row *row, enum lock_side side)
{
	const struct counters *c = &row->side[side];

	s->acquired += c->acquired;
	s->contended += c->contended;
	s->acquired_known = s->acquired_known || report_counter_known(row, COUNTER_acquired);
	spread_add(&s->wait, &c->wait);
	if (kind_has(row->kind, TRAIT_HOLDS))
		spread_add(&s->hold, &c->hold);
}

static void label(FILE *out, const char *name, const char *value)
{
	char clean[LABEL_SIZE];

	clean_utf8(clean, sizeof(clean), value);
	fprintf(out, "%s=\"", name);
	for (const char *p = clean; *p; p++) {
		if (*p == '\\' || *p == '"')
			fprintf(out, "\\%c", *p);
		else if (*p == '\n')
			fputs("\\n", out);
		else
			putc(*p, out);
	}
	putc('"', out);
}

/* The labels of a series, without what follows them. */
static void labels(FILE *out, const struct series *s)
{
	putc('{', out);
	label(out, "program", s->process ? s->process->program : "");
	fprintf(out, ",pid=\"%u\",", s->process ? s->process->pid : 0);
	label(out, "lock", s->row ? s->row->label ? s->row->label : s->row->name : "others");
	fprintf(out, ",kind=\"%s\",side=\"%s\"", s->row ? kind_name(s->row->kind) : "", s->side);
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(FILE *out, const char *name, const struct series *s, uint64_t n)
{
	fputs(name, out);
	labels(out, s);
	fprintf(out, "} %llu\n", (unsigned long long)n);
}

static void spread(FILE *out, const char *name, const struct series *s, const struct spread *d)
{
	for (size_t i = 0; i <= BOUNDS; i++) {
		uint64_t n = i < BOUNDS && d->below[i] < d->count ? d->below[i] : d->count;

		fprintf(out, "%s_bucket", name);
		labels(out, s);
		if (i < BOUNDS)
			fprintf(out, ",le=\"%g\"} %llu\n", bounds[i], (unsigned long long)n);
		else
			fprintf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)n);
	}
	fprintf(out, "%s_sum", name);
	labels(out, s);
	fprintf(out, "} %.9f\n%s_count", (double)d->total_ns / 1e9, name);
	labels(out, s);
	fprintf(out, "} %llu\n", (unsigned long long)d->count);
}

static void families(FILE *out, const struct series *all, size_t n)
{
	head(out, "mutrace_lock_acquisitions_total", "counter", "How often the lock was acquired.");
	for (size_t i = 0; i < n; i++)
		if (all[i].acquired_known)
			counter(out, "mutrace_lock_acquisitions_total", &all[i], all[i].acquired);
	head(out, "mutrace_lock_contended_total", "counter", "How often a thread had to wait for the lock.");
	for (size_t i = 0; i < n; i++)
		counter(out, "mutrace_lock_contended_total", &all[i], all[i].contended);
	head(out, "mutrace_lock_wait_seconds", "histogram", "Waits for the lock that have ended.");
	for (size_t i = 0; i < n; i++)
		spread(out, "mutrace_lock_wait_seconds", &all[i], &all[i].wait);
	head(out, "mutrace_lock_hold_seconds", "histogram", "Times from acquisition to release.");
	for (size_t i = 0; i < n; i++)
		if (all[i].hold.count)
			spread(out, "mutrace_lock_hold_seconds", &all[i], &all[i].hold);
}

/* Adds a lock's sides, to series of their own or to that of the others, which is the first. */
static size_t lock_add(struct series *all, size_t n, const struct report_process *e,
		       const struct report_row *row)
{
	bool own = n <= LOCKS_MOST;

	for (int side = SIDE_EXCLUSIVE;
	     side <= (kind_has(row->kind, TRAIT_SIDES) ? SIDE_SHARED : SIDE_EXCLUSIVE); side++) {
		struct series *s = own ? &all[n++] : &all[0];

		if (own)
			*s = (struct series){ .process = e,
					      .row = row,
					      .side = !kind_has(row->kind, TRAIT_SIDES) ? ""
						      : side == SIDE_SHARED             ? "read"
											: "write" };
		series_add(s, row, (enum lock_side)side);
	}
	return n;
}

static int openmetrics_render(FILE *out, const struct report *r, const struct render_options *o)
{
	struct series *all = calloc(LOCKS_MOST + 3, sizeof(*all));
	size_t n = 1;

	(void)o;
	if (!all)
		return -ENOMEM;
	all[0].side = "";
	for (size_t i = 0; i < r->n_processes; i++)
		for (size_t k = 0; k < r->processes[i].n_locks; k++)
			if (!r->processes[i].locks[k].work)
				n = lock_add(all, n, &r->processes[i], &r->processes[i].locks[k]);
	if (all[0].wait.count || all[0].acquired)
		families(out, all, n);
	else
		families(out, all + 1, n - 1);
	free(all);
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

const struct renderer render_openmetrics = { "openmetrics", openmetrics_render };
