/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The format of sessions may be added to: readers pass by chunks that they do not know, take what they know
 * of longer records and find zeros in shorter ones. And what it has room for arrives: events, phases, folded
 * counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/arch/arch.h"
#include "src/load/model.h"
#include "make_session.h"
#include "src/session/chunks.h"

/* Writes the image into a session of its own and loads that. */
static struct model *load(struct image_maker *im)
{
	char error[MODEL_ERROR_SIZE] = "", *dir = session_dir_make();
	struct session_file f;
	struct model *m;
	int r;

	session_file_init(&f);
	session_file_write(dir, &f);
	image_maker_write(im, dir, "image.100.0");
	assert_int_equal(model_new(&m), 0);
	r = model_load(m, dir, error);
	session_dir_remove(dir);
	if (r < 0)
		fail_msg("model_load: %d %s", r, error);
	assert_int_equal(m->n_processes, 1);
	return m;
}

static void test_unknown_chunks(void **state)
{
	struct image_maker *im = image_maker_new(16);
	uint32_t lock, thread;
	struct chunk *c;
	struct model *m;

	(void)state;
	for (int i = 0; i < 2; i++) { /* before and after what is known */
		c = image_maker_chunk_new(im, i ? 4000000000u : 200, 24);
		memset(c + 1, 0xff, 48);
		c->used = 2;
		if (i == 0) {
			lock = image_maker_lock(im, KIND_MUTEX, 0x1000, NULL);
			thread = image_maker_thread(im, 101, NULL);
			image_maker_cell(im, thread, lock, 7, NULL);
			image_maker_cell(im, thread, image_maker_lock(im, KIND_MUTEX, 0x2000, NULL), 8, NULL);
		}
	}
	m = load(im);
	assert_int_equal(m->processes[0].damaged, 0);
	assert_int_equal(m->processes[0].n_locks, 2);
	assert_int_equal(m->processes[0].n_cells, 2);
	assert_int_equal(m->processes[0].cells[1].acquired, 8);
	model_free(m);
	assert_true(chunk_is_recorded(200)); /* nobody knows, so such an image is not thrown away */
	assert_true(chunk_is_recorded(CHUNK_LOCKS) && !chunk_is_recorded(CHUNK_EVENTS));
	assert_false(chunk_is_recorded(CHUNK_THREAD) || chunk_is_recorded(CHUNK_MODULES));
	assert_int_equal(chunk_item_least(200), 0);
}

/* Headers that make no sense: nothing of such a chunk counts, and what comes after it does. */
static void test_bad_chunks(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t item_size, used;
	} bad[] = {
		{ 0, 64, 1 },                     /* no size */
		{ CHUNK_ALIGN - 8, 64, 1 },       /* no whole pages */
		{ UINT64_MAX & ~4095ull, 64, 1 }, /* behind the end of the file, and of all numbers */
		{ 64 * CHUNK_ALIGN, 64, 1 },      /* cut off */
		{ CHUNK_ALIGN, 0, 1 },            /* items of no size */
		{ CHUNK_ALIGN, 64, UINT32_MAX },  /* more items than fit */
		{ CHUNK_ALIGN, 63, 1 },           /* between two refs */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct image_maker *im = image_maker_new(16);
		struct lock_rec *l;
		struct chunk *c;
		struct model *m;

		image_maker_lock(im, KIND_MUTEX, 0x1000, &l);
		c = image_maker_chunk(im, l);
		image_maker_thread(im, 101, NULL);
		image_maker_thread(im, 102, NULL);
		c->size = bad[i].size;
		c->item_size = bad[i].item_size;
		c->used = bad[i].used;
		m = load(im);
		assert_int_equal(m->processes[0].n_locks, 0);
		assert_int_equal(m->processes[0].n_threads, 2);
		model_free(m);
	}
}

/* A chunk within another is the other's data. */
static void test_overlapping_chunks(void **state)
{
	struct image_maker *im = image_maker_new(128); /* two pages of locks */
	struct chunk *outer, *inner;
	struct lock_rec *l;
	struct model *m;

	(void)state;
	image_maker_lock(im, KIND_MUTEX, 0x1000, &l);
	outer = image_maker_chunk(im, l);
	assert_true(outer->size >= 2 * CHUNK_ALIGN);
	inner = (struct chunk *)((char *)outer + CHUNK_ALIGN);
	*inner = *outer;
	inner->offset += CHUNK_ALIGN;
	inner->size -= CHUNK_ALIGN;
	*(struct lock_rec *)(inner + 1) = *l;
	m = load(im);
	assert_int_equal(m->processes[0].n_locks, 1);
	assert_int_equal(m->processes[0].damaged, 0);
	model_free(m);
}

/* Records that have grown, and such as were written before they did. */
static void test_record_sizes(void **state)
{
	(void)state;
	for (int grown = 0; grown < 2; grown++) {
		struct image_maker *im = image_maker_new(16);
		uint32_t least = chunk_item_least(CHUNK_LOCKS), size = least + (grown ? 64 : 0);
		struct chunk *c = image_maker_chunk_new(im, CHUNK_LOCKS, size);
		struct lock_rec *l;
		struct model *m;

		for (uint32_t i = 0; i < 3; i++) {
			l = (struct lock_rec *)((char *)(c + 1) + (size_t)i * size);
			memset(l, 0xff, size);
			memset(l, 0, sizeof(*l));
			l->kind = KIND_MUTEX;
			l->address = 0x1000 * (i + 1);
			l->instances = 1;
			c->used++;
		}
		image_maker_cell(im, image_maker_thread(im, 101, NULL),
				 (uint32_t)((c->offset + sizeof(*c) + 2 * size) / REF_UNIT), 5, NULL);
		m = load(im);
		assert_int_equal(m->processes[0].damaged, 0);
		assert_int_equal(m->processes[0].n_locks, 3);
		assert_int_equal(m->processes[0].cells[0].lock, 2);
		model_free(m);
	}
	for (int more = 0; more < 2; more++) { /* a header of a later writer, and one that is none */
		struct image_maker *im = image_maker_new(4);
		struct model *m;

		image_maker_header(im)->header_size = more ? CHUNK_ALIGN : IMAGE_HEADER_LEAST;
		m = load(im);
		model_free(m);
	}
}

static void test_phases(void **state)
{
	struct image_maker *im = image_maker_new(16);
	const struct model_process *p;
	uint32_t lock, thread;
	struct model *m;
	struct cell *c;

	(void)state;
	image_maker_phase(im, "loading", 1000000000, 1400000000);
	image_maker_phase(im, "serving, until it ends, for ever and ever and ever", 1400000000, 0);
	lock = image_maker_lock(im, KIND_MUTEX, 0x1000, NULL);
	thread = image_maker_thread(im, 101, NULL);
	for (uint8_t i = 0; i < 4; i++) {
		image_maker_cell(im, thread, lock, 10 + i, &c);
		c->phase = i;
	}
	image_maker_edge(im, thread, lock, 1, 100)->phase = 2;
	m = load(im);
	p = &m->processes[0];
	assert_int_equal(p->n_phases, 2);
	assert_string_equal(p->phases[0].name, "loading");
	assert_int_equal(p->phases[0].end_ns, 400000000);
	assert_int_equal(strlen(p->phases[1].name), 47);
	assert_int_equal(p->phases[1].begin_ns, 400000000);
	assert_int_equal(p->phases[1].end_ns, 1000000000);
	for (uint8_t i = 0; i < 4; i++)
		assert_int_equal(p->cells[i].phase, i == 3 ? 0 : i); /* there is no third */
	assert_int_equal(p->edges[0].phase, 2);
	assert_int_equal(p->damaged, 1);
	model_free(m);
}

static void event_fill(struct event *e, uint64_t begin, uint64_t end, uint32_t lock, uint32_t other)
{
	e->begin = begin;
	e->end = end;
	e->lock = lock;
	e->other = other;
}

/* The model of test_events(); ends it. */
static void check_events(struct model *m)
{
	const struct model_process *p = &m->processes[0];

	assert_int_equal(p->damaged, 1);
	assert_int_equal(p->n_events, 6);
	assert_int_equal(p->threads[0].events_first, 0);
	assert_int_equal(p->threads[0].events_count, 3);
	assert_int_equal(p->threads[0].events_lost, 0);
	assert_int_equal(p->events[0].type, EVENT_WAIT);
	assert_int_equal(p->events[0].begin_ns, 100000000);
	assert_int_equal(p->events[0].end_ns, 200000000);
	assert_int_equal(p->events[0].lock, 0);
	assert_int_equal(p->events[0].other, 1);
	assert_int_equal(p->events[0].side, SIDE_SHARED);
	assert_int_equal(p->events[0].flags, 0x8001);
	assert_int_equal(m->nodes[p->events[0].stack].depth, 2);
	assert_int_equal(p->events[1].span_ns, 5000);
	assert_int_equal(p->events[1].holds, 300);
	assert_int_equal(p->events[1].within, 1);
	assert_int_equal(p->events[1].end_ns, 200000000);
	assert_int_equal(p->events[2].span_ns, 123);
	assert_int_equal(p->events[2].end_ns, 900000000);
	assert_int_equal(p->events[2].lock, MODEL_NONE);
	assert_int_equal(p->threads[1].events_first, 3);
	assert_int_equal(p->threads[1].events_count, 3);
	assert_int_equal(p->threads[1].events_lost, 50);
	assert_int_equal(p->events[4].end_ns, 300000001);
	assert_int_equal(p->events[5].type, EVENT_HOLD);
	model_free(m);
}

/* Two threads; the second one's oldest chunk was used again, so it stands first in the file and is the later
 * one. */
static void test_events(void **state)
{
	struct image_maker *im = image_maker_new(4);
	uint32_t lock, outer, first, second, stack;
	struct chunk *c;
	struct event *e;

	(void)state;
	stack = image_maker_stack(im, (uint64_t[]){ 1, 2, 0 });
	lock = image_maker_lock(im, KIND_MUTEX, 0x1000, NULL);
	outer = image_maker_lock(im, KIND_MUTEX, 0x2000, NULL);
	first = image_maker_thread(im, 101, NULL);
	second = image_maker_thread(im, 102, NULL);
	e = image_maker_event(im, second, EVENT_HOLD);
	event_fill(e, 1700000000, 1800000000, lock, 0);
	c = image_maker_chunk(im, e);
	c->first = 57;
	e = image_maker_event(im, first, EVENT_WAIT);
	event_fill(e, 1100000000, 1200000000, lock, second);
	e->stack = stack;
	e->side = SIDE_SHARED;
	e->flags = 0x8001;
	e = image_maker_event(im, first, EVENT_SUM);
	event_fill(e, 5000, 0, lock, 0);
	e->holds = 300;
	e->within = outer;
	e = image_maker_event(im, first, (enum event_type)99); /* of a later writer */
	e = image_maker_event(im, first, EVENT_EXIT);
	event_fill(e, 123, 1900000000, 0, 0);
	c = image_maker_chunk_new(im, CHUNK_EVENTS, sizeof(*e)); /* the second's, from before */
	c->thread = second;
	c->first = 50;
	for (int i = 0; i < 2; i++) {
		e = (struct event *)(c + 1) + c->used++;
		e->type = EVENT_CREATE;
		event_fill(e, 1300000000, 1300000000 + (uint64_t)i, 0, first);
	}
	c = image_maker_chunk_new(im, CHUNK_EVENTS, sizeof(*e)); /* of nobody */
	((struct event *)(c + 1))->type = EVENT_START;
	c->used = 1;
	check_events(load(im));
}

/* A wait and its hold in one event are two, unless the hold goes on or there was none. */
static void test_takes(void **state)
{
	struct image_maker *im = image_maker_new(4);
	uint32_t lock = image_maker_lock(im, KIND_MUTEX, 0x1000, NULL);
	uint32_t thread = image_maker_thread(im, 101, NULL);
	struct model_event *v;
	struct event *e;
	struct model *m;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		e = image_maker_event(im, thread, EVENT_TAKE);
		e->begin = 1100000000 + 1000 * i;
		e->waited = 100;
		e->held_after = i == 1 ? 0 : 200;
		e->lock = lock;
		e->other = thread;
		e->side = SIDE_SHARED;
		e->flags = i == 2 ? EVENT_TIMED_OUT : 0;
	}
	m = load(im);
	assert_int_equal(m->processes[0].n_events, 4);
	v = m->processes[0].events;
	for (uint32_t i = 0; i < 4; i++) {
		bool hold = i == 1;

		assert_int_equal(v[i].type, hold ? EVENT_HOLD : EVENT_WAIT);
		assert_int_equal(v[i].begin_ns, 100000000 + 1000 * (i > 1 ? i - 1 : 0) + (hold ? 100 : 0));
		assert_int_equal(v[i].end_ns, v[i].begin_ns + (hold ? 200 : 100));
		assert_int_equal(v[i].flags, hold ? EVENT_WAITED : i == 3 ? EVENT_TIMED_OUT : 0);
		assert_int_equal(v[i].other, hold ? MODEL_NONE : 0);
		assert_int_equal(v[i].side, SIDE_SHARED);
		assert_int_equal(v[i].lock, 0);
	}
	model_free(m);
}

/* The processor may count bits from above or from below: what it says of 1 tells which. */
static void test_high_bit(void **state)
{
	uint32_t flip = arch_high_bit(1);

	(void)state;
	assert_true(flip == 0 || flip == 31);
	for (unsigned int bit = 0; bit < 32; bit++) {
		assert_int_equal(arch_high_bit(1u << bit) ^ flip, bit);
		assert_int_equal(arch_high_bit(UINT32_MAX >> bit) ^ flip, 31 - bit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes),        cmocka_unit_test(test_unknown_chunks),
		cmocka_unit_test(test_bad_chunks),   cmocka_unit_test(test_overlapping_chunks),
		cmocka_unit_test(test_record_sizes), cmocka_unit_test(test_phases),
		cmocka_unit_test(test_events),       cmocka_unit_test(test_high_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
