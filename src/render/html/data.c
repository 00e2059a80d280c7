/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The data of the page: JSON as the report has it, with stacks as numbers. See html.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/render/html/private.h"

struct html_page *html_page_new(void)
{
	struct html_page *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->stream = open_memstream(&p->text, &p->size);
	p->json = p->stream ? json_out_new(p->stream) : NULL;
	if (!p->json) {
		html_page_free(p);
		return NULL;
	}
	json_open_object(p->json, NULL);
	return p;
}

void html_page_free(struct html_page *p)
{
	if (!p)
		return;
	if (p->json)
		json_out_end(p->json, NULL);
	if (p->stream)
		fclose(p->stream);
	free(p->text);
	pools_free(&p->pools);
	free(p);
}

static bool is_stack_name(const char *key)
{
	static const char *const names[] = { "stack",      "created_at", "first_used_at",
					     "misused_at", "held_at",    "slept_in" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return false;
}

void html_numbers(struct html_page *p, json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;
	void *next;

	if (json_is_array(value)) {
		json_array_foreach(value, i, item) html_numbers(p, item);
		return;
	}
	json_object_foreach_safe(value, next, key, item)
	{
		if (is_stack_name(key) && json_is_array(item))
			json_set(p->json, value, key, json_integer(pools_stack(&p->pools, item)));
		else
			html_numbers(p, item);
	}
}

void html_run_begin(struct html_page *p, const char *side, const char *label)
{
	if (p->runs++ == 0)
		json_open_array(p->json, "runs");
	json_open_object(p->json, NULL);
	json_emit(p->json, "side", json_text(side));
	if (label)
		json_emit(p->json, "label", json_text(label));
	json_open_array(p->json, "processes");
}

void html_run_end(struct html_page *p)
{
	json_close(p->json);
	json_close(p->json);
}

void html_page_report(struct html_page *p, const char *side, const char *label, json_t *report)
{
	json_t *process;
	size_t i;

	if (!json_object_get(report, "processes"))
		return; /* a baseline */
	html_run_begin(p, side, label);
	json_array_foreach(json_object_get(report, "processes"), i, process)
	{
		html_numbers(p, process);
		json_emit(p->json, NULL, json_incref(process));
	}
	html_run_end(p);
}

void html_page_member(struct html_page *p, const char *key, json_t *value)
{
	if (p->runs) {
		json_close(p->json);
		p->runs = 0;
	}
	json_emit(p->json, key, value);
}
