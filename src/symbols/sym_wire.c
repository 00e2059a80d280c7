/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Buffers, numbers and strings on the way between symbolize.c and its engine; see sym_wire.h. Runs in mutrace
 * only, takes no locks.
 */
#include "src/symbols/sym_wire.h"

#include <stdlib.h>
#include <string.h>

#define STRING_MAX (1u << 20) /* C++ names of hundreds of kB exist; a longer one is cut */

struct sym_intern_entry {
	char *text; /* NULL: free */
	uint32_t hash;
	uint32_t number;
};

void sym_buffer_free(struct sym_buffer *b)
{
	free(b->data);
	*b = (struct sym_buffer){ 0 };
}

void sym_buffer_reset(struct sym_buffer *b)
{
	b->size = b->read = 0;
	b->bad = false;
}

void *sym_buffer_extend(struct sym_buffer *b, size_t size)
{
	if (b->capacity - b->size < size) {
		size_t capacity = b->capacity ? b->capacity : 4096;
		uint8_t *data;

		while (capacity - b->size < size) {
			if (capacity > SIZE_MAX / 2) {
				b->bad = true;
				return NULL;
			}
			capacity *= 2;
		}
		data = realloc(b->data, capacity);
		if (!data) {
			b->bad = true;
			return NULL;
		}
		b->data = data;
		b->capacity = capacity;
	}
	b->size += size;
	return b->data + b->size - size;
}

void sym_put_bytes(struct sym_buffer *b, const void *data, size_t size)
{
	void *to = sym_buffer_extend(b, size);

	if (to && size)
		memcpy(to, data, size);
}

void sym_put_u32(struct sym_buffer *b, uint32_t value)
{
	sym_put_bytes(b, &value, sizeof(value));
}

void sym_put_u64(struct sym_buffer *b, uint64_t value)
{
	sym_put_bytes(b, &value, sizeof(value));
}

const void *sym_get_bytes(struct sym_buffer *b, size_t size)
{
	if (b->bad || b->size - b->read < size) {
		b->bad = true;
		return NULL;
	}
	b->read += size;
	return b->data + b->read - size;
}

uint32_t sym_get_u32(struct sym_buffer *b)
{
	const void *from = sym_get_bytes(b, sizeof(uint32_t));
	uint32_t value = 0;

	if (from)
		memcpy(&value, from, sizeof(value));
	return value;
}

uint64_t sym_get_u64(struct sym_buffer *b)
{
	const void *from = sym_get_bytes(b, sizeof(uint64_t));
	uint64_t value = 0;

	if (from)
		memcpy(&value, from, sizeof(value));
	return value;
}

uint32_t sym_hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h;
}

void sym_intern_free(struct sym_intern *in)
{
	for (size_t i = 0; i < in->capacity; i++)
		free(in->table[i].text);
	free(in->table);
	*in = (struct sym_intern){ 0 };
}

static bool intern_grow(struct sym_intern *in)
{
	size_t capacity = in->capacity ? in->capacity * 2 : 1024;
	struct sym_intern_entry *table = calloc(capacity, sizeof(*table));

	if (!table)
		return false;
	for (size_t i = 0; i < in->capacity; i++) {
		size_t at;

		if (!in->table[i].text)
			continue;
		at = in->table[i].hash & (capacity - 1);
		while (table[at].text)
			at = (at + 1) & (capacity - 1);
		table[at] = in->table[i];
	}
	free(in->table);
	in->table = table;
	in->capacity = capacity;
	return true;
}

void sym_put_string(struct sym_buffer *b, struct sym_intern *in, const char *text)
{
	uint32_t hash;
	size_t at, size;

	if (!text) {
		sym_put_u32(b, 0);
		return;
	}
	if (in->used * 2 >= in->capacity && !intern_grow(in)) {
		b->bad = true;
		return;
	}
	hash = sym_hash(text);
	at = hash & (in->capacity - 1);
	while (in->table[at].text) {
		if (in->table[at].hash == hash && !strcmp(in->table[at].text, text)) {
			sym_put_u32(b, in->table[at].number);
			return;
		}
		at = (at + 1) & (in->capacity - 1);
	}
	in->table[at].text = strdup(text);
	if (!in->table[at].text) {
		b->bad = true;
		return;
	}
	in->table[at].hash = hash;
	in->table[at].number = (uint32_t)++in->used;
	size = strnlen(text, STRING_MAX);
	sym_put_u32(b, in->table[at].number);
	sym_put_u32(b, (uint32_t)size);
	sym_put_bytes(b, text, size);
}

void sym_strings_free(struct sym_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->text[i]);
	free(s->text);
	*s = (struct sym_strings){ 0 };
}

const char *sym_get_string(struct sym_buffer *b, struct sym_strings *s)
{
	uint32_t number = sym_get_u32(b), size;
	const void *from;

	if (!number)
		return NULL;
	if (number <= s->count)
		return s->text[number - 1];
	if (number != s->count + 1) {
		b->bad = true;
		return NULL;
	}
	size = sym_get_u32(b);
	from = sym_get_bytes(b, size);
	if (!from)
		return NULL;
	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? s->capacity * 2 : 256;
		char **text = reallocarray(s->text, capacity, sizeof(*text));

		if (!text) {
			b->bad = true;
			return NULL;
		}
		s->text = text;
		s->capacity = capacity;
	}
	s->text[s->count] = strndup(from, size);
	if (!s->text[s->count]) {
		b->bad = true;
		return NULL;
	}
	return s->text[s->count++];
}
