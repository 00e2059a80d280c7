/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Functions of other libraries that are redirected to ours, see families.c. */
#ifndef MUTRACE_WRAPPERS_FAMILIES_H
#define MUTRACE_WRAPPERS_FAMILIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Qt's QDeadlineTimer, which is passed by value. */
struct qt_deadline {
	int64_t t1;
	unsigned int t2, type;
};

/* Of a function that begins a parallel region which is a loop; where the environment says how it is divided there is no size of
 * a piece. */
#define OPENMP_LOOP (void (*)(void *), void *, unsigned int, long, long, long, long, unsigned int)
#define OPENMP_LOOP_RUNTIME (void (*)(void *), void *, unsigned int, long, long, long, unsigned int)

/* The originals. NULL as long as the library is not loaded; a function of ours that is called has one. */
struct families {
#define ANY(type, name, symbol, parameters) type(*name) parameters;
#include "wrappers/families.def"
};
extern struct families families __attribute__((visibility("hidden")));
#define ORIGINAL(name) families.name

/* Ours, which nobody finds by name. */
#define ANY(type, name, symbol, parameters) type ours_##name parameters;
#include "wrappers/families.def"

/* At start: redirects what is loaded. */
void families_start(void);
struct redirect;
/* The same in a process that runs, and these functions of the C library too; their originals are known. False: a thread has been
 * in the middle of a fork for seconds. */
bool families_attach(struct redirect *functions, size_t n, uintptr_t heap, uintptr_t heap_end);
/* After the recording: puts all originals back. False as above; ours, which are left then, call the originals. */
bool families_detach(void);
/* Handlers of fork(): the recorder's, and no look meanwhile. */
void families_before_fork(void);
void families_after_fork_parent(void);
void families_after_fork_child(void);
/* An object is about to be loaded or unloaded. */
void families_changing(void);
/* At some calls of the program: redirects what was loaded since. */
void families_look_again(void);
extern bool families_stale __attribute__((visibility("hidden")));
static inline void families_look(void)
{
	if (__builtin_expect(families_stale, 0))
		families_look_again();
}

#endif
