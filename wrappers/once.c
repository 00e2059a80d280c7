/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pthread_once and call_once, where a thread waits for another one's initialiser. The finished case costs a
 * load. Else the C library is given a routine of ours, which knows that it is this thread that initialises: it
 * holds the control while the program's routine runs.
 *
 * The wait cannot be cancelled. The routine may be, and in C++ it may throw; both pass over our frames, and the
 * hold stays in the books until somebody tries again.
 */
#include "src/record/use.h"
#include "wrappers/real.h"

/* glibc: bit 0 an initialiser runs, bit 1 it is done (the other bits are the process's fork generation). */
#define ONCE_RUNNING 1
#define ONCE_DONE 2

static int call(void *control, void (*routine)(void), bool c11)
{
	if (!c11)
		return REAL(pthread_once)(control, routine);
	REAL(call_once)(control, routine);
	return 0;
}

/* A call that may become the initialiser. Lives on the stack of the wrapper. */
struct turn {
	void (*routine)(void);
	const void *control;
	struct use use;
	struct site site;
	struct wait wait;
	bool contended, runs;
};

static __thread struct turn *own_turn __attribute__((tls_model("initial-exec")));

/* Ends a hold that was left by a cancellation or an exception. */
static void hold_forget(struct thread *t, const struct turn *turn)
{
	struct held *h = hold_find(t, turn->control), closed;
	uint64_t now;

	if (h)
		hold_end(t, h, turn->site, &closed, &now);
	else
		hold_end_foreign(t, turn->control, turn->use.lock);
}

/* In place of the program's routine. It may fork: then this thread is another one afterwards. */
static void run(void)
{
	struct turn *own = own_turn;
	const struct turn here = *own;
	struct thread *t = recorder_enter_quickly();
	struct held *h, closed;
	uint64_t now;

	own->runs = true;
	if (t && !wait_outlived(t, &own->wait)) {
		if (here.contended) { /* the other one did not come to the end of it */
			wait_end(t, &own->wait);
			wait_book(t, &own->wait, false);
		} else {
			wait_drop(t, &own->wait);
		}
		hold_forget(t, &here);
		hold_begin(t, here.use, here.control, SIDE_EXCLUSIVE, NULL);
	}
	here.routine();
	t = recorder_enter_quickly();
	h = t ? hold_find(t, here.control) : NULL;
	if (h)
		hold_end(t, h, here.site, &closed, &now);
}

/* contended: an initialiser runs. */
static int call_at(void *control, void (*routine)(void), bool c11, bool contended, struct site site)
{
	struct turn own = { .routine = routine, .control = control, .site = site, .contended = contended },
		    *outer;
	struct thread *t = recorder_enter_quickly();
	int r;

	if (t != NULL && (contended || t->mode != MODE_CONTENDED))
		own.use = recorder_use(t, control, KIND_ONCE, SIDE_EXCLUSIVE, site);
	if (own.use.cell == 0)
		return call(control, routine, c11);
	wait_begin(t, own.use, control, SIDE_EXCLUSIVE, site, &own.wait);
	outer = own_turn;
	own_turn = &own;
	r = call(control, run, c11);
	own_turn = outer;
	if (own.runs)
		return r;
	wait_end(t, &own.wait);
	if (wait_outlived(t, &own.wait))
		return r;
	use_acquired(own.use, true);
	wait_book(t, &own.wait, false);
	return r;
}

static inline int once_state(const void *control)
{
	if (__builtin_expect(recorder.valgrind, 0))
		object_unwatch(control, sizeof(pthread_once_t));
	return __atomic_load_n((const int *)control, __ATOMIC_ACQUIRE);
}

EXPORT int pthread_once(pthread_once_t *control, void (*routine)(void))
{
	int state;

	real_need();
	state = once_state(control);
	if (state & ONCE_DONE)
		return REAL(pthread_once)(control, routine);
	return call_at(control, routine, false, state & ONCE_RUNNING, SITE_HERE);
}

EXPORT void call_once(once_flag *control, void (*routine)(void))
{
	int state;

	real_need();
	state = once_state(control);
	if (state & ONCE_DONE)
		REAL(call_once)(control, routine);
	else
		call_at(control, routine, true, state & ONCE_RUNNING, SITE_HERE);
}

SYNONYM(__pthread_once, pthread_once)
