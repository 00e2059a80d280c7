/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The originals behind our wrappers, found once. Before our constructor ran, any wrapper may be the first to
 * need them; after that a thread that is being recorded can rely on them without a check.
 */
#ifndef MUTRACE_WRAPPERS_REAL_H
#define MUTRACE_WRAPPERS_REAL_H

#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "src/arch/arch.h"
#ifdef MATRACE
#include "wrappers/watch_types.h"
#endif

/* Condition variables got a new layout in this version of the C library; the old one is wrapped apart
 * (cond_old.c). */
#ifdef COND_VERSION /* tests/tools/sanitizers.sh: the sanitizer's have none */
#else
#define COND_VERSION ARCH_COND_VERSION
#endif

struct real {
#ifdef MATRACE /* first, see real_resolve() */
#define WATCH(class, label, type, name, parameters, arguments) type(*name) parameters;
#define WATCH_OWN(class, label, type, name, parameters) type(*name) parameters;
#define WATCH_KNOWN(class, label, name)
#define WATCH_COUNT(class, label, name)
#include "src/session/watched.def"
#undef WATCH
#undef WATCH_OWN
#undef WATCH_KNOWN
#undef WATCH_COUNT
#endif
#define WRAP(family, type, name, parameters, version) type(*name) parameters;
#include "wrappers/wrappers.def"
#undef WRAP
	size_t (*malloc_usable_size)(void *); /* not wrapped; of the allocator that free belongs to */
	bool resolved;
};
extern struct real real __attribute__((visibility("hidden")));

/* Looks all of them up. Idempotent; two threads doing it at once write the same values. */
void real_resolve(void);
/* The same in a library that was loaded later than the program's: a name means what it means to the program. */
void real_resolve_late(void);
/* Those that were not found, in a library that was loaded later. */
void real_resolve_more(void *library);

/* True if a function is the C library's own. At the start. */
bool real_of_libc(const void *f);

void real_resolve_dlsym(void);
static inline void real_need_dlsym(void)
{
	if (__builtin_expect(!real.dlsym, 0))
		real_resolve_dlsym();
}

static inline void real_need(void)
{
	if (__builtin_expect(!real.resolved, 0))
		real_resolve();
}

#define REAL(name) real.name

#define EXPORT __attribute__((visibility("default")))

/* A second name of a function defined before, by which programs built for a glibc before 2.34 may call it. As
 * in the C library it exists in that version only, so that dlsym() still does not find it. */
#ifdef ARCH_OLD_VERSION
#define SYNONYM(name, of) __asm__(".symver " #of ", " #name "@" ARCH_OLD_VERSION);
#else
#define SYNONYM(name, of)
#endif
#define COLD __attribute__((noinline, cold))

#endif
