/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of outputs, and what renderers may know of the stream that they write to. Runs in mutrace. */
#include "src/render/render.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_LEAST 60 /* a narrower terminal wraps */
#define WIDTH_MOST 10000
#define FRAMES_USUAL 4
#define WRAP_USUAL 110 /* where there is no terminal */

void outputs_init(struct output outputs[OUTPUTS])
{
#define OUTPUT(name, commands, help) outputs[OUTPUT_##name] = (struct output){ .renderer = &render_##name };
#define OUTPUT_OF(name, usual, help) outputs[OUTPUT_##name].time = usual;
#include "src/render/outputs.def"
#undef OUTPUT
#undef OUTPUT_OF
}

void render_options_init(struct render_options *o, const struct report_options *report)
{
	*o = (struct render_options){
		.report = report, .tool = "mutrace", .frames = FRAMES_USUAL, .link_format = "file"
	};
}

static unsigned int columns_fit(unsigned int columns)
{
	return columns < WIDTH_LEAST ? WIDTH_LEAST : columns;
}

/* NULL: no links. */
static const char *link_url(const char *format)
{
	if (strcmp(format, "none") == 0)
		return NULL;
	if (strcmp(format, "file") == 0)
		return "file://{host}{path}#{line}";
	return strcmp(format, "vscode") == 0 ? "vscode://file{path}:{line}" : format;
}

void render_options_fit(struct render_options *o, FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM"), *columns = getenv("COLUMNS");
	unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;
	struct winsize size;
	int fd = fileno(out);

	o->width = 0;
	o->color = false;
	o->wrap = width == 0 || width > WIDTH_MOST ? WRAP_USUAL : columns_fit((unsigned int)width);
	o->links = NULL;
	if (fd < 0 || !isatty(fd))
		return;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		o->width = o->wrap = columns_fit(size.ws_col);
	else if (width)
		o->width = o->wrap;
	o->color = !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
	if (o->color)
		o->links = link_url(o->link_format);
}
