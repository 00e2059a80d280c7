/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The buckets of the session's histograms. Written by the recorder, also on the hot path; read by the
 * loader. */
#ifndef MUTRACE_SESSION_HISTOGRAM_H
#define MUTRACE_SESSION_HISTOGRAM_H

#include <stdint.h>

#define HIST_BUCKETS 28u
#define HIST_SHIFT 5u

/* Bucket 0 is below 2^5 ticks, bucket b is [2^(b+4), 2^(b+5)), the last one is all above. */
static inline unsigned int hist_bucket(uint64_t ticks)
{
	unsigned int bucket =
		63u - (unsigned int)__builtin_clzll(ticks | 1u << (HIST_SHIFT - 1)) - (HIST_SHIFT - 1);

	return bucket < HIST_BUCKETS ? bucket : HIST_BUCKETS - 1;
}

#endif
