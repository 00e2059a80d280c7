/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See frame.h. No locks, no allocation. */
#include "src/render/frame.h"

#include <inttypes.h>

#include "src/base/path.h"
#include "src/render/clean.h"

#define FUNCTION_SIZE 300
#define FILE_SIZE 200

void frame_print(FILE *out, const struct frame_words *f)
{
	char clean[FUNCTION_SIZE];

	if (f->function) {
		clean_function(clean, FUNCTION_SIZE, f->function);
		fputs(clean, out);
	}
	if (f->file && f->line) {
		clean_text(clean, FILE_SIZE, path_name(f->file));
		fprintf(out, "%s%s:%u", f->function ? " " : "", clean, f->line);
	} else if (f->module) {
		clean_text(clean, FILE_SIZE, path_name(f->module));
		fprintf(out, f->function ? " (%s)" : "%s", clean);
		if (!f->function)
			fprintf(out, "+0x%" PRIx64, f->offset);
	} else if (!f->function) {
		fprintf(out, "0x%" PRIx64, f->address);
	}
}
