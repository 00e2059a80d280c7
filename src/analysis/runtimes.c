/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runtimes that build locks on futexes or semaphores: the names of their functions tell what a wait in one of them is for.
 * Of a stripped one the numbers have to tell (roles.c). And libraries whose own locks are the C library's or
 * futexes underneath. Runs in mutrace. Called by roles.c and rows.c,
 * and for `mutrace hang` by naming.c.
 */
#include <fnmatch.h>
#include <string.h>

#include "src/analysis/private.h"

/* Patterns of fnmatch() for demangled names. */
static const struct {
	const char *pattern;
	enum futex_role role;
} functions[] = {
	/* Rust's standard library, parking_lot */
	{ "*std::sys*::mutex::*", FUTEX_ROLE_LOCK },
	{ "*std::sys*::rwlock::*", FUTEX_ROLE_LOCK },
	{ "*std::sys*::once::*", FUTEX_ROLE_LOCK },
	{ "*std::sync::once::*", FUTEX_ROLE_LOCK }, /* an old one parks those that wait */
	{ "*std::sys*::condvar::*", FUTEX_ROLE_WORK },
	{ "*std::sys*::thread_park*", FUTEX_ROLE_WORK },
	{ "*std::sync::mp*::*", FUTEX_ROLE_WORK },
	{ "*std::thread::park*", FUTEX_ROLE_WORK },
	{ "*parking_lot_core::thread_parker*", FUTEX_ROLE_WORK },
	{ "*parking_lot::raw_mutex*", FUTEX_ROLE_LOCK },
	{ "*parking_lot::raw_rwlock*", FUTEX_ROLE_LOCK },
	{ "*parking_lot::once*", FUTEX_ROLE_LOCK },
	{ "*parking_lot::condvar*", FUTEX_ROLE_WORK },
	/* GLib */
	{ "g_mutex_lock*", FUTEX_ROLE_LOCK },
	{ "g_bit_lock*", FUTEX_ROLE_LOCK },
	{ "g_pointer_bit_lock*", FUTEX_ROLE_LOCK },
	{ "g_once_*", FUTEX_ROLE_LOCK },
	{ "g_cond_wait*", FUTEX_ROLE_WORK },
	/* Qt */
	{ "QBasicMutex::lock*", FUTEX_ROLE_LOCK },
	{ "QMutex::lock*", FUTEX_ROLE_LOCK },
	{ "tbb::detail::d1::mutex::lock*", FUTEX_ROLE_LOCK },
	{ "tbb::detail::d1::rw_mutex::lock*", FUTEX_ROLE_LOCK },
	{ "QReadWriteLock::*ock*", FUTEX_ROLE_LOCK },
	{ "QSemaphore::*", FUTEX_ROLE_WORK },
	/* abseil, which parks threads for both */
	{ "absl::*Mutex::Lock*", FUTEX_ROLE_LOCK },
	{ "absl::*Mutex::ReaderLock*", FUTEX_ROLE_LOCK },
	/* PostgreSQL: each process waits for all of its locks at one semaphore, which others post */
	{ "LWLockAcquire*", FUTEX_ROLE_LOCK },
	{ "LWLockWaitForVar", FUTEX_ROLE_LOCK },
};

static enum futex_role function_role(const char *function)
{
	for (size_t i = 0; function && i < sizeof(functions) / sizeof(functions[0]); i++)
		if (fnmatch(functions[i].pattern, function, 0) == 0)
			return functions[i].role;
	return FUTEX_ROLE_UNKNOWN;
}

/* These wait for a condition by the functions that wait for a lock. */
static bool waits_for_work(const char *function)
{
	static const char *const functions_of_work[] = { "absl::*Mutex::*LockWhen*", "absl::*Mutex::Await*",
							 "absl::*CondVar::*" };

	for (size_t i = 0; function && i < sizeof(functions_of_work) / sizeof(functions_of_work[0]); i++)
		if (fnmatch(functions_of_work[i], function, 0) == 0)
			return true;
	return false;
}

/* A condition's function may wait for its mutex, and a lock may park its thread. Either way it is the lock that is
 * waited for. */
bool runtimes_role_add(const char *function, enum futex_role *role)
{
	enum futex_role said = function_role(function);
	bool work = waits_for_work(function);

	if (work || (*role != FUTEX_ROLE_LOCK && said != FUTEX_ROLE_UNKNOWN))
		*role = work ? FUTEX_ROLE_WORK : said;
	return work;
}

enum futex_role runtimes_role(struct report_private *v, uint32_t stack)
{
	uint32_t frames[FRAMES_MAX];
	size_t n = stack == MODEL_NONE ? 0 : model_stack_frames(v->model, stack, frames);
	enum futex_role role = FUTEX_ROLE_UNKNOWN;

	for (size_t i = 0; i < n && i < RUNTIMES_FRAMES; i++) {
		const struct frame_names *names = symbols_frame(v, frames[i]);

		for (size_t k = 0; names && k < names->n; k++)
			if (runtimes_role_add(names->frames[k].function, &role))
				return role;
	}
	return role;
}

/* Libraries, by the beginnings of their files' names. */
static const struct {
	const char *file, *maker;
	bool futexes; /* only these are its own: its other locks are those of whoever calls it */
} libraries[] = {
	{ "libglib-2.0.so", "glib", false }, { "libQt5Core.so", "qt", false },
	{ "libQt6Core.so", "qt", false },    { "libabsl_", "abseil", false },
	{ "libtbb.so", "tbb", false },       { "libstdc++.so", "c++", true },
	{ "libc++.so", "c++", true },
};

const char *runtimes_maker(const struct model *m, const struct model_lock *l)
{
	uint32_t frames[FRAMES_MAX],
		stack = l->created_stack != MODEL_NONE ? l->created_stack : l->first_stack;
	size_t n = stack == MODEL_NONE ? 0 : model_stack_frames(m, stack, frames), i = 0;
	const char *maker = kind_maker(l->kind), *file;

	if (strcmp(maker, "pthread") != 0 && strcmp(maker, "futex") != 0)
		return maker;
	while (i < n &&
	       (m->frames[frames[i]].module == MODEL_NONE || m->modules[m->frames[frames[i]].module].ours))
		i++;
	if (i == n)
		return maker;
	file = m->modules[m->frames[frames[i]].module].name;
	for (size_t k = 0; k < sizeof(libraries) / sizeof(libraries[0]); k++)
		if (strncmp(file, libraries[k].file, strlen(libraries[k].file)) == 0 &&
		    (!libraries[k].futexes || kind_has(l->kind, TRAIT_WORD)))
			return libraries[k].maker;
	return maker;
}
