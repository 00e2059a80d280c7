/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of locks for mutrace top, see top.h. A report of the whole session gives them, so it is made seldom. */
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/cmd/top.h"
#include "src/session/ticks.h"

#define TIMES_AS_LONG 100u /* between two reports there is so many times the time that one takes */

static int row_put(struct top_names *n, uint32_t image, uint32_t ref, const struct report_row *row)
{
	if (table_get(&n->rows, image, ref) != TABLE_NONE)
		return 0;
	if (array_grow(&n->list, n->n, &n->capacity, sizeof(*n->list)) < 0)
		return -1;
	n->list[n->n++] = row;
	return table_put(&n->rows, image, ref, (uint32_t)n->n - 1);
}

static uint32_t image_of(const struct refresh *r, const char *source)
{
	for (uint32_t i = 0; i < r->n_images; i++)
		if (strcmp(r->images[i].name, source) == 0)
			return i;
	return REFRESH_NONE;
}

static void process_put(struct top_names *n, const struct refresh *r, const struct report_process *e,
			size_t number)
{
	const struct model_process *p = e->processes[number];
	uint32_t image = image_of(r, p->source);

	for (uint32_t i = 0; i < p->n_locks && image != REFRESH_NONE; i++) {
		const struct report_row *row = report_row_of(e, number, i);

		if (row && row_put(n, image, p->locks[i].ref, row) < 0)
			return;
	}
}

int top_names_read(struct top_names *n, const struct refresh *r, char *error)
{
	uint64_t begin = ticks_monotonic_ns();
	struct pipeline p;
	int status = pipeline_analyse(&p, &n->session, 1, n->options, error);

	if (status < 0)
		return status;
	pipeline_free(&n->report);
	table_free(&n->rows);
	n->report = p;
	n->n = 0;
	for (size_t i = 0; i < p.report->n_processes; i++)
		for (size_t k = 0; k < p.report->processes[i].n_processes; k++)
			process_put(n, r, &p.report->processes[i], k);
	n->versions++;
	n->made_ns = ticks_monotonic_ns();
	n->took_ns = n->made_ns - begin;
	return 0;
}

void top_names_free(struct top_names *n)
{
	pipeline_free(&n->report);
	table_free(&n->rows);
	free(n->list);
}

const struct report_row *top_names_row(const struct top_names *n, const struct refresh *r, uint32_t lock)
{
	uint32_t at = table_get(&n->rows, r->locks[lock].image, r->locks[lock].ref);

	return at == TABLE_NONE ? NULL : n->list[at];
}

bool top_names_may_read(const struct top_names *n)
{
	return ticks_monotonic_ns() - n->made_ns > TIMES_AS_LONG * n->took_ns;
}
