/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The C library's own locks, see lowlock.h. Runs in the profiled process. What a lock is, is found out when a thread
 * waits for it first, from what lies around it in memory.
 */
#include "src/record/lowlock.h"

#include <stdio.h>
#include <string.h>

#include "src/record/internal.h"
#include "src/record/raw.h"
#include "src/record/waited.h"
#include "src/unwind/probe.h"

/* The FILEs that a program has from its start, in the order of enum libc_lock_type. */
static const FILE *standard[3];

void lowlock_start(void)
{
	standard[0] = stdin;
	standard[1] = stdout;
	standard[2] = stderr;
}

bool lowlock_silent(struct thread *t, uintptr_t here)
{
	const struct waits *s = t->waits;

	if (t->engaged != 0 || silent_is(t, here, KIND_LIBC))
		return true;
	if (t->rec->waiting_lock == 0)
		return false;
	/* unless a handler has left that wait by a jump */
	return s == NULL || s->lock != t->rec->waiting_lock || stack_end_of(t, here) == 0 || here < s->frame;
}

#define PAGE_LEAST 4096u

/* True if memory can be read, of which the first byte, or the last one, certainly can. */
static bool readable(uintptr_t from, uintptr_t to)
{
	for (uintptr_t page = from & ~(uintptr_t)(PAGE_LEAST - 1); page < to; page += PAGE_LEAST)
		if (!probe_readable((const void *)(page > from ? page : from)))
			return false;
	return true;
}

#define FILE_MAGIC 0xfbad0000u
#define FILE_MAGIC_MASK 0xffff0000u
#define FILE_REACH 64u /* words before a FILE's lock, among which the FILE points to it */

/* The FILE whose lock this is, or NULL: the C library allocates both together. */
static const FILE *file_of(const void *word)
{
	uintptr_t at = (uintptr_t)word & ~(sizeof(void *) - 1);
	const size_t low = FILE_REACH * sizeof(void *) + sizeof(FILE);

	for (size_t i = 0; i < 3; i++)
		if (standard[i] != NULL && (const void *)standard[i]->_lock == word)
			return standard[i];
	if (at < low || !readable(at - low, at))
		return NULL;
	for (size_t i = 1; i <= FILE_REACH; i++) {
		uintptr_t p = at - i * sizeof(void *);
		const FILE *f = (const FILE *)(p - offsetof(FILE, _lock));

		if ((const void *)f->_lock == word &&
		    ((unsigned int)f->_flags & FILE_MAGIC_MASK) == FILE_MAGIC)
			return f;
	}
	return NULL;
}

#define ARENA_BYTES (300u * sizeof(void *)) /* it has 127 list heads of two pointers each */
#define ARENA_HEADS 12u                     /* so many point to themselves: their lists are empty */

/* True if the list heads of an arena of malloc's lie behind its lock. */
static bool is_arena(const void *word)
{
	const uintptr_t *p = (const uintptr_t *)((uintptr_t)word & ~(sizeof(void *) - 1));
	unsigned int heads = 0;

	if (!readable((uintptr_t)p, (uintptr_t)p + ARENA_BYTES))
		return false;
	for (size_t i = 2; i + 1 < ARENA_BYTES / sizeof(*p); i++)
		heads += p[i] == p[i + 1] && p[i] == (uintptr_t)(p + i - 2);
	return heads >= ARENA_HEADS;
}

#define LIBRARY_DATA (1u << 20) /* its variables lie no further apart */

/* Finds out what a lock is: its kind, and *ret_type. */
static uint8_t kind_of(const void *word, uint8_t *ret_type)
{
	const FILE *f = file_of(word);

	*ret_type = LIBC_OTHER;
	if (f) {
		for (uint8_t i = 0; i < 3; i++)
			if (f == standard[i])
				*ret_type = (uint8_t)(LIBC_STDIN + i);
		return KIND_FILE;
	}
	if (!is_arena(word))
		return KIND_LIBC;
	if ((uintptr_t)word - (uintptr_t)standard[1] + LIBRARY_DATA < 2 * LIBRARY_DATA)
		*ret_type = LIBC_MAIN_ARENA;
	return KIND_ARENA;
}

static size_t number_write(char *out, unsigned int n)
{
	char digits[10];
	size_t length = 0;

	do
		digits[length++] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	for (size_t i = 0; i < length; i++)
		out[i] = digits[length - 1 - i];
	return length;
}

/* The path behind a descriptor. */
static void path_read(int fd, char *out, size_t size)
{
	static const char directory[] = "/proc/self/fd/";
	char link[sizeof(directory) + 10], path[512];
	ssize_t n;

	memcpy(link, directory, sizeof(directory) - 1);
	link[sizeof(directory) - 1 + number_write(link + sizeof(directory) - 1, (unsigned int)fd)] = '\0';
	n = raw_readlink(link, path, sizeof(path));
	if (n <= 0)
		return;
	if ((size_t)n >= size) {
		memcpy(out, path + (size_t)n - size + 1, size - 1);
		return;
	}
	memcpy(out, path, (size_t)n);
}

void lowlock_name_file(struct thread *t, uint32_t lock, const void *word)
{
	struct lock_rec *l = REF_POINTER(lock);
	const FILE *f = file_of(word);
	struct lock_label *name;

	for (uint8_t i = 0; i < 3 && f != NULL; i++)
		if (f == standard[i])
			l->type = (uint8_t)(LIBC_STDIN + i);
	if (f == NULL || l->type != LIBC_OTHER || f->_fileno < 0 || recorder.confined)
		return;
	uint8_t busy = busy_enter(t);

	name = arena_take(&t->names_arena, CHUNK_LOCK_LABELS, sizeof(*name), t->ref, t->tid);
	if (name != NULL) {
		name->lock = lock;
		name->fd = f->_fileno;
		path_read(f->_fileno, name->path, sizeof(name->path));
		arena_publish(&t->names_arena);
	}
	busy_leave(t, busy);
}

/* True if a lock at this address is known as one that low-level calls are for. */
static bool fits(const struct lock_rec *l)
{
	return kind_has(l->kind, TRAIT_HOLDS) && !kind_has(l->kind, TRAIT_SIDES);
}

static struct use use_of(struct thread *t, const void *word, struct site site)
{
	uint32_t lock = recorder_alive(t, word);
	uint8_t kind, type = LIBC_OTHER;
	struct use use;

	if (lock != 0 && fits(REF_POINTER(lock)))
		return recorder_use(t, word, ((const struct lock_rec *)REF_POINTER(lock))->kind,
				    SIDE_EXCLUSIVE, site);
	kind = kind_of(word, &type);
	use = recorder_use(t, word, kind, SIDE_EXCLUSIVE, site);
	if (use.cell == 0)
		return use;
	if (kind == KIND_FILE)
		lowlock_name_file(t, use.lock, word);
	else
		((struct lock_rec *)REF_POINTER(use.lock))->type = type;
	return use;
}

bool lowlock_wait_begin(struct thread *t, const void *word, struct site site, struct lowlock_wait *w)
{
	struct held stale;

	/* It cannot have the lock: the C library has made the word anew, as in a forked child. */
	if (t->top >= t->held_first && hold_drop(t, word, &stale))
		hold_book(t, &stale, stale.since);
	w->use = use_of(t, word, site);
	if (w->use.cell == 0)
		return false;
	wait_begin(t, w->use, word, SIDE_EXCLUSIVE, site, &w->wait);
	__atomic_fetch_add(futex_waiting_at(word), 1, __ATOMIC_SEQ_CST);
	return true;
}

void lowlock_wait_end(struct thread *t, const void *word, struct lowlock_wait *w)
{
	if (wait_outlived(t, &w->wait))
		return;
	__atomic_fetch_sub(futex_waiting_at(word), 1, __ATOMIC_RELAXED);
	wait_end(t, &w->wait);
	hold_begin(t, w->use, word, SIDE_EXCLUSIVE, &w->wait);
}

bool lowlock_no_news(struct thread *t, const void *word)
{
	uint32_t lock;

	if (t->top >= t->held_first && hold_find(t, word) != NULL)
		return false;
	if (__atomic_load_n(futex_waiting_at(word), __ATOMIC_SEQ_CST) == 0)
		return true;
	/* others may wait for another word, and a pthread mutex's wrapper knows its holder better */
	lock = recorder_alive(t, word);
	return lock == 0 || !kind_has(((const struct lock_rec *)REF_POINTER(lock))->kind, TRAIT_LIBC);
}
