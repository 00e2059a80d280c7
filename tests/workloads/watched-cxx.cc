/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* For matrace: what C++ allocates in a realtime thread, 6 objects of 112 bytes together. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <vector>

static void keep(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

static __attribute__((noinline)) void objects()
{
	struct alignas(64) aligned {
		char c[64];
	};
	int *one = new int(3); /* NEW HERE */
	keep(one);
	delete one; /* DELETE HERE */
	int *some = new int[4];
	aligned *a = new aligned;
	std::vector<int> v;

	keep(some);
	keep(a);
	delete[] some;
	delete a;
	for (int i = 0; i < 4; i++) /* 4, 8 and 16 bytes */
		v.push_back(i);
	keep(v.data());
}

static void *work(void *argument)
{
	struct sched_param p = {};

	p.sched_priority = 10;
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &p) != 0)
		exit(77);
	objects();
	return argument;
}

int main()
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, work, NULL) != 0)
		return 99;
	pthread_join(thread, NULL);
	return 0;
}
