/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The means of all text reports: lines, names, stacks. Calls no other file of the text renderer, and all
 * others call it. Every string that comes from outside goes through clean_text(). Runs in mutrace.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "src/base/path.h"
#include "src/render/text.h"

const char *text_tool(const struct text_out *t)
{
	return t->o->tool;
}

void text_line(const struct text_out *t, const char *format, ...)
{
	va_list ap;

	fprintf(t->f, "%s: ", text_tool(t));
	va_start(ap, format);
	vfprintf(t->f, format, ap);
	va_end(ap);
	fputc('\n', t->f);
}

/* As the user started it: redis-server is a link to redis-check-rdb, sh one to dash. A login shell is
 * "-bash". */
const char *text_program(char *out, const struct report_process *e)
{
	const char *started = e->first && e->first->arguments ? e->first->arguments[0] : NULL;

	/* all of it: a title such as nginx's has paths in it */
	if (started && strpbrk(started, " \t\n:"))
		started = NULL;
	started = path_name(started);
	if (!started || !started[0] || started[0] == '-')
		started = path_name(e->program);
	clean_text(out, 200, started);
	if (!out[0])
		snprintf(out, NAME_SIZE, "?");
	return out;
}

const char *text_thread(char *out, uint32_t tid, const char *name)
{
	char clean[NAME_SIZE];

	if (name)
		clean_text(clean, 100, name);
	if (name && tid)
		snprintf(out, NAME_SIZE, "%.100s (%u)", clean, tid);
	else if (tid)
		snprintf(out, NAME_SIZE, "thread %u", tid);
	else
		snprintf(out, NAME_SIZE, "a thread");
	return out;
}

const char *text_name(char *out, const struct report_row *row)
{
	clean_text(out, NAME_SIZE, row->label);
	return out;
}

void text_losses(const struct text_out *t, const struct report_process *e)
{
	static const char *const texts[LOSS_MAX] = {
#define X(id, text) text,
		LOSSES(X)
#undef X
	};
	char number[NUMBER_SIZE];
	bool first = true;
	size_t i;

	if (e->stacks_missed)
		text_line(
			t,
			"%s stack%s not captured: only the call site of %s is known. The events are counted.",
			number_count(number, e->stacks_missed), e->stacks_missed == 1 ? " was" : "s were",
			e->stacks_missed == 1 ? "it" : "them");
	if (e->lost_events == 0)
		return;
	fprintf(t->f, "%s: not recorded: ", text_tool(t));
	for (i = 0; i < LOSS_MAX; i++) {
		if (e->lost[i] == 0)
			continue;
		fprintf(t->f, "%s%s (%s)", first ? "" : ", ", number_count(number, e->lost[i]), texts[i]);
		first = false;
	}
	fputs(".\n", t->f);
}
