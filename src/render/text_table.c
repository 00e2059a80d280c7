/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two tables of the text report: lines for locks or conditions, columns as wide as they must be;
 * where a terminal is too narrow, the least important columns go and names are cut, but not so that two read alike. Runs in mutrace.
 * Called by text.c.
 */
#include <stdlib.h>
#include <string.h>

#include "src/render/text_table.h"

#define NAME_LEAST 32 /* characters of a name that must be left before columns go, if it has so many */
#define NAME_MOST 100
#define LINES_COMPARED 500 /* of more lines names are not cut */

struct table_text {
	struct column columns[COLUMNS_MAX];
	size_t n_columns, n_lines;
	size_t name; /* which column has the names */
	struct line *lines;
	size_t width[COLUMNS_MAX];
	bool dropped[COLUMNS_MAX];
};

static bool is_left(const struct column *c)
{
	return c->content != NUMBER;
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t width_total(const struct table_text *x)
{
	size_t i, sum = 2;

	for (i = 0; i < x->n_columns; i++) {
		if (!x->dropped[i])
			sum += x->width[i] + 2;
	}
	return sum - 2;
}

/* The length of the first "space::" of the name at s, which is n long, if more of that kind follows; else 0. */
static size_t outer_space(const char *s, size_t n)
{
	static const char anonymous[] = "(anonymous namespace)::";
	size_t first = 0, parts = 0, depth = 0;

	if (strncmp(s, anonymous, sizeof(anonymous) - 1) == 0)
		return sizeof(anonymous) - 1;
	for (size_t i = 0; i < n; i++) {
		if (strchr("<({[", s[i]))
			depth++;
		else if (strchr(">)}]", s[i]) && depth > 0)
			depth--;
		else if (depth == 0 && i + 1 < n && s[i] == ':' && s[i + 1] == ':' && parts++ == 0)
			first = i + 2;
	}
	return parts > 1 ? first : 0;
}

/* The length of the word at s; words in brackets belong to it. */
static size_t word_length(const char *s)
{
	size_t n = 0, depth = 0;

	for (; s[n] && (s[n] != ' ' || depth > 0); n++) {
		if (strchr("({", s[n]))
			depth++;
		else if (strchr(")}", s[n]) && depth > 0)
			depth--;
	}
	return n;
}

/* Takes the outermost namespace from the longest name that has one besides its class. False: none has. */
static bool space_drop(char *cell)
{
	size_t most = 0, most_space = 0, n;
	char *longest = NULL;

	for (char *s = cell; *s; s += n + (s[n] == ' ')) {
		size_t space;

		n = word_length(s);
		space = outer_space(s, n);
		if (space && n > most) {
			longest = s;
			most = n;
			most_space = space;
		}
	}
	if (longest)
		memmove(longest, longest + most_space, strlen(longest + most_space) + 1);
	return longest != NULL;
}

/* Takes away the first module or file that stands behind a name; not the side of an rwlock. False: there is none. */
static bool module_drop(char *cell)
{
	for (char *s = strstr(cell, " ("); s; s = strstr(s + 1, " (")) {
		size_t n = 2 + strcspn(s + 2, " )");

		if (s[n] != ')')
			continue;
		if (strncmp(s, " (rd)", 5) != 0 && strncmp(s, " (wr)", 5) != 0) {
			memmove(s, s + n + 1, strlen(s + n + 1) + 1);
			return true;
		}
	}
	return false;
}

/* Takes namespaces and modules away, then cuts in the middle: the ends of a name tell most. */
static void cut(char *cell, size_t width)
{
	size_t n, keep, skip, i = 0, at = 0;
	char *from, *to;

	while (characters(cell) > width && (space_drop(cell) || module_drop(cell)))
		;
	n = characters(cell);
	if (n <= width || width < 5)
		return;
	keep = (width - 2) / 2;
	skip = n - (width - 2);
	for (from = cell; *from && i < keep; from++, i += ((unsigned char)*from & 0xc0) != 0x80)
		;
	for (to = from; *to && at < skip; to++, at += ((unsigned char)*to & 0xc0) != 0x80)
		;
	memmove(from + 2, to, strlen(to) + 1);
	from[0] = from[1] = '.';
}

static int string_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* True if names that are cut to a width are all different. Both lines of an rwlock end in what tells them apart. */
static bool cut_apart(const struct table_text *x, char **cells, size_t width)
{
	bool apart = true;

	for (size_t j = 0; j < x->n_lines; j++) {
		x->columns[x->name].cell(cells[j], &x->lines[j], x->columns[x->name].counter);
		cut(cells[j], width);
	}
	qsort(cells, x->n_lines, sizeof(*cells), string_compare);
	for (size_t j = 1; j < x->n_lines && apart; j++)
		apart = strcmp(cells[j], cells[j - 1]) != 0;
	return apart;
}

/* The least width from `least` on in which names can be told apart; the whole width if that is none. */
static size_t name_least(const struct table_text *x, size_t least)
{
	char **cells = malloc((x->n_lines + 1) * sizeof(*cells)), *room = malloc(x->n_lines * CELL_SIZE + 1);
	size_t whole = x->width[x->name], width = least < whole ? least : whole;

	for (size_t j = 0; cells && room && j < x->n_lines; j++)
		cells[j] = room + j * CELL_SIZE;
	while (cells && room && x->n_lines <= LINES_COMPARED && width < whole && !cut_apart(x, cells, width))
		width++;
	if (!cells || !room || x->n_lines > LINES_COMPARED)
		width = whole;
	free(cells);
	free(room);
	return width;
}

static void widths_find(struct table_text *x)
{
	char cell[CELL_SIZE];
	size_t i, j, n;

	for (i = 0; i < x->n_columns; i++) {
		x->width[i] = characters(x->columns[i].title);
		for (j = 0; j < x->n_lines; j++) {
			x->columns[i].cell(cell, &x->lines[j], x->columns[i].counter);
			n = characters(cell);
			if (n > x->width[i])
				x->width[i] = n;
		}
	}
	x->width[x->name] = name_least(x, NAME_MOST);
}

/* Shortens names first, then gives up columns, the least important one first. */
static void widths_fit(struct table_text *x, size_t width)
{
	size_t name = x->width[x->name], least, total, i, drop;

	if (width == 0)
		return;
	x->width[x->name] = least = name_least(x, NAME_LEAST);
	while (width_total(x) > width) {
		drop = 0;
		for (i = 0; i < x->n_columns; i++) {
			if (x->columns[i].importance && !x->dropped[i] &&
			    (drop == 0 || x->columns[i].importance < x->columns[drop].importance))
				drop = i;
		}
		if (drop == 0)
			break;
		x->dropped[drop] = true;
	}
	total = width_total(x);
	if (total < width)
		x->width[x->name] = least + (width - total) < name ? least + (width - total) : name;
}

/* blanks: those before the cell, which are written only if something follows. */
static void cell_print(FILE *f, const char *text, size_t width, bool left, size_t *blanks)
{
	size_t n = characters(text), pad = n < width ? width - n : 0;

	*blanks += 2 + (left ? 0 : pad);
	if (n) {
		fprintf(f, "%*s%s", (int)*blanks, "", text);
		*blanks = 0;
	}
	*blanks += left ? pad : 0;
}

static void table_print(const struct text_out *t, struct table_text *x)
{
	size_t i, j, blanks = 0;
	char cell[CELL_SIZE];

	widths_find(x);
	widths_fit(x, t->o->width);
	fprintf(t->f, "%c%s", TEXT_TABLE, t->bold);
	for (i = 0; i < x->n_columns; i++) {
		if (!x->dropped[i])
			cell_print(t->f, x->columns[i].title, x->width[i], is_left(&x->columns[i]), &blanks);
	}
	fprintf(t->f, "%s\n", t->plain);
	for (j = 0; j < x->n_lines; j++) {
		fputc(TEXT_TABLE, t->f);
		for (blanks = 0, i = 0; i < x->n_columns; i++) {
			if (x->dropped[i])
				continue;
			x->columns[i].cell(cell, &x->lines[j], x->columns[i].counter);
			if (i == x->name)
				cut(cell, x->width[x->name]);
			cell_print(t->f, cell, x->width[i], is_left(&x->columns[i]), &blanks);
		}
		fputc('\n', t->f);
	}
}

static bool side_used(const struct counters *c)
{
	return c->acquired || c->cost_ns || c->waits || c->trylock_failed;
}

static size_t lines_of(struct line *lines, const struct report_process *e, const struct report_row *row)
{
	enum lock_side order[2] = { SIDE_EXCLUSIVE, SIDE_SHARED };
	size_t n = 0, i;

	if (!kind_has(row->kind, TRAIT_SIDES)) {
		lines[0] = (struct line){ .process = e, .row = row, .side = SIDE_EXCLUSIVE };
		return 1;
	}
	if (row->side[SIDE_SHARED].cost_ns > row->side[SIDE_EXCLUSIVE].cost_ns) {
		order[0] = SIDE_SHARED;
		order[1] = SIDE_EXCLUSIVE;
	}
	for (i = 0; i < 2; i++) {
		if (side_used(&row->side[order[i]])) {
			lines[n] =
				(struct line){ .process = e, .row = row, .side = order[i], .second = n > 0 };
			n++;
		}
	}
	if (n == 0)
		lines[n++] = (struct line){ .process = e, .row = row, .side = SIDE_EXCLUSIVE };
	return n;
}

struct line *text_table_lines(const struct report_process *e, const struct report_row *rows, size_t n,
			      size_t *ret_n)
{
	struct line *lines = calloc(n * 2 + 1, sizeof(*lines));

	*ret_n = 0;
	for (size_t i = 0; lines && i < n; i++)
		if (rows[i].shown)
			*ret_n += lines_of(lines + *ret_n, e, &rows[i]);
	return lines;
}

static void rows_print(const struct text_out *t, const struct report_process *e,
		       const struct report_row *rows, size_t n, bool conditions)
{
	struct table_text x = { .n_columns = 0 };
	size_t i;

	x.lines = text_table_lines(e, rows, n, &x.n_lines);
	if (x.n_lines == 0) {
		free(x.lines);
		return;
	}
	x.n_columns = text_columns(x.columns, conditions);
	for (i = 0; i < x.n_columns; i++)
		x.dropped[i] = !e->what_if_made && strcmp(x.columns[i].title, GAIN_TITLE) == 0;
	while (x.columns[x.name].content != NAME)
		x.name++;
	fputc('\n', t->f);
	table_print(t, &x);
	for (i = 0; i < x.n_columns; i++)
		if (x.columns[i].content == FLAGS && !x.dropped[i])
			text_flags_legend(t, x.lines, x.n_lines);
	free(x.lines);
}

void text_lock_table(const struct text_out *t, const struct report_process *e)
{
	rows_print(t, e, e->locks, e->n_locks, false);
}

void text_condition_table(const struct text_out *t, const struct report_process *e)
{
	rows_print(t, e, e->conditions, e->n_conditions, true);
}
