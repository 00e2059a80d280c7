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
	bool parks; /* a thread, for whatever its caller waits for */
} functions[] = {
	/* Rust's standard library, parking_lot */
	{ "*std::sys*::mutex::*", FUTEX_ROLE_LOCK, false },
	{ "*std::sys*::rwlock::*", FUTEX_ROLE_LOCK, false },
	{ "*std::sys*::once::*", FUTEX_ROLE_LOCK, false },
	{ "*std::sync::once::*", FUTEX_ROLE_LOCK, false }, /* an old one parks those that wait */
	{ "*std::sys*::condvar::*", FUTEX_ROLE_WORK, false },
	{ "*std::sys*::Mutex::*", FUTEX_ROLE_LOCK, false }, /* of 1.63 */
	{ "*std::sys*::RwLock::*", FUTEX_ROLE_LOCK, false },
	{ "*std::sys*::Condvar::*", FUTEX_ROLE_WORK, false },
	{ "*std::sys*::thread_park*", FUTEX_ROLE_WORK, true },
	{ "*std::sync::mp*::*", FUTEX_ROLE_WORK, false },
	{ "*std::thread::park*", FUTEX_ROLE_WORK, true },
	{ "*parking_lot_core::thread_parker*", FUTEX_ROLE_WORK, true },
	{ "*parking_lot::raw_mutex*", FUTEX_ROLE_LOCK, false },
	{ "*parking_lot::raw_rwlock*", FUTEX_ROLE_LOCK, false },
	{ "*parking_lot::once*", FUTEX_ROLE_LOCK, false },
	{ "*once_cell::imp*", FUTEX_ROLE_LOCK, false },
	{ "*parking_lot::condvar*", FUTEX_ROLE_WORK, false },
	/* GCC's C++ library: a word from a table counts the wakes of all atomics that are no int */
	{ "std::atomic_flag::wait*", FUTEX_ROLE_TABLED, false },
	{ "std::atomic<bool>::wait*", FUTEX_ROLE_TABLED, false },
	{ "std::barrier<*", FUTEX_ROLE_WORK, false },
	{ "std::latch::*", FUTEX_ROLE_WORK, false },
	{ "__cxa_guard_acquire", FUTEX_ROLE_LOCK, false }, /* linked statically */
	/* GLib */
	{ "g_mutex_lock*", FUTEX_ROLE_LOCK, false },
	{ "g_bit_lock*", FUTEX_ROLE_LOCK, false },
	{ "g_pointer_bit_lock*", FUTEX_ROLE_LOCK, false },
	{ "g_once_*", FUTEX_ROLE_LOCK, false },
	{ "g_cond_wait*", FUTEX_ROLE_WORK, false },
	/* Qt */
	{ "QBasicMutex::lock*", FUTEX_ROLE_LOCK, false },
	{ "QMutex::lock*", FUTEX_ROLE_LOCK, false },
	{ "tbb::detail::d1::mutex::lock*", FUTEX_ROLE_LOCK, false },
	{ "tbb::detail::d1::rw_mutex::lock*", FUTEX_ROLE_LOCK, false },
	{ "QReadWriteLock::*ock*", FUTEX_ROLE_LOCK, false },
	{ "QSemaphore::*", FUTEX_ROLE_COUNTED, false },
	/* abseil, which parks threads for both */
	{ "absl::*Mutex::Lock*", FUTEX_ROLE_LOCK, false },
	{ "absl::*Mutex::ReaderLock*", FUTEX_ROLE_LOCK, false },
	{ "absl::*SpinLock::*", FUTEX_ROLE_LOCK, false },
	{ "*absl::*CallOnceImpl*", FUTEX_ROLE_LOCK, false },
	/* PostgreSQL: each process waits for all of its locks at one semaphore, which others post */
	{ "LWLockAcquire*", FUTEX_ROLE_LOCK, false },
	{ "LWLockWaitForVar", FUTEX_ROLE_LOCK, false },
};

static enum futex_role function_role(const char *function, bool *ret_parks)
{
	*ret_parks = false;
	for (size_t i = 0; function && i < sizeof(functions) / sizeof(functions[0]); i++)
		if (fnmatch(functions[i].pattern, function, 0) == 0) {
			*ret_parks = functions[i].parks;
			return functions[i].role;
		}
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
	bool parks, work = waits_for_work(function);
	enum futex_role said = function_role(function, &parks);

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

#define NAMED_FRAMES 4u /* a lock's own functions call the kernel, or functions that do */

/* True if a name has a word, not as a part of "block", "clock" or "locked", nor in its parameters. */
static bool name_says(const char *name, const char *word)
{
	size_t end = strcspn(name, "(<");

	for (const char *at = name; (at = strcasestr(at, word)) && (size_t)(at - name) < end; at++)
		if ((at == name || !strchr("bBcC", at[-1])) &&
		    strncasecmp(at + strlen(word), "ed", strlen("ed")) != 0)
			return true;
	return false;
}

/* True if one of the innermost functions of a stack has a word in its name. */
static bool stack_says(struct report_private *v, uint32_t stack, const char *word)
{
	uint32_t frames[FRAMES_MAX];
	size_t n = stack == MODEL_NONE ? 0 : model_stack_frames(v->model, stack, frames);

	for (size_t i = 0; i < n && i < NAMED_FRAMES; i++) {
		const struct frame_names *names = symbols_frame(v, frames[i]);

		for (size_t k = 0; names && k < names->n; k++) {
			if (names->frames[k].function && name_says(names->frames[k].function, word))
				return true;
		}
	}
	return false;
}

bool runtimes_locks(struct report_private *v, uint32_t waiter, uint32_t waker)
{
	return stack_says(v, waker, "unlock") && stack_says(v, waiter, "lock");
}

bool runtimes_takes(struct report_private *v, uint32_t stack)
{
	return stack_says(v, stack, "lock") || stack_says(v, stack, "enter");
}

bool runtimes_gives(struct report_private *v, uint32_t stack)
{
	return stack_says(v, stack, "unlock") || stack_says(v, stack, "exit") ||
	       stack_says(v, stack, "leave");
}

enum futex_part runtimes_part(struct report_private *v, uint32_t stack)
{
	uint32_t frames[FRAMES_MAX];
	size_t n = stack == MODEL_NONE ? 0 : model_stack_frames(v->model, stack, frames);
	enum futex_role role = runtimes_role(v, stack), inner = FUTEX_ROLE_UNKNOWN;

	for (size_t i = 0; i < n && i < RUNTIMES_FRAMES; i++) {
		const struct frame_names *names = symbols_frame(v, frames[i]);
		bool parks;

		for (size_t k = 0; names && k < names->n && inner == FUTEX_ROLE_UNKNOWN; k++) {
			inner = function_role(names->frames[k].function, &parks);
			if (parks)
				inner = FUTEX_ROLE_UNKNOWN;
		}
	}
	if (role == FUTEX_ROLE_WORK)
		return FUTEX_PART_EVENTS;
	return inner == FUTEX_ROLE_WORK ? FUTEX_PART_ONCE : FUTEX_PART_LOCK;
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
