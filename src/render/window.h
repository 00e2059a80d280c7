/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of a run of which events are left, in words. Used by renderers; runs in mutrace. */
#ifndef MUTRACE_RENDER_WINDOW_H
#define MUTRACE_RENDER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "src/load/model.h"

#define WINDOW_SIZE 200

/* "the last 41.0 s of 300 s; 12 345 older events were overwritten". False: nothing was overwritten. */
bool window_words(char *out, size_t size, const struct model_process *p); /* size: WINDOW_SIZE is enough */

#endif
