/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets of a Perfetto trace, written one by one: shared by perfetto.c, which knows what is shown, and perfetto_out.c, which
 * knows the format. Memory is needed for the names of one sequence of packets only. Runs in mutrace.
 */
#ifndef MUTRACE_RENDER_PERFETTO_H
#define MUTRACE_RENDER_PERFETTO_H

#include <stdbool.h>
#include <stdio.h>

#include "src/base/strings.h"
#include "src/base/table.h"
#include "src/render/perfetto.pb-c.h"

#define PERFETTO_ANNOTATIONS 16 /* of an event */
#define PERFETTO_FRAMES 64      /* of a stack */
#define PERFETTO_TEXT 4096

enum perfetto_type { PERFETTO_BEGIN = 1, PERFETTO_END = 2, PERFETTO_INSTANT = 3 };

/* Kinds of texts. Each text has a number of its own in each sequence. */
enum perfetto_intern { INTERN_CATEGORY, INTERN_NAME, INTERN_KEY, INTERN_VALUE, INTERN_MAX };

struct perfetto {
	FILE *f;
	int error;                      /* 0, or -errno: nothing is written any more */
	uint32_t sequence;              /* that packets belong to now */
	uint64_t track;                 /* of events that name none */
	bool begun;                     /* the sequence's first packet is written */
	struct strings texts;           /* cleaned */
	struct table known[INTERN_MAX]; /* address of a text -> number */
	/* new numbers, for the next packet */
	Perfetto__InternedData fresh;
	size_t cap_categories, cap_names, cap_keys, cap_values;
	struct pool pool;
	uint8_t *buffer;
	size_t buffer_size;
	/* the event that is being put together */
	Perfetto__TrackEvent event;
	uint64_t category;
	Perfetto__DebugAnnotation annotations[PERFETTO_ANNOTATIONS], *annotation_list[PERFETTO_ANNOTATIONS];
	Perfetto__DebugAnnotation frames[PERFETTO_FRAMES], *frame_list[PERFETTO_FRAMES];
	uint64_t *flows, end_flow;
	size_t cap_flows;
};

void perfetto_open(struct perfetto *p, FILE *f);
/* Frees what it holds; not the file. */
void perfetto_close(struct perfetto *p);

void perfetto_packet(struct perfetto *p, Perfetto__TracePacket *packet);
void perfetto_descriptor(struct perfetto *p, Perfetto__TrackDescriptor *d);
/* From now on packets are of another sequence, whose times do not go back. track: see there. */
void perfetto_sequence(struct perfetto *p, uint32_t sequence, uint64_t track);

/* An event: begun, given what it has, put. Texts must stay as they are until perfetto_close(): they are known by their addresses. category, name: NULL of one that ends. */
void perfetto_event(struct perfetto *p, enum perfetto_type type, const char *category, const char *name);
void perfetto_text(struct perfetto *p, const char *key, const char *value); /* value NULL: left out */
void perfetto_number(struct perfetto *p, const char *key, uint64_t value);
void perfetto_address(struct perfetto *p, const char *key, uint64_t value);
void perfetto_flag(struct perfetto *p, const char *key);
/* A list of texts: perfetto_list() begins it, at most PERFETTO_FRAMES items follow; one list an event. */
void perfetto_list(struct perfetto *p, const char *key);
void perfetto_item(struct perfetto *p, const char *value);
/* A flow begins here, or one ends. */
void perfetto_flow(struct perfetto *p, uint64_t flow);
void perfetto_flow_end(struct perfetto *p, uint64_t flow);
void perfetto_put(struct perfetto *p, uint64_t time_ns, uint64_t track);

#endif
