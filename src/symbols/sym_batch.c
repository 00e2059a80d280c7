/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Naming all the addresses of a file that are wanted: sorted, each once, and by several engines at a time if
 * there are many and the machine has the processors. See sym_ask.h. Runs in mutrace, takes no locks. Called
 * by symbolize.c.
 */
#include "src/symbols/sym_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HELPERS_MAX 4u     /* engines working on one file at a time */
#define HELPER_WORTH 4096u /* this many addresses make a further one pay */

int sym_file_want(struct sym_file *f, uint64_t address)
{
	if (f->wanted_count == f->wanted_capacity) {
		size_t capacity = f->wanted_capacity ? f->wanted_capacity * 2 : 64;
		uint64_t *wanted = reallocarray(f->wanted, capacity, sizeof(*wanted));

		if (!wanted)
			return -ENOMEM;
		f->wanted = wanted;
		f->wanted_capacity = capacity;
	}
	f->wanted[f->wanted_count++] = address;
	f->wanted_sorted = false;
	return 0;
}

static int compare_addresses(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

/* Sorts, and leaves out what is known and what stands there twice. */
size_t sym_file_wanted(struct sym_file *f)
{
	size_t kept = 0;

	if (!f->wanted_sorted && f->wanted_count) {
		qsort(f->wanted, f->wanted_count, sizeof(*f->wanted), compare_addresses);
		for (size_t i = 0; i < f->wanted_count; i++)
			if ((!kept || f->wanted[i] != f->wanted[kept - 1]) &&
			    !sym_answers_find(&f->frames, f->wanted[i]))
				f->wanted[kept++] = f->wanted[i];
		f->wanted_count = kept;
		f->wanted_sorted = true;
	}
	return f->wanted_count;
}

struct share { /* of the addresses, for one engine */
	struct sym_running *engine, own;
	size_t next, end, sent;
};

/* One round: each engine gets a request, then each one's reply is taken, so that they work side by side. */
static int round_of(struct sym_file *f, struct share *shares, size_t count, size_t *done)
{
	struct sym_buffer reply = { 0 };
	int result = 0;

	for (size_t i = 0; i < count; i++) {
		struct share *s = &shares[i];
		int r;

		s->sent = s->end - s->next < SYM_ASK_MAX ? s->end - s->next : SYM_ASK_MAX;
		r = s->sent ? sym_file_send(s->engine, SYM_ASK_FRAMES, f->wanted + s->next, s->sent) : 0;
		if (r < 0) {
			s->sent = 0;
			result = r;
		}
	}
	for (size_t i = 0; i < count; i++) {
		struct share *s = &shares[i];
		int r;

		if (!s->sent)
			continue;
		r = sym_link_receive(s->engine->link, &reply);
		if (r == 0)
			r = sym_file_take_frames(f, s->engine, f->wanted + s->next, s->sent, &reply);
		if (r < 0)
			result = r;
		s->next += s->sent;
		*done += s->sent;
	}
	sym_buffer_free(&reply);
	return result;
}

/* Several engines at once, each for a stretch of the addresses. Failing is no harm: what is still unknown
 * afterwards is asked for by one engine. */
static void resolve_by_many(struct sym_file *f, size_t count, void (*done)(void *data, size_t count),
			    void *data)
{
	struct share shares[HELPERS_MAX] = { 0 };
	size_t in_use = 0, step;
	struct sym_running *e;

	if (sym_file_engine(f, &e) < 0)
		return;
	for (; in_use < count; in_use++) {
		struct share *s = &shares[in_use];

		if (in_use && sym_file_start(f, &s->own) < 0)
			break;
		s->engine = in_use ? &s->own : e;
	}
	for (size_t i = 0; i < in_use; i++) {
		shares[i].next = f->wanted_count / in_use * i;
		shares[i].end = i + 1 < in_use ? f->wanted_count / in_use * (i + 1) : f->wanted_count;
	}
	for (;;) {
		step = 0;
		if (round_of(f, shares, in_use, &step) < 0 || !step)
			break;
		done(data, step);
	}
	for (size_t i = 1; i < in_use; i++)
		sym_link_close(shares[i].own.link);
}

int sym_file_resolve(struct sym_file *f, void (*done)(void *data, size_t count), void *data)
{
	size_t count = sym_file_wanted(f), engines = count / HELPER_WORTH + 1;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int r = 0;

	if (processors > 0 && engines > (size_t)processors)
		engines = (size_t)processors;
	if (engines > HELPERS_MAX)
		engines = HELPERS_MAX;
	if (engines > 1 && !f->asker->in_process) {
		if (f->spec.fetch)
			sym_file_state(f); /* one engine fetches, the others find the file in the cache */
		resolve_by_many(f, engines, done, data);
		f->wanted_sorted = false;
		count = sym_file_wanted(f);
	}
	for (size_t i = 0; i < count; i += SYM_ASK_MAX) {
		size_t n = count - i < SYM_ASK_MAX ? count - i : SYM_ASK_MAX;

		r = sym_file_ask_frames(f, f->wanted + i, n);
		if (r < 0)
			return r;
		done(data, n);
	}
	f->wanted_count = 0;
	return 0;
}
