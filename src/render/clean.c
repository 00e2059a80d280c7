/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See clean.h. No locks, no allocation. */
#include "src/render/clean.h"

#include <ctype.h>
#include <string.h>

#include "src/analysis/report.h"

/* Decodes one character of UTF-8. Its length, or 0 if the bytes are none. */
static size_t utf8_decode(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80                   ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : (s[0] & 0xf0) == 0xe0       ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0,
	       i;
	uint32_t c;

	if (n == 0)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

/* True if a character does something else than stand there. */
static int acts(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

size_t clean_text(char *out, size_t size, const char *in)
{
	const unsigned char *s = (const unsigned char *)in;
	size_t used = 0, count = 0, n;
	char piece[16];
	uint32_t c = 0;

	while (*s) {
		size_t length = utf8_decode(s, &c);

		if (length == 0)
			n = (size_t)snprintf(piece, sizeof(piece), "\\x%02x", *s);
		else if (acts(c))
			n = (size_t)snprintf(piece, sizeof(piece), c < 0x100 ? "\\x%02x" : "\\u%04x", c);
		else
			memcpy(piece, s, n = length);
		if (used + n >= size)
			break;
		memcpy(out + used, piece, n);
		used += n;
		count += length && !acts(c) ? 1 : n;
		s += length ? length : 1;
	}
	out[used] = 0;
	return count;
}

char *clean_utf8(char *out, size_t size, const char *in)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const unsigned char *s = (const unsigned char *)in;
	size_t used = 0;
	uint32_t c;

	while (*s) {
		size_t length = utf8_decode(s, &c);
		const char *from = length ? (const char *)s : replacement;
		size_t n = length ? length : sizeof(replacement) - 1;

		if (used + n >= size)
			break;
		memcpy(out + used, from, n);
		used += n;
		s += length ? length : 1;
	}
	out[used] = 0;
	return out;
}

void clean_function(char *out, size_t size, const char *function)
{
	char name[512];

	report_function_short(name, sizeof(name), function);
	clean_text(out, size, name);
}

void clean_function_long(char *out, size_t size, const char *function)
{
	size_t n = report_function_length(function);
	char cut[512];

	if (n >= sizeof(cut))
		n = sizeof(cut) - 1;
	memcpy(cut, function, n);
	cut[n] = 0;
	clean_text(out, size, cut);
}

void clean_markdown(FILE *out, const char *text)
{
	char clean[2048];

	clean_text(clean, sizeof(clean), text);
	for (const char *s = clean; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (isalnum(c) || c == ' ' || c == '%' || c >= 0x80)
			fputc(c, out);
		else
			fprintf(out, "&#%u;%s", c, c == '@' ? "<!-- -->" : "");
	}
}

void clean_markdown_code(FILE *out, const char *text)
{
	fputs("<code>", out);
	clean_markdown(out, text);
	fputs("</code>", out);
}
