/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The recorder's state, see state.h. Everything else in src/record may use it; it calls nothing. */
#include "src/record/internal.h"

struct recorder recorder = { .mutex_unlike = 1 };
uint32_t lock_epochs[1u << EPOCHS_LOG]; /* see callcache.h */

struct thread thread_none;
/* Needed where a handler forks and returns in the child in the middle of a hot path. */
static struct call_slot no_slots[CACHE_WAYS] __attribute__((aligned(128)));
__thread struct thread_own thread_own
	__attribute__((tls_model("initial-exec"))) = { &thread_none, no_slots, 0 };

void thread_is_none(void)
{
	thread_own = (struct thread_own){ &thread_none, no_slots, 0 };
}

void image_lost(enum loss what)
{
	struct image_header *h = recorder.header;

	if (h != NULL)
		__atomic_fetch_add(&h->lost[what], 1, __ATOMIC_RELAXED);
}

void recorder_unseen_library(const char *file)
{
	struct image_header *h = recorder.header;

	if (h == NULL || __atomic_fetch_add(&h->unseen_libraries, 1, __ATOMIC_RELAXED) != 0)
		return;
	for (size_t i = 0; file != NULL && file[i] != '\0' && i < sizeof(h->unseen_library) - 1; i++)
		h->unseen_library[i] = file[i];
}

/* Not inline: it needs a frame of its own. */
__attribute__((noinline)) bool silent_here(struct thread *t, uint8_t kind)
{
	return silent_is(t, (uintptr_t)__builtin_frame_address(0), kind);
}
