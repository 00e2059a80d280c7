/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The loader: what is in a session arrives in the model, and what is wrong with one is said in a line. */
#define _FILE_OFFSET_BITS 64 /* larger files than size_t can tell */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/load/model.h"
#include "make_session.h"

static struct model *load(const char *dir)
{
	char error[MODEL_ERROR_SIZE] = "";
	struct model *m;
	int r;

	assert_int_equal(model_new(&m), 0);
	r = model_load(m, dir, error);
	if (r < 0)
		fail_msg("model_load: %d %s", r, error);
	return m;
}

/* The error of a session that cannot be loaded must have text in it and be one line. */
static void load_fails(const char *path, int expected, const char *text)
{
	char error[MODEL_ERROR_SIZE] = "";
	struct model *m;

	assert_int_equal(model_new(&m), 0);
	assert_int_equal(model_load(m, path, error), expected);
	assert_null(strchr(error, '\n'));
	if (!strstr(error, text))
		fail_msg("\"%s\" does not say \"%s\"", error, text);
	assert_int_equal(m->n_processes, 0);
	assert_int_equal(m->n_sessions, 0);
	model_free(m);
}

static void write_session(const char *dir)
{
	struct session_file f;

	session_file_init(&f);
	session_file_write(dir, &f);
}

/* The site and the innermost frame of the stack are one place, found in two ways. */
static void check_stack(struct model *m, const struct model_process *p)
{
	uint32_t frames[FRAMES_MAX];

	assert_int_equal(model_stack_frames(m, p->edges[0].wait_stack, frames), 2);
	assert_int_equal(frames[0], p->edges[0].hold_site);
	assert_int_equal(m->frames[frames[0]].address, 0x100);
	assert_int_equal(m->frames[frames[1]].address, 0x200);
	assert_string_equal(m->modules[m->frames[frames[0]].module].name, "prog");
}

static void test_everything_arrives(void **state)
{
	static const uint64_t ips[] = { 0x400100, 0x400200, 0 };
	struct image_maker *im = image_maker_new(16);
	char *dir = session_dir_make();
	uint32_t lock, thread, stack;
	struct thread_rec *t;
	struct lock_rec *l;
	struct cell *c;
	struct edge *e;
	struct model *m;
	const struct model_process *p;

	(void)state;
	write_session(dir);
	image_maker_module(im, "/nowhere/prog", 0x400000, 0x10000, MODULE_MAIN);
	stack = image_maker_stack(im, ips);
	lock = image_maker_lock(im, KIND_MUTEX, 0x404040 | LOCK_ADDRESS_DEAD, &l);
	l->first_stack = stack;
	thread = image_maker_thread(im, 101, &t);
	strcpy(t->name, "worker");
	t->past_ticks = 5;
	image_maker_cell(im, thread, lock, 7, &c);
	c->hold_total = 700;
	c->hold_max = 300;
	c->contended = 2;
	c->site = 0x400100;
	e = image_maker_edge(im, thread, lock, 2, 5000);
	e->facts.wait_stack = stack;
	e->facts.hold_site = 0x400100;
	image_maker_write(im, dir, "image.100.0");

	m = load(dir);
	assert_int_equal(m->n_processes, 1);
	p = &m->processes[0];
	assert_string_equal(p->program, "/nowhere/prog");
	assert_string_equal(p->arguments[0], "prog");
	assert_string_equal(p->arguments[1], "-x");
	assert_null(p->arguments[2]);
	assert_false(p->arguments_cut);
	assert_int_equal(p->end, PROCESS_EXITED);
	assert_int_equal(p->runtime_ns, 1000000000);
	assert_int_equal(p->damaged, 0);
	assert_false(p->truncated);
	assert_int_equal(p->n_locks, 1);
	assert_int_equal(p->locks[0].address, 0x404040);
	assert_int_equal(p->n_threads, 1);
	assert_int_equal(p->threads[0].life_ns, 1000000005);
	assert_string_equal(p->threads[0].name, "worker");
	assert_int_equal(p->n_cells, 1);
	assert_int_equal(p->cells[0].acquired, 7);
	assert_int_equal(p->cells[0].lock, 0);
	assert_int_equal(p->cells[0].thread, 0);
	assert_int_equal(p->n_edges, 1);
	assert_int_equal(p->edges[0].wait_total, 5000);
	check_stack(m, p);
	model_free(m);
	session_dir_remove(dir);
}

/* One place in two processes has one number, whatever their bases. */
static void test_bases_differ(void **state)
{
	char *dir = session_dir_make();
	struct model *m;
	uint64_t base;
	int i;

	(void)state;
	write_session(dir);
	for (i = 0; i < 2; i++) {
		struct image_maker *im = image_maker_new(4);
		struct lock_rec *l;

		base = i ? 0x7f0000000000 : 0x550000000000;
		image_maker_module(im, "/nowhere/prog", base, 0x10000, MODULE_MAIN);
		image_maker_lock(im, KIND_MUTEX, base + 64, &l);
		l->first_stack = image_maker_stack(im, (uint64_t[]){ base + 0x10, base + 0x20, 0 });
		image_maker_write(im, dir, i ? "image.10.0" : "image.9.0");
	}
	m = load(dir);
	assert_int_equal(m->n_processes, 2);
	assert_int_equal(m->n_modules, 1);
	assert_int_equal(m->processes[0].locks[0].first_stack, m->processes[1].locks[0].first_stack);
	assert_int_equal(m->modules[0].base, 0x550000000000);
	model_free(m);
	session_dir_remove(dir);
}

/* A wait in held[] is in the model once, whether or not the recorder booked it while we read. */
static void test_unbooked_waits(void **state)
{
	int booked;

	(void)state;
	for (booked = 0; booked < 2; booked++) {
		struct image_maker *im = image_maker_new(4);
		char *dir = session_dir_make();
		uint64_t count = 0, wait = 0;
		struct thread_rec *t;
		uint32_t lock, thread, cell;
		struct model *m;
		struct held *h;
		size_t i;

		write_session(dir);
		lock = image_maker_lock(im, KIND_MUTEX, 0x1000, NULL);
		thread = image_maker_thread(im, 101, &t);
		t->end_ticks = 0;
		cell = image_maker_cell(im, thread, lock, 4, NULL);
		image_maker_edge(im, thread, lock, 3, 3000);
		h = image_maker_held(im, t, lock, cell);
		h->flags = HELD_WAITED;
		h->wait = 1000;
		if (booked) /* the edge got it after the thread was read */
			image_maker_edge(im, thread, lock, 1, 1000), t->waits_booked--;
		image_maker_write(im, dir, "image.100.0");
		m = load(dir);
		for (i = 0; i < m->processes[0].n_edges; i++) {
			count += m->processes[0].edges[i].count;
			wait += m->processes[0].edges[i].wait_total;
		}
		assert_int_equal(count, 4);
		assert_int_equal(wait, 4000);
		model_free(m);
		session_dir_remove(dir);
	}
}

/* References that lead nowhere, in a circle, or into something else: dropped and counted. */
static void test_damage(void **state)
{
	struct image_maker *im = image_maker_new(8);
	char *dir = session_dir_make();
	uint32_t lock, thread, stack;
	struct frame_node *n;
	struct thread_rec *t;
	struct lock_rec *l;
	struct model *m;

	(void)state;
	write_session(dir);
	lock = image_maker_lock(im, KIND_MUTEX, 0x1000, &l);
	stack = image_maker_stack(im, (uint64_t[]){ 1, 2, 3, 0 });
	n = image_maker_at(im, stack);
	n->inner = stack; /* a circle */
	l->first_stack = stack;
	l->created_stack = lock; /* a lock is no stack */
	l->misuse_stack = UINT32_MAX;
	thread = image_maker_thread(im, 101, &t);
	t->depth = t->held_capacity = 1000000;
	image_maker_cell(im, thread, lock + 1, 5, NULL); /* beside the lock */
	image_maker_cell(im, thread, stack, 5, NULL);
	image_maker_cell(im, thread, lock, 5, NULL);
	image_maker_lock(im, (enum lock_kind)200, 0x2000, NULL);
	image_maker_write(im, dir, "image.100.0");
	m = load(dir);
	assert_int_equal(m->processes[0].n_cells, 1);
	assert_int_equal(m->processes[0].cells[0].acquired, 5);
	assert_int_equal(m->processes[0].locks[0].first_stack, MODEL_NONE);
	assert_int_equal(m->processes[0].locks[0].created_stack, MODEL_NONE);
	assert_int_equal(m->processes[0].threads[0].held_count, 0);
	assert_int_equal(m->processes[0].damaged, 6);
	model_free(m);
	session_dir_remove(dir);
}

static void test_errors(void **state)
{
	struct image_maker *im;
	struct session_file f;
	char *dir = session_dir_make(), *path;

	(void)state;
	load_fails("/nowhere/at/all", -ENOENT, "No such file");
	load_fails(dir, -ENOENT, "is not a mutrace session");
	file_write(dir, "session", "hello", 5);
	load_fails(dir, -EBADMSG, "is not a mutrace session");
	session_file_init(&f);
	file_write(dir, "session", &f, 100);
	load_fails(dir, -EBADMSG, "is cut off");
	f.format = SESSION_FORMAT + 1;
	session_file_write(dir, &f);
	load_fails(dir, -EPROTONOSUPPORT, "written by a newer mutrace");
	f.format = SESSION_FORMAT - 1;
	session_file_write(dir, &f);
	load_fails(dir, -EPROTONOSUPPORT, "of an older mutrace");
	session_file_init(&f);
	f.byte_order = 0x04030201;
	session_file_write(dir, &f);
	load_fails(dir, -EPROTONOSUPPORT, "other byte order");

	session_file_init(&f);
	session_file_write(dir, &f);
	im = image_maker_new(1);
	image_maker_header(im)->format++;
	image_maker_write(im, dir, "image.1.0");
	load_fails(dir, -EPROTONOSUPPORT, "written by a newer mutrace");
	im = image_maker_new(1);
	image_maker_header(im)->byte_order = 0x04030201;
	image_maker_write(im, dir, "image.1.0");
	load_fails(dir, -EPROTONOSUPPORT, "other byte order");
	im = image_maker_new(1);
	image_maker_header(im)->header_size = IMAGE_HEADER_LEAST - 4;
	image_maker_write(im, dir, "image.1.0");
	load_fails(dir, -EBADMSG, "is damaged");
	file_write(dir, "image.1.0", "mutraceI", 8);
	load_fails(dir, -EBADMSG, "is not a recording");
	file_write(dir, "image.1.0", "mutra", 5);
	load_fails(dir, -EBADMSG, "is cut off");

	/* what is not a regular file is not opened */
	assert_true(asprintf(&path, "%s/image.1.0", dir) > 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	load_fails(dir, -ENOTSUP, "not a regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	load_fails(dir, -ELOOP, "not a regular file");
	load_fails(path, -ELOOP, "not a regular file");
	free(path);
	session_dir_remove(dir);
}

/* A session file that is damaged, and a FIFO in its place. Leaves none. */
static void refuse_session_files(const char *dir, const char *path)
{
	struct session_file f;

	session_file_init(&f);
	f.byte_order = 7;
	session_file_write(dir, &f);
	load_fails(dir, -EBADMSG, "is damaged");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	load_fails(dir, -ENOTSUP, "not a regular file");
	assert_int_equal(unlink(path), 0);
}

/* A counter that runs now, on this machine; nothing else is known of it. */
static void set_unknown_clock(struct image_header *h)
{
	FILE *boot = fopen("/proc/sys/kernel/random/boot_id", "r");

	h->clock_kind = CLOCK_KIND_TSC;
	h->sync.last_ticks = h->sync.first_ticks;
	h->sync.last_ns = h->sync.first_ns;
	for (size_t i = 0; boot && i < sizeof(h->boot_id);) {
		unsigned int byte;
		int dash;

		if (fscanf(boot, "%2x", &byte) == 1)
			h->boot_id[i++] = (uint8_t)byte;
		dash = fgetc(boot);
		if (dash != '-')
			ungetc(dash, boot);
	}
	if (boot)
		fclose(boot);
}

static struct chunk *chunk_before(void *first_item)
{
	struct chunk *c = (struct chunk *)((char *)first_item - sizeof(*c));

	assert_int_equal(c->magic, CHUNK_MAGIC);
	return c;
}

/* Values that no recorder writes, but a file may have. */
static void write_improbable(const char *dir)
{
	struct image_maker *im = image_maker_new(8);
	struct image_header *h = image_maker_header(im);
	uint32_t lock, thread, stack, n;
	struct alloc_site *a;
	struct thread_rec *t;
	struct lock_rec *l;
	struct chunk *c;
	struct edge *e;

	set_unknown_clock(h);
	lock = image_maker_lock(im, KIND_MUTEX, 0x1000, &l);
	stack = image_maker_stack(im, (uint64_t[]){ 1, 2, 0 });
	((struct frame_node *)image_maker_at(im, stack))->depth = 0;
	l->first_stack = stack;
	thread = image_maker_thread(im, 101, &t);
	t->held_ref = UINT32_MAX;
	t->depth = 3;
	thread = image_maker_thread(im, 102, &t);
	t->start_ticks = t->end_ticks + 1;
	image_maker_cell(im, thread, lock, 5, NULL);
	/* the edge's chunk becomes one of calls, with a call that does not exist */
	e = image_maker_edge(im, thread, lock, 1, 1);
	c = chunk_before(e);
	assert_true(c->item_size >= sizeof(*a));
	c->type = CHUNK_ALLOCS;
	memset(e, 0, c->item_size);
	a = (struct alloc_site *)e;
	a->count = 1;
	a->epoch = h->watch_epoch;
	a->function = UINT16_MAX;
	n = image_maker_module(im, "/nowhere/prog", 0x400000, 0x10000, MODULE_MAIN);
	c = chunk_before(image_maker_at(im, n));
	c->item_size = REF_UNIT; /* too small for one */
	image_maker_write(im, dir, "image.1.0");
}

static void test_improbable(void **state)
{
	char *dir = session_dir_make(), *path, *image;
	struct image_maker *im;
	struct model *m;

	(void)state;
	assert_true(asprintf(&path, "%s/session", dir) > 0);
	refuse_session_files(dir, path);
	write_improbable(dir);

	/* one that was never used, and one that nobody can have written */
	im = image_maker_new(1);
	image_maker_header(im)->state = IMAGE_EMPTY;
	image_maker_write(im, dir, "image.2.0");
	image_maker_write(image_maker_new(1), dir, "image.3.0");
	assert_true(asprintf(&image, "%s/image.3.0", dir) > 0);
	assert_int_equal(truncate(image, (off_t)65 << 30), 0);
	load_fails(image, -EFBIG, "larger than any recording");
	free(image);
	write_session(dir);
	if (geteuid() == 0) {
		assert_true(asprintf(&image, "%s/image.1.0", dir) > 0);
		assert_int_equal(chown(path, 1, 1), 0);
		assert_int_equal(chown(image, 1, 1), 0);
		free(image);
	}
	m = load(path); /* the session, by its file */
	assert_int_equal(m->n_processes, 1);
	assert_int_equal(m->sessions[0].skipped, 1);
	assert_int_equal(m->sessions[0].foreign, geteuid() == 0);
	assert_int_equal(m->processes[0].damaged, 4);
	assert_int_equal(m->processes[0].n_threads, 2);
	assert_int_equal(m->processes[0].threads[1].life_ns, 0);
	model_free(m);
	free(path);
	session_dir_remove(dir);
}

/* One bad image does not spoil the others, and is said. */
static void test_one_bad_image(void **state)
{
	char *dir = session_dir_make();
	struct model *m;

	(void)state;
	write_session(dir);
	file_write(dir, "image.1.0", "garbage, garbage", 16);
	image_maker_write(image_maker_new(1), dir, "image.2.0");
	m = load(dir);
	assert_int_equal(m->n_processes, 1);
	assert_int_equal(m->sessions[0].skipped, 1);
	assert_non_null(strstr(m->sessions[0].skipped_why, "image.1.0"));
	model_free(m);
	session_dir_remove(dir);
}

/* A session cut anywhere is read as far as it goes or refused in one line; it never harms. */
static void test_truncation(void **state)
{
	struct image_maker *im = image_maker_new(4);
	char *dir = session_dir_make();
	uint32_t lock, thread;
	struct lock_rec *l;
	const char *bytes;
	size_t size, cut;

	(void)state;
	write_session(dir);
	lock = image_maker_lock(im, KIND_MUTEX, 0x1000, &l);
	l->first_stack = image_maker_stack(im, (uint64_t[]){ 1, 2, 3, 0 });
	thread = image_maker_thread(im, 101, NULL);
	image_maker_cell(im, thread, lock, 5, NULL);
	image_maker_edge(im, thread, lock, 3, 3000);
	bytes = image_maker_bytes(im, &size);
	for (cut = 0; cut <= size; cut += cut < 5000 ? 1 : 61) {
		char error[MODEL_ERROR_SIZE] = "";
		struct model *m;
		int r;

		file_write(dir, "image.100.0", bytes, cut);
		assert_int_equal(model_new(&m), 0);
		r = model_load(m, dir, error);
		if (r < 0)
			assert_true(error[0] && cut < sizeof(struct image_header));
		else
			assert_int_equal(m->processes[0].truncated, cut < size);
		model_free(m);
	}
	image_maker_free(im);
	session_dir_remove(dir);
}

/* A counter that runs at 2.5 GHz. */
static void test_ticks(void **state)
{
	struct image_maker *im = image_maker_new(4);
	struct image_header *h = image_maker_header(im);
	char *dir = session_dir_make();
	uint32_t lock, thread;
	struct thread_rec *t;
	struct model *m;
	struct cell *c;

	(void)state;
	write_session(dir);
	memset(h->boot_id, 7, sizeof(h->boot_id)); /* of another machine */
	h->clock_kind = CLOCK_KIND_TSC;
	h->sync.first_ticks = 1000;
	h->sync.first_ns = 1000000000;
	h->sync.last_ticks = 1000 + 2500000000u;
	h->sync.last_ns = 2000000000;
	h->start_ticks = 1000;
	h->end_ticks = 1000 + 5000000000u;
	lock = image_maker_lock(im, KIND_MUTEX, 0x1000, NULL);
	thread = image_maker_thread(im, 101, &t);
	t->start_ticks = 1000 + 2500000000u;
	t->end_ticks = 0;
	image_maker_cell(im, thread, lock, 1, &c);
	c->hold_total = c->hold_max = 2500;
	image_maker_write(im, dir, "image.100.0");
	m = load(dir);
	assert_int_equal(m->processes[0].runtime_ns, 2000000000);
	assert_int_equal(m->processes[0].threads[0].life_ns, 1000000000);
	assert_int_equal(m->processes[0].cells[0].hold_total, 1000);
	model_free(m);
	session_dir_remove(dir);
}

/* A cell of a lock on a stack: seen in the innermost frame, whose function was called from `caller`. */
static uint32_t stack_cell(struct image_maker *im, uint32_t thread, uint32_t lock, uint64_t site,
			   uint64_t caller)
{
	const uint64_t ips[] = { site, caller, 0x409000, 0 };
	struct cell *c;
	uint32_t cell = image_maker_cell(im, thread, lock, 10, &c);

	c->stack = image_maker_stack(im, ips);
	c->site = site;
	c->owner = 1;
	return cell;
}

/* Two functions that are called one after another have their locks at one address of the stack. */
static void test_stack_locks(void **state)
{
	struct image_maker *im = image_maker_new(256);
	char *dir = session_dir_make();
	uint32_t lock[2], holder, waiter, cell;
	const struct model_process *p;
	struct thread_rec *h, *w;
	struct lock_rec *l;
	struct model *m;
	struct edge *e;
	size_t many = 0;

	(void)state;
	write_session(dir);
	image_maker_module(im, "/nowhere/prog", 0x400000, 0x10000, MODULE_MAIN);
	for (int i = 0; i < 2; i++) {
		lock[i] = image_maker_lock(im, KIND_MUTEX, 0x7ffc0000 + 64 * (uint64_t)i, &l);
		l->flags = LOCK_STACK;
	}
	holder = image_maker_thread(im, 101, &h);
	waiter = image_maker_thread(im, 102, &w);
	for (uint64_t i = 0; i < 70; i++) /* more than are told apart */
		stack_cell(im, holder, lock[0], 0x401000, 0x405000 + 16 * i);
	stack_cell(im, holder, lock[1], 0x401000, 0x402000);
	cell = stack_cell(im, holder, lock[1], 0x401100, 0x402100);
	stack_cell(im, holder, lock[1], 0x401200, 0x402100); /* the same function again */
	image_maker_held(im, h, lock[1], cell);
	h->end_ticks = w->end_ticks = 0;
	w->waiting_lock = lock[1];
	w->waiting_holder = holder;
	w->waiting_since = 1500000000;
	e = image_maker_edge(im, waiter, lock[1], 3, 300);
	e->facts.holder = holder;
	e->facts.hold_site = 0x401100;
	image_maker_write(im, dir, "image.101.0");

	m = load(dir);
	p = &m->processes[0];
	for (size_t i = 0; i < p->n_locks; i++)
		many += p->locks[i].address == 0x7ffc0000;
	assert_int_equal(many, 64);
	assert_int_equal(p->n_locks, 64 + 2);
	assert_int_equal(p->cells[70].lock, 1);
	assert_int_not_equal(p->cells[71].lock, 1);
	assert_int_equal(p->cells[72].lock, p->cells[71].lock);
	assert_int_equal(p->n_held, 1);
	assert_int_equal(p->held[0].lock, p->cells[71].lock);
	assert_int_equal(p->threads[1].waiting_lock, p->cells[71].lock);
	assert_int_equal(p->edges[0].lock, p->cells[71].lock);
	model_free(m);
	session_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_arrives),
		cmocka_unit_test(test_bases_differ),
		cmocka_unit_test(test_unbooked_waits),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_one_bad_image),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_ticks),
		cmocka_unit_test(test_improbable),
		cmocka_unit_test(test_stack_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
