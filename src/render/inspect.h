/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words and the JSON of `mutrace hang`: an inspection in, characters out. */
#ifndef MUTRACE_RENDER_INSPECT_H
#define MUTRACE_RENDER_INSPECT_H

#include "src/inspect/inspect.h"
#include "src/render/text.h"

/* The verdict in the first line, then who waits. 0 or -errno. */
int inspect_text(FILE *out, const struct inspection *i, const struct render_options *o);
/* As the man page describes it. 0 or -errno. */
int inspect_json(FILE *out, const struct inspection *i);

#endif
