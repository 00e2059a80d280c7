/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The values that a JSON report is made of, see json.h. Runs in mutrace; no locks. */
#include <errno.h>

#include "src/render/clean.h"
#include "src/render/json.h"

#define TEXT_MAX 16384

json_t *json_text(const char *s)
{
	char clean[TEXT_MAX];

	return json_string_nocheck(clean_utf8(clean, sizeof(clean), s));
}

json_t *json_count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

void json_set(struct json_out *j, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(object, key, value) < 0)
		json_out_fail(j, -ENOMEM);
}

void json_append(struct json_out *j, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		json_out_fail(j, -ENOMEM);
}

void json_set_count(struct json_out *j, json_t *object, const char *key, uint64_t n)
{
	json_set(j, object, key, json_count(n));
}

void json_set_bool(struct json_out *j, json_t *object, const char *key, bool value)
{
	json_set(j, object, key, json_boolean(value));
}

void json_set_hex(struct json_out *j, json_t *object, const char *key, uint64_t n)
{
	char hex[24];

	snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)n);
	json_set(j, object, key, json_string_nocheck(hex));
}

static json_t *frame(struct json_out *j, const struct report_frame *f)
{
	json_t *o = json_object();

	json_set_hex(j, o, "address", f->address);
	if (f->function)
		json_set(j, o, "function", json_text(f->function));
	if (f->file)
		json_set(j, o, "file", json_text(f->file));
	if (f->line)
		json_set_count(j, o, "line", f->line);
	if (f->module) {
		json_set(j, o, "module", json_text(f->module));
		if (f->offset)
			json_set_hex(j, o, "offset", f->offset);
	}
	json_set_bool(j, o, "inlined", f->inlined);
	return o;
}

json_t *json_stack(struct json_out *j, const struct report_stack *s)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; s && i < s->n; i++)
		json_append(j, a, frame(j, &s->frames[i]));
	return a;
}
