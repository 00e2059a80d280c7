/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The loader when what it calls fails: each of its allocations and reads in turn. It says so in one line,
 * leaves the model as it was, and loses nothing. The calls are caught by the linker (--wrap).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/load/model.h"
#include "src/session/asleep.h"
#include "src/session/common.h"
#include "src/session/moments.h"
#include "make_session.h"

enum what { NOTHING, ALLOCATION, OPENING, DIRECTORY, READING, GROWING };

static enum what armed;
static int error; /* what it fails with; of reading: 0 is the end of the file */
static long left; /* calls until the one that fails */
static bool struck;
static int grown;

static bool fails(enum what what)
{
	if (armed != what || left-- != 0)
		return false;
	struck = true;
	errno = error;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
int __real_openat(int dir, const char *name, int flags, ...);
int __real_openat64(int dir, const char *name, int flags, ...);
DIR *__real_fdopendir(int fd);
ssize_t __real_pread64(int fd, void *buffer, size_t size, off64_t at);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
int __wrap_openat(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, ...);
DIR *__wrap_fdopendir(int fd);
ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t at);
ssize_t __wrap_pread64(int fd, void *buffer, size_t size, off64_t at);

void *__wrap_malloc(size_t size)
{
	return fails(ALLOCATION) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails(ALLOCATION) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails(ALLOCATION) ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails(ALLOCATION) ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails(ALLOCATION) ? NULL : __real_strdup(s);
}

static bool opening_fails(const char *name)
{
	/* a report does without the calls in which holders slept, locks of several processes, kept moments
	 * and packed names */
	bool needed = strcmp(name, SESSION_ASLEEP) != 0 && strcmp(name, SESSION_COMMON) != 0 &&
		      strcmp(name, SESSION_NAMES) != 0 &&
		      strncmp(name, SESSION_MOMENT_PREFIX, strlen(SESSION_MOMENT_PREFIX)) != 0;

	return needed && fails(OPENING);
}

int __wrap_openat(int dir, const char *name, int flags, ...)
{
	return opening_fails(name) ? -1 : __real_openat(dir, name, flags);
}

/* On machines of 32 bits the loader calls those with 64. */
int __wrap_openat64(int dir, const char *name, int flags, ...)
{
	return opening_fails(name) ? -1 : __real_openat64(dir, name, flags);
}

DIR *__wrap_fdopendir(int fd)
{
	return fails(DIRECTORY) ? NULL : __real_fdopendir(fd);
}

ssize_t __wrap_pread64(int fd, void *buffer, size_t size, off64_t at)
{
	struct chunk *c = buffer;
	ssize_t n;

	if (fails(READING))
		return error ? -1 : 0;
	n = __real_pread64(fd, buffer, size, at);
	/* a chunk's header is read twice; the first time the last item is not there yet */
	if (armed == GROWING && size == sizeof(*c) && n == (ssize_t)size && c->magic == CHUNK_MAGIC &&
	    c->type == CHUNK_CELLS && grown++ % 2 == 0)
		c->used--;
	return n;
}

ssize_t __wrap_pread(int fd, void *buffer, size_t size, off_t at)
{
	return __wrap_pread64(fd, buffer, size, at);
}

/* A session with something of everything, in two images. */
static char *session(void)
{
	char *dir = session_dir_make();
	struct session_file f;

	session_file_init(&f);
	session_file_write(dir, &f);
	for (int i = 0; i < 2; i++) {
		struct image_maker *im = image_maker_new(64);
		struct thread_rec *t;
		struct lock_rec *l;
		struct edge *e;
		struct held *h;
		uint32_t lock, thread, stack, cell;

		image_maker_module(im, i ? "/nowhere/prog" : "/nowhere/other", 0x400000, 0x10000,
				   MODULE_MAIN);
		thread = image_maker_thread(im, 101, &t);
		t->end_ticks = 0;
		for (uint32_t k = 0; k < 40; k++) { /* arrays grow more than once */
			uint64_t ips[] = { 0x400100 + k, 0x400200 + k, 0x400300, 0 };

			stack = image_maker_stack(im, ips);
			lock = image_maker_lock(im, KIND_MUTEX, 0x404040 + k * 64, &l);
			l->first_stack = stack;
			cell = image_maker_cell(im, thread, lock, 7, NULL);
			e = image_maker_edge(im, thread, lock, 2, 5000);
			e->facts.wait_stack = e->facts.hold_stack = stack;
			e->facts.hold_site = 0x400500 + k;
			if (k < 10) {
				h = image_maker_held(im, t, lock, cell);
				h->flags = k % 2 ? HELD_WAITED : 0;
				h->wait = 3000;
				h->facts.wait_stack = h->facts.hold_stack = stack;
				h->facts.hold_site = 0x400700 + k;
			}
		}
		image_maker_write(im, dir, i ? "image.2.0" : "image.1.0");
	}
	return dir;
}

/* Makes each call of a kind fail in turn. Returns how many there are. */
static long try_all(const char *path, enum what what, int with,
		    void (*judge)(int r, const char *text, struct model *m))
{
	for (long n = 0;; n++) {
		char text[MODEL_ERROR_SIZE] = "";
		struct model *m = NULL;
		int r;

		struck = false;
		left = n;
		error = with;
		armed = what;
		r = model_new(&m);
		if (r == 0)
			r = model_load(m, path, text);
		armed = NOTHING;
		if (m && r < 0)
			assert_int_equal(m->n_processes, 0);
		if (m && r < 0 && r != -ENOMEM)
			assert_true(text[0] != 0);
		assert_null(strchr(text, '\n'));
		if (struck)
			judge(r, text, m);
		model_free(m);
		if (!struck) {
			assert_int_equal(r, 0);
			return n;
		}
	}
}

static void out_of_memory(int r, const char *text, struct model *m)
{
	assert_int_equal(r, -ENOMEM);
	assert_true(!m || text[0] == 0 || strstr(text, "Cannot allocate memory"));
}

static void refused(int r, const char *text, struct model *m)
{
	/* of two images one may be left */
	assert_true(r == 0 ? m->n_processes == 1 && m->sessions[0].skipped == 1
			   : !!strstr(text, strerror(error)));
}

static void gone(int r, const char *text, struct model *m)
{
	(void)text;
	assert_true(r < 0 || (m->n_processes == 1 && m->sessions[0].skipped == 0) || m->n_processes == 2);
}

/* Read so far as it goes, or one line. */
static void any(int r, const char *text, struct model *m)
{
	assert_true(r < 0 ? text[0] != 0 : m->n_processes <= 2);
}

static void always_well(int r, const char *text, struct model *m)
{
	(void)text;
	assert_int_equal(r, 0);
	assert_int_equal(m->n_processes, 2);
	assert_int_equal(m->processes[0].damaged, 0);
	assert_int_equal(m->processes[1].n_cells, 40);
}

static void test_faults(void **state)
{
	char *dir = session(), *image;

	(void)state;
	assert_true(asprintf(&image, "%s/image.1.0", dir) > 0);
	assert_true(try_all(dir, ALLOCATION, ENOMEM, out_of_memory) > 50);
	assert_true(try_all(image, ALLOCATION, ENOMEM, out_of_memory) > 25);
	assert_true(try_all(dir, OPENING, EMFILE, refused) == 4);
	assert_true(try_all(dir, OPENING, ENOENT, gone) == 4);
	assert_true(try_all(dir, DIRECTORY, EMFILE, refused) == 1);
	assert_true(try_all(dir, READING, EIO, any) > 20);
	assert_true(try_all(dir, READING, 0, any) > 20); /* the file is shorter all of a sudden */
	assert_true(try_all(dir, READING, EINTR, always_well) > 20);
	free(image);
	session_dir_remove(dir);
}

/* A live session grows while it is read: what came meanwhile is taken too. */
static void test_growing(void **state)
{
	char *dir = session(), text[MODEL_ERROR_SIZE] = "";
	struct model *m;
	int r;

	(void)state;
	assert_int_equal(model_new(&m), 0);
	armed = GROWING;
	r = model_load(m, dir, text);
	armed = NOTHING;
	assert_int_equal(grown, 4); /* two images, each with one such chunk */
	always_well(r, text, m);
	model_free(m);
	session_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_faults), cmocka_unit_test(test_growing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
