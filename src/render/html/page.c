/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page as it is written, see html.h: its frame, the data, the text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "src/render/html/private.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define PLAIN_MOST ((size_t)64 * 1024) /* more data are compressed */
#define LINE_BYTES 57                  /* that make a line of base64 */

/* In a script's data only "<" could end it; in JSON it stands in strings alone. */
static void write_plain(FILE *out, const char *json, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (json[i] == '<')
			fputs("\\u003c", out);
		else
			putc(json[i], out);
}

static void write_base64(FILE *out, const unsigned char *bytes, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < size; i += 3) {
		uint32_t three = (uint32_t)bytes[i] << 16;

		if (i + 1 < size)
			three |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < size)
			three |= bytes[i + 2];
		putc(digits[three >> 18], out);
		putc(digits[three >> 12 & 63], out);
		putc(i + 1 < size ? digits[three >> 6 & 63] : '=', out);
		putc(i + 2 < size ? digits[three & 63] : '=', out);
		if ((i + 3) % LINE_BYTES == 0)
			putc('\n', out);
	}
}

static int write_data(FILE *out, const char *json, size_t size)
{
	uLongf packed_size = compressBound(size);
	unsigned char *packed;

	if (size <= PLAIN_MOST) {
		fputs("<script type=\"application/json\" id=\"data\">", out);
		write_plain(out, json, size);
		fputs("</script>\n", out);
		return 0;
	}
	packed = malloc(packed_size);
	if (!packed || compress2(packed, &packed_size, (const unsigned char *)json, size, 6) != Z_OK) {
		free(packed);
		return -ENOMEM;
	}
	fprintf(out, "<script type=\"application/zlib\" id=\"data\" data-size=\"%zu\">\n", size);
	write_base64(out, packed, packed_size);
	fputs("</script>\n", out);
	free(packed);
	return 0;
}

static void write_escaped(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&': fputs("&amp;", out); break;
		case '<': fputs("&lt;", out); break;
		default: putc(*text, out);
		}
}

static void write_head(FILE *out)
{
	fprintf(out,
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '%s'; "
		"script-src '%s'; base-uri 'none'; form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n"
		"<meta name=\"referrer\" content=\"no-referrer\">\n<title>mutrace report</title>\n<style>",
		html_style_hash, html_script_hash);
	fputs(html_style, out);
	fputs("</style>\n</head>\n<body>\n", out);
}

int html_page_write(struct html_page *p, FILE *out, const char *text)
{
	int r;

	html_page_member(p, "mutrace", json_text(PACKAGE_VERSION));
	pools_emit(&p->pools, p->json);
	json_close(p->json);
	r = json_out_end(p->json, NULL);
	p->json = NULL;
	if (fclose(p->stream) != 0 || p->pools.failed)
		r = -ENOMEM;
	p->stream = NULL;
	if (r < 0)
		return r;
	errno = 0;
	write_head(out);
	fputs("<div id=\"page\"></div>\n<details id=\"text\"><summary>The report as text</summary><pre>",
	      out);
	write_escaped(out, text);
	fputs("</pre></details>\n<footer id=\"foot\">Made by mutrace " PACKAGE_VERSION
	      ". This page loads nothing and sends nothing.</footer>\n",
	      out);
	r = write_data(out, p->text, p->size);
	fputs("<script>", out);
	fputs(html_script, out);
	fputs("</script>\n</body>\n</html>\n", out);
	if (fflush(out) != 0 || ferror(out))
		return errno ? -errno : -EIO;
	return r;
}
