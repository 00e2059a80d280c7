/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * matrace --live: shows the first call from each place while the program runs. A process of its own reads
 * the session again and again, so that neither the program nor the passing on of signals waits for names.
 * Run command only.
 */
#ifndef MUTRACE_CMD_LIVE_H
#define MUTRACE_CMD_LIVE_H

#include <sys/types.h>

#include "src/render/render.h"

/* 0 if it could not be started. */
pid_t live_start(const char *session, const struct report_options *report,
		 const struct render_options *render);
/* When all is over: it looks a last time. Takes 0. */
void live_end(pid_t live);

#endif
