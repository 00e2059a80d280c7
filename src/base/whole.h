/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A calculated number as a count. Sessions may be hostile, and C does not say what becomes of a double that is too
 * large. Runs in mutrace only, no locks. */
#ifndef MUTRACE_BASE_WHOLE_H
#define MUTRACE_BASE_WHOLE_H

#include <stdint.h>

/* The greatest count there is for all that is greater; 0 for what is negative, or no number. */
static inline uint64_t whole(double x)
{
	return x >= (double)UINT64_MAX ? UINT64_MAX : x > 0 ? (uint64_t)x : 0;
}

#endif
