/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The answers so far, by address: a hash table that only grows. Runs in mutrace.
 */
#ifndef MUTRACE_SYMBOLS_SYM_ANSWERS_H
#define MUTRACE_SYMBOLS_SYM_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

struct sym_answer {
	uint64_t address;
	void *value; /* its owner's; NULL: the slot is free */
	size_t count;
};

struct sym_variable {            /* the answer about an address of data */
	const char *name, *file; /* file: NULL if unknown */
	uint64_t offset;         /* of the address, from the variable's start */
	unsigned int line;
	uint64_t size;    /* of the variable */
	const char *part; /* "[4]", ".mutex": the part that the address is in; NULL: unknown */
};

struct sym_answers {
	struct sym_answer *table;
	size_t used, capacity;
};

/* NULL: not there. Valid until the next sym_answers_put(). */
struct sym_answer *sym_answers_find(const struct sym_answers *a, uint64_t address);
/* Adds an address that is not there yet; value is not NULL. 0 or -ENOMEM. */
int sym_answers_put(struct sym_answers *a, const struct sym_answer *answer);
/* Frees the table and all values but keep. */
void sym_answers_free(struct sym_answers *a, const void *keep);

#endif
