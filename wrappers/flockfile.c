/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * flockfile() and its like: a FILE's lock in the hands of the program. Functions of stdio take it by themselves, too:
 * of these only those that wait are seen (lowlock.c), under the same address, which is the lock's and not the FILE's.
 */
#include <errno.h>
#include <stdio.h>

#include "src/record/lowlock.h"
#include "wrappers/family.h"

/* The FILE whose lock a call is about. */
static __thread FILE *present __attribute__((tls_model("initial-exec")));

/* A thread that lets go inside stdio must know that somebody waits here. */
static int call_lock(void *word, uint8_t side, const struct request *q)
{
	uint32_t *waiting = futex_waiting_at(word);
	uintptr_t before = silent_enter(thread_self);
	uint32_t attachment = recorder.attachment;

	(void)side;
	(void)q;
	__atomic_fetch_add(waiting, 1, __ATOMIC_SEQ_CST);
	REAL(flockfile)(present);
	if (attachment == recorder.attachment)
		__atomic_fetch_sub(waiting, 1, __ATOMIC_RELAXED);
	silent_leave(thread_self, before);
	return 0;
}

static int call_try(void *word, uint8_t side)
{
	(void)word;
	(void)side;
	return REAL(ftrylockfile)(present) == 0 ? 0 : EBUSY;
}

static int call_unlock(void *word)
{
	uintptr_t before = silent_enter(thread_self);

	(void)word;
	REAL(funlockfile)(present);
	silent_leave(thread_self, before);
	return 0;
}

static const struct lock_family files = {
	.kind = KIND_FLOCKFILE,
	.nameless = true,
	.lock = call_lock,
	.trylock = call_try,
	.unlock = call_unlock,
};

/* The record that stdio's waits have made goes on as this family's. True: there is none yet. */
static bool adopt(const void *word)
{
	struct thread *t = recorder_enter_quickly();
	uint32_t lock = t != NULL ? recorder_alive(t, word) : 0;
	struct lock_rec *l = REF_POINTER(lock);

	if (lock != 0 && l->kind == KIND_FILE)
		l->kind = KIND_FLOCKFILE;
	return t != NULL && (lock == 0 || l->kind != KIND_FLOCKFILE);
}

/* After the first call. */
static COLD void name(const void *word)
{
	struct thread *t = recorder_enter_quickly();
	uint32_t lock = t != NULL ? recorder_find(t, word, KIND_FLOCKFILE) : 0;

	if (lock != 0)
		lowlock_name_file(t, lock, word);
}

static int lock_at(FILE *f, bool tries, struct site site)
{
	FILE *before = present;
	void *word = f->_lock;
	bool fresh = adopt(word);
	int r;

	present = f;
	r = tries ? family_trylock(&files, word, SIDE_EXCLUSIVE, site)
		  : family_lock(&files, word, SIDE_EXCLUSIVE, &(struct request){ .call = CALL_PLAIN }, site);
	present = before;
	if (fresh)
		name(word);
	return r;
}

EXPORT void flockfile(FILE *f)
{
	real_need();
	if (f->_lock != NULL)
		lock_at(f, false, SITE_HERE);
	else
		REAL(flockfile)(f);
}

EXPORT int ftrylockfile(FILE *f)
{
	real_need();
	return f->_lock != NULL ? lock_at(f, true, SITE_HERE) == 0 ? 0 : -1 : REAL(ftrylockfile)(f);
}

EXPORT void funlockfile(FILE *f)
{
	FILE *before = present;

	real_need();
	if (f->_lock == NULL) {
		REAL(funlockfile)(f);
		return;
	}
	present = f;
	family_unlock(&files, f->_lock, SITE_HERE);
	present = before;
}
