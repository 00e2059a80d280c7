/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks that everybody knows by another name than the one in the symbol table. A lock is called so only if that is
 * certain. Runs in mutrace. Called by identity.c.
 */
#include <fnmatch.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "src/analysis/private.h"
#include "src/arch/arch.h"

uint64_t known_lock_size(const struct model_process *p, unsigned int kind)
{
#ifdef ARCH_NARROW_MACHINE
	static const uint64_t narrow[KIND_MAX] = { ARCH_NARROW_SIZES };

	if (p->pointer_size == 4 && sizeof(void *) == 8)
		return kind < KIND_MAX ? narrow[kind] : 0;
#else
	(void)p;
#endif
	switch (kind) {
	case KIND_MUTEX: return sizeof(pthread_mutex_t);
	case KIND_RWLOCK: return sizeof(pthread_rwlock_t);
	case KIND_COND: return sizeof(pthread_cond_t);
	case KIND_SEM: return sizeof(sem_t);
	case KIND_BARRIER: return sizeof(pthread_barrier_t);
	default: return 0; /* a number could be anything */
	}
}

/* Python's global interpreter lock: two conditions and two mutexes, one behind the other, in _PyRuntime. */
static const struct {
	unsigned int kind;
	const char *name;
} gil[] = {
	{ KIND_COND, "Python's GIL" }, /* threads that want it wait for this */
	{ KIND_MUTEX, "Python's GIL (mutex)" },
	{ KIND_COND, "Python's GIL (switch)" },
	{ KIND_MUTEX, "Python's GIL (switch mutex)" },
};
#define GIL_PARTS (sizeof(gil) / sizeof(gil[0]))

static bool lock_at(const struct model_process *p, uint64_t address, unsigned int kind)
{
	for (size_t i = 0; i < p->n_locks; i++)
		if (p->locks[i].address == address && p->locks[i].kind == kind)
			return true;
	return false;
}

/* True if these are the GIL's parts; of those that were never used one may be missing. */
static bool is_gil(const struct model_process *p, uint64_t address)
{
	size_t found = 0;

	for (size_t i = 0; i < GIL_PARTS; i++) {
		found += lock_at(p, address, gil[i].kind);
		address += known_lock_size(p, gil[i].kind);
	}
	return found + 1 >= GIL_PARTS;
}

const char *known_lock(const struct model_process *p, const struct model_lock *l, const char *variable)
{
	uint64_t before = 0;

	if (strcmp(variable, "_PyRuntime") != 0)
		return NULL;
	for (size_t i = 0; i < GIL_PARTS; i++) {
		if (l->kind == gil[i].kind && is_gil(p, l->address - before))
			return gil[i].name;
		before += known_lock_size(p, gil[i].kind);
	}
	return NULL;
}

/* Words of the C++ library at which threads wait for atomics that lie elsewhere. */
bool known_pool(const char *variable)
{
	return strncmp(variable, "std::__detail::__waiter_pool", strlen("std::__detail::__waiter_pool")) == 0;
}

static const char java[] = "a Java monitor or park()";

/*
 * A Java monitor is a word in the object. The virtual machine lets threads wait for it at a condition of their own, so
 * which monitor it is cannot be seen. A lightweight lock of PostgreSQL is a word, too, and a process waits for each at its one
 * semaphore.
 */
static const struct {
	const char *pattern, *name;
} places[] = {
	{ "*PlatformEvent::PlatformEvent*", java },
	{ "*PlatformParker::PlatformParker*", java },
	{ "Parker::Parker*", java },
	{ "PGSemaphoreLock", "PostgreSQL's LWLocks" },
};

const char *known_place(const struct report_frame *f)
{
	for (size_t i = 0; f->function && i < sizeof(places) / sizeof(places[0]); i++)
		if (fnmatch(places[i].pattern, f->function, 0) == 0)
			return places[i].name;
	return NULL;
}

bool report_row_java(const struct report_row *row)
{
	return row->place && known_place(&row->place->frames[0]) == java;
}

bool report_row_gil(const struct report_row *row)
{
	return row->named_by == NAMED_BY_VARIABLE && row->name &&
	       strncmp(row->name, gil[0].name, strlen(gil[0].name)) == 0;
}

bool known_contention(const struct report_row *row)
{
	for (size_t i = 0; i < GIL_PARTS; i++)
		if (row->kind == gil[i].kind && row->name && strcmp(row->name, gil[i].name) == 0)
			return row->named_by == NAMED_BY_VARIABLE;
	return false;
}
