/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See frame.h. No locks, no allocation. */
#include "src/render/frame.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "src/base/path.h"
#include "src/render/clean.h"

#define FUNCTION_SIZE 300
#define FILE_SIZE 200
#define HOST_SIZE 65

static bool plain_in_urls(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("/-._~", c);
}

/* Writes what a word in braces of a link's format stands for; false: no such word. */
static bool link_word(FILE *out, const char *word, const struct frame_words *f)
{
	char host[HOST_SIZE] = "";

	if (strncmp(word, "{path}", 6) == 0) {
		for (const char *c = f->file; *c; c++)
			fprintf(out, plain_in_urls(*c) ? "%c" : "%%%02X", (unsigned char)*c);
	} else if (strncmp(word, "{line}", 6) == 0) {
		fprintf(out, "%u", f->line);
	} else if (strncmp(word, "{host}", 6) == 0) {
		gethostname(host, sizeof(host) - 1);
		for (const char *c = host; *c; c++)
			if (plain_in_urls(*c))
				fputc(*c, out);
	} else {
		return false;
	}
	return true;
}

/* Opens a link for terminals that know them (OSC 8); others pass it by. */
static void link_open(FILE *out, const struct frame_words *f)
{
	fputs("\033]8;;", out);
	for (const char *c = f->link; *c; c++) {
		if (*c == '{' && link_word(out, c, f))
			c += 5;
		else if ((unsigned char)*c >= 0x21 && (unsigned char)*c < 0x7f)
			fputc(*c, out);
	}
	fputs("\033\\", out);
}

void frame_print(FILE *out, const struct frame_words *f)
{
	bool link = f->link && f->file && f->file[0] == '/' && f->line;
	char clean[FUNCTION_SIZE];

	if (f->function) {
		if (f->whole)
			clean_function_long(clean, FUNCTION_SIZE, f->function);
		else
			clean_function(clean, FUNCTION_SIZE, f->function);
		fputs(clean, out);
	}
	if (f->file && f->line) {
		clean_text(clean, FILE_SIZE, path_name(f->file));
		fputs(f->function ? " " : "", out);
		if (link)
			link_open(out, f);
		fprintf(out, "%s:%u%s", clean, f->line, link ? "\033]8;;\033\\" : "");
	} else if (f->module) {
		clean_text(clean, FILE_SIZE, path_name(f->module));
		fprintf(out, f->function ? " (%s" : "%s", clean);
		if (!f->function || f->whole)
			fprintf(out, "+0x%" PRIx64, f->offset);
		fputs(f->function ? ")" : "", out);
	} else if (!f->function) {
		fprintf(out, "0x%" PRIx64, f->address);
	}
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool frame_alike(const struct frame_words *a, const struct frame_words *b)
{
	char one[FUNCTION_SIZE] = "", other[FUNCTION_SIZE] = "";
	bool lines = a->file && a->line, lines_too = b->file && b->line;

	if (a->function)
		clean_function(one, sizeof(one), a->function);
	if (b->function)
		clean_function(other, sizeof(other), b->function);
	if (!a->function != !b->function || strcmp(one, other) != 0 || lines != lines_too)
		return false;
	if (lines)
		return a->line == b->line && same_text(path_name(a->file), path_name(b->file));
	if (!a->module || !b->module)
		return !a->module == !b->module && (a->function || a->address == b->address);
	return same_text(path_name(a->module), path_name(b->module)) &&
	       (a->function || a->offset == b->offset);
}
