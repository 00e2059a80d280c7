/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* pthread_create, thrd_create: the new thread announces itself before it runs the program's function. And its
 * names. */
#include "src/record/recorder.h"
#include "wrappers/keys.h"
#include "wrappers/real.h"
#include "wrappers/thread.h"
#include "wrappers/families.h"
#ifdef MATRACE
#include "src/record/watch.h"
#endif

static void ended(void *thread)
{
	recorder_thread_ended(thread);
}

/* The size of the stack that is made for these attributes. 0: not known. */
static size_t stack_size(const pthread_attr_t *a)
{
	pthread_attr_t standard;
	size_t size = 0;

	if (a != NULL) {
		pthread_attr_getstacksize(a, &size);
	} else if (pthread_attr_init(&standard) == 0) {
		pthread_attr_getstacksize(&standard, &size); /* what pthread_setattr_default_np() has set */
		pthread_attr_destroy(&standard);
	}
	return size;
}

/* The first frame of every thread that we saw created; the reading side hides it. */
static void *thread_main(void *data)
{
	struct thread *t = data;
	void *(*start)(void *) = t->start;
	void *argument = t->start_argument;

	recorder_thread_started(t);
	return start(argument);
}

/* The same where no key tells of the thread's end. What it locks later, in the destructors of other keys, is
 * not recorded. */
static void *thread_main_to_end(void *data)
{
	struct thread *t = data;
	void *(*start)(void *) = t->start;
	void *argument = t->start_argument, *r;

	recorder_thread_started(t);
	pthread_cleanup_push(ended, t);
	r = start(argument);
	pthread_cleanup_pop(1);
	return r;
}

static int thread_main_c11(void *data)
{
	struct thread *t = data;
	thrd_start_t start = (thrd_start_t)(uintptr_t)t->start;
	void *argument = t->start_argument;

	recorder_thread_started(t);
	return start(argument);
}

static int thread_main_c11_to_end(void *data)
{
	struct thread *t = data;
	thrd_start_t start = (thrd_start_t)(uintptr_t)t->start;
	void *argument = t->start_argument;
	int r;

	recorder_thread_started(t);
	pthread_cleanup_push(ended, t);
	r = start(argument);
	pthread_cleanup_pop(1);
	return r;
}

static int create(pthread_t *id, const pthread_attr_t *a, void *(*start)(void *), void *argument)
{
	struct thread *t;
	int r;

	real_need();
	families_look();
	t = recorder_thread_prepare();
	if (t == NULL)
		return REAL(pthread_create)(id, a, start, argument);
	t->start = start;
	t->start_argument = argument;
	t->stack_size = stack_size(a);
	r = REAL(pthread_create)(id, a, keys_ours() ? thread_main : thread_main_to_end, t);
	if (r != 0)
		thread_abandon(t);
	return r;
}

static int create_c11(thrd_t *id, thrd_start_t start, void *argument)
{
	struct thread *t;
	int r;

	real_need();
	families_look();
	t = recorder_thread_prepare();
	if (t == NULL)
		return REAL(thrd_create)(id, start, argument);
	t->start = (void *(*)(void *))(uintptr_t)start;
	t->start_argument = argument;
	t->stack_size = stack_size(NULL);
	r = REAL(thrd_create)(id, keys_ours() ? thread_main_c11 : thread_main_c11_to_end, t);
	if (r != thrd_success)
		thread_abandon(t);
	return r;
}

EXPORT int pthread_create(pthread_t *id, const pthread_attr_t *a, void *(*start)(void *), void *argument)
{
#ifdef MATRACE
	struct watch w;

	if (!watch_plain() && watch_begin(&w, WATCHED_pthread_create, SITE_HERE, 0, 0)) {
		int r = create(id, a, start, argument);

		watch_end(&w);
		return r;
	}
#endif
	return create(id, a, start, argument);
}

EXPORT int thrd_create(thrd_t *id, thrd_start_t start, void *argument)
{
#ifdef MATRACE
	struct watch w;

	if (!watch_plain() && watch_begin(&w, WATCHED_thrd_create, SITE_HERE, 0, 0)) {
		int r = create_c11(id, start, argument);

		watch_end(&w);
		return r;
	}
#endif
	return create_c11(id, start, argument);
}

void thread_renamed(pthread_t id, const char *name)
{
	if (recorder.state != RECORDER_ON)
		return;
	thread_named(id, name);
#ifdef MATRACE
	if (recorder.rt_threads[0] != '\0') /* its name may make it a realtime one (--rt-threads) */
		threads_policy_stale();
#endif
}

EXPORT int pthread_setname_np(pthread_t id, const char *name)
{
	int r;

	real_need();
	r = REAL(pthread_setname_np)(id, name);
	if (r == 0)
		thread_renamed(id, name);
	return r;
}
