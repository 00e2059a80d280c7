/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A library that cases load and unload: it locks in its constructor, its destructor and in between. If the
 * variable CONFORM_GATE is set, the constructor also takes the mutex at that address, under the loader's
 * lock.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

int late_use(void);
int late_keep(void);

static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
static int uses;
static bool kept;

static void use(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	uses++;
	pthread_mutex_unlock(m);
}

static __attribute__((constructor)) void begin(void)
{
	const char *gate = getenv("CONFORM_GATE");

	use(&own);
	if (gate)
		use((pthread_mutex_t *)strtoul(gate, NULL, 16));
}

static __attribute__((destructor)) void end(void)
{
	if (!kept)
		use(&own);
}

int late_use(void)
{
	use(&own);
	return uses;
}

/* The mutex stays held when the library is closed; its destructor takes none then. */
int late_keep(void)
{
	kept = true;
	return pthread_mutex_lock(&own);
}
