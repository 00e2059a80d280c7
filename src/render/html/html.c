/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The renderer of a report as a page, see html.h. Called by src/cmd/pipeline.c. */
#include <errno.h>
#include <stdlib.h>

#include "src/render/html/private.h"

#define TEXT_WIDTH 160 /* columns of the report as text */

static void rows(struct html_page *p, const char *key, const struct report_row *list, size_t n,
		 json_t *(*make)(struct json_out *, const struct report_row *))
{
	json_open_array(p->json, key);
	for (size_t i = 0; i < n && json_out_error(p->json) == 0; i++) {
		json_t *row = make(p->json, &list[i]);

		html_numbers(p, row);
		json_emit(p->json, NULL, row);
	}
	json_close(p->json);
}

static void process(struct html_page *p, const struct report_process *e)
{
	json_t *head = NULL, *value;
	struct json_out *j = json_out_new(NULL);
	const char *key;

	if (!j) {
		json_out_fail(p->json, -ENOMEM);
		return;
	}
	json_open_object(j, NULL);
	json_process_head(j, e);
	json_close(j);
	if (json_out_end(j, &head) < 0)
		json_out_fail(p->json, -ENOMEM);
	html_numbers(p, head);
	json_open_object(p->json, NULL);
	json_object_foreach(head, key, value) json_emit(p->json, key, json_incref(value));
	json_decref(head);
	html_timeline(p, e);
	rows(p, "locks", e->locks, e->n_locks, json_lock);
	rows(p, "conditions", e->conditions, e->n_conditions, json_condition);
	json_close(p->json);
}

/* The report as text, to be freed; NULL without memory. */
static char *text_of(const struct report *r, const struct render_options *o)
{
	struct render_options plain = *o;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int failed;

	if (!f)
		return NULL;
	plain.color = false;
	plain.links = NULL;
	plain.width = plain.wrap = TEXT_WIDTH;
	failed = render_text.render(f, r, &plain);
	if (fclose(f) == 0 && failed == 0)
		return text;
	free(text);
	return NULL;
}

static int html_render(FILE *out, const struct report *r, const struct render_options *o)
{
	struct html_page *p = html_page_new();
	char *text = p ? text_of(r, o) : NULL;
	int status = -ENOMEM;

	if (text) {
		html_run_begin(p, "new", NULL);
		for (size_t i = 0; i < r->n_processes && json_out_error(p->json) == 0; i++)
			process(p, &r->processes[i]);
		html_run_end(p);
		html_page_member(p, "nameless", json_nameless(p->json, r));
		status = html_page_write(p, out, text);
	}
	free(text);
	html_page_free(p);
	return status;
}

const struct renderer render_html = { "html", html_render };
