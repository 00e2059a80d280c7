/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See make_session.h. Every type has chunks of one size; threads of one arena share a chunk per type and
 * thread. */
#include "make_session.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREAD_HELD 16

static void broken(const char *what)
{
	perror(what);
	exit(99);
}

struct image_maker {
	char *bytes;
	size_t size, room, max;
	struct {
		uint32_t type, thread;
		struct chunk *chunk;
	} arenas[512];
	size_t n_arenas;
};

char *session_dir_make(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	if (asprintf(&dir, "%s/mutrace-test-XXXXXX", tmp ? tmp : "/tmp") < 0 || !mkdtemp(dir))
		broken("mkdtemp");
	return dir;
}

void session_dir_remove(char *dir)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	rmdir(dir);
	free(dir);
}

void file_write(const char *dir, const char *name, const void *bytes, size_t size)
{
	char *path;
	FILE *f = NULL;

	if (asprintf(&path, "%s/%s", dir, name) < 0 || !(f = fopen(path, "w")))
		broken(name);
	if (fwrite(bytes, 1, size, f) != size || fclose(f) != 0)
		broken(name);
	free(path);
}

void session_file_init(struct session_file *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->magic, SESSION_FILE_MAGIC, sizeof(f->magic));
	f->format = SESSION_FORMAT;
	f->byte_order = SESSION_BYTE_ORDER;
	f->start_ns = 1000000000;
	f->finished = 1;
	f->program_pid = 100;
	f->end_ticks = f->end_ns = 2000000000;
	strcpy(f->version, "test");
}

void session_file_write(const char *dir, const struct session_file *f)
{
	char page[4096] = { 0 };

	memcpy(page, f, sizeof(*f));
	file_write(dir, SESSION_FILE, page, sizeof(page));
}

struct image_maker *image_maker_new(size_t max)
{
	struct image_maker *m = calloc(1, sizeof(*m));
	struct image_header *h;

	if (!m)
		broken("calloc");
	m->max = max ? max : 16;
	m->room = (size_t)64 * 1024 * 1024 + m->max * 2048;
	m->bytes = calloc(1, m->room);
	if (!m->bytes)
		broken("calloc");
	m->size = CHUNK_ALIGN;
	h = (struct image_header *)m->bytes;
	memcpy(h->magic, SESSION_IMAGE_MAGIC, sizeof(h->magic));
	h->format = SESSION_FORMAT;
	h->byte_order = SESSION_BYTE_ORDER;
	h->header_size = sizeof(*h);
	h->pointer_size = 8;
	h->clock_kind = CLOCK_KIND_NS;
	h->state = IMAGE_EXITED;
	h->pid = 100;
	h->ppid = 1;
	h->unwinder = 1;
	h->start_ticks = h->sync.first_ticks = h->sync.first_ns = 1000000000;
	h->end_ticks = h->sync.last_ticks = h->sync.last_ns = 2000000000;
	h->config.frames = 16;
	h->used = m->size;
	strcpy(h->program, "/nowhere/prog");
	memcpy(h->arguments, "prog\0-x\0", 9);
	return m;
}

struct image_header *image_maker_header(struct image_maker *m)
{
	return (struct image_header *)m->bytes;
}

static uint32_t ref_of(struct image_maker *m, const void *p)
{
	return (uint32_t)(((const char *)p - m->bytes) / REF_UNIT);
}

void *image_maker_at(struct image_maker *m, uint32_t ref)
{
	return m->bytes + (size_t)ref * REF_UNIT;
}

static struct chunk *chunk_new(struct image_maker *m, uint32_t type, uint32_t thread, size_t item_size,
			       size_t extra)
{
	size_t size = sizeof(struct chunk) + extra + (type == CHUNK_THREAD ? 1 : m->max) * item_size;
	struct chunk *c = (struct chunk *)(m->bytes + m->size);

	size = (size + CHUNK_ALIGN - 1) & ~(size_t)(CHUNK_ALIGN - 1);
	if (m->size + size > m->room) {
		fputs("make_session: image too large\n", stderr);
		exit(99);
	}
	c->magic = CHUNK_MAGIC;
	c->type = type;
	c->offset = m->size;
	c->size = size;
	c->item_size = (uint32_t)item_size;
	c->thread = thread;
	m->size += size;
	image_maker_header(m)->used = m->size;
	return c;
}

static void *item(struct image_maker *m, uint32_t type, uint32_t thread, size_t item_size)
{
	struct chunk *c = NULL;
	size_t i;

	for (i = 0; i < m->n_arenas; i++) {
		if (m->arenas[i].type == type && m->arenas[i].thread == thread)
			c = m->arenas[i].chunk;
	}
	if (!c) {
		if (m->n_arenas == sizeof(m->arenas) / sizeof(m->arenas[0])) {
			fputs("make_session: too many arenas\n", stderr);
			exit(99);
		}
		c = chunk_new(m, type, thread, item_size, 0);
		m->arenas[m->n_arenas].type = type;
		m->arenas[m->n_arenas].thread = thread;
		m->arenas[m->n_arenas++].chunk = c;
	}
	if ((size_t)(c->used + 1) * item_size > c->size - sizeof(*c)) {
		fputs("make_session: chunk full\n", stderr);
		exit(99);
	}
	return (char *)(c + 1) + c->used++ * item_size;
}

uint32_t image_maker_module(struct image_maker *m, const char *path, uint64_t base, uint64_t size,
			    uint32_t flags)
{
	struct module_rec *r = item(m, CHUNK_MODULES, 0, sizeof(*r));

	snprintf(r->path, sizeof(r->path), "%s", path);
	r->base = r->start = base;
	r->end = base + size;
	r->flags = flags;
	return ref_of(m, r);
}

uint32_t image_maker_stack(struct image_maker *m, const uint64_t *ips)
{
	struct frame_node *n = NULL;
	uint32_t inner = 0;
	size_t i;

	for (i = 0; ips[i]; i++) {
		n = item(m, CHUNK_FRAMES, 0, sizeof(*n));
		n->ip = ips[i];
		n->inner = inner;
		n->depth = (uint16_t)(i + 1);
		inner = ref_of(m, n);
	}
	return inner;
}

uint32_t image_maker_lock(struct image_maker *m, enum lock_kind kind, uint64_t address, struct lock_rec **ret)
{
	struct lock_rec *l = item(m, CHUNK_LOCKS, 0, sizeof(*l));

	l->address = address;
	l->kind = (uint8_t)kind;
	l->instances = 1;
	if (ret)
		*ret = l;
	return ref_of(m, l);
}

uint32_t image_maker_thread(struct image_maker *m, uint32_t tid, struct thread_rec **ret)
{
	struct chunk *c =
		chunk_new(m, CHUNK_THREAD, 0, sizeof(struct thread_rec), THREAD_HELD * sizeof(struct held));
	struct thread_rec *t = (struct thread_rec *)(c + 1);

	c->used = 1;
	t->tid = tid;
	t->generation = 1;
	t->start_ticks = 1000000000;
	t->end_ticks = 2000000000;
	t->held_ref = ref_of(m, t + 1);
	t->held_capacity = THREAD_HELD;
	if (ret)
		*ret = t;
	return ref_of(m, t);
}

struct held *image_maker_held(struct image_maker *m, struct thread_rec *t, uint32_t lock, uint32_t cell)
{
	struct held *h = (struct held *)image_maker_at(m, t->held_ref) + t->depth++;

	h->address = ((struct lock_rec *)image_maker_at(m, lock))->address;
	h->lock = lock;
	h->cell = cell;
	h->since = 1500000000;
	return h;
}

uint32_t image_maker_cell(struct image_maker *m, uint32_t thread, uint32_t lock, uint64_t acquired,
			  struct cell **ret)
{
	struct cell *c = item(m, CHUNK_CELLS, thread, sizeof(*c));

	c->lock = lock;
	c->acquired = acquired;
	c->threads = 1;
	c->flags = CELL_FIRST_OF_THREAD;
	if (ret)
		*ret = c;
	return ref_of(m, c);
}

struct edge *image_maker_edge(struct image_maker *m, uint32_t thread, uint32_t lock, uint64_t count,
			      uint64_t wait)
{
	struct edge *e = item(m, CHUNK_EDGES, thread, sizeof(*e));
	struct thread_rec *t = image_maker_at(m, thread);

	e->lock = lock;
	e->count = count;
	e->wait_total = wait;
	e->wait_max = count ? wait / count : 0;
	e->parts = (uint32_t)count; /* one holder is to blame for all of it */
	e->blocked = wait;
	e->blocked_max = e->wait_max;
	t->waits_booked += count;
	return e;
}

struct alloc_site *image_maker_alloc(struct image_maker *m, uint32_t thread, uint32_t function,
				     uint64_t count)
{
	struct alloc_site *a = item(m, CHUNK_ALLOCS, thread, sizeof(*a));

	a->function = function;
	a->realtime = REALTIME_BY_POLICY;
	a->tid_count = 1;
	a->count = count;
	return a;
}

uint32_t image_maker_fold(struct image_maker *m, enum lock_kind kind, struct lock_rec **ret)
{
	struct lock_rec *l;
	uint32_t ref = image_maker_lock(m, kind, 0, &l);

	l->flags = LOCK_FOLD;
	l->instances = 0;
	if (ret)
		*ret = l;
	return ref;
}

struct event *image_maker_event(struct image_maker *m, uint32_t thread, enum event_type type)
{
	struct event *e = item(m, CHUNK_EVENTS, thread, sizeof(*e));

	e->type = (uint8_t)type;
	return e;
}

struct long_wait *image_maker_long_wait(struct image_maker *m, uint32_t thread, uint32_t lock, uint64_t begin,
					uint64_t length)
{
	struct long_wait *w = item(m, CHUNK_LONGEST, 0, sizeof(*w));

	w->begin = begin;
	w->length = length;
	w->lock = lock;
	w->waiter = thread;
	w->sum = long_wait_sum(w);
	return w;
}

struct phase_rec *image_maker_phase(struct image_maker *m, const char *name, uint64_t begin, uint64_t end)
{
	struct phase_rec *p = item(m, CHUNK_PHASES, 0, sizeof(*p));

	snprintf(p->name, sizeof(p->name), "%s", name);
	p->begin_ticks = begin;
	p->end_ticks = end;
	return p;
}

struct chunk *image_maker_chunk(struct image_maker *m, const void *item)
{
	size_t at = (size_t)((const char *)item - m->bytes) & ~(size_t)(CHUNK_ALIGN - 1);

	while (((struct chunk *)(m->bytes + at))->magic != CHUNK_MAGIC ||
	       ((struct chunk *)(m->bytes + at))->offset != at)
		at -= CHUNK_ALIGN;
	return (struct chunk *)(m->bytes + at);
}

struct chunk *image_maker_chunk_new(struct image_maker *m, uint32_t type, uint32_t item_size)
{
	return chunk_new(m, type, 0, item_size, 0);
}

const void *image_maker_bytes(struct image_maker *m, size_t *ret_size)
{
	*ret_size = m->size;
	return m->bytes;
}

void image_maker_free(struct image_maker *m)
{
	free(m->bytes);
	free(m);
}

void image_maker_write(struct image_maker *m, const char *dir, const char *name)
{
	file_write(dir, name, m->bytes, m->size);
	image_maker_free(m);
}
