/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The column of flags: a letter each for the kind of the lock, its state, realtime use, type, protocol
 * and preference; and what they mean. Runs in mutrace. Called by text_table.c.
 */
#include <stdint.h>
#include <string.h>

#include "src/render/text_table.h"

static char flag_state(const struct report_row *r)
{
	if (r->state & (STATE_MISUSE | STATE_INCONSISTENT))
		return '!';
	if (r->state & STATE_ADDRESS_REUSED)
		return '~';
	return r->state & STATE_DEAD ? 'x' : '-';
}

static char flag_realtime(const struct report_process *e, const struct report_row *r)
{
	if (r->state & STATE_REALTIME || r->side[0].realtime || r->side[1].realtime)
		return 'R';
	return e->first->config.track_rt ? '-' : '.';
}

void text_flags_cell(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	const struct report_row *r = l->row;
	bool mutex = r->kind == KIND_MUTEX, rwlock = r->kind == KIND_RWLOCK;

	if (l->second) {
		out[0] = 0;
		return;
	}
	snprintf(out, CELL_SIZE, "%c%c%c%c%c%c", kind_letter(r->kind), flag_state(r),
		 flag_realtime(l->process, r), mutex ? (r->type < 4 ? "-rea"[r->type] : '?') : '.',
		 mutex ? (r->protocol < 3 ? "-ip"[r->protocol] : '?') : '.',
		 rwlock ? (r->type < 3 ? "rwW"[r->type] : '?') : '.');
}

/* The meanings of letters, by their place in the cell. */
static const struct {
	size_t at;
	char letter;
	const char *meaning;
} meanings[] = {
#define KIND(number, id, name, maker, noun, letter, traits) { 0, letter, noun },
#include "src/session/kinds.def"
#undef KIND
	{ 1, 'x', "destroyed" },
	{ 1, '!', "misused or inconsistent" },
	{ 1, '~', "perhaps several, one after another" },
	{ 2, 'R', "used by a realtime thread" },
	{ 3, 'r', "recursive" },
	{ 3, 'e', "error-checking" },
	{ 3, 'a', "adaptive" },
	{ 4, 'i', "priority inherited" },
	{ 4, 'p', "priority protected" },
	{ 5, 'r', "prefers readers" },
	{ 5, 'w', "prefers writers" },
	{ 5, 'W', "prefers writers, not recursive" },
};

#define MEANINGS (sizeof(meanings) / sizeof(meanings[0]))

/* Marks the letters of a cell. Kinds of one name have one letter, and the first of them stands for all. */
static void letters_mark(const char *cell, bool seen[MEANINGS])
{
	bool kind = false;

	for (size_t i = 0; i < MEANINGS && strlen(cell) == 6; i++) {
		if (cell[meanings[i].at] != meanings[i].letter || (meanings[i].at == 0 && kind))
			continue;
		seen[i] = true;
		kind |= meanings[i].at == 0;
	}
}

/* Explains the letters in sight, and no others. */
void text_flags_legend(const struct text_out *t, const struct line *lines, size_t n)
{
	bool seen[MEANINGS] = { false };
	const char *places[] = { "object", "state", "use", "type", "protocol", "rwlock" };
	size_t i, j, column = 2, said = SIZE_MAX;
	char cell[CELL_SIZE];
	size_t length;

	for (j = 0; j < n; j++) {
		text_flags_cell(cell, &lines[j], 0);
		letters_mark(cell, seen);
	}
	fputs("  Flags:", t->f);
	column = 8;
	for (i = 0; i < MEANINGS; i++) {
		if (!seen[i])
			continue;
		length = (size_t)snprintf(cell, sizeof(cell), "%s%s%s%c %s",
					  said == SIZE_MAX         ? " "
					  : said == meanings[i].at ? ", "
								   : "; ",
					  said == meanings[i].at ? "" : places[meanings[i].at],
					  said == meanings[i].at ? "" : " ", meanings[i].letter,
					  meanings[i].meaning);
		if (column + length > (t->o->width ? t->o->width : 110)) {
			fputs(said == meanings[i].at ? ",\n        " : ";\n        ", t->f);
			column = 8;
			memmove(cell, cell + 1, length);
			length--;
		}
		fputs(cell, t->f);
		column += length;
		said = meanings[i].at;
	}
	fputc('\n', t->f);
}
