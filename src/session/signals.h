/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signals of conditions on their way; a part of format.h. Used on both sides. */
#ifndef MUTRACE_SESSION_SIGNALS_H
#define MUTRACE_SESSION_SIGNALS_H

#include <stdint.h>

/* A signal of a condition that not all for whom it was have answered by their return: those wait for the mutex since
 * then. Written under the recorder's lock of that mutex. 32 bytes. */
struct signal_rec {
	uint32_t cond, mutex; /* refs of locks */
	uint32_t left;        /* threads that are not back; 0: not in use. Written last */
	uint32_t reserved;
	uint64_t at; /* ticks */
	uint64_t reserved_too;
};

_Static_assert(sizeof(struct signal_rec) == 32, "signal_rec");

#endif
