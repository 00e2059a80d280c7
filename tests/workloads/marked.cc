/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Marks of mutrace.h in C++, in a library: see phases.c. A constructor names a lock before its first use. */
#include <mutex>

#include "include/mutrace.h"

struct cache {
	std::mutex lock;
	cache()
	{
		MUTRACE_NAME(&lock, "C++ cache");
	}
};

extern "C" void marked_run(void)
{
	MUTRACE_PHASE("C++");
	cache c[2];
	for (int i = 0; i < 5; i++)
		c[i % 2].lock.lock(), c[i % 2].lock.unlock();
}
