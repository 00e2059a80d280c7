/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lines of the text that are wider than the terminal go on in the next one, indented. A stream that passes on what is written
 * to it. Tables are left as they are. Numbers stay beside their units, and places beside their functions. Runs in mutrace.
 * Called by text.c.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "src/render/text.h"

#define BRACKETS_MOST 24u

struct wrap {
	FILE *out;
	unsigned int width;
	char *line; /* what is there of the present one */
	size_t n, capacity;
};

/* The length of an escape sequence at s, which takes no room: colours and links. 0: there is none. */
static size_t escape_length(const char *s, size_t n)
{
	size_t i = 2;

	if (n < 2 || s[0] != '\033')
		return 0;
	if (s[1] == ']') {
		while (i < n && !(s[i] == '\\' && s[i - 1] == '\033'))
			i++;
	} else {
		while (i < n && !isalpha((unsigned char)s[i]))
			i++;
	}
	return i < n ? i + 1 : n;
}

/* The word at s, without escapes, into word. */
static void word_take(const char *s, size_t n, char word[32])
{
	size_t used = 0;

	for (size_t i = 0; i < n && s[i] != ' ' && used < 31;) {
		size_t escape = escape_length(s + i, n - i);

		if (escape) {
			i += escape;
			continue;
		}
		word[used++] = s[i++];
	}
	word[used] = 0;
}

static bool is_unit(const char *word)
{
	static const char *const units[] = { "s", "ms", "us", "ns", "%" };
	size_t length = strcspn(word, ",;.)");

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i]) == length && strncmp(word, units[i], length) == 0)
			return true;
	return false;
}

/* "bank.c:37", "(libbank.so)" */
static bool is_place(const char *word)
{
	const char *colon = strrchr(word, ':');

	return (colon && colon > word && colon[-1] != ':' && isdigit((unsigned char)colon[1])) ||
	       (word[0] == '(' && (strstr(word, ".so") || strstr(word, "+0x")));
}

/* True if s[at] is within short brackets, as of "(12, max 3.99 ms)", or behind a number that counts the next word. */
static bool belongs(const char *s, size_t at)
{
	size_t from = at;

	while (from > 0 && at - from < BRACKETS_MOST && s[from - 1] != ')') {
		if (s[--from] == '(')
			return true;
	}
	for (from = at; from > 0 && isdigit((unsigned char)s[from - 1]); from--)
		;
	return from < at && (from == 0 || s[from - 1] == ' ');
}

/* True if the line may end before the blank at s[at]. */
static bool may_end(const char *s, size_t n, size_t at)
{
	char word[32];

	if (at == 0 || at + 1 >= n || s[at - 1] == ' ' || s[at + 1] == ' ' || s[at - 1] == '<')
		return false;
	word_take(s + at + 1, n - at - 1, word);
	if (isdigit((unsigned char)s[at - 1]) && (isdigit((unsigned char)word[0]) || is_unit(word)))
		return false;
	return !is_place(word) && !belongs(s, at);
}

/* How much of a line fits: to the last blank that it may end at; all if it cannot be helped. */
static size_t fits(const char *s, size_t n, size_t width)
{
	size_t column = 0, last = 0;

	for (size_t i = 0; i < n;) {
		size_t escape = escape_length(s + i, n - i);

		if (escape) {
			i += escape;
			continue;
		}
		if (s[i] == ' ' && may_end(s, n, i) && (column <= width || last == 0))
			last = i;
		column += ((unsigned char)s[i] & 0xc0) != 0x80;
		if (column > width && last)
			return last;
		i++;
	}
	return column > width && last ? last : n;
}

static void line_write(struct wrap *w, const char *s, size_t n)
{
	static const char tool[] = ": ";
	const char *mark = memchr(s, TEXT_HANG, n), *colon = memmem(s, n, tool, 2);
	size_t indent = strspn(s, " ") + 2, width = w->width, length;
	char *line = malloc(n + 1);

	if (!line || (n && s[0] == TEXT_TABLE) || width == 0) {
		for (size_t i = 0; i < n; i++)
			if (s[i] != TEXT_TABLE && s[i] != TEXT_HANG)
				fputc(s[i], w->out);
		fputc('\n', w->out);
		free(line);
		return;
	}
	if (mark)
		indent = (size_t)(mark - s);
	else if (s[0] != ' ' && colon && colon - s < 10)
		indent = (size_t)(colon - s) + 2;
	length = 0;
	for (size_t i = 0; i < n; i++)
		if (s[i] != TEXT_HANG)
			line[length++] = s[i];
	line[length] = 0;
	if (indent > width / 2)
		indent = width / 2;
	for (size_t from = 0; from <= length;) {
		size_t room = from ? width - indent : width, part = fits(line + from, length - from, room);

		if (from)
			fprintf(w->out, "%*s", (int)indent, "");
		fwrite(line + from, 1, part, w->out);
		fputc('\n', w->out);
		if (from + part >= length)
			break;
		from += part + 1;
	}
	free(line);
}

static ssize_t wrap_write(void *cookie, const char *data, size_t n)
{
	struct wrap *w = cookie;

	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n') {
			line_write(w, w->line ? w->line : "", w->n);
			w->n = 0;
			continue;
		}
		if (w->n + 1 >= w->capacity) {
			size_t capacity = w->capacity ? 2 * w->capacity : 256;
			char *line = realloc(w->line, capacity);

			if (!line)
				return 0;
			w->line = line;
			w->capacity = capacity;
		}
		w->line[w->n++] = data[i];
		w->line[w->n] = 0;
	}
	return ferror(w->out) ? 0 : (ssize_t)n;
}

static int wrap_close(void *cookie)
{
	struct wrap *w = cookie;

	if (w->n)
		line_write(w, w->line, w->n);
	free(w->line);
	free(w);
	return 0;
}

FILE *text_wrap(FILE *out, unsigned int width)
{
	struct wrap *w = calloc(1, sizeof(*w));
	FILE *f;

	if (!w)
		return NULL;
	*w = (struct wrap){ .out = out, .width = width };
	f = fopencookie(w, "w", (cookie_io_functions_t){ .write = wrap_write, .close = wrap_close });
	if (!f)
		free(w);
	return f;
}
