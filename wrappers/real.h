/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The originals behind our wrappers, found once. Before our constructor ran, any wrapper may be the first to need
 * them; after that a thread that is being recorded can rely on them without a check.
 */
#ifndef MUTRACE_WRAPPERS_REAL_H
#define MUTRACE_WRAPPERS_REAL_H

#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <threads.h>
#include <time.h>

/* Condition variables got a new layout in this version of the C library; the old one is wrapped apart (cond_old.c). */
#if defined(__x86_64__) || defined(__i386__)
#define COND_VERSION "GLIBC_2.3.2"
#else
#define COND_VERSION NULL
#endif

struct real {
#define WRAP(family, type, name, parameters, version) type(*name) parameters;
#include "wrappers/wrappers.def"
#undef WRAP
	size_t (*malloc_usable_size)(void *); /* not wrapped; of the allocator that free belongs to */
	bool resolved;
};
extern struct real real;

/* Looks all of them up. Idempotent; two threads doing it at once write the same values. */
void real_resolve(void);

static inline void real_need(void)
{
	if (__builtin_expect(!real.resolved, 0))
		real_resolve();
}

#define REAL(name) real.name

#define EXPORT __attribute__((visibility("default")))
#define COLD __attribute__((noinline, cold))

#endif
