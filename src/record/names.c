/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Names that the program gives to its locks, see names.h. */
#include "src/record/names.h"

#include <string.h>

#include "src/record/chunks.h"
#include "src/record/internal.h"
#include "src/record/pilock.h"

#define SLOTS (2 * NAMES_AT_ONCE) /* of each table, a power of two */
#define TEXT_BYTES (256u << 10)   /* of all names */
#define ADDRESS_LEFT 1u           /* a slot that was used; no lock is there */
#define LIST_END 1u               /* as in records.c */

static struct {
	uint32_t lock;
	uint32_t n_names, n_named; /* slots in use */
	uint32_t text_used;
	struct name {
		uint32_t text; /* offset in text, plus 1; 0: free. Its place is the name's number less 1 */
		uint32_t dead; /* ref of a record that waits for the name, in a list by lock_rec.next */
	} names[SLOTS];
	struct named {
		uint32_t lock, name; /* ref of a record, 0: free; number of its name */
	} named[SLOTS];
	struct expected {
		uint64_t address; /* 0: free */
		uint32_t name;
	} expected[SLOTS];
	char text[TEXT_BYTES];
} names;
uint32_t names_expected;

static bool enter(const struct thread *t)
{
	if (pilock_lock(&names.lock, t->tid))
		return true;
	image_lost(LOSS_INTERRUPTED);
	return false;
}

static void leave(const struct thread *t)
{
	pilock_unlock(&names.lock, t->tid);
}

static uint32_t place(uint64_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 40) % SLOTS;
}

static const char *text_of(uint32_t name)
{
	return names.text + names.names[name - 1].text - 1;
}

uint32_t names_number(const struct thread *t, const char *name)
{
	size_t length = strnlen(name, LOCK_LABEL_PATH - 1);
	uint64_t hash = 14695981039346656037ull;
	uint32_t i, found = 0;

	for (size_t k = 0; k < length; k++)
		hash = (hash ^ (uint8_t)name[k]) * 1099511628211ull;
	if (length == 0 || !enter(t))
		return 0;
	for (i = place(hash); names.names[i].text != 0 && !found; i = (i + 1) % SLOTS)
		if (strlen(text_of(i + 1)) == length && memcmp(text_of(i + 1), name, length) == 0)
			found = i + 1;
	if (!found && names.n_names < NAMES_AT_ONCE && length + 1 <= TEXT_BYTES - names.text_used) {
		memcpy(names.text + names.text_used, name, length);
		names.names[i].text = names.text_used + 1;
		names.text_used += (uint32_t)length + 1;
		names.n_names++;
		found = i + 1;
	}
	leave(t);
	return found;
}

/* The slot of a record, or the free one where it would be. */
static struct named *named_find(uint32_t lock)
{
	uint32_t i = place(lock);

	while (names.named[i].lock != 0 && names.named[i].lock != lock)
		i = (i + 1) % SLOTS;
	return &names.named[i];
}

uint32_t names_of(const struct thread *t, uint32_t lock)
{
	uint32_t name;

	if (!(((const struct lock_rec *)REF_POINTER(lock))->state & STATE_NAMED) || !enter(t))
		return 0;
	name = named_find(lock)->name;
	leave(t);
	return name;
}

bool names_give(struct thread *t, uint32_t lock, uint32_t name)
{
	struct lock_label *label = NULL;

	if (!enter(t))
		return false;
	if (names.n_named < NAMES_AT_ONCE)
		label = arena_take(&t->names_arena, CHUNK_LOCK_LABELS, sizeof(*label), t->ref, t->tid);
	if (label) {
		struct named *slot = named_find(lock);

		label->lock = lock;
		label->fd = LOCK_LABEL_NAME;
		strcpy(label->path, text_of(name));
		arena_publish(&t->names_arena);
		*slot = (struct named){ lock, name };
		names.n_named++;
		__atomic_fetch_or(&((struct lock_rec *)REF_POINTER(lock))->state, STATE_NAMED,
				  __ATOMIC_RELAXED);
	}
	leave(t);
	return label != NULL;
}

bool names_put(const struct thread *t, struct lock_rec *l)
{
	uint32_t name;

	if (!(l->state & STATE_NAMED))
		return false;
	if (!enter(t))
		return true; /* it is never used again */
	name = named_find(POINTER_REF(l))->name;
	if (name != 0) {
		struct name *n = &names.names[name - 1];

		l->creator = NAME_CREATOR;
		l->next = n->dead ? n->dead : LIST_END;
		n->dead = POINTER_REF(l);
	}
	leave(t);
	return true;
}

uint32_t names_get(const struct thread *t, uint32_t name, uint8_t kind)
{
	struct name *n = &names.names[name - 1];
	struct lock_rec *l;
	uint32_t ref = 0;

	if (!enter(t))
		return 0;
	l = n->dead ? REF_POINTER(n->dead) : NULL;
	if (l && l->kind == kind) {
		ref = n->dead;
		n->dead = l->next == LIST_END ? 0 : l->next;
		l->next = 0;
	}
	leave(t);
	return ref;
}

void names_expect(const struct thread *t, uint64_t address, uint32_t name)
{
	struct expected *slot = NULL;
	uint32_t i = place(address);

	if (!enter(t))
		return;
	for (uint32_t n = 0; n < SLOTS && names.expected[i].address != address; n++, i = (i + 1) % SLOTS) {
		if (!slot && names.expected[i].address <= ADDRESS_LEFT)
			slot = &names.expected[i];
		if (names.expected[i].address == 0)
			break;
	}
	if (names.expected[i].address == address) {
		names.expected[i].name = name;
	} else if (slot && names_expected < NAMES_AT_ONCE) {
		*slot = (struct expected){ address, name };
		__atomic_store_n(&names_expected, names_expected + 1, __ATOMIC_RELAXED);
	}
	leave(t);
}

uint32_t names_take(const struct thread *t, uint64_t address)
{
	uint32_t i = place(address), name = 0;

	if (!enter(t))
		return 0;
	for (uint32_t n = 0; n < SLOTS && names.expected[i].address != 0; n++, i = (i + 1) % SLOTS) {
		if (names.expected[i].address != address)
			continue;
		name = names.expected[i].name;
		names.expected[i].address = ADDRESS_LEFT;
		__atomic_store_n(&names_expected, names_expected - 1, __ATOMIC_RELAXED);
		break;
	}
	leave(t);
	return name;
}

void names_reset(void)
{
	names.lock = 0;
	for (uint32_t i = 0; i < SLOTS && names.n_named != 0; i++) {
		struct named *n = &names.named[i];
		const struct lock_rec *l = n->lock ? REF_POINTER(n->lock) : NULL;
		uint32_t k = l ? place(lock_address(l)) : 0;

		if (l && !lock_is_dead(l) && names_expected < NAMES_AT_ONCE) {
			while (names.expected[k].address > ADDRESS_LEFT)
				k = (k + 1) % SLOTS;
			names.expected[k] = (struct expected){ lock_address(l), n->name };
			names_expected++;
		}
		*n = (struct named){ 0, 0 };
	}
	for (uint32_t i = 0; i < SLOTS && names.n_names != 0; i++)
		names.names[i].dead = 0;
	names.n_named = 0;
}
