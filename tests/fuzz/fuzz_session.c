/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as an image file, through loader, analysis and all renderers: nothing may crash, hang or be written out of
 * bounds. libFuzzer calls it (tests/fuzz/run.sh); built as a program (-DREPLAY) it is an ordinary test: an image with
 * everything in it, the files and folders of the command line, and of each cuts and changed bytes. --seed FILE writes
 * that image for libFuzzer to begin with. Without symbols: the symbolizer has tests of its own for hostile files.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "analysis/report.h"
#include "load/tables.h"
#include "render/render.h"
#include "tests/unit/make_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct renderer *const renderers[] = { &render_text, &render_json, &render_folded, &render_pprof,
						     &render_csv };

static void report_all(struct model *m, size_t variant)
{
	static FILE *sink;
	struct report_options o;
	struct render_options ro = { .report = &o };
	struct report *r;

	if (!sink)
		sink = fopen("/dev/null", "we");
	report_options_init(&o);
	o.no_symbols = true;
	o.all = true;
	o.debug_info = variant & 1;
	o.per_instance = variant & 4;
	ro.width = variant & 2 ? 80 : 0;
	ro.color = variant & 2;
	if (!sink || report_new(m, &o, &r) < 0)
		abort();
	for (size_t i = 0; i < sizeof(renderers) / sizeof(renderers[0]); i++) {
		if (renderers[i]->render(sink, r, &ro) < 0)
			abort();
	}
	report_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct session_context context;
	static int fd = -1;
	char error[MODEL_ERROR_SIZE] = "";
	struct model *m;
	int r;

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
		report_all(m, size);
	} else if (error[0] == 0 && r != -ENODATA) {
		abort();
	}
	model_free(m);
	return 0;
}

#ifdef REPLAY
static unsigned int replayed;

/* The bytes themselves, cut at some places, and with more and more of them changed; the same ones each time. Most of an
 * image is empty: what is not 0 is changed more often. */
static void replay_bytes(uint8_t *data, size_t size, int changes)
{
	uint64_t random = 88172645463325252u;
	int i;

	LLVMFuzzerTestOneInput(data, size);
	for (i = 1; i < 64; i++)
		LLVMFuzzerTestOneInput(data, size * (size_t)i / 64);
	for (i = 0; size > 0 && i < changes; i++) {
		size_t at, tries;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		at = random % size;
		for (tries = 0; data[at] == 0 && tries < size && random >> 60 != 0; tries++)
			at = (at + 1) % size;
		data[at] ^= (uint8_t)(1u << (random >> 40) % 8);
		LLVMFuzzerTestOneInput(data, size);
		if (at < sizeof(struct image_header)) /* else nothing more would be read */
			data[at] ^= (uint8_t)(1u << (random >> 40) % 8);
	}
	replayed++;
}

static void replay(const char *path)
{
	uint8_t *data;
	FILE *f = fopen(path, "re");
	long size;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0)
		exit(99);
	rewind(f);
	data = malloc((size_t)size + 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
		exit(99);
	fclose(f);
	replay_bytes(data, (size_t)size, 64);
	free(data);
}

/* Something of every type of record, each referring to others in every way that the format has. */
static struct image_maker *seed_make(void)
{
	struct image_maker *m = image_maker_new(8);
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
		e->wait_stack = stack;
		e->hold_stack = other;
		e->hold_site = 0x402000;
		e->holder = thread[0];
		e->side = kind % 2;
		e->hist[9] = 10;
	}
	for (int i = 0; i < 2; i++) { /* a deadlock, with a wait not booked yet */
		cell = image_maker_cell(m, thread[i], lock[KIND_MUTEX + i], 1, &c);
		c->stack = stack;
		h = image_maker_held(m, t[i], lock[KIND_MUTEX + i], cell);
		h->flags = HELD_WAITED;
		h->wait = 500;
		h->wait_stack = stack;
		t[i]->waiting_lock = lock[KIND_MUTEX + 1 - i];
		t[i]->waiting_since = 1600000000;
		t[i]->waiting_stack = other;
	}
	return m;
}

static void replay_seed(void)
{
	struct image_maker *m = seed_make();
	const void *bytes;
	uint8_t *copy;
	size_t size;

	bytes = image_maker_bytes(m, &size);
	copy = malloc(size);
	if (!copy)
		exit(99);
	memcpy(copy, bytes, size);
	replay_bytes(copy, size, 2000);
	free(copy);
	image_maker_free(m);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
		image_maker_write(seed_make(), ".", argv[2]);
		return 0;
	}
	replay_seed();
	for (int i = 1; i < argc; i++) {
		struct dirent *e;
		DIR *d = opendir(argv[i]);
		char *path;

		if (!d) {
			replay(argv[i]);
			continue;
		}
		while ((e = readdir(d))) {
			if (e->d_name[0] == '.')
				continue;
			if (asprintf(&path, "%s/%s", argv[i], e->d_name) < 0)
				return 99;
			replay(path);
			free(path);
		}
		closedir(d);
	}
	printf("%u files replayed\n", replayed);
	return replayed ? 0 : 99;
}
#endif
