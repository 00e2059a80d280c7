/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The function around a static variable's declaration; see sym_static.h. Runs in the engine, takes no locks.
 * Called by sym_lookup.c.
 *
 * It is the function that begins nearest above the declaration, in the same source file - if it also has code
 * of its own (not inlined) below the declaration. Without that condition the function above would be named
 * where the real one was inlined everywhere and has no code of its own any more.
 */
#include "src/symbols/sym_static.h"

#include <stdlib.h>
#include <string.h>

#define FUNCTIONS_MAX 200000u /* in larger programs it would take seconds */
#define CODE_MAX 65536u       /* bytes of a function that are looked at */

struct begin {
	const char *file, *name;
	unsigned int line;
};

struct sym_static {
	struct begin *begins; /* of each function of the table; line 0: unknown */
	size_t count;
};

void sym_static_free(struct sym_static *s)
{
	if (s)
		free(s->begins);
	free(s);
}

static struct sym_static *make(struct sym_lookup *l, const struct sym_table *t)
{
	struct sym_lookup_frame frames[SYM_LOOKUP_DEPTH];
	struct sym_static *s = calloc(1, sizeof(*s));

	if (!s || t->function_count > FUNCTIONS_MAX)
		return s;
	s->begins = calloc(t->function_count + 1, sizeof(*s->begins));
	if (!s->begins)
		return s;
	s->count = t->function_count;
	for (size_t i = 0; i < s->count; i++) {
		size_t n = sym_lookup_frames(l, t->functions[i].address, frames, SYM_LOOKUP_DEPTH);

		if (n && frames[n - 1].file && frames[n - 1].function)
			s->begins[i] = (struct begin){ .file = frames[n - 1].file,
						       .name = frames[n - 1].function,
						       .line = frames[n - 1].line };
	}
	return s;
}

static bool has_code_below(struct sym_lookup *l, const struct sym_entry *f, const char *file,
			   unsigned int line)
{
	struct sym_lookup_frame frames[SYM_LOOKUP_DEPTH];

	for (uint64_t at = 0; at < f->size && at < CODE_MAX; at++)
		if (sym_lookup_frames(l, f->address + at, frames, SYM_LOOKUP_DEPTH) == 1 && frames[0].file &&
		    frames[0].line > line && !strcmp(frames[0].file, file))
			return true;
	return false;
}

const char *sym_static_function(struct sym_static **state, struct sym_lookup *l, const struct sym_table *t,
				const char *file, unsigned int line)
{
	unsigned int nearest = 0;
	struct sym_static *s;

	if (!*state)
		*state = make(l, t);
	s = *state;
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->count; i++)
		if (s->begins[i].line > nearest && s->begins[i].line <= line &&
		    !strcmp(s->begins[i].file, file))
			nearest = s->begins[i].line;
	if (!nearest)
		return NULL;
	/* several that begin in one line are clones, of which one may have the code */
	for (size_t i = 0; i < s->count; i++)
		if (s->begins[i].line == nearest && !strcmp(s->begins[i].file, file) &&
		    has_code_below(l, &t->functions[i], file, line))
			return s->begins[i].name;
	return NULL;
}
