/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The file "asleep" of a session: where threads slept while they held locks that others waited for, as the command saw it
 * while the program ran. Records without a head. Written by src/cmd/asleep.c, read by src/load/asleep.c, which trusts
 * nothing in it. There is none without the command, or if nobody slept so.
 */
#ifndef MUTRACE_SESSION_ASLEEP_H
#define MUTRACE_SESSION_ASLEEP_H

#include <stdint.h>

#define SESSION_ASLEEP "asleep"
#define ASLEEP_FRAMES 14u

/* All looks that saw one stack. 136 bytes. */
struct asleep_rec {
	uint32_t maker, serial; /* of the image, from its file's name */
	uint32_t cell;          /* ref of that through which the lock was taken */
	uint32_t weight;        /* how many threads waited, all looks added up */
	int32_t call;           /* number of the system call, -1: none, as for a page fault */
	uint32_t n_frames;
	uint64_t frame
		[ASLEEP_FRAMES]; /* return addresses, innermost first; the first one is behind the system call */
};

_Static_assert(sizeof(struct asleep_rec) == 136, "asleep_rec");

#endif
