/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The kinds of locks, from the table kinds.def. Used on both sides of the session; code that is
 * the same for all kinds with a trait asks for the trait and does not name the kinds.
 */
#ifndef MUTRACE_SESSION_KINDS_H
#define MUTRACE_SESSION_KINDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum lock_kind {
#define KIND(number, id, name, maker, noun, letter, traits) KIND_##id = number,
#include "src/session/kinds.def"
#undef KIND
	KIND_MAX /* one more than the last */
};
#define KIND(number, id, name, maker, noun, letter, traits) \
	_Static_assert((number) > 0 && (number) < KIND_MAX, "kinds.def has the numbers in ascending order");
#include "src/session/kinds.def"
#undef KIND

enum kind_trait {
	/* A thread holds it from acquisition to release: holds are timed, and threads can deadlock. */
	TRAIT_HOLDS = 0x01,
	/* It has readers and writers: two sides that are counted apart. */
	TRAIT_SIDES = 0x02,
	/* One thread makes the others wait. Where it is not known, the report says so. */
	TRAIT_HOLDER = 0x04,
	/* Signals are counted, not acquisitions: ranked in a table of its own. */
	TRAIT_SIGNALS = 0x10,
	/* lock_rec.waiters is the number of threads that wait now. */
	TRAIT_WAITERS = 0x20,
	/* Only acquisitions that wait are seen: a cell's "acquired" are those after which the release was seen. */
	TRAIT_WAITS_ONLY = 0x40,
	/* Waits are charged to whoever held it meanwhile. */
	TRAIT_OVERLAP = 0x80,
	/* The thread that holds it may acquire it again, and releases it as often. */
	TRAIT_NESTS = 0x100,
	/* One of the C library's own locks. */
	TRAIT_LIBC = 0x200,
	/* A word that threads wait at, for a lock or for work: the report tells which by how it is used. */
	TRAIT_WORD = 0x400,
};

/* A line of kinds.def. */
struct kind_facts {
	const char *name, *maker, *noun;
	char letter;
	unsigned int traits;
};

/* Any number may be asked for: what is no kind has no traits. */
static inline struct kind_facts kind_facts(unsigned int kind)
{
	switch (kind) {
#define KIND(number, id, name, maker, noun, letter, traits) \
	case number: \
		return (struct kind_facts){ name, maker, noun, letter, traits };
#include "src/session/kinds.def"
#undef KIND
	default: return (struct kind_facts){ "lock", "unknown", "lock", '?', 0 };
	}
}

/* Apart from kind_facts(), as the recorder asks often: a look into a table. */
static inline bool kind_has(unsigned int kind, enum kind_trait trait)
{
	switch (kind) {
#define KIND(number, id, name, maker, noun, letter, traits) \
	case number: \
		return ((unsigned int)(traits) & (unsigned int)trait) != 0;
#include "src/session/kinds.def"
#undef KIND
	default: return false;
	}
}

static inline const char *kind_name(unsigned int kind)
{
	return kind_facts(kind).name;
}

/* Whose lock it is: made_by in reports. */
static inline const char *kind_maker(unsigned int kind)
{
	return kind_facts(kind).maker;
}

/* In texts: whose lock it is, and what. */
static inline const char *kind_noun(unsigned int kind)
{
	return kind_facts(kind).noun;
}

static inline char kind_letter(unsigned int kind)
{
	return kind_facts(kind).letter;
}

/* The first kind of a name, 0 if there is none. */
static inline unsigned int kind_named(const char *text)
{
#define KIND(number, id, name, maker, noun, letter, traits) \
	if (strcmp(text, name) == 0) \
		return number;
#include "src/session/kinds.def"
#undef KIND
	return 0;
}

#endif
