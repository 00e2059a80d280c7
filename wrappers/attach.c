/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mutrace attach and detach, in the profiled process. The command has one of its threads load this library and call
 * the functions below (src/attach). No call finds our functions by name then, as those of a library that is loaded at
 * the start are found. So the slots of all objects that hold the C library's functions are redirected to ours, and put
 * back at the end. The library stays: a thread may be inside.
 *
 * Runs in a thread that mutrace has stopped at a safe place, with signals blocked; other threads run on. Takes the
 * loader's lock on its list and the recorder's locks.
 */
#include "wrappers/attach.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "inject/redirect.h"
#include "src/record/raw.h"
#include "src/record/recorder.h"
#include "wrappers/defined.h"
#include "wrappers/families.h"
#include "wrappers/inlined.h"
#include "wrappers/keys.h"
#include "wrappers/mutex.h"
#include "wrappers/real.h"

static struct redirect functions[] = {
#define WRAP(family, type, name, parameters, version) { #name, #name, NULL, (void **)&real.name, 1, version },
#include "wrappers/wrappers.def"
#undef WRAP
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

#define BUSY_MOMENTS 5000 /* milliseconds */

static bool late;
static int argument_count;
static char **arguments;

/* The C library is needed by all, so it is among the objects that were loaded before. */
bool attach_late(int argc, char **argv)
{
	late = !defined_next("pthread_mutex_lock");
	argument_count = argc;
	arguments = argv;
	return late;
}

bool attach_is_late(void)
{
	return late;
}

/* The first time. */
static void prepare(void)
{
	real_resolve_late();
	for (size_t i = 0; i < FUNCTIONS; i++)
		functions[i].ours = defined_address_here(functions[i].name);
}

static uint32_t busy;

/* Another command's call may come before the call of one that was killed is over. */
static bool enter(void)
{
	for (int i = 0; __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE); i++) {
		if (i == BUSY_MOMENTS)
			return false;
		raw_sleep((const long[2]){ 0, 1000000 });
	}
	return true;
}

static int leave(int result)
{
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
	return result;
}

static int begin(const char *session)
{
	static bool prepared, set_up;
	int r;

	if (!prepared)
		prepare();
	prepared = true;
	r = recorder_attach(session, argument_count, arguments);
	if (r < 0)
		return r;
	if (!set_up) {
		keys_setup();
		pthread_atfork(families_before_fork, families_after_fork_parent, families_after_fork_child);
	}
	set_up = true;
	inlined_start((uint32_t)gettid());
	mutex_calibrate();
	families_attach(functions, FUNCTIONS);
	return 0;
}

EXPORT int mutrace_attach(const char *session)
{
	if (!late)
		return -EEXIST;
	return enter() ? leave(begin(session)) : -EBUSY;
}

EXPORT int mutrace_detach(void)
{
	int r;

	if (!late)
		return -EEXIST;
	if (!enter())
		return -EBUSY;
	r = recorder_detach();
	if (r == 0)
		families_detach();
	return leave(r);
}
