/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The signal mask, see signals.h. Runs in the profiled process; takes no lock. */
#include "src/record/signals.h"

#include <signal.h>
#include <stddef.h>

#include "src/record/raw.h"

uint64_t signals_block(void)
{
	uint64_t set = ~(uint64_t)0, before = 0;
	static const int raised_here[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };

	for (size_t i = 0; i < sizeof(raised_here) / sizeof(raised_here[0]); i++)
		set &= ~((uint64_t)1 << (raised_here[i] - 1));
	raw_sigmask(&set, &before);
	return before;
}

void signals_unblock(uint64_t before)
{
	raw_sigmask(&before, NULL);
}
