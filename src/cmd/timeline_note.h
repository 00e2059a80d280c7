/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A word about a time line that was written: of which part of the run it is. Runs in mutrace. */
#ifndef MUTRACE_CMD_TIMELINE_NOTE_H
#define MUTRACE_CMD_TIMELINE_NOTE_H

#include "src/cmd/pipeline.h"

/* Says it if a time line is among the outputs, and is not of the whole run. */
void timeline_note(const struct pipeline *p, const struct output outputs[OUTPUTS]);

#endif
