/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The end of a round of a known load. In C and C++. */
#ifndef TESTS_ROUNDS_H
#define TESTS_ROUNDS_H

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* $KILLED_AFTER rounds the process is killed, so that all before are known to be over and none has begun. */
static inline void round_over(int i)
{
	const char *after = getenv("KILLED_AFTER");

	if (after && i + 1 == atoi(after))
		kill(getpid(), SIGKILL);
}

#endif
