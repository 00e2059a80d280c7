/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pprof's format (protobuf, gzip), with the sample types of Go's mutex profile: contentions and delay. A
 * sample is a stack and a lock, which is its label. Built with protobuf-c from profile.proto. Runs in
 * mutrace. Called by src/cmd/pipeline.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "src/base/array.h"
#include "src/base/strings.h"
#include "src/base/table.h"
#include "src/render/clean.h"
#include "src/render/render.h"
#include "src/render/stacks.h"
#include "src/render/profile.pb-c.h"

#define NAME_SIZE 4096

struct builder {
	struct pool pool;
	struct strings texts;
	struct table text_numbers;      /* interned text -> index in string_table */
	struct table functions;         /* (name, file) -> id */
	struct table mappings;          /* module -> id */
	struct table places, locations; /* (module and function, line and address) -> id */
	Pprof__Profile profile;
	size_t cap_texts, cap_functions, cap_mappings, cap_locations, cap_samples;
	bool failed; /* no memory */
};

/* One more pointer to a message in an array of them. */
#define APPEND(b, array, capacity, message) \
	do { \
		if (!(message) || array_grow(&(b)->profile.array, (b)->profile.n_##array, &(b)->capacity, \
					     sizeof(void *)) < 0) \
			(b)->failed = true; \
		else \
			(b)->profile.array[(b)->profile.n_##array++] = (message); \
	} while (0)

static int64_t text_number(struct builder *b, const char *s)
{
	char clean[NAME_SIZE];
	const char *text = strings_intern(&b->texts, clean_utf8(clean, sizeof(clean), s ? s : ""));
	uint32_t number = text ? table_get(&b->text_numbers, (uintptr_t)text, 0) : 0;

	if (text && number != TABLE_NONE)
		return number;
	number = (uint32_t)b->profile.n_string_table;
	APPEND(b, string_table, cap_texts, (char *)text);
	if (table_put(&b->text_numbers, (uintptr_t)text, 0, number) < 0)
		b->failed = true;
	return number;
}

static Pprof__ValueType *value_type(struct builder *b, const char *type, const char *unit)
{
	Pprof__ValueType *t = pool_take(&b->pool, sizeof(*t));

	if (!t) {
		b->failed = true;
		return NULL;
	}
	pprof__value_type__init(t);
	t->type = text_number(b, type);
	t->unit = text_number(b, unit);
	return t;
}

static uint64_t function_id(struct builder *b, const struct report_frame *f)
{
	int64_t name = text_number(b, f->function), file = text_number(b, f->file);
	uint32_t id = table_get(&b->functions, (uint64_t)name, (uint64_t)file);
	char clean[NAME_SIZE];
	Pprof__Function *out;

	if (id != TABLE_NONE)
		return id;
	out = pool_take(&b->pool, sizeof(*out));
	id = (uint32_t)b->profile.n_function + 1;
	if (!out || table_put(&b->functions, (uint64_t)name, (uint64_t)file, id) < 0) {
		b->failed = true;
		return 0;
	}
	pprof__function__init(out);
	out->id = id;
	clean_function_long(clean, sizeof(clean), f->function);
	out->name = text_number(b, clean);
	out->system_name = name;
	out->filename = file;
	APPEND(b, function, cap_functions, out);
	return id;
}

static int64_t build_id(struct builder *b, const struct model_module *m)
{
	char hex[2 * BUILD_ID_MAX + 1] = "";

	for (uint32_t i = 0; i < m->build_id_size && i < BUILD_ID_MAX; i++)
		snprintf(hex + 2 * i, 3, "%02x", m->build_id[i]);
	return text_number(b, hex);
}

static Pprof__Mapping *mapping_of(struct builder *b, const struct report *r, const struct report_frame *f)
{
	uint32_t id = f->module ? table_get(&b->mappings, (uintptr_t)f->module, 0) : TABLE_NONE;
	Pprof__Mapping *out;

	if (!f->module)
		return NULL;
	if (id != TABLE_NONE)
		return b->profile.mapping[id - 1];
	out = pool_take(&b->pool, sizeof(*out));
	id = (uint32_t)b->profile.n_mapping + 1;
	if (!out || table_put(&b->mappings, (uintptr_t)f->module, 0, id) < 0) {
		b->failed = true;
		return NULL;
	}
	pprof__mapping__init(out);
	out->id = id;
	out->memory_start = f->address - f->offset;
	out->filename = text_number(b, f->module);
	for (size_t i = 0; i < r->model->n_modules; i++)
		if (r->model->modules[i].path == f->module)
			out->build_id = build_id(b, &r->model->modules[i]);
	/* names are there as far as they are known; a viewer need not look for the file */
	out->has_functions = out->has_filenames = out->has_line_numbers = out->has_inline_frames = true;
	APPEND(b, mapping, cap_mappings, out);
	return b->failed ? NULL : out;
}

static uint64_t location_id(struct builder *b, const struct report *r, const struct report_frame *f)
{
	Pprof__Mapping *mapping = mapping_of(b, r, f);
	uint64_t function = f->function ? function_id(b, f) : 0;
	uint32_t place = table_get(&b->places, function, mapping ? mapping->id : 0), id;
	Pprof__Location *out;
	Pprof__Line *line, **lines;

	if (place == TABLE_NONE) {
		place = (uint32_t)b->places.count;
		if (table_put(&b->places, function, mapping ? mapping->id : 0, place) < 0)
			b->failed = true;
	}
	id = table_get(&b->locations, f->address, (uint64_t)place << 32 | f->line);
	if (id != TABLE_NONE)
		return id;
	id = (uint32_t)b->profile.n_location + 1;
	out = pool_take(&b->pool, sizeof(*out));
	line = pool_take(&b->pool, sizeof(*line));
	lines = pool_take(&b->pool, sizeof(*lines));
	if (!out || !line || !lines ||
	    table_put(&b->locations, f->address, (uint64_t)place << 32 | f->line, id) < 0) {
		b->failed = true;
		return 0;
	}
	pprof__location__init(out);
	pprof__line__init(line);
	out->id = id;
	out->address = f->address;
	if (mapping) {
		out->mapping_id = mapping->id;
		if (f->address >= mapping->memory_limit)
			mapping->memory_limit = (f->address | 4095) + 1;
	}
	if (function) {
		line->function_id = function;
		line->line = f->line;
		lines[0] = line;
		out->line = lines;
		out->n_line = 1;
	}
	APPEND(b, location, cap_locations, out);
	return id;
}

static Pprof__Label *label(struct builder *b, const char *key, const char *value)
{
	Pprof__Label *l = pool_take(&b->pool, sizeof(*l));

	if (!l) {
		b->failed = true;
		return NULL;
	}
	pprof__label__init(l);
	l->key = text_number(b, key);
	l->str = text_number(b, value);
	return l;
}

static void sample(struct builder *b, const struct report *r, const struct report_row *row,
		   const struct report_group *g)
{
	Pprof__Sample *s = pool_take(&b->pool, sizeof(*s));
	size_t n = g->stack ? g->stack->n : 0, i;
	uint64_t *ids = pool_take(&b->pool, (n + 1) * sizeof(*ids));
	int64_t *values = pool_take(&b->pool, 2 * sizeof(*values));
	Pprof__Label **labels = pool_take(&b->pool, 2 * sizeof(*labels));

	if (!s || !ids || !values || !labels) {
		b->failed = true;
		return;
	}
	pprof__sample__init(s);
	for (i = 0; i < n && !b->failed; i++)
		ids[i] = location_id(b, r, &g->stack->frames[i]);
	s->location_id = ids;
	s->n_location_id = n;
	values[0] = (int64_t)g->count;
	values[1] = (int64_t)g->ns;
	s->value = values;
	s->n_value = 2;
	labels[0] = label(b, "lock", row->name);
	labels[1] = label(b, "kind", kind_name(row->kind));
	s->label = labels;
	s->n_label = 2;
	APPEND(b, sample, cap_samples, s);
}

static void build(struct builder *b, const struct report *r, enum report_time time)
{
	Pprof__ValueType **types = pool_take(&b->pool, 2 * sizeof(*types));
	size_t i, j, k, n;

	pprof__profile__init(&b->profile);
	text_number(b, ""); /* must be the first */
	if (!types) {
		b->failed = true;
		return;
	}
	types[0] = value_type(b, time == TIME_HOLD ? "acquisitions" : "contentions", "count");
	types[1] = value_type(b, time == TIME_HOLD ? "hold" : "delay", "nanoseconds");
	b->profile.sample_type = types;
	b->profile.n_sample_type = 2;
	b->profile.default_sample_type = types[1] ? types[1]->type : 0;
	b->profile.period_type = types[0];
	b->profile.period = 1;
	if (r->n_processes)
		b->profile.time_nanos = (int64_t)r->processes[0].first->start_realtime_ns;
	for (i = 0; i < r->n_processes; i++) {
		const struct report_process *e = &r->processes[i];

		if ((int64_t)e->runtime_ns > b->profile.duration_nanos)
			b->profile.duration_nanos = (int64_t)e->runtime_ns;
		for (j = 0; j < e->n_locks && !b->failed; j++) {
			const struct report_group *g = stacks_of(&e->locks[j], time, &n);

			for (k = 0; k < n && !b->failed; k++)
				if (g[k].count > 0)
					sample(b, r, &e->locks[j], &g[k]);
		}
	}
}

static int compressed_write(FILE *out, uint8_t *bytes, size_t size)
{
	z_stream z = { .next_in = bytes, .avail_in = (uInt)size };
	uint8_t piece[16384];
	int r;

	if (size > UINT32_MAX)
		return -EFBIG;
	/* 16: with gzip's header, which readers know it by */
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = piece;
		z.avail_out = sizeof(piece);
		r = deflate(&z, Z_FINISH);
		fwrite(piece, 1, sizeof(piece) - z.avail_out, out);
	} while (r == Z_OK);
	deflateEnd(&z);
	return r != Z_STREAM_END || fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

static int pprof_render(FILE *out, const struct report *r, const struct render_options *o)
{
	struct builder b = { 0 };
	uint8_t *bytes = NULL;
	size_t size = 0;
	int e = -ENOMEM;

	build(&b, r, o->time);
	if (!b.failed) {
		size = pprof__profile__get_packed_size(&b.profile);
		bytes = malloc(size ? size : 1);
	}
	if (bytes) {
		pprof__profile__pack(&b.profile, bytes);
		e = compressed_write(out, bytes, size);
	}
	free(bytes);
	free(b.profile.string_table);
	free(b.profile.function);
	free(b.profile.mapping);
	free(b.profile.location);
	free(b.profile.sample);
	table_free(&b.text_numbers);
	table_free(&b.functions);
	table_free(&b.mappings);
	table_free(&b.places);
	table_free(&b.locations);
	strings_free(&b.texts);
	pool_free(&b.pool);
	return e;
}

const struct renderer render_pprof = { "pprof", pprof_render };
