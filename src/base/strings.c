/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A set with open addressing, at most two thirds full; see strings.h. */
#include "src/base/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/hash.h"

#define STRINGS_FIRST_SIZE 64u

static uint64_t text_hash(const struct strings *s, const char *text)
{
	uint64_t h = s->seed;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return hash_mix(h);
}

static size_t text_slot(const struct strings *s, const char *text)
{
	size_t i = text_hash(s, text) & s->mask;

	while (s->slots[i] && strcmp(s->slots[i], text) != 0)
		i = (i + 1) & s->mask;
	return i;
}

void strings_free(struct strings *s)
{
	pool_free(&s->pool);
	free(s->slots);
	memset(s, 0, sizeof(*s));
}

static int strings_grow(struct strings *s)
{
	size_t i, size = s->slots ? (s->mask + 1) * 2 : STRINGS_FIRST_SIZE, old = s->slots ? s->mask + 1 : 0;
	const char **slots = s->slots;
	const char **new = calloc(size, sizeof(*new));

	if (!new)
		return -ENOMEM;
	if (!slots)
		s->seed = hash_seed(new);
	s->slots = new;
	s->mask = size - 1;
	for (i = 0; i < old; i++) {
		if (slots[i])
			new[text_slot(s, slots[i])] = slots[i];
	}
	free(slots);
	return 0;
}

const char *strings_intern(struct strings *s, const char *text)
{
	size_t i;

	if (!s->slots || s->count * 3 >= (s->mask + 1) * 2) {
		if (strings_grow(s) < 0)
			return NULL;
	}
	i = text_slot(s, text);
	if (!s->slots[i]) {
		s->slots[i] = pool_copy(&s->pool, text, strlen(text));
		if (s->slots[i])
			s->count++;
	}
	return s->slots[i];
}
