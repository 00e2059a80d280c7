/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames that are not the user's code: functions that only lock for others, and what starts threads. No
 * state. */
#ifndef MUTRACE_ANALYSIS_HELPERS_H
#define MUTRACE_ANALYSIS_HELPERS_H

#include "src/analysis/report.h"

/* Narrows frames *first to *end (behind the last) down to those that are the user's; at least one stays. True if they
 * reach to the start of the thread. */
bool helpers_trim(const struct report_options *o, const struct report_frame *const *frames, size_t *first,
		  size_t *end);

/* runtimes.c: what a wait is for by the functions that make it, each told to runtimes_role_add(), the innermost first. */
enum futex_role {
	FUTEX_ROLE_UNKNOWN,
	FUTEX_ROLE_LOCK,
	FUTEX_ROLE_WORK,
	FUTEX_ROLE_COUNTED, /* a semaphore: who wakes tells whether it is a lock */
	FUTEX_ROLE_TABLED   /* its values tell nothing: the word is not the program's own */
};
#define RUNTIMES_FRAMES 10u /* that are looked at */
/* True: nothing further can change *role. function may be NULL. */
bool runtimes_role_add(const char *function, enum futex_role *role);

#endif
