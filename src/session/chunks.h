/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The traits of the types of chunks, by the table chunks.def. Known to both sides; takes no lock and calls nothing. */
#ifndef MUTRACE_SESSION_CHUNKS_H
#define MUTRACE_SESSION_CHUNKS_H

#include <stdbool.h>

#include "src/session/format.h"

/* Traits. CHUNK_RECORDED: an image with such an item has something that a report shows. CHUNK_OPTIONAL: where
 * there is no room for one, no acquisition or call is lost. */
#define CHUNK_RECORDED 1u
#define CHUNK_OPTIONAL 2u

static inline bool chunk_is_optional(uint32_t type)
{
	switch (type) {
#define CHUNK(number, name, item, least, traits) \
	case number: \
		return ((traits)&CHUNK_OPTIONAL) != 0;
#include "src/session/chunks.def"
#undef CHUNK
	default: return false;
	}
}

/* True if items of a type are something to report. Those of types that only newer writers know may be. */
static inline bool chunk_is_recorded(uint32_t type)
{
	switch (type) {
#define CHUNK(number, name, item, least, traits) \
	case number: \
		return ((traits)&CHUNK_RECORDED) != 0;
#include "src/session/chunks.def"
#undef CHUNK
	default: return true;
	}
}

/* How long an item is at least, 0 for a type that is not known. */
static inline uint32_t chunk_item_least(uint32_t type)
{
	switch (type) {
#define CHUNK(number, name, item, least, traits) \
	case number: \
		return least;
#include "src/session/chunks.def"
#undef CHUNK
	default: return 0;
	}
}

#define CHUNK(number, name, item, least, traits) \
	_Static_assert(sizeof(item) >= (least) && (least) % REF_UNIT == 0, #name);
#include "src/session/chunks.def"
#undef CHUNK

#endif
