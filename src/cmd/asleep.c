/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looks at holders that sleep, see asleep.h. Images are read while their processes write them, and nothing in
 * them is trusted: what is read wrongly is a look less. Called by run.c.
 */
#include "src/cmd/asleep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/array.h"
#include "src/cmd/aside.h"
#include "src/cmd/follow_inside.h"
#include "src/cmd/image_file.h"
#include "src/inspect/sleeper.h"
#include "src/session/asleep.h"
#include "src/session/format.h"
#include "src/session/ticks.h"

#define ACTIVE_MS 10u     /* between looks while somebody waits, on average */
#define IDLE_MS 100u      /* while nobody does */
#define ACTIVE_LOOKS 100u /* it stays active for so many looks after the last wait */
#define LOOK_SHARE 40u    /* between two looks there is so many times the time that one takes */
#define ASIDE_MS 50u      /* between two looks at threads that wait for nothing that is seen ... */
#define ASIDE_SOON_MS 8u  /* ... the first of them, so that something is known of short programs */
#define ASIDE_SOON 20u
#define ASIDE_LONGEST_MS 1000u /* a look stands for so much at most */
#define ASIDE_THREADS 32u      /* looked at each time */
#define THREADS_MOST 512u      /* of a process, that are looked at */
#define IMAGES_MOST 256u       /* that are open at once */
#define WAITS_MOST 256u
#define HELD_MOST 32u
#define READERS_MOST 8u
#define RECORDS_MOST 16384u
#define CIRCLE_MOST 64u

_Static_assert(SLEEPER_FRAMES == ASLEEP_FRAMES, "frames");

/* An image of a live process. */
struct seen_image {
	uint32_t maker, serial;
	uint32_t pid;
	int fd;
	uint64_t scanned;  /* chunks are known up to here */
	uint32_t *threads; /* refs of thread records */
	uint64_t *slices;  /* by thread, see aside_look() */
	size_t n_threads, cap_threads, cap_slices;
	struct sleeper *sleeper;
	uint32_t clock_kind;
	struct clock_sync sync; /* its first reading of the clocks */
	bool closed;            /* the process may not be looked at */
	bool foreign;           /* its system calls have other numbers */
	uint64_t aside_ns;      /* when it was looked at last for what follows */
	uint32_t aside_looks;   /* how often */
	uint64_t aside_us[ASIDE_MAX];
	uint64_t round;
};

struct asleep {
	const struct follow *follow;
	int dir;
	struct seen_image *images;
	size_t n_images, cap_images;
	struct asleep_rec *records;
	size_t n_records, cap_records;
	uint64_t next_ns, round;
	unsigned int active; /* looks until it is idle */
	unsigned int random;
	void (*tell)(void *data, const struct asleep_wait *w); /* NULL: nobody asks */
	void *tell_data;
	uint64_t tell_ns;
};

struct asleep *asleep_new(const struct follow *f, int dir)
{
	struct asleep *a = calloc(1, sizeof(*a));

	if (a)
		*a = (struct asleep){ .follow = f, .dir = dir, .random = 1, .active = ASIDE_SOON };
	return a;
}

void asleep_tell(struct asleep *a, uint64_t limit_ns, void (*tell)(void *data, const struct asleep_wait *w),
		 void *data)
{
	if (!a)
		return;
	a->tell = tell;
	a->tell_data = data;
	a->tell_ns = limit_ns;
}

static void image_close(struct seen_image *im)
{
	sleeper_close(im->sleeper);
	if (im->fd >= 0)
		close(im->fd);
	free(im->threads);
	free(im->slices);
}

void asleep_free(struct asleep *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_images; i++)
		image_close(&a->images[i]);
	free(a->images);
	free(a->records);
	free(a);
}

static bool read_at(const struct seen_image *im, uint32_t ref, void *to, size_t size)
{
	return pread(im->fd, to, size, (off_t)((uint64_t)ref * REF_UNIT)) == (ssize_t)size;
}

/* Finds the records of threads that have come since. */
static void threads_find(struct seen_image *im)
{
	struct image_header h;
	struct chunk c;

	if (pread(im->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return;
	im->clock_kind = h.clock_kind;
	im->sync = h.sync;
	while (im->scanned < h.used && im->n_threads < THREADS_MOST) {
		if (pread(im->fd, &c, sizeof(c), (off_t)im->scanned) != (ssize_t)sizeof(c))
			return;
		if (c.magic != CHUNK_MAGIC || c.offset != im->scanned) { /* it is being made just now */
			if (im->scanned + CHUNK_ALIGN >= h.used)
				return;
			im->scanned += CHUNK_ALIGN;
			continue;
		}
		if (c.type == CHUNK_THREAD) {
			if (array_grow(&im->threads, im->n_threads, &im->cap_threads, sizeof(*im->threads)) <
				    0 ||
			    array_grow(&im->slices, im->n_threads, &im->cap_slices, sizeof(*im->slices)) < 0)
				return;
			im->slices[im->n_threads] = 0;
			im->threads[im->n_threads++] = (uint32_t)((im->scanned + sizeof(c)) / REF_UNIT);
		}
		im->scanned += c.size >= CHUNK_ALIGN && c.size % CHUNK_ALIGN == 0 ? c.size : CHUNK_ALIGN;
	}
}

/* The cell of a thread's hold of a lock, and the thread's number; 0: it does not hold it. */
static uint32_t hold_of(const struct seen_image *im, uint32_t thread, uint32_t lock, uint32_t *ret_tid)
{
	struct held held[HELD_MOST];
	struct thread_rec r;
	size_t n;

	if (!read_at(im, thread, &r, sizeof(r)) || r.end_ticks != 0)
		return 0;
	n = r.held_capacity < HELD_MOST ? r.held_capacity : HELD_MOST;
	if (!read_at(im, r.held_ref, held, n * sizeof(*held)))
		return 0;
	*ret_tid = r.tid;
	for (size_t i = 0; i < n; i++)
		if (held[i].address != 0 && held[i].lock == lock)
			return held[i].cell;
	return 0;
}

static void record_add(struct asleep *a, const struct seen_image *im, uint32_t cell, uint32_t weight,
		       const struct sleeper_place *place)
{
	struct asleep_rec rec = {
		.maker = im->maker,
		.serial = im->serial,
		.cell = cell,
		.call = (int32_t)place->call,
		.n_frames = (uint32_t)place->n,
	};

	memcpy(rec.frame, place->frame, place->n * sizeof(rec.frame[0]));
	for (size_t i = a->n_records; i-- > 0;) {
		rec.weight = a->records[i].weight;
		if (memcmp(&a->records[i], &rec, sizeof(rec)) == 0) {
			a->records[i].weight += weight;
			return;
		}
	}
	rec.weight = weight;
	if (a->n_records < RECORDS_MOST &&
	    array_grow(&a->records, a->n_records, &a->cap_records, sizeof(*a->records)) == 0)
		a->records[a->n_records++] = rec;
}

/* Looks at one that may hold a lock that others wait for. True: it does. */
static bool holder_look(struct asleep *a, struct seen_image *im, uint32_t thread, uint32_t lock,
			uint32_t weight)
{
	struct sleeper_place place;
	uint32_t tid = 0, cell = hold_of(im, thread, lock, &tid), still;

	if (cell == 0)
		return false;
	if (!im->sleeper && !im->closed)
		im->closed = sleeper_open((pid_t)im->pid, &im->sleeper) < 0;
	if (im->closed || !sleeper_look(im->sleeper, (pid_t)tid, &place))
		return true;
	still = hold_of(im, thread, lock, &tid); /* it slept all the time, so it held it all the time */
	if (still == cell)
		record_add(a, im, cell, weight, &place);
	return true;
}

static void lock_look(struct asleep *a, struct seen_image *im, uint32_t lock, uint32_t weight)
{
	struct lock_rec l;
	uint32_t readers = 0;

	if (!read_at(im, lock, &l, sizeof(l)))
		return;
	if (l.last_owner != 0 && holder_look(a, im, l.last_owner, lock, weight))
		return;
	for (size_t i = 0; i < im->n_threads && kind_has(l.kind, TRAIT_SIDES) && readers < READERS_MOST; i++)
		readers += holder_look(a, im, im->threads[i], lock, weight);
}

/* Looks in what threads sleep that wait for nothing that is seen. */
static void asides_look(struct seen_image *im)
{
	uint64_t now = ticks_monotonic_ns(), span = (now - im->aside_ns) / 1000, each;
	size_t n = im->n_threads < ASIDE_THREADS ? im->n_threads : ASIDE_THREADS;
	enum aside found;
	struct thread_rec r;

	if (n == 0 || im->foreign || span < 1000u * (im->aside_looks < ASIDE_SOON ? ASIDE_SOON_MS : ASIDE_MS))
		return;
	im->aside_ns = now;
	each = (span < 1000u * ASIDE_LONGEST_MS ? span : 1000u * ASIDE_LONGEST_MS) * im->n_threads / n;
	for (size_t i = 0; i < n; i++) {
		size_t number = (im->aside_looks * n + i) % im->n_threads;

		if (!read_at(im, im->threads[number], &r, sizeof(r)) || r.end_ticks != 0)
			continue;
		found = aside_look(im->pid, &r, &im->slices[number]);
		if (found < ASIDE_MAX)
			im->aside_us[found] += each;
	}
	im->aside_looks++;
	if (pwrite(im->fd, im->aside_us, sizeof(im->aside_us), offsetof(struct image_header, aside_us)) < 0) {
		/* the next look writes it */
	}
}

static int number_compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* True if a thread waits for one that waits, and so on, and the last one for the first. */
static bool in_circle(const struct seen_image *im, uint32_t first, uint32_t lock)
{
	struct thread_rec r;
	struct lock_rec l;
	uint32_t tid;

	for (unsigned int steps = 0; steps < CIRCLE_MOST; steps++) {
		if (!read_at(im, lock, &l, sizeof(l)) || l.last_owner == 0 ||
		    hold_of(im, l.last_owner, lock, &tid) == 0)
			return false;
		if (l.last_owner == first)
			return true;
		if (!read_at(im, l.last_owner, &r, sizeof(r)) || r.waiting_lock == 0 ||
		    r.waiting_flags & WAITING_TIMED)
			return false;
		lock = r.waiting_lock;
	}
	return false;
}

/* How long ago a reading of the clock was. */
static uint64_t passed_ns(const struct seen_image *im, uint64_t ticks)
{
	uint64_t ns, now;

	ticks_pair(im->clock_kind == CLOCK_KIND_TSC, &now, &ns);
	if (now <= ticks || now <= im->sync.first_ticks || ns <= im->sync.first_ns)
		return 0;
	return (uint64_t)((double)(now - ticks) * (double)(ns - im->sync.first_ns) /
			  (double)(now - im->sync.first_ticks));
}

static void wait_tell(const struct asleep *a, const struct seen_image *im, uint32_t thread,
		      const struct thread_rec *r)
{
	struct asleep_wait w = { .pid = im->pid,
				 .tid = r->tid,
				 .since = r->waiting_since,
				 .waited_ns = passed_ns(im, r->waiting_since) };
	struct lock_rec l;

	if (w.waited_ns < a->tell_ns || !read_at(im, r->waiting_lock, &l, sizeof(l)) ||
	    wait_class(l.kind) != WAIT_LOCK || !kind_has(l.kind, TRAIT_HOLDS))
		return;
	w.address = l.address;
	w.deadlock = in_circle(im, thread, r->waiting_lock);
	a->tell(a->tell_data, &w);
}

/* True if somebody waits. */
static bool image_look(struct asleep *a, struct seen_image *im)
{
	uint32_t waited[WAITS_MOST];
	struct thread_rec r;
	size_t n = 0;

	threads_find(im);
	asides_look(im);
	for (size_t i = 0; i < im->n_threads && n < WAITS_MOST; i++) {
		if (!read_at(im, im->threads[i], &r, sizeof(r)) || r.end_ticks != 0 || r.waiting_lock == 0)
			continue;
		waited[n++] = r.waiting_lock;
		if (a->tell)
			wait_tell(a, im, im->threads[i], &r);
	}
	qsort(waited, n, sizeof(*waited), number_compare);
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && waited[k] == waited[i];)
			k++;
		lock_look(a, im, waited[i], (uint32_t)(k - i));
	}
	return n != 0;
}

static struct seen_image *image_of(struct asleep *a, const struct tracked *t)
{
	struct seen_image *im;
	uint32_t size;

	for (size_t i = 0; i < a->n_images; i++)
		if (a->images[i].maker == t->maker && a->images[i].serial == t->serial)
			return &a->images[i];
	if (a->n_images >= IMAGES_MOST ||
	    array_grow(&a->images, a->n_images, &a->cap_images, sizeof(*a->images)) < 0)
		return NULL;
	im = &a->images[a->n_images];
	*im = (struct seen_image){ .maker = t->maker, .serial = t->serial, .scanned = CHUNK_ALIGN };
	im->fd = follow_open_image(a->follow, t, O_RDWR);
	im->pid = t->pid;
	if (im->fd < 0)
		return NULL;
	if (pread(im->fd, &size, sizeof(size), offsetof(struct image_header, pointer_size)) != sizeof(size))
		size = 0;
	im->foreign = size != sizeof(void *);
	im->aside_ns = ticks_monotonic_ns();
	a->n_images++;
	return im;
}

/* Forgets the images of those that are over. */
static void images_forget(struct asleep *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n_images; i++) {
		if (a->images[i].round == a->round)
			a->images[kept++] = a->images[i];
		else
			image_close(&a->images[i]);
	}
	a->n_images = kept;
}

static bool all_look(struct asleep *a)
{
	bool any = false;

	a->round++;
	for (size_t i = 0; i < a->follow->n; i++) {
		const struct tracked *t = &a->follow->tracked[i];
		struct seen_image *im;

		/* in another PID namespace threads have other numbers */
		if (t->phase != PHASE_ALIVE || t->removed || t->pid == 0 || t->pid != t->pid_here ||
		    !follow_trusts(a->follow, &a->follow->tracked[i]))
			continue;
		im = image_of(a, t);
		if (!im)
			continue;
		im->round = a->round;
		any = image_look(a, im) || any;
	}
	images_forget(a);
	return any;
}

int asleep_look(struct asleep *a, int ms)
{
	uint64_t now = ticks_monotonic_ns(), took, span;

	if (!a)
		return ms;
	if (now >= a->next_ns) {
		if (all_look(a))
			a->active = ACTIVE_LOOKS;
		else
			a->active -= a->active > 0;
		took = ticks_monotonic_ns() - now;
		/* not in step with the program */
		a->random = a->random * 1103515245u + 12345u;
		span = (uint64_t)(a->active ? ACTIVE_MS : IDLE_MS) * (500000u + (a->random >> 16) % 1000000u);
		now += took;
		a->next_ns = now + (span > LOOK_SHARE * took ? span : LOOK_SHARE * took);
	}
	span = (a->next_ns - now) / 1000000u + 1;
	return span < (uint64_t)ms ? (int)span : ms;
}

void asleep_write(const struct asleep *a)
{
	size_t size = a ? a->n_records * sizeof(*a->records) : 0;
	int fd;

	if (size == 0)
		return;
	unlinkat(a->dir, SESSION_ASLEEP, 0);
	fd = image_file_open(a->dir, SESSION_ASLEEP, O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return;
	if (write(fd, a->records, size) != (ssize_t)size && ftruncate(fd, 0) < 0) {
		/* the reader takes whole records */
	}
	close(fd);
}
