/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See layout.h. Mutexes and rwlocks have kept their layout since glibc 2.25, so the headers that we are built with have
 * it; conditions have not, so that is found out from the target.
 */
#include "src/inspect/layout.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

/* Bits of __kind, as in glibc's pthreadP.h. */
#define KIND_TYPE 3
#define KIND_ROBUST 16
#define KIND_INHERIT 32
#define KIND_PROTECT 64
#define KIND_SHARED 128
#define KIND_ELISION (256 | 512)

/* Bits of __readers: 0 a writer has it, 1 writers wait, 2 readers wait; the number of readers above. */
#define READER_SHIFT 3

/* until glibc 2.40, and since 2.41 */
const unsigned int layout_cond_futexes[] = { 40, 44, 32, 36 };
const size_t layout_cond_futexes_n = sizeof(layout_cond_futexes) / sizeof(layout_cond_futexes[0]);

uint64_t layout_cond_at(uint64_t futex)
{
	return futex - (futex % 8 ? 44 : 40);
}

bool layout_thread_known(const struct target *t, pid_t ns_tid)
{
	for (size_t i = 0; i < t->n_threads; i++) {
		if (t->threads[i].ns_tid == ns_tid)
			return true;
	}
	return false;
}

/* A struct pthread has the thread's number, another one, and a list of robust mutexes with a pointer to its head before; an
 * empty one points to itself. The thread whose struct begins not far below an address; 0: none. */
static pid_t thread_around(struct target *t, uint64_t at)
{
	enum { BEFORE = 2048, NUMBERS = 2 * sizeof(pid_t) };
	uintptr_t words[BEFORE / sizeof(uintptr_t)];
	uint64_t start = at / sizeof(words[0]) * sizeof(words[0]) - BEFORE;
	pid_t tid;

	if (target_read(t, start, words, sizeof(words)) < 0)
		return 0;
	for (size_t i = NUMBERS / sizeof(words[0]); i + 1 < sizeof(words) / sizeof(words[0]); i++) {
		uint64_t head = start + (i + 1) * sizeof(words[0]);

		if (words[i] != head || words[i + 1] != head)
			continue;
		memcpy(&tid, (const char *)&words[i] - NUMBERS, sizeof(tid));
		return layout_thread_known(t, tid) ? tid : 0;
	}
	return 0;
}

/* Up to glibc 2.42 the word is the thread's number, since then a state of at most 3. */
pid_t layout_joined(struct target *t, uint64_t futex, uint32_t expected)
{
	pid_t tid = expected <= 3 ? thread_around(t, futex) : 0;

	return tid || !layout_thread_known(t, (pid_t)expected) ? tid : (pid_t)expected;
}

/* Every robust mutex has the bit for shared ones: the kernel's list knows no other. */
static const char *type_words(char *out, size_t size, int kind)
{
	static const char *const types[] = { "", "recursive", "error-checking", "adaptive" };

	snprintf(out, size, "%s%s%s%s%s", types[kind & KIND_TYPE],
		 kind & KIND_INHERIT ? ", priority inheriting" : "",
		 kind & KIND_PROTECT ? ", priority protected" : "", kind & KIND_ROBUST ? ", robust" : "",
		 (kind & (KIND_SHARED | KIND_ROBUST)) == KIND_SHARED ? ", shared between processes" : "");
	return out[0] == ',' ? out + 2 : out;
}

bool layout_mutex(struct target *t, uint64_t at, struct wait_found *ret)
{
	union {
		pthread_mutex_t mutex;
		char bytes[sizeof(pthread_mutex_t)];
	} u;
	char words[sizeof(ret->detail)];
	uint32_t word;
	int kind;

	if (at % sizeof(int) || target_read(t, at, u.bytes, sizeof(u)) < 0)
		return false;
	kind = u.mutex.__data.__kind;
	word = (uint32_t)u.mutex.__data.__lock;
	if (kind & ~(KIND_TYPE | KIND_ROBUST | KIND_INHERIT | KIND_PROTECT | KIND_SHARED | KIND_ELISION))
		return false;
	ret->owner_tid = u.mutex.__data.__owner;
	if (kind & (KIND_ROBUST | KIND_INHERIT)) {
		/* the kernel's word: it has the owner */
		if ((word & FUTEX_TID_MASK) && !(word & FUTEX_OWNER_DIED))
			ret->owner_tid = (pid_t)(word & FUTEX_TID_MASK);
	} else if (!(kind & KIND_PROTECT) && word > 2) {
		return false;
	}
	if (ret->owner_tid < 0 || (!(kind & KIND_SHARED) && u.mutex.__data.__nusers > 1u << 24))
		return false;
	ret->owner = ret->owner_tid ? OWNER_THREAD : OWNER_NOBODY;
	ret->shared = kind & KIND_SHARED;
	snprintf(ret->detail, sizeof(ret->detail), "%s", type_words(words, sizeof(words), kind));
	return true;
}

bool layout_mutex_waited(struct target *t, uint64_t at)
{
	struct wait_found found = { 0 };
	uint32_t word;

	if (target_u32(t, at, &word) < 0 || !layout_mutex(t, at, &found))
		return false;
	return word == 2 ? found.owner_tid == 0 || found.shared || layout_thread_known(t, found.owner_tid)
			 : (word & FUTEX_WAITERS) && (pid_t)(word & FUTEX_TID_MASK) == found.owner_tid;
}

uint64_t layout_rwlock_at(uint64_t futex, uint32_t expected, bool to_write)
{
	const uint64_t phase = offsetof(pthread_rwlock_t, __data.__wrphase_futex),
		       writers = offsetof(pthread_rwlock_t, __data.__writers_futex);

	if (expected > 3)
		return futex; /* readers that let a writer go first */
	/* the lock is aligned as its largest member, and is 8 or 12 bytes further down */
	if (sizeof(long) == 8)
		return futex - (futex % 8 ? writers : phase);
	return futex - (expected == 2 || !to_write
				? phase
				: writers); /* a writer waits for readers, or for another */
}

void layout_rwlock(struct target *t, uint64_t at, struct wait_found *ret)
{
	union {
		pthread_rwlock_t lock;
		char bytes[sizeof(pthread_rwlock_t)];
	} u;
	uint32_t readers;

	if (target_read(t, at, u.bytes, sizeof(u)) < 0)
		return;
	readers = u.lock.__data.__readers >> READER_SHIFT;
	ret->shared = u.lock.__data.__shared;
	ret->owner_tid = u.lock.__data.__cur_writer;
	snprintf(ret->detail, sizeof(ret->detail), "%s", ret->shared ? "shared between processes" : "");
	if (ret->owner_tid) {
		ret->owner = OWNER_THREAD;
		return;
	}
	/* readers that wait are counted, too, while the phase is the writers' (bit 0) */
	ret->owner = readers && !(u.lock.__data.__readers & 1) ? OWNER_READERS : OWNER_NOBODY;
	ret->readers = readers;
}

bool layout_semaphore(struct target *t, uint64_t at)
{
	uint32_t words[4];

	if (at % sizeof(long) || target_read(t, at, words, sizeof(words)) < 0)
		return false;
#if __SIZEOF_LONG__ == 8
	return words[0] == 0 && words[1] >= 1 && words[1] < 1u << 20 && (words[2] == 0 || words[2] == 128);
#else
	return words[0] >> 1 == 0 && (words[1] == 0 || words[1] == 128) && words[3] >= 1 &&
	       words[3] < 1u << 20;
#endif
}

/* in, current_round, count, shared, out: it waits for the second to change, or for the last one. */
void layout_barrier(struct target *t, uint64_t futex, struct wait_found *ret)
{
	uint32_t words[5];

	ret->address = futex - 4;
	if (target_read(t, ret->address, words, sizeof(words)) < 0 || words[0] < words[1] ||
	    words[0] - words[1] > words[2]) {
		ret->address = futex - 16;
		return;
	}
	ret->arrived = words[0] - words[1];
	ret->wanted = words[2];
}

/* lock, count, then the owner's struct pthread, which has its number somewhere behind a head of 24 words or more. */
void layout_stream(struct target *t, uint64_t at, struct wait_found *ret)
{
	uint32_t words[512];
	uint64_t owner;

	if (target_word(t, at + 8, &owner) < 0 || owner == 0 || owner % 64 ||
	    target_read(t, owner, words, sizeof(words)) < 0)
		return;
	for (size_t i = 24 * sizeof(uintptr_t) / sizeof(words[0]); i < sizeof(words) / sizeof(words[0]);
	     i++) {
		if (words[i] && layout_thread_known(t, (pid_t)words[i])) {
			ret->owner = OWNER_THREAD;
			ret->owner_tid = (pid_t)words[i];
			return;
		}
	}
}
