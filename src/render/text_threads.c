/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads in the text report: which of them waited, and which made others wait. Those of one name are one entry, also where
 * the names differ by a number only. Runs in mutrace. Called by text.c.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/render/text.h"

#define GROUPS_SHOWN 6u
#define COMM_LENGTH 15u /* to which the kernel cuts names */

struct thread_group {
	const char *name; /* of its first thread; NULL: it has none */
	char key[64];     /* the name with # for each number */
	bool several;     /* its threads have different names */
	bool function;    /* the name is a function's */
	uint64_t threads, wait_ns, idle_ns, blocked_ns;
};

#define COMPARE(a, b) \
	if ((a) != (b)) \
	return (a) < (b) ? -1 : 1

/* A thread that nobody named has the program's name, which tells nothing; the function that it begins in does. */
static const char *name_of(const struct report_process *e, const struct report_thread *t)
{
	const char *program = path_name(e->program);

	if (t->tid == t->pid && t->name && e->main_name && strcmp(t->name, e->main_name) == 0)
		return "main";
	if (t->entry && t->name &&
	    ((e->main_name && strcmp(t->name, e->main_name) == 0) ||
	     (program && strncmp(t->name, program, COMM_LENGTH) == 0)))
		return t->entry;
	return t->name ? t->name : t->entry;
}

const char *text_thread_of(char *out, const struct report_process *e, uint32_t tid, const char *name)
{
	for (size_t i = 0; tid && i < e->n_threads_known; i++) {
		const struct report_thread *t = &e->thread_list[i];
		const char *shown = name_of(e, t);
		char function[NAME_SIZE];

		if (t->tid != tid || !shown || shown == t->name)
			continue;
		report_function_short(function, sizeof(function), shown);
		return text_thread(out, tid, function);
	}
	return text_thread(out, tid, name);
}

static void key_make(struct thread_group *g)
{
	size_t n = 0;

	for (const char *s = g->name ? g->name : ""; *s && n + 1 < sizeof(g->key); s++) {
		bool digit = isdigit((unsigned char)*s);

		if (!digit || n == 0 || g->key[n - 1] != '#')
			g->key[n++] = digit ? '#' : *s;
	}
	g->key[n] = 0;
}

static int key_compare(const void *a, const void *b)
{
	return strcmp(((const struct thread_group *)a)->key, ((const struct thread_group *)b)->key);
}

static uint64_t weight(const struct thread_group *g)
{
	return g->wait_ns > g->blocked_ns ? g->wait_ns : g->blocked_ns;
}

static int weight_compare(const void *a, const void *b)
{
	const struct thread_group *x = a, *y = b;

	COMPARE(weight(y), weight(x));
	return key_compare(a, b);
}

/* Makes one entry of those with one key. Returns how many are left, those that matter most first. */
static size_t groups_join(struct thread_group *list, size_t n)
{
	size_t kept = 0;

	qsort(list, n, sizeof(*list), key_compare);
	for (size_t i = 0; i < n; i++) {
		struct thread_group *last = kept ? &list[kept - 1] : NULL;

		if (!last || key_compare(last, &list[i]) != 0) {
			list[kept++] = list[i];
			continue;
		}
		last->several = last->several || (last->name && strcmp(last->name, list[i].name) != 0);
		last->threads += list[i].threads;
		last->wait_ns += list[i].wait_ns;
		last->idle_ns += list[i].idle_ns;
		last->blocked_ns += list[i].blocked_ns;
	}
	qsort(list, kept, sizeof(*list), weight_compare);
	return kept;
}

static void group_print(const struct text_out *t, const struct thread_group *g)
{
	char name[NAME_SIZE], wait[NUMBER_SIZE], number[NUMBER_SIZE];

	if (g->function)
		clean_function(name, 100, g->several ? g->key : g->name);
	else if (g->name)
		clean_text(name, 100, g->several ? g->key : g->name);
	else
		snprintf(name, sizeof(name),
			 g->threads == 1 ? "a thread without a name" : "threads without names");
	fputs(name, t->f);
	if (g->threads > 1)
		fprintf(t->f, " (%s threads)", number_count(number, g->threads));
	fprintf(t->f, " waited %s, made others wait %s", g->wait_ns ? number_ns(wait, g->wait_ns) : "0",
		g->blocked_ns ? number_ns(number, g->blocked_ns) : "0");
	if (g->idle_ns)
		fprintf(t->f, ", idle %s", number_ns(number, g->idle_ns));
}

/* Nothing where all are of one name, since that says no more than the line about all of them. */
void text_threads(const struct text_out *t, const struct report_process *e)
{
	struct thread_group *list = calloc(e->n_thread_list + 1, sizeof(*list));
	size_t n = 0, most = t->o->report->all ? SIZE_MAX : GROUPS_SHOWN, i;

	for (i = 0; list && i < e->n_thread_list; i++) {
		const struct report_thread *r = &e->thread_list[i];
		struct thread_group *g = &list[n];

		if (r->wait_ns == 0 && r->blocked_ns == 0)
			continue;
		*g = (struct thread_group){
			.name = name_of(e, r),
			.function = r->entry && name_of(e, r) == r->entry,
			.threads = r->count,
			.wait_ns = r->wait_ns,
			.idle_ns = r->idle_ns,
			.blocked_ns = r->blocked_ns,
		};
		key_make(g);
		n++;
	}
	n = list ? groups_join(list, n) : 0;
	for (i = 0; n > 1 && i < n && i < most; i++) {
		fputs(i ? "; " : "\n  Threads: ", t->f);
		group_print(t, &list[i]);
	}
	if (i < n && n > 1)
		fprintf(t->f, "; %zu more (--all)", n - i);
	if (n > 1)
		fputc('\n', t->f);
	free(list);
}
