/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The counters and waits of an image that is being recorded, see refresh.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/load/refresh_private.h"

#define FEW_BYTES 16384u /* a thread that has no more is read without asking whether it ran */
#define HELD_MOST 64u

/* A number that changes when a thread runs: its time on a processor and how often it was given one. 0 unknown, as in
 * another PID namespace. */
static uint64_t ran_of(uint32_t pid, uint32_t tid)
{
	unsigned long long run_ns = 0, slices = 0;
	char path[64], text[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/schedstat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	return sscanf(text, "%llu %*u %llu", &run_ns, &slices) == 2 ? run_ns + slices : 0;
}

/* False if nothing can have changed since the last time: the thread did not run. */
static bool may_have_changed(const struct follower *f, struct follower_thread *t,
			     const struct thread_rec *rec)
{
	bool same = t->generation == rec->generation, known = same && t->ended;
	uint64_t before = same ? t->ran : 0;

	t->generation = rec->generation;
	t->ended = rec->end_ticks != 0;
	t->ran = 0;
	if (t->ended)
		return !known; /* once more after its end */
	if (t->bytes <= FEW_BYTES)
		return true;
	t->ran = ran_of(f->header.pid, rec->tid);
	return t->ran == 0 || t->ran != before;
}

static void cell_count(struct refresh *r, const struct follower *f, const struct cell *c,
		       struct counts_before *b)
{
	struct refresh_counts *d = refresh_delta(r, b->lock);

	d->acquired += c->acquired - b->count;
	d->contended += c->contended - b->contended;
	if (kind_has(r->locks[b->lock].kind, TRAIT_HOLDS) && c->hold_total > b->time)
		d->hold_ns += ticks_span(&f->rate, c->hold_total - b->time);
	b->count = c->acquired;
	b->contended = c->contended;
	b->time = c->hold_total;
}

static void edge_count(struct refresh *r, const struct follower *f, const struct edge *e,
		       struct counts_before *b)
{
	struct refresh_counts *d = refresh_delta(r, b->lock);

	if (e->wait_total > b->time)
		d->wait_ns += ticks_span(&f->rate, e->wait_total - b->time);
	b->count = e->count;
	b->time = e->wait_total;
}

/* The lock of an item: what was counted for another one before is no change. */
static bool lock_known(struct refresh *r, uint32_t image, uint32_t ref, struct counts_before *b)
{
	if (ref == 0)
		return false;
	if (b->ref != ref)
		*b = (struct counts_before){ .ref = ref, .lock = refresh_lock_of(r, image, ref) };
	return b->lock != REFRESH_NONE;
}

static void items_compare(struct refresh *r, uint32_t image, const struct part *p, size_t n)
{
	const struct follower *f = &r->priv->followers[image];

	for (size_t i = 0; i < n; i++) {
		const char *item = r->priv->buffer + i * p->item_size;
		struct counts_before *b = &p->before[i];

		if (p->type == CHUNK_CELLS) {
			const struct cell *c = (const struct cell *)item;

			if ((c->acquired != b->count || c->hold_total != b->time ||
			     c->contended != b->contended) &&
			    lock_known(r, image, c->lock, b))
				cell_count(r, f, c, b);
		} else {
			const struct edge *e = (const struct edge *)item;

			if ((e->count != b->count || e->wait_total != b->time) &&
			    lock_known(r, image, e->lock, b))
				edge_count(r, f, e, b);
		}
	}
}

static bool buffer_fit(struct refresh_private *v, size_t size)
{
	char *p;

	if (size <= v->buffer_size)
		return true;
	p = realloc(v->buffer, size);
	if (!p)
		return false;
	v->buffer = p;
	v->buffer_size = size;
	return true;
}

static void part_read(struct refresh *r, uint32_t image, struct part *p)
{
	const struct follower *f = &r->priv->followers[image];
	struct chunk c;
	size_t n;

	if (!refresh_read_at(r, f, p->offset, &c, sizeof(c)) || c.magic != CHUNK_MAGIC || c.type != p->type)
		return;
	n = c.used < p->most ? c.used : p->most;
	if (n == 0 || !buffer_fit(r->priv, n * p->item_size))
		return;
	if (n > p->n) {
		struct counts_before *grown = realloc(p->before, n * sizeof(*grown));

		if (!grown)
			return;
		memset(grown + p->n, 0, (n - p->n) * sizeof(*grown));
		p->before = grown;
		p->n = n;
	}
	if (refresh_read_at(r, f, p->offset + sizeof(c), r->priv->buffer, n * p->item_size))
		items_compare(r, image, p, n);
}

static bool record_read(struct refresh *r, const struct follower *f, uint32_t ref, struct thread_rec *ret)
{
	return refresh_read_at(r, f, (uint64_t)ref * REF_UNIT, ret, sizeof(*ret));
}

/* Fills in who has the lock, if the thread that acquired it last has it still. */
static void holder_find(struct refresh *r, const struct follower *f, uint32_t lock_ref,
			struct refresh_wait *w)
{
	struct held held[HELD_MOST];
	struct thread_rec t;
	struct lock_rec l;
	size_t n;

	if (!refresh_read_at(r, f, (uint64_t)lock_ref * REF_UNIT, &l, sizeof(l)) || l.last_owner == 0 ||
	    table_get(&f->thread_numbers, l.last_owner, 0) == TABLE_NONE ||
	    !record_read(r, f, l.last_owner, &t) || t.end_ticks != 0)
		return;
	n = t.held_capacity < HELD_MOST ? t.held_capacity : HELD_MOST;
	if (n == 0 || !refresh_read_at(r, f, (uint64_t)t.held_ref * REF_UNIT, held, n * sizeof(*held)))
		return;
	for (size_t i = 0; i < n; i++)
		if (held[i].address != 0 && held[i].lock == lock_ref) {
			w->holder = t.tid;
			memcpy(w->holder_name, t.name, sizeof(t.name));
			return;
		}
}

static void wait_add(struct refresh *r, uint32_t image, const struct thread_rec *t)
{
	const struct follower *f = &r->priv->followers[image];
	uint32_t lock = refresh_lock_of(r, image, t->waiting_lock);
	uint64_t now = ticks_now(&f->header);
	struct refresh_wait *w;

	if (lock == REFRESH_NONE ||
	    array_grow(&r->waits, r->n_waits, &r->priv->cap_waits, sizeof(*r->waits)) < 0)
		return;
	w = &r->waits[r->n_waits++];
	*w = (struct refresh_wait){ .image = image, .lock = lock, .tid = t->tid };
	memcpy(w->name, t->name, sizeof(t->name));
	if (now > t->waiting_since)
		w->waited_ns = ticks_span(&f->rate, now - t->waiting_since);
	holder_find(r, f, t->waiting_lock, w);
	refresh_delta(r, lock);
	r->locks[lock].waiters++;
}

/* Adds the time since the last look of waits that last, which counters have only when they end. */
static void ongoing_add(struct refresh *r, uint32_t image, size_t first_wait)
{
	for (size_t i = 0; i < r->n_changed; i++) {
		struct refresh_lock *l = &r->locks[r->changed[i]];
		uint64_t before = l->ongoing_ns, now = 0;

		if (l->image != image || (before == 0 && l->waiters == 0))
			continue;
		for (size_t k = first_wait; k < r->n_waits; k++)
			if (r->waits[k].lock == r->changed[i])
				now += r->waits[k].waited_ns;
		l->ongoing_ns = now;
		l->delta.wait_ns = l->delta.wait_ns + now > before ? l->delta.wait_ns + now - before : 0;
	}
}

void refresh_count(struct refresh *r, uint32_t image)
{
	struct follower *f = &r->priv->followers[image];
	size_t first_wait = r->n_waits;
	uint32_t live = 0;

	for (size_t i = 0; i < f->n_threads; i++) {
		struct follower_thread *t = &f->threads[i];
		struct thread_rec rec;

		if (!record_read(r, f, t->ref, &rec))
			continue;
		live += rec.end_ticks == 0;
		if (may_have_changed(f, t, &rec))
			for (size_t k = 0; k < t->n_parts; k++)
				part_read(r, image, &t->parts[k]);
		if (rec.end_ticks == 0 && rec.waiting_lock != 0 && r->images[image].alive)
			wait_add(r, image, &rec);
	}
	r->images[image].threads = live;
	ongoing_add(r, image, first_wait);
}
