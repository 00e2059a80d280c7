/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * OpenMP's parallel regions, of gcc's runtime and clang's: each thread of the team calls a function of ours, which calls the
 * program's. Nothing else tells when a thread has done its part, for which the one that began the region waits.
 */
#include <stdarg.h>

#include "src/record/teams.h"
#include "wrappers/families.h"

/* A region, on the stack of the thread that begins it. */
struct region {
	struct team team;
	void (*run)(void *);
	void *data;
};

static void run_part(void *data)
{
	struct region *r = data;
	struct team_part part;

	team_part_begin(&r->team, recorder_enter_quickly(), &part);
	r->run(r->data);
	team_part_end(&r->team, recorder_enter_quickly(), &part);
}

#define PARALLEL(name, parameters, ...) \
	void ours_##name parameters \
	{ \
		struct region r = { .run = run, .data = data }; \
\
		if (!team_begin(&r.team, recorder_enter_quickly())) { \
			ORIGINAL(name)(run, data, __VA_ARGS__); \
			return; \
		} \
		ORIGINAL(name)(run_part, &r, __VA_ARGS__); \
		team_end(&r.team, recorder_enter_quickly()); \
	}

PARALLEL(GOMP_parallel, (void (*run)(void *), void *data, unsigned int threads, unsigned int flags), threads,
	 flags)
PARALLEL(GOMP_parallel_sections,
	 (void (*run)(void *), void *data, unsigned int threads, unsigned int count, unsigned int flags),
	 threads, count, flags)

#define LOOP(name) \
	PARALLEL(name, \
		 (void (*run)(void *), void *data, unsigned int threads, long from, long to, long step, \
		  long piece, unsigned int flags), \
		 threads, from, to, step, piece, flags)
#define LOOP_RUNTIME(name) \
	PARALLEL(name, \
		 (void (*run)(void *), void *data, unsigned int threads, long from, long to, long step, \
		  unsigned int flags), \
		 threads, from, to, step, flags)

LOOP(GOMP_parallel_loop_static)
LOOP(GOMP_parallel_loop_dynamic)
LOOP(GOMP_parallel_loop_guided)
LOOP(GOMP_parallel_loop_nonmonotonic_dynamic)
LOOP(GOMP_parallel_loop_nonmonotonic_guided)
LOOP_RUNTIME(GOMP_parallel_loop_runtime)
LOOP_RUNTIME(GOMP_parallel_loop_nonmonotonic_runtime)
LOOP_RUNTIME(GOMP_parallel_loop_maybe_nonmonotonic_runtime)

/* clang's: the program's function has arguments of its own. */
struct task {
	struct team team;
	void *run, **arguments;
	int n;
};

static void run_task(const int32_t *thread, const int32_t *number, struct task *r)
{
	struct team_part part;
	void *frame;

	team_part_begin(&r->team, recorder_enter_quickly(), &part);
	ORIGINAL(__kmp_invoke_microtask)(r->run, *thread, *number, r->n, r->arguments, &frame);
	team_part_end(&r->team, recorder_enter_quickly(), &part);
}

void ours___kmpc_fork_call(void *place, int32_t n, void *run, ...)
{
	void **arguments = __builtin_alloca((size_t)(n > 0 ? n : 1) * sizeof(*arguments));
	struct task r = { .run = run, .arguments = arguments, .n = n };
	va_list list;

	va_start(list, run);
	for (int i = 0; i < n; i++)
		arguments[i] = va_arg(list, void *);
	va_end(list);
	team_begin(&r.team, recorder_enter_quickly());
	ORIGINAL(__kmpc_fork_call)(place, 1, (void *)run_task, &r);
	team_end(&r.team, recorder_enter_quickly());
}
