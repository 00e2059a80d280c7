/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as an image file, through loader, analysis and all renderers: nothing may crash, hang or be
 * written out of bounds; the text steers no terminal, and the JSON can be parsed. Bytes are changed with
 * knowledge of the format: a reference becomes another one, a number one at the edge of its range. Names come
 * from a symbolizer that means ill; the real one has tests of its own for hostile files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/analysis/report.h"
#include "src/load/tables.h"
#include "src/render/render.h"
#include "src/session/watched.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_symbols.h"
#include "tests/unit/make_session.h"

#define SECONDS UINT64_C(2200000000) /* ns: as long as the runs of the seeds */

static const struct renderer *const renderers[] = { &render_text,    &render_json, &render_folded,
						    &render_pprof,   &render_csv,  &render_html,
						    &render_perfetto };

static const struct fake_function functions[] = {
	{ 0x1000, 0x2000, "plain", "/src/plain.c", 1, "outer\033]0;title\a", 2 },
	{ 0x2000, 0x3000, "template<\033[31m>::operator()(int\n)", "/src/\033[2J.c", 4294967295u, NULL, 0 },
	{ 0x3000, 0x4000, "std::mutex::lock()", NULL, 0, NULL, 0 },
	{ 0x4000, 0x5000, "start_thread", "\xc2\x9b\xff", 0, NULL, 0 },
	{ 0x5000, 0x6000, "", "", 0, "", 0 },
	{ 0, 0, NULL, NULL, 0, NULL, 0 },
};
static const struct fake_variable variables[] = {
	{ 0x100000, 0x100100, "lock\033[0m;a b", "/src/plain.c", 3 },
	{ 0x100100, 0x110000, "table\r\n", NULL, 0 },
	{ 0, 0, NULL, NULL, 0 },
};

/* Part of the run, and what is taken for work, as the variant has it. */
static void choose_part(struct report_options *o, size_t variant, uint64_t moment)
{
	static const char *const globs[] = { "outer*", "plain", "phase", "lock*", NULL };

	if (variant & 16) {
		o->since = (struct report_moment){ .given = variant & 32,
						   .day = variant & 64,
						   .ns = moment % SECONDS };
		o->until = (struct report_moment){ .given = !o->since.given || variant & 128,
						   .day = variant & 256,
						   .ns = (moment >> 20) % SECONDS };
	}
	if (variant & 512)
		o->work = globs + (moment >> 40) % 4;
}

static void report_all(struct model *m, size_t variant, uint64_t moment)
{
	char error[MODEL_ERROR_SIZE] = "";
	static FILE *sink;
	struct report_options o;
	struct render_options ro;
	struct report *r;

	if (!sink)
		sink = fopen("/dev/null", "we");
	report_options_init(&o);
	render_options_init(&ro, &o);
	o.no_symbols = variant & 8;
	o.all = true;
	ro.debug_info = variant & 1;
	o.per_instance = variant & 4;
	ro.width = variant & 2 ? 80 : 0;
	choose_part(&o, variant, moment);
	if (report_window(m, &o, error) < 0) {
		fuzz_error_check(error);
		return;
	}
	if (!sink || report_new(m, &o, &r) < 0)
		abort();
	if (render_text.render(fuzz_text_open(), r, &ro) < 0)
		abort();
	fuzz_text_check();
	if (render_json.render(fuzz_text_open(), r, &ro) < 0)
		abort();
	fuzz_json_check();
	ro.color = true;
	for (size_t i = 0; i < sizeof(renderers) / sizeof(renderers[0]); i++) {
		if (renderers[i] != &render_json && renderers[i]->render(sink, r, &ro) < 0)
			abort();
	}
	report_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct session_context context;
	static int fd = -1;
	char error[MODEL_ERROR_SIZE] = "";
	uint64_t hash = 0xcbf29ce484222325u;
	struct model *m;
	int r;

	fake_functions = functions;
	fake_variables = variables;
	if (fd < 0)
		fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size || model_new(&m) < 0)
		abort();
	r = image_load(m, fd, size, "image", &context, error);
	if (r == 0) {
		m->sessions = calloc(1, sizeof(*m->sessions));
		if (!m->sessions)
			abort();
		m->sessions[0].path = m->sessions[0].version = "fuzz";
		m->n_sessions = 1;
		for (size_t i = 0; i < size; i += 1 + size / 64)
			hash = (hash ^ data[i]) * 0x100000001b3u;
		report_all(m, hash >> 54 ^ hash, hash);
	} else if (r != -ENODATA) {
		fuzz_error_check(error);
	}
	model_free(m);
	return 0;
}

#define CHUNKS_MAX 256

/* The chunks of an image as the loader would find them. */
static size_t chunks_find(uint8_t *data, size_t size, struct chunk **ret)
{
	size_t at = CHUNK_ALIGN, n = 0;

	while (at + CHUNK_ALIGN <= size && n < CHUNKS_MAX) {
		struct chunk *c = (struct chunk *)(data + at);

		if (c->magic != CHUNK_MAGIC || c->size < CHUNK_ALIGN || c->size % CHUNK_ALIGN ||
		    c->size > size - at) {
			at += CHUNK_ALIGN;
			continue;
		}
		ret[n++] = c;
		at += c->size;
	}
	return n;
}

/* An item of a chunk that has some; NULL if luck has it otherwise. */
static uint8_t *item_choose(struct chunk **chunks, size_t n, uint64_t *random, uint32_t *ret_size)
{
	struct chunk *c = n ? chunks[fuzz_random(random) % n] : NULL;
	uint64_t used;

	if (!c || c->item_size < 8 || c->used == 0 || (uint64_t)c->item_size * c->used > c->size - sizeof(*c))
		return NULL;
	used = c->used;
	*ret_size = c->item_size;
	if (c->type == CHUNK_THREAD) /* its held[] follow */
		used = (c->size - sizeof(*c)) / (*ret_size = sizeof(struct held));
	return (uint8_t *)(c + 1) + fuzz_random(random) % (used < 64 ? used : 64) * *ret_size;
}

static uint64_t value_choose(const uint8_t *data, struct chunk **chunks, size_t n, uint64_t old,
			     uint64_t *random)
{
	uint64_t r = fuzz_random(random);
	uint32_t size;
	const uint8_t *item;

	switch (r % 8) {
	case 0: return r >> 8;
	case 1: return old + (r >> 8) % 17 - 8;
	case 2: return old ^ 1ull << (r >> 8) % 64;
	case 3: return (1ull << (r >> 8) % 64) - (r >> 16) % 3;
	case 4: return 0;
	case 5: return (r >> 8) % 300;
	default: /* a reference to something that is there */
		item = item_choose(chunks, n, random, &size);
		return item ? (uint64_t)(item - data) / REF_UNIT : UINT32_MAX;
	}
}

static void number_change(uint8_t *data, uint8_t *at, struct chunk **chunks, size_t n, uint64_t *random)
{
	size_t width = (size_t[]){ 4, 4, 8, 8, 2, 1, 4, 8 }[fuzz_random(random) % 8];
	uint64_t value = 0;

	at -= (size_t)(at - data) % width;
	memcpy(&value, at, width);
	value = value_choose(data, chunks, n, value, random);
	memcpy(at, &value, width);
}

/* An attacker knows how sums are made. */
static void sums_mend(struct chunk **chunks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct long_wait *w = (struct long_wait *)(chunks[i] + 1);

		if (chunks[i]->type != CHUNK_LONGEST || chunks[i]->item_size != sizeof(*w))
			continue;
		for (uint32_t k = 0;
		     k < chunks[i]->used && (uint8_t *)(w + k + 1) <= (uint8_t *)chunks[i] + CHUNK_ALIGN; k++)
			w[k].sum = long_wait_sum(&w[k]);
	}
}

static void image_change(uint8_t *data, size_t size, uint64_t *random)
{
	struct chunk *chunks[CHUNKS_MAX];
	size_t n = chunks_find(data, size, chunks);
	uint32_t item_size, other_size;
	uint8_t *item, *other;

	if (size < CHUNK_ALIGN || n == 0)
		return;
	switch (fuzz_random(random) % 16) {
	case 0: /* below the names, above what would only make it no image */
		number_change(data, data + 20 + *random / 16 % (offsetof(struct image_header, program) - 20),
			      chunks, n, random);
		break;
	case 1:
		number_change(data,
			      (uint8_t *)chunks[*random / 16 % n] + *random / 4096 % sizeof(struct chunk),
			      chunks, n, random);
		break;
	case 2:
	case 3:
		item = item_choose(chunks, n, random, &item_size);
		other = item_choose(chunks, n, random, &other_size);
		if (item && other && item_size == other_size)
			memmove(item, other, item_size);
		break;
	case 4: /* names */
		item = item_choose(chunks, n, random, &item_size);
		if (item)
			item[fuzz_random(random) % item_size] = (uint8_t)(*random >> 32);
		break;
	default:
		item = item_choose(chunks, n, random, &item_size);
		if (item)
			number_change(data, item + fuzz_random(random) % item_size, chunks, n, random);
	}
	if (*random >> 60)
		sums_mend(chunks, n);
}

const fuzz_changer fuzz_change = image_change;

#ifndef REPLAY
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	uint64_t random = seed | 1ull << 40;
	uint64_t r = fuzz_random(&random);
	struct chunk *chunks[CHUNKS_MAX], *c;
	size_t n;

	if (size < 2 * CHUNK_ALIGN || r % 32 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	n = chunks_find(data, size, chunks);
	if (r % 32 == 1 && n) { /* one chunk twice */
		c = chunks[(r >> 8) % n];
		if (size % CHUNK_ALIGN == 0 && c->size <= max_size - size) {
			memcpy(data + size, c, c->size);
			c = (struct chunk *)(data + size);
			c->offset = size;
			size += c->size;
			((struct image_header *)data)->used = size;
		}
	}
	for (r = r >> 16 & 7; r < 8; r++)
		image_change(data, size, &random);
	return size;
}
#endif

static void watched_calls(struct image_maker *m, uint32_t thread, uint32_t stack)
{
	for (uint32_t function = 0; function < WATCHED_MAX; function += 7) {
		struct alloc_site *a = image_maker_alloc(m, thread, function, 3);

		a->stack = stack;
		a->bytes = a->time_total = a->time_max = 100;
		a->realtime = 1 + function % 3;
	}
	image_maker_header(m)->config.watch = 1;
}

static void events_and_phases(struct image_maker *m, const uint32_t *threads, uint32_t lock, uint32_t stack)
{
	for (uint64_t i = 0; i < 3; i++) {
		struct long_wait *w = image_maker_long_wait(m, threads[i], lock, 1100000000 + i, 1000 * i);

		w->holder = threads[0];
		w->wait_stack = w->hold_stack = stack;
		w->hold_site = 0x402000;
		w->realtime_ns = 1000000000000000000u;
		w->sum = long_wait_sum(w);
	}
	for (int i = 0; i < 8; i++) {
		struct event *ev = image_maker_event(m, threads[i % 3], (enum event_type)(1 + i));

		ev->begin = 1100000000;
		ev->end = 1200000000;
		ev->lock = lock;
		ev->other = threads[0];
		ev->stack = stack;
	}
	image_maker_phase(m, "phase", 1100000000, 1500000000);
}

/* Something of every type of record, each referring to others in every way that the format has. */
static struct image_maker *seed_make(void)
{
	struct image_maker *m = image_maker_new(KIND_MAX);
	uint32_t stack, other, lock[KIND_MAX] = { 0 }, thread[3], cell;
	struct thread_rec *t[3];
	struct lock_rec *l;
	struct cell *c;
	struct edge *e;
	struct held *h;

	image_maker_header(m)->end_ticks = 0;
	image_maker_header(m)->state = IMAGE_RUNNING;
	image_maker_module(m, "/usr/bin/program", 0x400000, 0x100000, MODULE_MAIN);
	image_maker_module(m, "/usr/lib/libmutrace.so", 0x7f0000000000, 0x100000, MODULE_OURS);
	stack = image_maker_stack(m, (uint64_t[]){ 0x401000, 0x402000, 0x403000, 0 });
	other = image_maker_stack(m, (uint64_t[]){ 0x7f0000000100, 0x405000, 0 });
	for (int kind = KIND_MUTEX; kind < KIND_MAX; kind++) {
		lock[kind] = image_maker_lock(m, (enum lock_kind)kind, 0x500000 + 64 * (uint64_t)kind, &l);
		l->created_stack = kind % 2 ? stack : 0;
		l->first_stack = other;
		l->misuse_stack = kind % 3 ? 0 : stack;
		l->state = kind % 3 ? 0 : STATE_MISUSE | STATE_DEAD;
		l->other = kind == KIND_COND ? lock[KIND_MUTEX] : 0;
	}
	for (int i = 0; i < 3; i++) {
		thread[i] = image_maker_thread(m, 101 + (uint32_t)i, &t[i]);
		t[i]->end_ticks = 0;
		strcpy(t[i]->name, "worker");
	}
	for (int kind = KIND_MUTEX; kind < KIND_MAX; kind++) {
		image_maker_cell(m, thread[0], lock[kind], 100, &c);
		c->stack = stack;
		c->site = 0x401000;
		c->hold_total = c->hold_max = 1000;
		c->hist[6] = 100;
		e = image_maker_edge(m, thread[1], lock[kind], 10, 100000);
		e->facts.wait_stack = stack;
		e->facts.hold_stack = other;
		e->facts.hold_site = 0x402000;
		e->facts.holder = thread[0];
		e->side = kind % 2;
		e->hist[9] = 10;
	}
	for (int i = 0; i < 2; i++) { /* a deadlock, with a wait not booked yet */
		cell = image_maker_cell(m, thread[i], lock[KIND_MUTEX + i], 1, &c);
		c->stack = stack;
		h = image_maker_held(m, t[i], lock[KIND_MUTEX + i], cell);
		h->flags = HELD_WAITED;
		h->wait = 500;
		h->facts.wait_stack = stack;
		t[i]->waiting_lock = lock[KIND_MUTEX + 1 - i];
		t[i]->waiting_since = 1600000000;
		t[i]->waiting_stack = other;
	}
	watched_calls(m, thread[2], stack);
	events_and_phases(m, thread, lock[KIND_MUTEX], stack);
	c->phase = 1;
	image_maker_fold(m, KIND_MUTEX, &l);
	l->created_stack = l->first_stack = other;
	image_maker_cell(m, thread[2],
			 (uint32_t)((uint8_t *)l - (const uint8_t *)image_maker_at(m, 0)) / REF_UNIT, 50, &c);
	return m;
}

/* Counts of which each may be, but whose sum is 0 again. */
static struct image_maker *sums_make(void)
{
	struct image_maker *m = image_maker_new(KIND_MAX);
	uint32_t lock = image_maker_lock(m, KIND_MUTEX, 0x500000, NULL), thread;

	for (int i = 0; i < 2; i++) {
		struct thread_rec *t;
		struct alloc_site *a;
		struct edge *e;
		struct cell *c;

		thread = image_maker_thread(m, 101 + (uint32_t)i, &t);
		image_maker_cell(m, thread, lock, 1ull << 63, &c);
		c->hold_total = c->hold_max = 1000;
		c->hist[6] = 1;
		e = image_maker_edge(m, thread, lock, 1ull << 63, 1000);
		e->hist[6] = 1;
		a = image_maker_alloc(m, thread, 0, 1ull << 63);
		a->time_total = a->time_max = 1000;
		a->realtime = 1;
	}
	image_maker_header(m)->config.watch = 1;
	return m;
}

/* An event of a thread, for a replay. */
static struct event *happened(struct image_maker *m, uint32_t thread, enum event_type type, uint64_t begin_ms,
			      uint64_t end_ms, uint32_t lock)
{
	struct event *e = image_maker_event(m, thread, type);

	e->begin = 1000000000 + begin_ms * 1000000;
	e->end = 1000000000 + end_ms * 1000000;
	e->lock = lock;
	return e;
}

static void took(struct event *e)
{
	e->waited = 2000000;
	e->held_after = 5000000;
}

/* A run that can be replayed, with all that can happen in one. */
static struct image_maker *replay_make(void)
{
	struct image_maker *m = image_maker_new(KIND_MAX);
	uint32_t lock[KIND_MAX] = { 0 }, thread[3];
	struct thread_rec *t;
	struct event *e;

	for (int kind = KIND_MUTEX; kind < KIND_MAX; kind++)
		lock[kind] = image_maker_lock(m, (enum lock_kind)kind, 0x500000 + 64 * (uint64_t)kind, NULL);
	for (int i = 0; i < 3; i++) {
		thread[i] = image_maker_thread(m, image_maker_header(m)->pid + (uint32_t)i, &t);
		t->cpu_ns = 500000000;
		happened(m, thread[i], EVENT_START, (uint64_t)i, (uint64_t)i, 0)->flags = 1;
	}
	for (int i = 1; i < 3; i++) {
		e = happened(m, thread[0], EVENT_CREATE, (uint64_t)i, (uint64_t)i, 0);
		e->other = thread[i];
		e->flags = 1;
		e = happened(m, thread[i], EVENT_SUM, 0, 0, lock[KIND_RWLOCK]);
		e->held = 20000000;
		e->holds = 7;
		e->within = lock[KIND_MUTEX];
		e = happened(m, thread[i], EVENT_SUM, 0, 0, lock[KIND_MUTEX]);
		e->held = 40000000;
		e->holds = 5;
	}
	happened(m, thread[1], EVENT_HOLD, 100, 300, lock[KIND_MUTEX]);
	happened(m, thread[2], EVENT_WAIT, 120, 301, lock[KIND_MUTEX])->other = thread[1];
	happened(m, thread[2], EVENT_HOLD, 301, 400, lock[KIND_MUTEX])->flags = EVENT_WAITED;
	happened(m, thread[1], EVENT_WAIT, 310, 450, lock[KIND_COND]);
	happened(m, thread[2], EVENT_SIGNAL, 449, 449, lock[KIND_COND])->flags = EVENT_BROADCAST;
	happened(m, thread[1], EVENT_HOLD, 450, 460, lock[KIND_MUTEX]);
	happened(m, thread[1], EVENT_WAIT, 470, 520, lock[KIND_SEM]);
	happened(m, thread[2], EVENT_POST, 519, 519, lock[KIND_SEM]);
	happened(m, thread[1], EVENT_WAIT, 530, 540, lock[KIND_ONCE])->flags = EVENT_TIMED_OUT;
	happened(m, thread[1], EVENT_BARRIER, 600, 700, lock[KIND_BARRIER])->flags = 2;
	happened(m, thread[2], EVENT_BARRIER, 699, 700, lock[KIND_BARRIER])->flags = 2;
	happened(m, thread[2], EVENT_HOLD, 710, 800, lock[KIND_RWLOCK])->side = SIDE_SHARED;
	happened(m, thread[1], EVENT_WAIT, 720, 801, lock[KIND_RWLOCK]);
	happened(m, thread[1], EVENT_HOLD, 801, 810, lock[KIND_RWLOCK])->flags = EVENT_WAITED;
	took(happened(m, thread[2], EVENT_TAKE, 811, 0, lock[KIND_MUTEX]));
	for (int i = 1; i < 3; i++) { /* a parallel region of thread 0, and what a semaphore did meanwhile */
		e = happened(m, thread[i], EVENT_SUM, 0, 0, lock[KIND_SEM]);
		e->held = (uint64_t)i;
		e->holds = 2;
		e = happened(m, thread[i], EVENT_PART, 820, 840 + (uint64_t)i, 0);
		e->other = thread[0];
		e->flags = 7;
	}
	e = happened(m, thread[0], EVENT_TEAM, 815, 845, 0);
	e->other = thread[0];
	e->flags = 7;
	for (int i = 1; i < 3; i++) {
		image_maker_edge(m, thread[i], lock[KIND_MUTEX], 10, 180000000);
		image_maker_edge(m, thread[i], lock[KIND_RWLOCK], 10, 80000000);
		happened(m, thread[i], EVENT_EXIT, 0, 900, 0)->begin = 300000000;
		e = happened(m, thread[0], EVENT_JOIN, 10, 901, 0);
		e->other = thread[i];
		e->flags = 1;
	}
	return m;
}

void fuzz_seeds(fuzz_take take)
{
	struct image_maker *m = seed_make();
	const void *bytes;
	size_t size;

	bytes = image_maker_bytes(m, &size);
	take("everything", bytes, size, 2000);
	image_maker_free(m);
	m = replay_make();
	bytes = image_maker_bytes(m, &size);
	take("replay", bytes, size, 3000);
	image_maker_free(m);
	m = sums_make();
	bytes = image_maker_bytes(m, &size);
	take("sums", bytes, size, 100);
	image_maker_free(m);
}
