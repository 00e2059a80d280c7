/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stacks of the page, see pools.h. */
#include "src/render/html/pools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/render/clean.h"

#define NAME_SIZE 4096

void pools_free(struct pools *p)
{
	strings_free(&p->texts);
	table_free(&p->text_numbers);
	table_free(&p->place_numbers);
	table_free(&p->frame_numbers);
	table_free(&p->node_numbers);
	free(p->text_list);
	free(p->frame_list);
	free(p->node_list);
	*p = (struct pools){ 0 };
}

static uint32_t text_number(struct pools *p, const char *s)
{
	const char *text = strings_intern(&p->texts, s ? s : "");
	uint32_t number = text ? table_get(&p->text_numbers, (uintptr_t)text, 0) : 0;

	if (text && number != TABLE_NONE)
		return number;
	number = (uint32_t)p->n_texts;
	if (!text || array_grow(&p->text_list, p->n_texts, &p->texts_room, sizeof(*p->text_list)) < 0 ||
	    table_put(&p->text_numbers, (uintptr_t)text, 0, number) < 0) {
		p->failed = true;
		return 0;
	}
	p->text_list[p->n_texts++] = text;
	return number;
}

/* The number of a pair of numbers in a table that only tells pairs apart. */
static uint32_t pair_number(struct pools *p, struct table *t, uint64_t a, uint64_t b)
{
	uint32_t number = table_get(t, a, b);

	if (number != TABLE_NONE)
		return number;
	number = (uint32_t)t->count;
	if (table_put(t, a, b, number) < 0)
		p->failed = true;
	return number;
}

static const char *member(const json_t *frame, const char *key)
{
	const char *s = json_string_value(json_object_get(frame, key));

	return s ? s : "";
}

/* The function, or where in which module the frame is. */
static void frame_names(struct pools *p, const json_t *frame, uint32_t out[FRAME_MEMBERS])
{
	const char *function = member(frame, "function"), *module = member(frame, "module");
	const char *slash = strrchr(module, '/');
	char name[NAME_SIZE];

	if (*function) {
		clean_function(name, sizeof(name), function);
		out[0] = text_number(p, function);
		out[1] = text_number(p, name);
		return;
	}
	if (*module)
		snprintf(name, sizeof(name), "%s+%s", slash ? slash + 1 : module, member(frame, "offset"));
	else
		snprintf(name, sizeof(name), "%s", member(frame, "address"));
	out[0] = out[1] = text_number(p, name);
}

static uint32_t frame_number(struct pools *p, const json_t *frame)
{
	json_int_t line = json_integer_value(json_object_get(frame, "line"));
	uint32_t f[FRAME_MEMBERS], place, number;

	frame_names(p, frame, f);
	f[2] = text_number(p, member(frame, "file"));
	f[3] = line > 0 && line < INT32_MAX ? (uint32_t)line : 0;
	f[4] = text_number(p, member(frame, "module"));
	f[5] = json_is_true(json_object_get(frame, "inlined"));
	place = pair_number(p, &p->place_numbers, (uint64_t)f[0] << 32 | f[2], f[4]);
	number = pair_number(p, &p->frame_numbers, place, (uint64_t)f[3] << 1 | f[5]);
	if (p->failed || number < p->n_frames)
		return number;
	if (array_grow(&p->frame_list, p->n_frames, &p->frames_room, sizeof(*p->frame_list)) < 0) {
		p->failed = true;
		return 0;
	}
	memcpy(p->frame_list[p->n_frames++], f, sizeof(f));
	return number;
}

int64_t pools_stack(struct pools *p, const json_t *stack)
{
	uint32_t around = 0;

	for (size_t i = json_array_size(stack); i > 0 && !p->failed; i--) {
		uint32_t frame = frame_number(p, json_array_get(stack, i - 1));
		uint32_t number = pair_number(p, &p->node_numbers, around, frame);

		if (number == p->n_nodes && !p->failed) {
			if (array_grow(&p->node_list, p->n_nodes, &p->nodes_room, sizeof(*p->node_list)) < 0)
				p->failed = true;
			else
				memcpy(p->node_list[p->n_nodes++], (uint32_t[]){ around, frame },
				       sizeof(*p->node_list));
		}
		around = number + 1;
	}
	return (int64_t)around - 1;
}

static json_t *numbers(struct json_out *j, const uint32_t *list, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_append(j, a, json_count(list[i]));
	return a;
}

void pools_emit(const struct pools *p, struct json_out *j)
{
	json_t *texts = json_array();

	for (size_t i = 0; i < p->n_texts; i++)
		json_append(j, texts, json_text(p->text_list[i]));
	json_emit(j, "strings", texts);
	json_emit(j, "frames",
		  numbers(j, p->n_frames ? p->frame_list[0] : NULL, p->n_frames * FRAME_MEMBERS));
	json_emit(j, "stacks", numbers(j, p->n_nodes ? p->node_list[0] : NULL, p->n_nodes * 2));
}
