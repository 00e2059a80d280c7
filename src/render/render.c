/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of outputs, and what renderers may know of the stream that they write to. Runs in mutrace. */
#include "src/render/render.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_LEAST 60 /* a narrower terminal wraps */
#define FRAMES_USUAL 4

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
	*o = (struct render_options){ .report = report, .tool = "mutrace", .frames = FRAMES_USUAL };
}

void render_options_fit(struct render_options *o, FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;
	int fd = fileno(out);

	o->width = 0;
	o->color = false;
	if (fd < 0 || !isatty(fd))
		return;
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		o->width = size.ws_col < WIDTH_LEAST ? WIDTH_LEAST : size.ws_col;
	o->color = !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
}
