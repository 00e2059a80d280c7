/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Pointers to functions in the variables of an object, as a program keeps those that dlsym() gave it. Calls
 * through them pass by the object's slots. Words with the address of such a function are replaced.
 *
 * Runs in the profiled process, where it is attached to and at the detach; other threads run on. Takes no
 * lock. Called by redirect.c.
 */
#ifndef MUTRACE_INJECT_POINTERS_H
#define MUTRACE_INJECT_POINTERS_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pointers {
	uintptr_t low, high; /* of the functions that are looked for */
	/* The address that takes the place of another one; 0: none does. */
	uintptr_t (*other)(const void *data, uintptr_t value);
	const void *data;
	size_t page;
	size_t budget;        /* bytes that may still be looked at */
	bool count;           /* nothing is to be changed */
	uint32_t found, kept; /* replaced; in memory that cannot be written */
};

/* In a part of the memory. */
void pointers_replace(struct pointers *p, uintptr_t from, uintptr_t to);
/* In the variables of an object, but for the part that the loader write-protects. */
void pointers_replace_in(struct pointers *p, const struct dl_phdr_info *object, uintptr_t relro,
			 uintptr_t relro_end);

#endif
