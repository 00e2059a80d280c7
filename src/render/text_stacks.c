/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stacks in the text: so many frames as fit a line, and as many more as tell a stack from others; always the program's
 * first own frame, and where a stack was cut. Runs in mutrace. Called by all files of the text renderer.
 */
#include <inttypes.h>

#include "src/render/frame.h"
#include "src/render/text.h"

static struct frame_words words_of(const struct text_out *t, const struct report_frame *f)
{
	return (struct frame_words){ .function = f->function,
				     .file = f->file,
				     .module = f->module,
				     .line = f->line,
				     .offset = f->offset,
				     .address = f->address,
				     .link = t->o->links };
}

/* All there is to know of a frame, as -d wants it. */
static void frame_long(const struct text_out *t, const struct report_frame *f)
{
	char name[NAME_SIZE];

	fprintf(t->f, "0x%016" PRIx64 " ", f->address);
	clean_text(name, sizeof(name), f->function ? f->function : "?");
	fputs(name, t->f);
	if (f->inlined)
		fputs(" (inlined)", t->f);
	if (f->file) {
		clean_text(name, sizeof(name), f->file);
		fprintf(t->f, " %s:%u", name, f->line);
	}
	if (f->module) {
		clean_text(name, sizeof(name), f->module);
		fprintf(t->f, " (%s+0x%" PRIx64 ")", name, f->offset);
	}
	fputc('\n', t->f);
}

static void frame_short(const struct text_out *t, const struct report_frame *f, bool first, bool whole)
{
	struct frame_words words = words_of(t, f);

	words.whole = whole;
	fputs(first ? "" : " < ", t->f);
	frame_print(t->f, &words);
}

void text_frame(const struct text_out *t, const struct report_frame *f)
{
	frame_short(t, f, true, false);
}

void text_stack_apart(const struct text_out *t, const struct report_stack *s, const char *indent,
		      const struct stack_apart *apart)
{
	size_t shown = t->o->frames ? t->o->frames : 1, i, program = 0;

	for (i = 0; i < s->n && t->o->debug_info; i++) {
		fputs(indent, t->f);
		frame_long(t, &s->frames[i]);
	}
	if (t->o->debug_info && s->cut)
		fprintf(t->f, "%s(cut, see --frames)\n", indent);
	if (t->o->debug_info)
		return;
	if (apart && apart->frames > shown)
		shown = apart->frames;
	for (i = 0; i < s->n && i < shown; i++)
		frame_short(t, &s->frames[i], i == 0, apart && apart->whole);
	while (program < s->n && !s->frames[program].program)
		program++;
	if (program < s->n && program >= i) { /* all that is shown is libraries' */
		fputs(program > i ? " < .." : "", t->f);
		frame_short(t, &s->frames[program], false, false);
		i = program + 1;
	}
	if (i < s->n)
		fputs(" < ..", t->f);
	else if (s->cut)
		fputs(" < (cut)", t->f);
}

void text_stack(const struct text_out *t, const struct report_stack *s, const char *indent)
{
	text_stack_apart(t, s, indent, NULL);
}

/* How many frames tell a stack from another one; 0: none do. */
static size_t frames_apart(const struct text_out *t, const struct report_stack *a,
			   const struct report_stack *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		struct frame_words one = words_of(t, &a->frames[i]), other = words_of(t, &b->frames[i]);

		if (!frame_alike(&one, &other))
			return i + 1;
	}
	/* one is the outer part of the other */
	return a->n == b->n ? 0 : (a->n < b->n ? a->n : b->n) + 1;
}

void text_stacks_compare(const struct text_out *t, const struct report_stack *a, const struct report_stack *b,
			 struct stack_apart *ret)
{
	size_t n;

	if (!a || !b || a == b)
		return;
	n = frames_apart(t, a, b);
	ret->whole = ret->whole || n == 0;
	ret->frames = n > ret->frames ? n : ret->frames;
}

#define GROUPS_COMPARED 256

void text_common_function(const struct text_out *t, const struct report_group *g, size_t n, uint64_t sum)
{
	char name[NAME_SIZE], clean[NAME_SIZE], share[NUMBER_SIZE];
	const char *common = NULL;
	uint64_t most = 0, rest = 0;

	for (size_t i = 0; i < n; i++)
		rest += g[i].ns;
	for (size_t i = 0; i < n && i < GROUPS_COMPARED; i++) {
		const char *function = g[i].stack && g[i].stack->n ? g[i].stack->frames[0].function : NULL;
		uint64_t ns = 0;

		for (size_t k = i; function && k < n; k++)
			if (g[k].stack && g[k].stack->n && g[k].stack->frames[0].function &&
			    strcmp(g[k].stack->frames[0].function, function) == 0)
				ns += g[k].ns;
		if (ns > most) {
			most = ns;
			common = function;
		}
	}
	if (!common || rest <= sum / 2 || most < rest / 2)
		return;
	report_function_short(name, sizeof(name), common);
	clean_text(clean, sizeof(clean), name);
	fprintf(t->f, ", %s in %s", number_share(share, (double)most, (double)sum), clean);
}
