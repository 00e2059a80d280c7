/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Locks of other libraries: GLib, Qt, the OpenMP runtimes, the C++ library and others. Their functions are redirected in the
 * objects that are loaded, at start and after others were loaded. dlopen() is left by a jump, so the first call of
 * dlsym(), dlopen() or pthread_create() after it looks. A thread that looks holds no lock of the recorder.
 *
 * In libmatrace-all.so too, there OpenMP's only (watch_openmp.c): the others' waits are futex calls by syscall().
 */
#include "wrappers/families.h"

#include <errno.h>
#include <pthread.h>

#ifndef MATRACE
#include "inject/marks.h"
#endif
#include "inject/redirect.h"
#include "src/record/raw.h"
#include "src/record/recorder.h"
#ifdef MATRACE
#include "src/session/watched.h"
#else
#include "wrappers/marks.h"
#endif
#include "wrappers/real.h"

#define MOMENTS 5000 /* of a millisecond */

struct families families;
bool families_stale;

#define REDIRECT(name, symbol) \
	{ symbol, NULL, (void *)ours_##name, (void **)&families.name, 0, NULL, true, NULL },
static struct redirect openmp[] = {
#define OPENMP(type, name, parameters) REDIRECT(name, #name)
#include "wrappers/families.def"
};
#ifndef MATRACE
static struct redirect openmp_teams[] = {
#define OPENMP_CALLED(type, name, parameters) \
	{ #name, NULL, NULL, (void **)&families.name, 0, NULL, true, NULL },
#define OPENMP_TEAM(type, name, parameters) REDIRECT(name, #name)
#define OPENMP_CALLER(type, name, parameters, called) \
	{ \
		#name, NULL, (void *)ours_##name,      (void **)&families.name, 0, \
		NULL,  true, (void **)&families.called \
	},
#include "wrappers/families.def"
};
static struct redirect glib[] = {
#define GLIB(type, name, parameters) REDIRECT(name, #name)
#include "wrappers/families.def"
};
static struct redirect cxx[] = {
#define CXX(type, name, parameters) REDIRECT(name, #name)
#include "wrappers/families.def"
};
static struct redirect qt[] = {
#define QT(type, name, symbol, parameters) REDIRECT(name, symbol)
#include "wrappers/families.def"
};
static struct redirect absl[] = {
#define ABSL(type, name, symbol, parameters) REDIRECT(name, symbol)
#include "wrappers/families.def"
};
static struct redirect tbb[] = {
#define TBB(type, name, symbol, parameters) REDIRECT(name, symbol)
#include "wrappers/families.def"
};
static struct redirect libcxx[] = {
#define LIBCXX(type, name, symbol, parameters) REDIRECT(name, symbol)
#include "wrappers/families.def"
};
#endif

#define LIBRARY(list, ...) \
	{ \
		{ __VA_ARGS__ }, list, sizeof(list) / sizeof((list)[0]), false, false \
	}
static struct redirect_library libraries[] = {
	LIBRARY(openmp, "libgomp", "libomp.so", "libiomp5.so"),
#ifndef MATRACE
	LIBRARY(openmp_teams, "libgomp", "libomp.so", "libiomp5.so"),
	LIBRARY(glib, "libglib-2.0.so"),
	LIBRARY(cxx, "libstdc++.so", "libc++abi.so"),
	LIBRARY(qt, "libQt5Core.so", "libQt6Core.so"),
	LIBRARY(absl, "libabsl_synchronization.so"),
	LIBRARY(tbb, "libtbb.so"),
	LIBRARY(libcxx, "libc++.so"),
#endif
	{ .given = true }, /* the C library, in a process that we came into later */
};
#define LIBRARIES (sizeof(libraries) / sizeof(libraries[0]))
static size_t n_libraries = LIBRARIES - 1;

/* Those before it are not asked for. */
static size_t first_library(void)
{
#ifdef MATRACE
	if (!(recorder.config.watch >> WATCH_CLASS_locks & 1))
		return LIBRARIES - 1;
#endif
	return 0;
}

#define FORK_PATIENCE 20000 /* moments that a fork waits for a look to end */

static uint32_t looking; /* a thread looks, or forks */
static pthread_t forker;
static bool forking;

static bool take(void)
{
	return !__atomic_exchange_n(&looking, 1, __ATOMIC_ACQUIRE);
}

/*
 * Forgetting it, a child would have the loader's lock on its list without a thread that gives it back, and would stop at its first
 * stack.
 */
void families_before_fork(void)
{
	bool mine = take();

	for (int i = 0; !mine && i < FORK_PATIENCE; i++) {
		raw_sleep((const long[2]){ 0, 50000 });
		mine = take();
	}
	if (mine) {
		forker = pthread_self();
		forking = true;
	}
	recorder_before_fork();
}

static void forked(void)
{
	if (!forking || !pthread_equal(forker, pthread_self()))
		return;
	forking = false;
	__atomic_store_n(&looking, 0, __ATOMIC_RELEASE);
}

void families_after_fork_parent(void)
{
	recorder_after_fork_parent();
	forked();
}

void families_after_fork_child(void)
{
	recorder_after_fork_child();
	forked();
}

static uint32_t refused; /* slots that were told of; each look meets them again */

static void tell(const struct redirect_sum *sum)
{
	uint32_t more = sum->refused > refused ? sum->refused - refused : 0;

	refused += more;
	recorder_redirected(sum->slots, sum->found, more + sum->kept);
}

/* False: somebody else does, or forks. */
static bool look(struct redirect_sum sum)
{
	size_t first = first_library();
	int saved = errno;

	if (first == n_libraries)
		return true;
	if (recorder.state != RECORDER_ON || recorder.confined)
		return true;
	if (!take())
		return false;
	__atomic_store_n(&families_stale, false, __ATOMIC_SEQ_CST);
	/* asked again: recorder_detach() may have come in between */
	if (__atomic_load_n(&recorder.state, __ATOMIC_SEQ_CST) == RECORDER_ON &&
	    !redirect_scan(libraries + first, n_libraries - first, REAL(dl_iterate_phdr), &sum))
		families_changing();
	if (n_libraries == LIBRARIES)
		tell(&sum);
#ifndef MATRACE
	marks_fill(mutrace_name, mutrace_phase, REAL(dl_iterate_phdr));
#endif
	__atomic_store_n(&looking, 0, __ATOMIC_RELEASE);
	errno = saved;
	return true;
}

void families_start(void)
{
	look((struct redirect_sum){ .pointers = false });
}

/* For what another thread, which may be in the middle of a fork, is about to end. False: it took too long. */
static bool wait_for_it(int *moments)
{
	return (*moments)++ < MOMENTS && (raw_sleep((const long[2]){ 0, 1000000 }), true);
}

bool families_attach(struct redirect *functions, size_t n, uintptr_t heap, uintptr_t heap_end)
{
	int moments = 0;
	const struct redirect_sum all = { .pointers = true, .heap = heap, .heap_end = heap_end };

	libraries[LIBRARIES - 1].functions = functions;
	libraries[LIBRARIES - 1].n = n;
	n_libraries = LIBRARIES;
	refused = 0;
	while (!look(all))
		if (!wait_for_it(&moments))
			return false;
	return true;
}

bool families_detach(void)
{
	size_t first = first_library();
	int moments = 0;

	while (!take())
		if (!wait_for_it(&moments))
			return false;
	redirect_undo(libraries + first, n_libraries - first, REAL(dl_iterate_phdr));
	__atomic_store_n(&families_stale, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&looking, 0, __ATOMIC_RELEASE);
	return true;
}

void families_changing(void)
{
	__atomic_store_n(&families_stale, true, __ATOMIC_SEQ_CST);
}

COLD void families_look_again(void)
{
	look((struct redirect_sum){ .pointers = false });
}
