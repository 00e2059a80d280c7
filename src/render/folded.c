/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folded stacks, what flame graphs are drawn from: a line for each stack, frames from the outermost to
 * the innermost with ';' between them, then the time in nanoseconds. The program is at the root and the
 * lock at the tip. Runs in mutrace. Called by src/cmd/pipeline.c.
 */
#include <errno.h>
#include <string.h>

#include "src/base/path.h"
#include "src/render/clean.h"
#include "src/render/render.h"
#include "src/render/stacks.h"

#define NAME_SIZE 1024

/* ';' would end a frame. */
static void put_frame(FILE *out, char *clean)
{
	for (char *p = clean; *p; p++)
		if (*p == ';')
			*p = ':';
	fputs(clean, out);
}

static void frame(FILE *out, const struct report_frame *f)
{
	char clean[NAME_SIZE], module[NAME_SIZE / 2];

	if (f->function) {
		clean_function_long(clean, sizeof(clean), f->function);
	} else {
		clean_text(module, sizeof(module), f->module ? path_name(f->module) : "?");
		snprintf(clean, sizeof(clean), "%s+0x%llx", module, (unsigned long long)f->offset);
	}
	put_frame(out, clean);
}

static void line(FILE *out, const struct report_process *e, const struct report_row *row,
		 const struct report_group *g)
{
	char clean[NAME_SIZE];
	size_t i;

	clean_text(clean, sizeof(clean), path_name(e->program));
	put_frame(out, clean[0] ? clean : strcpy(clean, "?"));
	for (i = g->stack ? g->stack->n : 0; i > 0; i--) {
		fputc(';', out);
		frame(out, &g->stack->frames[i - 1]);
	}
	clean_text(clean, sizeof(clean), row->name);
	fputc(';', out);
	put_frame(out, clean);
	fprintf(out, " %llu\n", (unsigned long long)g->ns);
}

static int folded_render(FILE *out, const struct report *r, const struct render_options *o)
{
	size_t i, j, k, n;

	for (i = 0; i < r->n_processes; i++) {
		const struct report_process *e = &r->processes[i];

		for (j = 0; j < e->n_locks; j++) {
			const struct report_group *g = stacks_of(&e->locks[j], o->time, &n);

			for (k = 0; k < n; k++)
				if (g[k].ns > 0)
					line(out, e, &e->locks[j], &g[k]);
		}
	}
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

const struct renderer render_folded = { "folded", folded_render };
