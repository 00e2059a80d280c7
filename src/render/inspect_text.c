/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `mutrace hang` in words: the verdict first, then locks that threads wait for and who has them, then other things that
 * threads wait for. Threads that wait at one place are one line. Runs in mutrace.
 */
#include "src/render/inspect_words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 4   /* holders of holders that the verdict follows */
#define GROUPS_MAX 10 /* lines of what is not a lock */
#define SEVERAL_MAX 4 /* names in one of them */

static bool waits_for_lock(const struct words *w, uint32_t thread)
{
	const struct inspect_object *o = inspect_object_of(w, thread);

	return o && o->lock;
}

static bool same_stack(const struct report_stack *a, const struct report_stack *b)
{
	if (!a || !b)
		return a == b;
	for (size_t k = 0; k < a->n && k < b->n; k++) {
		if (a->frames[k].address != b->frames[k].address)
			return false;
	}
	return a->n == b->n;
}

/* Conditions of one place are put together, locks are not. */
static bool same_group(const struct words *w, uint32_t a, uint32_t b)
{
	const struct inspect_thread *x = &w->i->threads[a], *y = &w->i->threads[b];

	return inspect_object_of(w, a)->kind == inspect_object_of(w, b)->kind &&
	       (x->object == y->object || !waits_for_lock(w, a)) && x->to_write == y->to_write &&
	       x->still == y->still && same_stack(x->stack, y->stack);
}

static int group_compare(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return x->n > y->n ? -1 : x->n < y->n;
}

static int groups_make(struct words *w)
{
	size_t n = w->i->n_threads, used = 0;
	bool *done = calloc(n + 1, sizeof(*done));

	w->groups = calloc(n + 1, sizeof(*w->groups));
	w->list = malloc((n + 1) * sizeof(*w->list));
	if (!done || !w->groups || !w->list) {
		free(done);
		return -ENOMEM;
	}
	for (uint32_t k = 0; k < n; k++) {
		struct group *g = &w->groups[w->n_groups];

		if (done[k] || !inspect_object_of(w, k))
			continue;
		*g = (struct group){ w->list + used, 0 };
		for (uint32_t j = k; j < n; j++) {
			if (done[j] || !inspect_object_of(w, j) || !same_group(w, k, j))
				continue;
			done[j] = true;
			g->threads[g->n++] = j;
		}
		used += g->n;
		w->n_groups++;
	}
	free(done);
	if (w->n_groups)
		qsort(w->groups, w->n_groups, sizeof(*w->groups), group_compare);
	return 0;
}

/* The kind of things of which there are several. */
static void kinds_print(const struct words *w, const struct inspect_object *o)
{
	const char *kind = inspect_kind_words[o->kind].text;

	fprintf(w->t.f, "%s%s", kind, kind[strlen(kind) - 1] == 'x' ? "es" : "s");
}

/* "first, second (semaphores)" of a group that waits for different things; "semaphores of one place" if they are
 * many, or have no names. */
static void several_print(const struct words *w, const struct group *g)
{
	const struct inspect_object *all[SEVERAL_MAX];
	char text[NAME_SIZE];
	size_t n = 0;

	for (size_t k = 0; k < g->n && n <= SEVERAL_MAX; k++) {
		const struct inspect_object *o = inspect_object_of(w, g->threads[k]);
		size_t same = 0;

		while (same < n && all[same] != o)
			same++;
		if (same < n)
			continue;
		if (n == SEVERAL_MAX || !o->name || o->with || strncmp(o->name, "0x", 2) == 0) {
			kinds_print(w, o);
			fputs(" of one place", w->t.f);
			return;
		}
		all[n++] = o;
	}
	for (size_t k = 0; k < n; k++) {
		clean_text(text, 200, all[k]->name);
		fprintf(w->t.f, "%s%s", k ? ", " : "", text);
	}
	fputs(" (", w->t.f);
	kinds_print(w, all[0]);
	fputc(')', w->t.f);
}

/* "12 threads wait for x (mutex)", "worker (12) waits for x (rwlock) to write" */
static void group_print(const struct words *w, const struct group *g)
{
	const struct inspect_thread *t = &w->i->threads[g->threads[0]];
	const struct inspect_object *o = inspect_object_of(w, g->threads[0]);
	char text[NAME_SIZE];
	bool one = true;

	for (size_t k = 1; k < g->n; k++)
		one = one && w->i->threads[g->threads[k]].object == t->object;
	if (g->n == 1)
		fprintf(w->t.f, "%s waits for ", inspect_thread_words(w, text, g->threads[0]));
	else
		fprintf(w->t.f, "%zu threads wait for ", g->n);
	if (one)
		inspect_object_print(w, o);
	else
		several_print(w, g);
	inspect_side_print(w, t, o);
	if (one)
		inspect_owner_print(w, o);
}

/* True if somebody waits for it who is in no circle. */
static bool outside(const struct words *w, const struct inspect_object *o)
{
	for (uint32_t k = 0; k < w->i->n_threads; k++) {
		if (inspect_object_of(w, k) == o && w->i->threads[k].circle == INSPECT_NONE)
			return true;
	}
	return false;
}

/* The one who has it, and what he does: the end of the verdict, and a line below a lock. */
static void holder_doing_print(const struct words *w, uint32_t holder, unsigned int depth)
{
	const struct inspect_thread *h = &w->i->threads[holder];
	const struct inspect_object *o = inspect_object_of(w, holder);

	if (!o) {
		fprintf(w->t.f, ", which is %s", h->doing);
		return;
	}
	fputs(", which waits for ", w->t.f);
	inspect_object_print(w, o);
	inspect_owner_print(w, o);
	if (o->owner == OWNER_THREAD && depth < CHAIN_MAX && h->circle == INSPECT_NONE)
		holder_doing_print(w, o->holder, depth + 1);
}

static const struct group *group_worst(const struct words *w, bool still)
{
	for (size_t k = 0; k < w->n_groups; k++) {
		if (waits_for_lock(w, w->groups[k].threads[0]) &&
		    w->i->threads[w->groups[k].threads[0]].still == still)
			return &w->groups[k];
	}
	return NULL;
}

static size_t waiters_of(const struct words *w, const struct inspect_object *o, bool still)
{
	size_t n = 0;

	for (uint32_t k = 0; k < w->i->n_threads; k++)
		n += inspect_object_of(w, k) && (o ? inspect_object_of(w, k) == o : waits_for_lock(w, k)) &&
		     w->i->threads[k].still == still;
	return n;
}

static void circle_print(const struct words *w, const struct inspect_circle *c, const char *where)
{
	char text[NAME_SIZE];

	if (c->timed)
		fprintf(w->t.f, "mutrace: %s: ", where);
	else
		fprintf(w->t.f, "%smutrace: DEADLOCK in %s: ", w->t.red, where);
	if (c->n > 1)
		fprintf(w->t.f, "%zu threads wait for each other", c->n);
	else if (inspect_object_of(w, c->threads[0])->kind == INSPECT_THREAD)
		fputs("a thread waits for its own end", w->t.f);
	else
		fputs("a thread waits for a lock that it holds itself", w->t.f);
	fprintf(w->t.f, "%s.%s\n", c->timed ? "; a time-out will end it" : "", c->timed ? "" : w->t.plain);
	for (size_t k = 0; k < c->n; k++) {
		const struct inspect_thread *t = &w->i->threads[c->threads[k]];
		const struct group g = { &c->threads[k], 1 };

		fprintf(w->t.f, "  %s waits for ", inspect_thread_words(w, text, c->threads[k]));
		inspect_object_print(w, inspect_object_of(w, c->threads[k]));
		inspect_side_print(w, t, inspect_object_of(w, c->threads[k]));
		inspect_owner_print(w, inspect_object_of(w, c->threads[k]));
		fputs(w->t.o->debug_info ? "" : "\n     ", w->t.f);
		inspect_stack_print(w, &g);
	}
}

/* "bank (PID 4711)", "core.4711 of bank" */
static void where_make(const struct words *w, char *out, size_t size)
{
	const char *slash = strrchr(w->i->program, '/');
	char program[NAME_SIZE], core[NAME_SIZE];

	clean_text(program, 200, slash ? slash + 1 : w->i->program);
	if (!w->i->core) {
		snprintf(out, size, "%.200s (PID %d)", program, (int)w->i->pid);
		return;
	}
	clean_text(core, 200, w->i->core);
	snprintf(out, size, "%.200s (core file %.200s)", program, core);
}

/* Without a circle: nobody can wake anybody, or the lock that most wait for, or nothing. */
static void verdict_print(const struct words *w, const char *where)
{
	const struct group *worst = group_worst(w, true);
	const struct inspect_object *o = worst ? inspect_object_of(w, worst->threads[0]) : NULL;
	bool one = w->i->n_threads == 1;
	char text[NAME_SIZE];
	size_t n;

	if (w->i->all_wait)
		fprintf(w->t.f, "%smutrace: HANG in %s: %s; nothing in the process can wake %s%s", w->t.red,
			where, one ? "its only thread waits" : "all of its threads wait", one ? "it" : "one",
			w->t.plain);
	else
		fprintf(w->t.f, "mutrace: %s", where);
	n = waiters_of(w, o, o != NULL);
	if (o) {
		fputs(": ", w->t.f);
		if (n == 1)
			fprintf(w->t.f, "%s waits for ", inspect_thread_words(w, text, worst->threads[0]));
		else
			fprintf(w->t.f, "%zu threads wait for ", n);
		inspect_object_print(w, o);
		inspect_owner_print(w, o);
		if (o->owner == OWNER_THREAD)
			holder_doing_print(w, o->holder, 1);
	} else if (n) {
		fprintf(w->t.f, ": no thread is stuck; %zu waited for %s, and went on", n,
			n == 1 ? "a lock" : "locks");
	} else if (!w->i->all_wait) {
		fputs(": no thread waits for a lock", w->t.f);
	}
	fputs(".\n", w->t.f);
}

/* A lock's holder and what it does; then those who wait, by place. */
static void lock_print(const struct words *w, const struct inspect_object *o)
{
	char text[NAME_SIZE];

	fputs("  ", w->t.f);
	inspect_object_print(w, o);
	inspect_owner_print(w, o);
	fputc('\n', w->t.f);
	/* those of a circle have been shown */
	if (o->owner == OWNER_THREAD && w->i->threads[o->holder].circle == INSPECT_NONE) {
		fprintf(w->t.f, "      %s", inspect_thread_words(w, text, o->holder));
		if (inspect_object_of(w, o->holder)) {
			fputs(" waits for ", w->t.f);
			inspect_object_print(w, inspect_object_of(w, o->holder));
		} else {
			clean_text(text, 300, w->i->threads[o->holder].doing);
			fprintf(w->t.f, " is %s", text);
		}
		inspect_stack_print(w, &(struct group){ (uint32_t *)&o->holder, 1 });
	}
	for (size_t k = 0; k < w->n_groups; k++) {
		const struct group *g = &w->groups[k];

		if (inspect_object_of(w, g->threads[0]) != o ||
		    (g->n == 1 && w->i->threads[g->threads[0]].circle != INSPECT_NONE))
			continue;
		if (g->n == 1)
			fprintf(w->t.f, "      %s waits", inspect_thread_words(w, text, g->threads[0]));
		else
			fprintf(w->t.f, "      %zu threads wait", g->n);
		inspect_side_print(w, &w->i->threads[g->threads[0]], o);
		inspect_stack_print(w, g);
	}
}

static void locks_print(const struct words *w)
{
	for (size_t k = 0; k < w->n_groups; k++) {
		const struct group *g = &w->groups[k];
		bool again = false;

		for (size_t j = 0; j < k && !again; j++)
			again = inspect_object_of(w, w->groups[j].threads[0]) ==
				inspect_object_of(w, g->threads[0]);
		if (!again && waits_for_lock(w, g->threads[0]) &&
		    outside(w, inspect_object_of(w, g->threads[0])))
			lock_print(w, inspect_object_of(w, g->threads[0]));
	}
}

static void others_print(const struct words *w)
{
	size_t shown = 0, left = 0;

	for (size_t k = 0; k < w->n_groups; k++) {
		const struct group *g = &w->groups[k];

		if (waits_for_lock(w, g->threads[0]) || w->i->threads[g->threads[0]].circle != INSPECT_NONE)
			continue;
		if (shown == 0)
			fputs("\nWaiting for other things:\n", w->t.f);
		if (shown >= GROUPS_MAX && !w->t.o->report->all) {
			left += g->n;
			continue;
		}
		shown++;
		fputs("  ", w->t.f);
		group_print(w, g);
		inspect_stack_print(w, g);
	}
	if (left)
		fprintf(w->t.f, "  and %zu more threads (--all)\n", left);
}

/* Threads that wait for nothing that we know: in a line, or all with --all. */
static void rest_print(const struct words *w)
{
	bool *done = calloc(w->i->n_threads + 1, sizeof(*done)), first = true;
	char text[NAME_SIZE];

	for (uint32_t k = 0; done && k < w->i->n_threads; k++) {
		const struct inspect_thread *t = &w->i->threads[k];
		size_t n = 0;

		if (done[k] || inspect_object_of(w, k))
			continue;
		if (w->t.o->report->all) {
			fprintf(w->t.f, "%s  %s is ", first ? "\nOther threads:\n" : "",
				inspect_thread_words(w, text, k));
			clean_text(text, 300, t->doing);
			fprintf(w->t.f, "%s", text);
			inspect_stack_print(w, &(struct group){ &k, 1 });
			first = false;
			continue;
		}
		for (uint32_t j = k; j < w->i->n_threads; j++) {
			if (!inspect_object_of(w, j) && strcmp(w->i->threads[j].doing, t->doing) == 0) {
				done[j] = true;
				n++;
			}
		}
		clean_text(text, 300, t->doing);
		fprintf(w->t.f, "%s%zu %s", first ? "\nOther threads: " : ", ", n, text);
		first = false;
	}
	if (!first && !w->t.o->report->all)
		fputs(".\n", w->t.f);
	free(done);
}

int inspect_text(FILE *out, const struct inspection *i, const struct render_options *o)
{
	struct words w = { .t = { .f = out, .o = o, .bold = "", .red = "", .plain = "" }, .i = i };
	char where[NAME_SIZE];
	size_t shown = 0;
	int r;

	if (o->color) {
		w.t.red = "\033[1;31m";
		w.t.plain = "\033[0m";
	}
	r = groups_make(&w);
	if (r == 0) {
		where_make(&w, where, sizeof(where));
		/* those without a time-out are worse */
		for (int timed = 0; timed < 2; timed++) {
			for (size_t k = 0; k < i->n_circles; k++) {
				if (i->circles[k].timed == timed) {
					circle_print(&w, &i->circles[k], where);
					shown++;
				}
			}
		}
		if (shown == 0)
			verdict_print(&w, where);
		locks_print(&w);
		others_print(&w);
		rest_print(&w);
		if (i->note)
			text_line(&w.t, "%s", i->note);
	}
	free(w.groups);
	free(w.list);
	return r < 0 ? r : ferror(out) ? -EIO : 0;
}
