/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A variable of a function that one thread initialises while another waits for it; see contend.h. */
#include "contend.h"

struct settings {
	int value;
	settings()
	{
		contend_hold(0, 0);
		value = 1;
	}
};

static NOINLINE settings &get_settings()
{
	static settings all; /* HELD AND WAITED HERE */

	return all;
}

static NOINLINE void *waiter(void *)
{
	contend_before(0);
	return get_settings().value == 1 ? nullptr : (void *)1;
}

int main()
{
	pthread_t thread;

	pthread_create(&thread, nullptr, waiter, nullptr);
	get_settings();
	return pthread_join(thread, nullptr);
}
