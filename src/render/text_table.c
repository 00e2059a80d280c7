/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two tables of the text report. A column is a line in a table of its own; where a terminal is too narrow the
 * least important columns go. Runs in mutrace. Called by text.c.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "src/render/text.h"

#define CELL_SIZE 256
#define NAME_LEAST 20 /* characters of a name that must be left before columns go */
#define NAME_MOST 60
#define COLUMNS_MAX 24
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* One line of a table: a lock, or one side of an rwlock. */
struct line {
	const struct report_process *process;
	const struct report_row *row;
	enum lock_side side;
	bool second; /* of the two lines of an rwlock */
};

struct column {
	unsigned int place; /* columns stand in the order of these */
	const char *title;
	int importance; /* those of least go first; 0: never */
	enum { NUMBER, TEXT, NAME, FLAGS } content;
	void (*cell)(char *out, const struct line *l, unsigned int counter);
	unsigned int counter;
};

static const struct counters *counters(const struct line *l)
{
	return &l->row->side[l->side];
}

static void cell_rank(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	if (l->second)
		out[0] = 0;
	else
		snprintf(out, CELL_SIZE, "%u", l->row->rank);
}

static void cell_name(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	const char *tail = "";
	char clean[NAME_SIZE];

	if (kind_has(l->row->kind, TRAIT_SIDES))
		tail = l->side == SIDE_SHARED ? " (rd)" : " (wr)";
	text_name(clean, l->row);
	/* a variable has one instance in each image, which is no news */
	if (l->row->instances > 1 && !l->second &&
	    (l->row->named_by != NAMED_BY_VARIABLE || l->process->n_processes == 1))
		snprintf(out, CELL_SIZE, "%.200s x%llu%s", clean, (unsigned long long)l->row->instances,
			 tail);
	else
		snprintf(out, CELL_SIZE, "%.200s%s", clean, tail);
}

static void cell_kind(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	snprintf(out, CELL_SIZE, "%s", l->second ? "" : kind_name(l->row->kind));
}

static void put_ns(char *out, uint64_t ns, bool any)
{
	char number[NUMBER_SIZE];

	snprintf(out, CELL_SIZE, "%s", any ? number_ns(number, ns) : "-");
}

static void put_count(char *out, uint64_t n)
{
	char number[NUMBER_SIZE];

	snprintf(out, CELL_SIZE, "%s", number_count(number, n));
}

static void cell_wait(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, counters(l)->wait.total_ns, counters(l)->waits);
}

static void cell_share(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	char number[NUMBER_SIZE];

	snprintf(out, CELL_SIZE, "%s",
		 number_share(number, (double)counters(l)->wait.total_ns,
			      (double)l->process->total.wait.total_ns));
}

static void cell_wait_average(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, durations_average(&counters(l)->wait), counters(l)->waits);
}

static void cell_wait_p99(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, durations_percentile(&counters(l)->wait, 0.99), counters(l)->waits);
}

static void cell_wait_max(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, counters(l)->wait.max_ns, counters(l)->waits);
}

static void cell_hold_average(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, durations_average(&counters(l)->hold), counters(l)->hold.max_ns);
}

static void cell_hold_max(char *out, const struct line *l, unsigned int counter)
{
	(void)counter;
	put_ns(out, counters(l)->hold.max_ns, counters(l)->hold.max_ns);
}

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

static void cell_flags(char *out, const struct line *l, unsigned int counter)
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

static void cell_counter(char *out, const struct line *l, unsigned int counter)
{
	const struct counter_info *info = &counter_infos[counter];
	const struct counter_column *column =
		kind_has(l->row->kind, TRAIT_SIGNALS) ? &info->condition.column : &info->column;
	uint64_t n = counters(l)->all[counter];

	if (info->whole && l->second) {
		out[0] = 0;
		return;
	}
	if (info->whole)
		n = l->row->side[0].all[counter] + l->row->side[1].all[counter];
	put_count(out, n);
	if (column->title[strlen(column->title) - 1] == '/')
		strcat(out, " /");
}

/* Those of counters come in between, see counters.def. */
static const struct column lock_columns[] = {
	{ 1, "#", 0, NUMBER, cell_rank, 0 },
	{ 2, "Lock", 0, NAME, cell_name, 0 },
	{ 3, "Kind", 6, TEXT, cell_kind, 0 },
	{ 4, "Wait", 0, NUMBER, cell_wait, 0 },
	{ 5, "Share", 9, NUMBER, cell_share, 0 },
	{ 8, "Avg wait", 4, NUMBER, cell_wait_average, 0 },
	{ 9, "p99", 3, NUMBER, cell_wait_p99, 0 },
	{ 10, "Max wait", 7, NUMBER, cell_wait_max, 0 },
	{ 11, "Avg held", 5, NUMBER, cell_hold_average, 0 },
	{ 12, "Max held", 2, NUMBER, cell_hold_max, 0 },
	{ UINT_MAX, "Flags", 8, FLAGS, cell_flags, 0 },
};

static const struct column condition_columns[] = {
	{ 1, "#", 0, NUMBER, cell_rank, 0 },
	{ 2, "Condition variable", 0, NAME, cell_name, 0 },
	{ 8, "Waited", 0, NUMBER, cell_wait, 0 },
	{ 9, "Avg wait", 2, NUMBER, cell_wait_average, 0 },
	{ 10, "Max wait", 1, NUMBER, cell_wait_max, 0 },
	{ UINT_MAX, "Flags", 6, FLAGS, cell_flags, 0 },
};

struct table_text {
	struct column columns[COLUMNS_MAX];
	size_t n_columns, n_lines;
	size_t name; /* which column has the names */
	struct line *lines;
	size_t width[COLUMNS_MAX];
	bool dropped[COLUMNS_MAX];
};

static int column_compare(const void *a, const void *b)
{
	const struct column *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

static void columns_make(struct table_text *x, bool conditions)
{
	const struct column *own = conditions ? condition_columns : lock_columns;
	size_t n = conditions ? LENGTH(condition_columns) : LENGTH(lock_columns);

	memcpy(x->columns, own, n * sizeof(*own));
	for (unsigned int i = 0; i < COUNTERS && n < COLUMNS_MAX; i++) {
		const struct counter_info *info = &counter_infos[i];
		const struct counter_column *c = conditions ? &info->condition.column : &info->column;

		if (c->title)
			x->columns[n++] =
				(struct column){ c->place, c->title, c->importance, NUMBER, cell_counter, i };
	}
	x->n_columns = n;
	qsort(x->columns, n, sizeof(*x->columns), column_compare);
	while (x->columns[x->name].content != NAME)
		x->name++;
}

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
	if (x->width[x->name] > NAME_MOST)
		x->width[x->name] = NAME_MOST;
}

/* Shortens names first, then gives up columns, the least important one first. */
static void widths_fit(struct table_text *x, size_t width)
{
	size_t name = x->width[x->name], least = name < NAME_LEAST ? name : NAME_LEAST, total, i, drop;

	if (width == 0)
		return;
	x->width[x->name] = least;
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

/* Cuts in the middle: the ends of a name tell most. */
static void cut(char *cell, size_t width)
{
	size_t n = characters(cell), keep, skip, i = 0, at = 0;
	char *from, *to;

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
	fputs(t->bold, t->f);
	for (i = 0; i < x->n_columns; i++) {
		if (!x->dropped[i])
			cell_print(t->f, x->columns[i].title, x->width[i], is_left(&x->columns[i]), &blanks);
	}
	fprintf(t->f, "%s\n", t->plain);
	for (j = 0; j < x->n_lines; j++) {
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
	return c->acquired || c->waits || c->trylock_failed;
}

static size_t lines_of(struct line *lines, const struct report_process *e, const struct report_row *row)
{
	enum lock_side order[2] = { SIDE_EXCLUSIVE, SIDE_SHARED };
	size_t n = 0, i;

	if (!kind_has(row->kind, TRAIT_SIDES)) {
		lines[0] = (struct line){ .process = e, .row = row, .side = SIDE_EXCLUSIVE };
		return 1;
	}
	if (row->side[SIDE_SHARED].wait.total_ns > row->side[SIDE_EXCLUSIVE].wait.total_ns) {
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

/* What the letters in sight mean, and no others. */
static void legend_print(const struct text_out *t, const struct table_text *x)
{
	static const struct {
		size_t at;
		char letter;
		const char *meaning;
	} meanings[] = {
#define KIND(number, id, name, noun, letter, traits) { 0, letter, noun },
#include "src/session/kinds.def"
#undef KIND
		{ 1, 'x', "destroyed" },
		{ 1, '!', "misused or inconsistent" },
		{ 1, '~', "perhaps several that followed one another" },
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
	bool seen[sizeof(meanings) / sizeof(meanings[0])] = { false };
	const char *places[] = { "object", "state", "use", "type", "protocol", "rwlock" };
	size_t i, j, column = 2, said = SIZE_MAX;
	char cell[CELL_SIZE];
	size_t length;

	for (j = 0; j < x->n_lines; j++) {
		cell_flags(cell, &x->lines[j], 0);
		for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
			if (strlen(cell) == 6 && cell[meanings[i].at] == meanings[i].letter)
				seen[i] = true;
		}
	}
	fputs("  Flags:", t->f);
	column = 8;
	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
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

static void rows_print(const struct text_out *t, const struct report_process *e,
		       const struct report_row *rows, size_t n, bool conditions)
{
	struct table_text x = { .n_columns = 0 };
	size_t i, shown = 0;

	for (i = 0; i < n; i++)
		shown += rows[i].shown;
	if (shown == 0)
		return;
	x.lines = calloc(shown * 2, sizeof(*x.lines));
	if (!x.lines)
		return;
	for (i = 0; i < n; i++) {
		if (rows[i].shown)
			x.n_lines += lines_of(x.lines + x.n_lines, e, &rows[i]);
	}
	columns_make(&x, conditions);
	fputc('\n', t->f);
	table_print(t, &x);
	for (i = 0; i < x.n_columns; i++)
		if (x.columns[i].content == FLAGS && !x.dropped[i])
			legend_print(t, &x);
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
