/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See window.h. */
#include "src/render/window.h"

#include <stdio.h>

#include "src/render/number.h"
#include "src/trace/timeline.h"

bool window_words(char *out, size_t size, const struct model_process *p)
{
	char window[NUMBER_SIZE], all[NUMBER_SIZE], count[NUMBER_SIZE];
	struct timeline t;

	timeline_window(p, &t);
	if (t.overwritten == 0)
		return false;
	snprintf(out, size, "the last %s of %s; %s older event%s overwritten",
		 number_ns(window, p->runtime_ns > t.from_ns ? p->runtime_ns - t.from_ns : 0),
		 number_ns(all, p->runtime_ns), number_count(count, t.overwritten),
		 t.overwritten == 1 ? " was" : "s were");
	return true;
}
