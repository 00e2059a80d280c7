/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Moments of --when-waiting in the text and in JSON. */
#ifndef MUTRACE_RENDER_MOMENTS_H
#define MUTRACE_RENDER_MOMENTS_H

#include "src/render/json.h"
#include "src/render/text.h"

void text_moments(const struct text_out *t, const struct report_process *e);
/* The member "moments" of a process, if there are any. */
void json_moments(struct json_out *j, const struct report_process *e);

#endif
