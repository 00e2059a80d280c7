/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Growing buffers and the encoding in which symbolize.c and the engine talk (sym_link.h). Runs in mutrace
 * only, on both sides of the link. Numbers travel in the machine's own order: both ends are one program.
 *
 * A reader that runs over the end sets "bad" and gives zeros from then on, so that it is checked once at the
 * end: whoever is on the other side may have been subverted by the file it reads.
 */
#ifndef MUTRACE_SYMBOLS_SYM_WIRE_H
#define MUTRACE_SYMBOLS_SYM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sym_buffer {
	uint8_t *data;
	size_t size, capacity;
	size_t read; /* how far a reader came */
	bool bad;    /* no memory while writing, or read over the end */
};

/* A NULL-safe end; the buffer can be used again. */
void sym_buffer_free(struct sym_buffer *b);
/* Forgets the contents, keeps the memory. */
void sym_buffer_reset(struct sym_buffer *b);
/* Makes room for size bytes at the end and returns it; NULL (and bad) without memory. */
void *sym_buffer_extend(struct sym_buffer *b, size_t size);

void sym_put_bytes(struct sym_buffer *b, const void *data, size_t size);
void sym_put_u32(struct sym_buffer *b, uint32_t value);
void sym_put_u64(struct sym_buffer *b, uint64_t value);
/* Returns the next size bytes, NULL if there are not as many. */
const void *sym_get_bytes(struct sym_buffer *b, size_t size);
uint32_t sym_get_u32(struct sym_buffer *b);
uint64_t sym_get_u64(struct sym_buffer *b);

/*
 * Strings are sent once and then referred to by number: 1, 2, 3... in the order of their first use, 0 for
 * none. The sender keeps a struct sym_intern, the receiver an array.
 */
struct sym_intern {
	struct sym_intern_entry *table;
	size_t used, capacity;
};

void sym_intern_free(struct sym_intern *in);
/* Writes a string by its number, with its text if it is new. text may be NULL. */
void sym_put_string(struct sym_buffer *b, struct sym_intern *in, const char *text);

struct sym_strings {
	char **text;
	size_t count, capacity;
};

void sym_strings_free(struct sym_strings *s);
/* The string that sym_put_string() wrote; it lives as long as s. NULL: none, or damaged (then b is bad). */
const char *sym_get_string(struct sym_buffer *b, struct sym_strings *s);

/* A hash of a string, for tables. */
uint32_t sym_hash(const char *text);

#endif
