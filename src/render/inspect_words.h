/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that put an inspection into words. */
#ifndef MUTRACE_RENDER_INSPECT_WORDS_H
#define MUTRACE_RENDER_INSPECT_WORDS_H

#include "src/render/inspect.h"

/* Threads that wait for the same at the same place. */
struct group {
	uint32_t *threads;
	size_t n;
};

struct words {
	struct text_out t;
	const struct inspection *i;
	struct group *groups;
	size_t n_groups;
	uint32_t *list; /* of all groups */
};

/* Says what a thread waits for; NULL: no memory. */
const struct inspect_object *inspect_object_of(const struct words *w, uint32_t thread);
/* "worker (12)", into out of NAME_SIZE. */
const char *inspect_thread_words(const struct words *w, char *out, uint32_t thread);
/* "accounts_lock (mutex, recursive)", "a mutex at 0x7f..." */
void inspect_object_print(const struct words *w, const struct inspect_object *o);
/* ", held by auditor (124)"; nothing where there is nothing to say. */
void inspect_owner_print(const struct words *w, const struct inspect_object *o);
/* " at ..." with notes and the end of the line, or lines of their own with -d. Of threads that wait alike. */
void inspect_stack_print(const struct words *w, const struct group *g);
/* " to read", for a rwlock. */
void inspect_side_print(const struct words *w, const struct inspect_thread *t,
			const struct inspect_object *o);

#endif
