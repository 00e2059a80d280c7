/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mutrace and matrace attach and detach, in the profiled process. The command has one of its threads load this library
 * and call the functions below (src/attach). No call finds our functions by name then, as those of a library that is
 * loaded at the start are found. So the slots of all objects that hold the C library's functions are redirected to ours,
 * and put back at the end. The library stays: a thread may be inside. Of matrace's functions only those are redirected
 * that are asked for.
 *
 * Runs in a thread that mutrace has stopped at a safe place, with signals blocked; other threads run on. Takes the
 * loader's lock on its list and the recorder's locks.
 */
#include "wrappers/attach.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "inject/redirect.h"
#include "src/record/raw.h"
#include "src/record/recorder.h"
#include "wrappers/defined.h"
#include "wrappers/families.h"
#include "wrappers/keys.h"
#include "wrappers/real.h"
#ifdef MATRACE
#include "src/record/watch.h"
#include "wrappers/watch_new.h"
#else
#include "wrappers/inlined.h"
#include "wrappers/mutex.h"
#endif

#ifdef MATRACE
#define CLASS(class) 1u << WATCH_CLASS_##class
/* Which functions of wrappers.def are redirected, by family: those that matrace watches only if that was asked for. */
enum {
	FOR_mutex = CLASS(locks),
	FOR_rwlock = CLASS(locks),
	FOR_cond = CLASS(locks),
	FOR_spin = CLASS(locks),
	FOR_barrier = CLASS(locks),
	FOR_sem = CLASS(locks),
	FOR_join = CLASS(threads),
	FOR_nap = CLASS(sleep),
	FOR_memory = CLASS(alloc),
	FOR_c11 = CLASS(alloc), /* thrd_create() */
	FOR_thread = CLASS(alloc),
	FOR_module = CLASS(alloc),
	FOR_process = CLASS(alloc),
	FOR_exec = CLASS(alloc),
	FOR_sched = CLASS(alloc),
	FOR_once = 0,
	FOR_flockfile = 0,
};
#define WATCH(class, label, type, name, parameters, arguments) FUNCTION(name, NULL, CLASS(class))
#define WATCH_OWN(class, label, type, name, parameters) FUNCTION(name, NULL, CLASS(class))
#define WATCH_KNOWN(class, label, name)
#define WATCH_COUNT(class, label, name)
#define WRAP(family, type, name, parameters, version) FUNCTION(name, version, FOR_##family)
#else
#define WRAP(family, type, name, parameters, version) FUNCTION(name, version, 1)
#endif

static struct redirect functions[] = {
#define FUNCTION(name, version, classes) { #name, #name, NULL, (void **)&real.name, 1, version, false, NULL },
#ifdef MATRACE
#include "src/session/watched.def"
#endif
#include "wrappers/wrappers.def"
#undef FUNCTION
};
#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static const uint32_t wanted_for[FUNCTIONS] = {
#define FUNCTION(name, version, classes) classes,
#ifdef MATRACE
#include "src/session/watched.def"
#endif
#include "wrappers/wrappers.def"
#undef FUNCTION
};

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

/* True if calls are missing in the report where they are not seen; free() only tells the end of locks. */
static bool is_counted(const char *name)
{
#ifdef MATRACE
	return name[0] != '\0';
#else
	static const char *const begin[] = { "pthread_", "sem_", "mtx_", "cnd_", "thrd_", "call_once" };

	for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
		if (strncmp(name, begin[i], strlen(begin[i])) == 0)
			return true;
	return false;
#endif
}

/* Chooses the functions that are redirected. */
static void prepare(void)
{
	uint32_t classes = recorder.config.watch ? recorder.config.watch : 1;

	for (size_t i = 0; i < FUNCTIONS; i++) {
		functions[i].ours = wanted_for[i] & classes ? defined_address_here(functions[i].name) : NULL;
		functions[i].counted = is_counted(functions[i].name);
	}
}

/* True if the program looks into a library that it has opened. So Free Pascal finds the C library's locks, and finds its own there. */
static bool is_by_handle(const void *handle, const char *name)
{
#ifdef MATRACE
	(void)handle;
	(void)name;
	return false;
#else
	return handle != RTLD_DEFAULT && is_counted(name);
#endif
}

void *attach_instead(void *handle, const char *name)
{
	size_t i = 0;

	if (recorder.state != RECORDER_ON || !(late || is_by_handle(handle, name)))
		return NULL;
	while (i < FUNCTIONS && ((late && !functions[i].ours) || strcmp(functions[i].name, name) != 0))
		i++;
	/* what nobody defines has no original */
	if (i == FUNCTIONS || !*functions[i].original || REAL(dlsym)(handle, name) != *functions[i].original)
		return NULL;
	return late ? functions[i].ours : defined_address_here(name);
}

static uint32_t busy;
static int clock_mode; /* of the thread that makes the call: if it may read the processor's clock */

/* Another command's call may come before the call of one that was killed is over. */
static bool enter(void)
{
	for (int i = 0; __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE); i++) {
		if (i == BUSY_MOMENTS)
			return false;
		raw_sleep((const long[2]){ 0, 1000000 });
	}
	clock_mode = PR_TSC_ENABLE;
	RAW_CALL(SYS_prctl, PR_GET_TSC, &clock_mode, 0, 0, 0, 0);
	if (clock_mode == PR_TSC_SIGSEGV)
		RAW_CALL(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0, 0);
	return true;
}

static int leave(int result)
{
	if (clock_mode == PR_TSC_SIGSEGV)
		RAW_CALL(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0, 0);
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
	return result;
}

static void set_up(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	keys_setup();
	pthread_atfork(families_before_fork, families_after_fork_parent, families_after_fork_child);
#ifdef MATRACE
	watch_setup();
	watch_new_setup();
#endif
}

static bool redirected; /* calls come to us */

static int end(void)
{
	int r;

#ifdef MATRACE
	watch_ended();
#endif
	r = recorder_detach();
	if (redirected && !recorder_is_attached()) { /* the recorder may have stopped before */
		redirected = !families_detach();
		r = 0;
	}
	return r;
}

static int begin(const char *session, uintptr_t heap, uintptr_t heap_end)
{
	static bool resolved;
	bool left;
	int r;

	if (!resolved)
		real_resolve_late();
	resolved = true;
	left = recorder_is_attached() && recorder_is_left();
	if (left || !recorder_is_attached())
		end();
	if (left) /* all threads must have seen that before */
		return -ERESTART;
	if (clock_mode == PR_TSC_SIGSEGV)
		return -EOPNOTSUPP;
	r = recorder_attach(session, argument_count, arguments);
	if (r < 0)
		return r;
	set_up();
#ifndef MATRACE
	inlined_start((uint32_t)gettid());
	mutex_calibrate();
#endif
	prepare();
	redirected = true;
	if (!families_attach(functions, FUNCTIONS, heap, heap_end)) {
		end();
		return -EBUSY;
	}
	return 0;
}

/* heap: the allocator's memory, where pointers are counted. session NULL: it is asked whether the other tool may attach. A recording that nobody has any more is ended for it. */
EXPORT int mutrace_attach(const char *session, uintptr_t heap, uintptr_t heap_end)
{
	if (!late)
		return -EEXIST;
	if (!enter())
		return -EBUSY;
	if (session)
		return leave(begin(session, heap, heap_end));
	if (recorder_is_attached() && !recorder_is_left())
		return leave(-EALREADY);
	end();
	return leave(0);
}

EXPORT int mutrace_detach(void)
{
	if (!late)
		return -EEXIST;
	return enter() ? leave(end()) : -EBUSY;
}
