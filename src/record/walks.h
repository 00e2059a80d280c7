/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Whole stacks that a thread has walked: of each call site the last one that came twice, as the places on the stack that
 * were looked at and what stood there. To compare them is a third of a walk from node to node, and a thread mostly
 * waits and lets go in the same places. Used by stacks.c, on the thread's own block, without a lock. A signal handler may
 * come in between and walk itself; a count of changes tells.
 */
#ifndef MUTRACE_RECORD_WALKS_H
#define MUTRACE_RECORD_WALKS_H

#include "src/record/hashtable.h"
#include "src/record/state.h"

/* The table of frames, which stacks.c keeps: (inner, ip) -> node. */
static inline uint32_t node_hash(uint32_t inner, uintptr_t ip)
{
	return (uint32_t)(((uint64_t)ip + inner * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull >> 32);
}

static inline struct frame_node *node_find(const struct hash_slots *s, uint32_t inner, uintptr_t ip)
{
	uint32_t ref;

	for (uint32_t i = node_hash(inner, ip); (ref = hash_ref(s, i)) != 0; i++) {
		struct frame_node *n = REF_POINTER(ref);

		if (n->ip == ip && n->inner == inner)
			return n;
	}
	return NULL;
}

/* The node of a frame's caller; NULL: it is not known. A function is mostly called from where it was called last. */
static inline struct frame_node *node_outer(const struct hash_slots *s, struct frame_node *n, uintptr_t ip)
{
	uint32_t likely_outer = __atomic_load_n(&n->likely_outer, __ATOMIC_RELAXED);
	struct frame_node *outer = REF_POINTER(likely_outer);

	if (unlikely(likely_outer == 0 || outer->ip != ip)) {
		outer = node_find(s, POINTER_REF(n), ip);
		if (outer != NULL)
			__atomic_store_n(&n->likely_outer, POINTER_REF(outer), __ATOMIC_RELAXED);
	}
	return outer;
}

#define WALK_STEP 8u /* so many are compared at once; WALK_FRAMES is a multiple */

static inline struct walk *walk_of(struct thread *t, uintptr_t ip)
{
	return &t->walks[(ip ^ ip >> 5) % WALKS];
}

/* 0: the stack has the same return address there. */
static inline uintptr_t walk_differs(const struct walk *w, const uintptr_t *slot, uint32_t i)
{
	return slot[w->at[i]] ^ w->frame[i];
}

/*
 * The id of the stack that stands at a slot and ends at `end`, if it is the one that is remembered; else 0. generation:
 * of what is known of frames; it changes when any of that does.
 */
static inline uint32_t walk_again(struct thread *t, uintptr_t ip, const uintptr_t *slot, uintptr_t end,
				  uint32_t generation)
{
	const struct walk *w = walk_of(t, ip);
	uint32_t changes = t->walk_changes, id = w->id, n = w->n;
	uintptr_t other = 0;

	if (w->ip != ip || w->generation != generation || (uintptr_t)(slot + w->last) >= end)
		return 0;
	for (uint32_t i = 0; i < n; i += WALK_STEP)
		other |= walk_differs(w, slot, i) | walk_differs(w, slot, i + 1) |
			 walk_differs(w, slot, i + 2) | walk_differs(w, slot, i + 3) |
			 walk_differs(w, slot, i + 4) | walk_differs(w, slot, i + 5) |
			 walk_differs(w, slot, i + 6) | walk_differs(w, slot, i + 7);
	if (other != 0)
		return 0;
	signal_fence();
	return t->walk_changes == changes ? id : 0;
}

/* Remembers a stack that was walked, if it is the second time in a row at its call site. */
static inline void walk_keep(struct thread *t, uintptr_t ip, uint32_t id, uint32_t generation)
{
	struct walk *w = walk_of(t, ip);
	const struct frame_node *n = REF_POINTER(id);
	uint32_t frames = n->depth - 1u, all = 0, changes;

	if (w->came != id || frames > WALK_FRAMES) {
		w->came = id;
		return;
	}
	changes = ++t->walk_changes;
	w->ip = 0;
	signal_fence();
	for (uint32_t i = frames; i-- > 0;) {
		w->frame[i] = n->ip;
		n = REF_POINTER(n->inner);
		w->at[i] = (uint32_t)n->caller_distance; /* from the frame inside it, at first */
	}
	for (uint32_t i = 0; i < frames; i++)
		w->at[i] = all += w->at[i];
	for (; frames % WALK_STEP != 0; frames++) { /* the last one again */
		w->at[frames] = all;
		w->frame[frames] = w->frame[frames - 1];
	}
	w->id = id;
	w->n = frames;
	w->last = all;
	w->generation = generation;
	signal_fence();
	if (t->walk_changes == changes)
		w->ip = ip;
}

#endif
