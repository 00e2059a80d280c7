/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of kept answers, see sym_saved.h. Its lines have members with a tab between them:
 *   M path build-id state                              a module; the lines below it are of it
 *   F address { inlined line function file } ...       the frames of an address, innermost first
 *   V address offset line size name file part          the variable of an address
 * Numbers are hexadecimal. A text has an apostrophe before it; one that is unknown is "-".
 */
#include "src/symbols/sym_saved.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/sym_file.h"
#include "src/symbols/sym_lookup.h"

static void put_text(FILE *to, const char *text)
{
	fputs(text ? "\t'" : "\t-", to);
	for (; text && *text; text++) {
		if (*text == '\t' || *text == '\n' || *text == '\\')
			fprintf(to, "\\%02x", (unsigned char)*text);
		else
			putc(*text, to);
	}
}

static int address_compare(const void *a, const void *b)
{
	const struct sym_answer *x = *(struct sym_answer *const *)a, *y = *(struct sym_answer *const *)b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* All answers in the order of addresses, to be freed: the same report makes the same file. */
static struct sym_answer **sorted(const struct sym_answers *a)
{
	struct sym_answer **list = calloc(a->used + 1, sizeof(struct sym_answer *));
	size_t n = 0;

	for (size_t i = 0; list && i < a->capacity; i++)
		if (a->table[i].value)
			list[n++] = &a->table[i];
	if (n)
		qsort(list, n, sizeof(*list), address_compare);
	return list;
}

static void put_frames(FILE *to, const struct sym_answer *a)
{
	const struct symbol_frame *frames = a->value;

	fprintf(to, "F\t%" PRIx64, a->address);
	for (size_t i = 0; i < a->count; i++) {
		fprintf(to, "\t%d\t%x", frames[i].inlined, frames[i].line);
		put_text(to, frames[i].function);
		put_text(to, frames[i].file);
	}
	putc('\n', to);
}

static void put_variable(FILE *to, const struct sym_answer *a)
{
	const struct sym_variable *v = a->value;

	if (!v->name)
		return;
	fprintf(to, "V\t%" PRIx64 "\t%" PRIx64 "\t%x\t%" PRIx64, a->address, v->offset, v->line, v->size);
	put_text(to, v->name);
	put_text(to, v->file);
	put_text(to, v->part);
	putc('\n', to);
}

void sym_saved_write(FILE *to, struct sym_file *f)
{
	const struct sym_spec *spec = sym_file_spec(f);
	struct sym_answer **frames = sorted(&f->frames), **variables = sorted(&f->variables);

	if (frames && variables && (frames[0] || variables[0] || f->state_known)) {
		fputs("M", to);
		put_text(to, spec->path);
		putc('\t', to);
		for (size_t i = 0; i < spec->build_id_size; i++)
			fprintf(to, "%02x", spec->build_id[i]);
		fprintf(to, "\t%x\n", (unsigned int)sym_file_state(f));
		for (size_t i = 0; frames[i]; i++)
			put_frames(to, frames[i]);
		for (size_t i = 0; variables[i]; i++)
			put_variable(to, variables[i]);
	}
	free(frames);
	free(variables);
}

/* A line that is being read. */
struct line {
	char *at; /* the next member; NULL: there is none */
	struct sym_file *file;
	bool bad;
};

static char *member(struct line *l)
{
	char *start = l->at, *tab = start ? strchr(start, '\t') : NULL;

	if (!start) {
		l->bad = true;
		return (char *)"";
	}
	if (tab)
		*tab = 0;
	l->at = tab ? tab + 1 : NULL;
	return start;
}

static uint64_t number(struct line *l)
{
	char *text = member(l), *end;
	uint64_t n = strtoull(text, &end, 16);

	l->bad = l->bad || end == text || *end;
	return n;
}

static unsigned int digit(char c)
{
	return c >= '0' && c <= '9'   ? (unsigned int)(c - '0')
	       : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10)
				      : 16;
}

/* NULL: unknown, or the line is bad. */
static const char *text(struct line *l)
{
	char *start = member(l), *from = start, *to = start;

	if (*from != '\'') {
		l->bad = l->bad || strcmp(from, "-") != 0;
		return NULL;
	}
	for (from++; *from; from++) {
		if (*from == '\\' && digit(from[1]) < 16 && digit(from[2]) < 16) {
			*to++ = (char)(digit(from[1]) * 16 + digit(from[2]));
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = 0;
	return start;
}

/* Takes value over. */
static int put(struct sym_answers *a, uint64_t address, void *value, size_t count)
{
	const struct sym_answer answer = { .address = address, .value = value, .count = count };
	int r = sym_answers_find(a, address) ? 1 : sym_answers_put(a, &answer);

	if (r != 0)
		free(value);
	return r < 0 ? r : 0;
}

static int frames_read(struct line *l)
{
	uint64_t address = number(l);
	struct symbol_frame *frames = NULL, *grown;
	size_t n = 0;

	while (l->at && !l->bad && n < SYM_LOOKUP_DEPTH) {
		grown = reallocarray(frames, n + 1, sizeof(*frames));
		if (!grown) {
			free(frames);
			return -ENOMEM;
		}
		frames = grown;
		frames[n].inlined = number(l) == 1;
		frames[n].line = (unsigned int)number(l);
		frames[n].function = text(l);
		frames[n++].file = text(l);
	}
	if (l->bad || n == 0) {
		free(frames);
		return 0;
	}
	return put(&l->file->frames, address, frames, n);
}

static int variable_read(struct line *l)
{
	struct sym_variable *v = calloc(1, sizeof(*v));
	uint64_t address = number(l);

	if (!v)
		return -ENOMEM;
	v->offset = number(l);
	v->line = (unsigned int)number(l);
	v->size = number(l);
	v->name = text(l);
	v->file = text(l);
	v->part = text(l);
	if (l->bad || !v->name) {
		free(v);
		return 0;
	}
	return put(&l->file->variables, address, v, 1);
}

static void module_read(struct line *l,
			struct sym_file *(*find)(void *, const char *, const uint8_t *, size_t), void *data)
{
	const char *path = text(l), *id = member(l);
	uint64_t state = number(l);
	uint8_t bytes[SYM_BUILD_ID_MAX];
	size_t n = 0;

	l->file = NULL;
	for (; n < sizeof(bytes) && digit(id[2 * n]) < 16 && digit(id[2 * n + 1]) < 16; n++)
		bytes[n] = (uint8_t)(digit(id[2 * n]) * 16 + digit(id[2 * n + 1]));
	if (l->bad || !path || id[2 * n] || state > SYMBOL_MODULE_DAMAGED)
		return;
	l->file = find(data, path, bytes, n);
	if (!l->file)
		return;
	l->file->state = (enum symbol_module_state)state;
	l->file->state_known = true;
}

int sym_saved_read(char *contents, struct sym_file *(*find)(void *, const char *, const uint8_t *, size_t),
		   void *data)
{
	struct line l = { 0 };
	int r = 0;

	while (contents && *contents && r == 0) {
		char *end = strchr(contents, '\n'), kind;

		if (end)
			*end = 0;
		l.bad = false;
		l.at = contents;
		kind = *member(&l);
		if (kind == 'M')
			module_read(&l, find, data);
		else if (kind == 'F' && l.file)
			r = frames_read(&l);
		else if (kind == 'V' && l.file)
			r = variable_read(&l);
		contents = end ? end + 1 : NULL;
	}
	return r;
}
