/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The format of Perfetto's traces, by perfetto.proto and protobuf-c; see perfetto.h. Called by perfetto.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/render/clean.h"
#include "src/render/perfetto.h"

#define CLOCK_BOOT 6
#define STATE_CLEARED 1u
#define STATE_NEEDED 2u

void perfetto_open(struct perfetto *p, FILE *f)
{
	*p = (struct perfetto){ .f = f };
	perfetto__interned_data__init(&p->fresh);
}

static void forget(struct perfetto *p)
{
	Perfetto__InternedData *d = &p->fresh;

	for (int i = 0; i < INTERN_MAX; i++) {
		table_free(&p->known[i]);
		p->known[i] = (struct table){ 0 };
	}
	d->n_event_categories = d->n_event_names = d->n_debug_annotation_names = 0;
	d->n_debug_annotation_string_values = 0;
}

void perfetto_close(struct perfetto *p)
{
	forget(p);
	strings_free(&p->texts);
	pool_free(&p->pool);
	free(p->fresh.event_categories);
	free(p->fresh.event_names);
	free(p->fresh.debug_annotation_names);
	free(p->fresh.debug_annotation_string_values);
	free(p->flows);
	free(p->buffer);
}

static void fail(struct perfetto *p, int error)
{
	if (p->error == 0)
		p->error = error;
}

static void write_trace(struct perfetto *p, const Perfetto__Trace *trace)
{
	size_t size = perfetto__trace__get_packed_size(trace);

	if (size > p->buffer_size) {
		uint8_t *more = realloc(p->buffer, 2 * size);

		if (!more) {
			fail(p, -ENOMEM);
			return;
		}
		p->buffer = more;
		p->buffer_size = 2 * size;
	}
	perfetto__trace__pack(trace, p->buffer);
	if (fwrite(p->buffer, 1, size, p->f) != size)
		fail(p, -EIO);
}

/* A trace of one packet; behind each other they are one of all. */
void perfetto_packet(struct perfetto *p, Perfetto__TracePacket *packet)
{
	Perfetto__TracePacketDefaults defaults = PERFETTO__TRACE_PACKET_DEFAULTS__INIT;
	Perfetto__TrackEventDefaults event = PERFETTO__TRACK_EVENT_DEFAULTS__INIT;
	Perfetto__Trace trace = PERFETTO__TRACE__INIT;
	Perfetto__InternedData *d = &p->fresh;

	if (p->error < 0)
		return;
	packet->trusted_packet_sequence_id = p->sequence;
	packet->sequence_flags = STATE_NEEDED;
	if (!p->begun) {
		packet->sequence_flags |= STATE_CLEARED;
		event.track_uuid = p->track;
		defaults.track_event_defaults = &event;
		defaults.timestamp_clock_id = CLOCK_BOOT;
		packet->trace_packet_defaults = &defaults;
		p->begun = true;
	}
	if (d->n_event_categories + d->n_event_names + d->n_debug_annotation_names +
	    d->n_debug_annotation_string_values)
		packet->interned_data = d;
	trace.packet = &packet;
	trace.n_packet = 1;
	write_trace(p, &trace);
	d->n_event_categories = d->n_event_names = d->n_debug_annotation_names = 0;
	d->n_debug_annotation_string_values = 0;
	pool_free(&p->pool);
	p->pool = (struct pool){ 0 };
}

void perfetto_descriptor(struct perfetto *p, Perfetto__TrackDescriptor *d)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;

	packet.track_descriptor = d;
	perfetto_packet(p, &packet);
}

void perfetto_sequence(struct perfetto *p, uint32_t sequence, uint64_t track)
{
	forget(p);
	p->sequence = sequence;
	p->track = track;
	p->begun = false;
}

static void *fresh_item(struct perfetto *p, void *array, size_t n, size_t *capacity, size_t size)
{
	void *item = pool_take(&p->pool, size);

	if (!item || array_grow(array, n, capacity, sizeof(void *)) < 0) {
		fail(p, -ENOMEM);
		return NULL;
	}
	return item;
}

static void fresh_name(struct perfetto *p, Perfetto__InternedName ***names, size_t *n, size_t *capacity,
		       uint64_t iid, const char *text)
{
	Perfetto__InternedName *name = fresh_item(p, names, *n, capacity, sizeof(*name));

	if (!name)
		return;
	perfetto__interned_name__init(name);
	name->iid = iid;
	name->name = (char *)text;
	(*names)[(*n)++] = name;
}

static void fresh_value(struct perfetto *p, uint64_t iid, const char *text)
{
	Perfetto__InternedData *d = &p->fresh;
	Perfetto__InternedString *s =
		fresh_item(p, &d->debug_annotation_string_values, d->n_debug_annotation_string_values,
			   &p->cap_values, sizeof(*s));

	if (!s)
		return;
	perfetto__interned_string__init(s);
	s->iid = iid;
	s->str.data = (uint8_t *)text;
	s->str.len = strlen(text);
	d->debug_annotation_string_values[d->n_debug_annotation_string_values++] = s;
}

/* The number of a text in the sequence, from 1. Its address stands for it. */
static uint64_t number_of(struct perfetto *p, enum perfetto_intern what, const char *text)
{
	uint32_t number = table_get(&p->known[what], (uintptr_t)text, 0);
	Perfetto__InternedData *d = &p->fresh;
	char clean[PERFETTO_TEXT];
	const char *kept;

	if (number != TABLE_NONE)
		return number;
	kept = strings_intern(&p->texts, clean_utf8(clean, sizeof(clean), text));
	number = (uint32_t)p->known[what].count + 1;
	if (!kept || table_put(&p->known[what], (uintptr_t)text, 0, number) < 0) {
		fail(p, -ENOMEM);
		return 0;
	}
	switch (what) {
	case INTERN_CATEGORY:
		fresh_name(p, &d->event_categories, &d->n_event_categories, &p->cap_categories, number, kept);
		break;
	case INTERN_NAME:
		fresh_name(p, &d->event_names, &d->n_event_names, &p->cap_names, number, kept);
		break;
	case INTERN_KEY:
		fresh_name(p, &d->debug_annotation_names, &d->n_debug_annotation_names, &p->cap_keys, number,
			   kept);
		break;
	default: fresh_value(p, number, kept);
	}
	return number;
}

void perfetto_event(struct perfetto *p, enum perfetto_type type, const char *category, const char *name)
{
	Perfetto__TrackEvent *e = &p->event;

	perfetto__track_event__init(e);
	e->type = (int32_t)type;
	e->debug_annotations = p->annotation_list;
	if (category) {
		p->category = number_of(p, INTERN_CATEGORY, category);
		e->category_iids = &p->category;
		e->n_category_iids = 1;
	}
	if (name)
		e->name_iid = number_of(p, INTERN_NAME, name);
}

/* Without room: one that nobody sees. */
static Perfetto__DebugAnnotation *annotation(struct perfetto *p, const char *key)
{
	Perfetto__TrackEvent *e = &p->event;
	size_t at = e->n_debug_annotations < PERFETTO_ANNOTATIONS - 1 ? e->n_debug_annotations++
								      : PERFETTO_ANNOTATIONS - 1;
	Perfetto__DebugAnnotation *a = p->annotation_list[at] = &p->annotations[at];

	perfetto__debug_annotation__init(a);
	a->name_iid = number_of(p, INTERN_KEY, key);
	return a;
}

void perfetto_text(struct perfetto *p, const char *key, const char *value)
{
	if (value)
		annotation(p, key)->string_value_iid = number_of(p, INTERN_VALUE, value);
}

void perfetto_number(struct perfetto *p, const char *key, uint64_t value)
{
	annotation(p, key)->uint_value = value;
}

void perfetto_address(struct perfetto *p, const char *key, uint64_t value)
{
	annotation(p, key)->pointer_value = value;
}

void perfetto_flag(struct perfetto *p, const char *key)
{
	annotation(p, key)->bool_value = true;
}

void perfetto_list(struct perfetto *p, const char *key)
{
	annotation(p, key)->array_values = p->frame_list;
}

void perfetto_item(struct perfetto *p, const char *value)
{
	Perfetto__DebugAnnotation *list = p->annotation_list[p->event.n_debug_annotations - 1];
	size_t at = list->n_array_values;

	if (at == PERFETTO_FRAMES)
		return;
	perfetto__debug_annotation__init(&p->frames[at]);
	p->frames[at].string_value_iid = number_of(p, INTERN_VALUE, value);
	p->frame_list[at] = &p->frames[at];
	list->n_array_values++;
}

void perfetto_flow(struct perfetto *p, uint64_t flow)
{
	if (array_grow(&p->flows, p->event.n_flow_ids, &p->cap_flows, sizeof(*p->flows)) < 0) {
		fail(p, -ENOMEM);
		return;
	}
	p->flows[p->event.n_flow_ids++] = flow;
}

void perfetto_flow_end(struct perfetto *p, uint64_t flow)
{
	p->end_flow = flow;
	p->event.terminating_flow_ids = &p->end_flow;
	p->event.n_terminating_flow_ids = 1;
}

void perfetto_put(struct perfetto *p, uint64_t time_ns, uint64_t track)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;

	p->event.track_uuid = track == p->track ? 0 : track;
	p->event.flow_ids = p->flows;
	packet.timestamp = time_ns;
	packet.track_event = &p->event;
	perfetto_packet(p, &packet);
}
