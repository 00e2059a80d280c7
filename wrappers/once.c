/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pthread_once and call_once, where a thread waits for another one's initialiser. The finished case costs a
 * load. */
#include "src/record/use.h"
#include "wrappers/cancel.h"
#include "wrappers/real.h"

/* glibc: bit 0 an initialiser runs, bit 1 it is done (the other bits are the process's fork generation). */
#define ONCE_RUNNING 1
#define ONCE_DONE 2

static void call(void *control, void (*routine)(void), bool c11)
{
	if (c11)
		REAL(call_once)(control, routine);
	else
		REAL(pthread_once)(control, routine);
}

static void wait_at(void *control, void (*routine)(void), bool c11, struct site site)
{
	struct cancellable x = { .mutex = NULL };
	struct thread *t = recorder_enter();

	if (t != NULL)
		x.use = recorder_use(t, control, KIND_ONCE, SIDE_EXCLUSIVE, site);
	if (x.use.cell == 0) {
		call(control, routine, c11);
		return;
	}
	x.thread = t;
	wait_begin(t, x.use, control, SIDE_EXCLUSIVE, site, &x.wait);
	pthread_cleanup_push(cancellable_unwound, &x);
	call(control, routine, c11);
	pthread_cleanup_pop(0);
	wait_end(t, &x.wait);
	use_acquired(x.use, true);
	wait_book(t, &x.wait, false);
}

static inline int once_state(const void *control)
{
	if (__builtin_expect(recorder.valgrind, 0))
		object_unwatch(control, sizeof(pthread_once_t));
	return __atomic_load_n((const int *)control, __ATOMIC_ACQUIRE);
}

EXPORT int pthread_once(pthread_once_t *control, void (*routine)(void))
{
	real_need();
	if ((once_state(control) & (ONCE_RUNNING | ONCE_DONE)) != ONCE_RUNNING)
		return REAL(pthread_once)(control, routine);
	wait_at(control, routine, false, SITE_HERE);
	return 0;
}

EXPORT void call_once(once_flag *control, void (*routine)(void))
{
	real_need();
	if ((once_state(control) & (ONCE_RUNNING | ONCE_DONE)) != ONCE_RUNNING)
		REAL(call_once)(control, routine);
	else
		wait_at(control, routine, true, SITE_HERE);
}

SYNONYM(__pthread_once, pthread_once)
