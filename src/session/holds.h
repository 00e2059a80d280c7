/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* How threads spent the time that they held locks; a part of format.h. Used on both sides. */
#ifndef MUTRACE_SESSION_HOLDS_H
#define MUTRACE_SESSION_HOLDS_H

#include <stdint.h>

/*
 * Holds of a cell that others waited for, as far as it is known whether their thread was running. Ticks, times the
 * threads that waited. 64 bytes.
 */
struct hold_rec {
	uint32_t cell;
	uint32_t switched; /* holds; the recorder's business, as is all after unsplit but the proportion */
	uint64_t watched;
	uint64_t preempted, slept; /* of watched: without a processor; in a system call */
	uint64_t
		unsplit; /* of watched: either of these, in the proportion of the two below; 0 both: unknown */
	uint64_t ran, ran_count;
	uint32_t looked_preempted,
		looked_slept; /* as far as there were looks before and after; in some unit */
};

_Static_assert(sizeof(struct hold_rec) == 64, "hold_rec");

#endif
