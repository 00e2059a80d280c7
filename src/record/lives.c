/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The figures of threads whose record goes to another one, by name. Runs in the thread that takes the record, or in the one
 * that creates it; takes no lock. Called by threads.c. */
#include <string.h>

#include "src/record/internal.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A name with # for each number. */
static void without_numbers(char out[16], const char name[16])
{
	int n = 0;

	memset(out, 0, 16);
	for (int i = 0; i < 16 && name[i] != '\0'; i++)
		if (!is_digit(name[i]))
			out[n++] = name[i];
		else if (n == 0 || out[n - 1] != '#')
			out[n++] = '#';
}

static bool same_name(const char *a, const char *b)
{
	return memcmp(a, b, 16) == 0;
}

/* The books of the threads that had this record and the name that stands in it. */
static struct life_rec *life_of(struct thread_rec *r)
{
	struct life_rec *l = r->lives, *last = &r->lives[LIVES - 1];
	char name[16], other[16];

	for (; l <= last && l->count != 0; l++)
		if (same_name(l->name, r->name))
			return l;
	if (l <= last) {
		memcpy(l->name, r->name, sizeof(l->name));
		return l;
	}
	without_numbers(name, r->name);
	for (l = r->lives; l < last; l++) {
		without_numbers(other, l->name);
		if (same_name(other, name))
			break;
	}
	if (l == last)
		without_numbers(other, l->name);
	memset(l->name, 0, sizeof(l->name));
	if (same_name(other, name))
		memcpy(l->name, name, sizeof(l->name));
	return l;
}

void life_end(struct thread *t)
{
	struct thread_rec *r = t->rec;
	struct life_rec *l = life_of(r);
	bool time_known = r->cpu_ns != 0 && (l->count == 0 || l->cpu_ns != 0);

	l->tid = r->tid;
	l->life += r->end_ticks ? r->end_ticks - r->start_ticks : 0;
	l->cpu_ns = time_known ? l->cpu_ns + r->cpu_ns : 0;
	l->blocked += __atomic_exchange_n(&r->blocked, 0, __ATOMIC_RELAXED);
	for (int i = 0; i < WAIT_CLASSES; i++)
		l->waited[i] += r->waited[i];
	l->count++;
	memset(r->waited, 0, sizeof(r->waited));
	r->cpu_ns = r->joining = 0;
	t->lived = 0;
}
