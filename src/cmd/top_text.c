/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines of mutrace top, see top.h. */
#include <string.h>
#include <time.h>

#include "src/cmd/top.h"
#include "src/render/clean.h"
#include "src/render/frame.h"
#include "src/render/number.h"

#define NAME_SIZE 512
#define NUMBERS 50u /* columns that the numbers take, and the space before them */
#define NAME_LEAST 16u
#define CALLERS 4u
#define GROUPS 4u

static double seconds(const struct top *t)
{
	return t->refresh->span_ns ? (double)t->refresh->span_ns / 1e9 : 1;
}

void top_print_head(FILE *out, const struct top *t)
{
	const struct refresh *r = t->refresh;
	struct refresh_counts sum = { 0 };
	char a[NUMBER_SIZE], b[NUMBER_SIZE], program[NAME_SIZE];
	uint32_t threads = 0, alive = 0, last = 0;
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;

	for (uint32_t i = 0; i < r->n_images; i++)
		if (r->images[i].alive) {
			threads += r->images[i].threads;
			last = i;
			alive++;
		}
	for (size_t i = 0; i < r->n_changed; i++) {
		const struct refresh_lock *l = &r->locks[r->changed[i]];

		if (t->rows.row_of[r->changed[i]] && t->rows.rows[t->rows.row_of[r->changed[i]] - 1].work)
			continue;
		sum.acquired += l->delta.acquired;
		sum.wait_ns += l->delta.wait_ns;
		sum.contended += l->delta.contended;
	}
	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	if (r->n_images) {
		const char *slash = strrchr(r->images[last].program, '/');

		clean_text(program, sizeof(program), slash ? slash + 1 : r->images[last].program);
		fprintf(out, "%s  %s (PID %u)", when, program, r->images[last].pid);
	}
	if (alive > 1)
		fprintf(out, " and %u more processes", alive - 1);
	fprintf(out, ", %u threads: %.2f wait on average, %s acquisitions/s, %s contended/s%s\n", threads,
		(double)sum.wait_ns / 1e9 / seconds(t),
		number_count(a, (uint64_t)((double)sum.acquired / seconds(t))),
		number_count(b, (uint64_t)((double)sum.contended / seconds(t))),
		t->ended    ? "; it has ended"
		: t->frozen ? "; frozen"
			    : "");
}

/* A name of a width, in columns of which each is a character. */
static void print_name(FILE *out, const char *name, unsigned int width)
{
	unsigned int column = 0;

	for (; *name && (column < width || (*name & 0xc0) == 0x80); name++) {
		if ((*name & 0xc0) != 0x80)
			column++;
		putc(*name, out);
	}
	fprintf(out, "%*s", (int)(width - column), "");
}

static unsigned int name_width(unsigned int width)
{
	return width > NUMBERS + NAME_LEAST ? width - NUMBERS : NAME_LEAST;
}

void top_print_titles(FILE *out, const struct top *t, unsigned int width)
{
	static const char *const titles[TOP_ORDERS] = { "Waiting", "Cont/s", "Acq/s", "Held", "Now" };

	print_name(out, "Lock", name_width(width));
	for (int i = 0; i < TOP_ORDERS; i++)
		fprintf(out, "%*s%s",
			i == TOP_ACQUIRED  ? 12
			: i == TOP_WAITING ? 5
					   : 9,
			titles[i], t->choice.order == (enum top_order)i ? "*" : " ");
	putc('\n', out);
}

void top_print_row(FILE *out, const struct top *t, const struct top_row *row, unsigned int width)
{
	char name[NAME_SIZE], a[NUMBER_SIZE], b[NUMBER_SIZE], held[NUMBER_SIZE] = "-";
	double s = seconds(t);

	print_name(out, top_row_name(name, sizeof(name), row, t->refresh), name_width(width));
	if (row->sum.acquired && row->sum.hold_ns)
		number_ns(held, row->sum.hold_ns / row->sum.acquired);
	fprintf(out, "%9.2f %9s %12s %9s %5u%s\n", (double)row->sum.wait_ns / 1e9 / s,
		number_count(a, (uint64_t)((double)row->sum.contended / s + 0.5)),
		number_count(b, (uint64_t)((double)row->sum.acquired / s + 0.5)), held, row->waiters,
		row->work ? "w" : "");
}

void top_print_waits(FILE *out, const struct top *t, size_t lines)
{
	const struct refresh *r = t->refresh;
	char name[NAME_SIZE], thread[64], holder[64], number[NUMBER_SIZE];

	for (size_t i = 0; i < r->n_waits && lines > 0; i++) {
		const struct refresh_wait *w = &r->waits[i];
		uint32_t row = t->rows.row_of[w->lock];

		if (!row || (t->rows.rows[row - 1].work && !t->choice.work))
			continue;
		clean_text(thread, sizeof(thread), w->name);
		clean_text(holder, sizeof(holder), w->holder_name);
		fprintf(out, "%s %u waits %s for %s", thread, w->tid, number_ns(number, w->waited_ns),
			top_row_name(name, sizeof(name), &t->rows.rows[row - 1], r));
		if (w->holder)
			fprintf(out, ", held by %s %u", holder, w->holder);
		putc('\n', out);
		lines--;
	}
}

static void print_stack(FILE *out, const struct report_stack *s)
{
	for (size_t i = 0; s && i < s->n && i < CALLERS; i++) {
		const struct report_frame *f = &s->frames[i];
		struct frame_words words = { .function = f->function,
					     .file = f->file,
					     .line = f->line,
					     .module = f->module,
					     .offset = f->offset,
					     .address = f->address };

		if (i)
			fputs(" < ", out);
		frame_print(out, &words);
	}
	if (!s || s->n == 0)
		fputs("(unknown)", out);
}

static void print_groups(FILE *out, const char *title, const struct report_group *g, size_t n)
{
	char number[NUMBER_SIZE];
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += g[i].ns;
	for (size_t i = 0; i < n && i < GROUPS; i++) {
		fprintf(out, "  %-8s %6s  ", i ? "" : title,
			number_share(number, (double)g[i].ns, (double)all));
		print_stack(out, g[i].stack);
		putc('\n', out);
	}
}

void top_print_details(FILE *out, const struct top *t)
{
	const struct top_row *row =
		t->rows.selected < t->rows.n_shown ? &t->rows.rows[t->rows.shown[t->rows.selected]] : NULL;
	char name[NAME_SIZE];

	if (!row)
		return;
	fprintf(out, "%s", top_row_name(name, sizeof(name), row, t->refresh));
	if (!row->row) {
		fputs(": not read yet\n", out);
		return;
	}
	if (row->row->file)
		fprintf(out, ", %s", row->row->file);
	fputs(", since the start of the process:\n", out);
	print_groups(out, "waited", row->row->waiters, row->row->n_waiters);
	print_groups(out, "because", row->row->holders, row->row->n_holders);
	print_groups(out, "used", row->row->users, row->row->n_users);
}

void top_print_help(FILE *out)
{
	fputs("q quit   space freeze   o, O order   / filter   Up, Down choose   Enter details\n"
	      "w waits for work, too   + - interval   ? this help\n"
	      "Waiting: threads that waited for it on average. Now: threads that wait at this moment.\n",
	      out);
}
