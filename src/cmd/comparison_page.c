/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --html of diff and check, see comparison_page.h. */
#include "src/cmd/comparison_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/compare/select.h"
#include "src/render/html/html.h"

#define TEXT_WIDTH 160

/* Of what is left when the filter is applied. */
static json_t *kept(const struct digest *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n; i++)
		if (json_array_append_new(list, json_string(d->locks[i].identity)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* The text that the command prints, to be freed; NULL without memory. */
static char *text_of(const struct comparison_page *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (c->verdict)
		verdict_text(f, c->verdict);
	else
		diff_text(f, c->diff, true, TEXT_WIDTH);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

int comparison_page_write(const struct comparison_page *c)
{
	FILE *out = strcmp(c->path, "-") == 0 ? stdout : fopen(c->path, "we");
	char *text;
	int r;

	if (!out)
		return -errno;
	if (c->diff)
		html_page_member(c->page, "comparison", diff_json_value(c->diff));
	if (c->verdict)
		html_page_member(c->page, "verdict", verdict_json_value(c->verdict, NULL));
	if (c->select->left_out || c->select->ignored)
		html_page_member(c->page, "kept", kept(c->now));
	text = text_of(c);
	r = text ? html_page_write(c->page, out, text) : -ENOMEM;
	free(text);
	if ((out == stdout ? fflush(out) : fclose(out)) != 0 && r == 0)
		r = -errno;
	return r;
}
