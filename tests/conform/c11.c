/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The C11 interface: mtx_*, cnd_*, thrd_*, tss_*, call_once.
 */
#include "conform.h"

#include <stdint.h>
#include <threads.h>
#include <unistd.h>

static const char *thrd_name(int r)
{
	return r == thrd_success    ? "success"
	       : r == thrd_busy     ? "busy"
	       : r == thrd_error    ? "error"
	       : r == thrd_nomem    ? "nomem"
	       : r == thrd_timedout ? "timedout"
				    : "?";
}

static int thrd_result(const char *text, int r)
{
	int error = errno;

	say("%s = %s%s", text, thrd_name(r), error == ERRNO_MARK ? "" : ", errno touched");
	return r;
}

#define THRD(call) (errno = ERRNO_MARK, thrd_result(#call, (call)))

static int timed(void *m)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	return mtx_timedlock(m, &t);
}

#define THRD_ELSEWHERE(function, object) \
	thrd_result("in another thread: " #function, elsewhere((int (*)(void *))(function), (object)))

static const int types[] = { mtx_plain, mtx_timed, mtx_recursive, mtx_timed | mtx_recursive };
static const char *const type_names[] = { "plain", "timed", "recursive", "timed-recursive" };

static void mutex_life(long type)
{
	mtx_t m;

	THRD(mtx_init(&m, types[type]));
	for (int i = 0; i < 2; i++) {
		THRD(mtx_lock(&m));
		THRD(mtx_unlock(&m));
		THRD(mtx_trylock(&m));
		THRD(mtx_unlock(&m));
		THRD(timed(&m));
		THRD(mtx_unlock(&m));
	}
	mtx_destroy(&m);
}

static void mutex_again(long type)
{
	struct timespec never = { .tv_sec = 1, .tv_nsec = 1000000000 }, past = { .tv_sec = 1 };
	mtx_t m;
	int more = 0;

	THRD(mtx_init(&m, types[type]));
	THRD(mtx_lock(&m));
	more += THRD(mtx_trylock(&m)) == thrd_success;
	more += THRD(timed(&m)) == thrd_success;
	more += THRD(mtx_timedlock(&m, &past)) == thrd_success;
	more += THRD(mtx_timedlock(&m, &never)) == thrd_success;
	THRD_ELSEWHERE(mtx_trylock, &m);
	THRD_ELSEWHERE(timed, &m);
	while (more--)
		THRD(mtx_unlock(&m));
	THRD(mtx_unlock(&m));
	THRD_ELSEWHERE(mtx_trylock, &m);
}

static void mutex_wrong_type(long arg)
{
	mtx_t m;

	(void)arg;
	for (int type = -1; type < 8; type++) {
		say("type %d", type);
		THRD(mtx_init(&m, type));
	}
}

static void mutex_waiter_body(struct worker *w)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 50000);

	worker_mark(w);
	w->result = w->arg ? mtx_timedlock(w->object, &t) : mtx_lock(w->object);
	if (mtx_unlock(w->object) != thrd_success)
		say("mtx_unlock failed");
}

static void mutex_handed_over(long type)
{
	struct worker w;
	mtx_t m;

	THRD(mtx_init(&m, types[type]));
	for (long how = 0; how < 2; how++) {
		THRD(mtx_lock(&m));
		worker_start(&w, mutex_waiter_body, &m, how);
		worker_asleep(&w, 1);
		THRD(mtx_unlock(&m));
		worker_join(&w);
		say("waiter: %s", thrd_name(w.result));
	}
	THRD(mtx_trylock(&m));
	THRD(mtx_unlock(&m));
	mtx_destroy(&m);
}

struct scene {
	mtx_t mutex;
	cnd_t cond;
	int ready, taken;
};

static void cond_waiter_body(struct worker *w)
{
	struct scene *s = w->object;
	struct timespec t = in_ms(CLOCK_REALTIME, 50000);
	int r = thrd_success;

	mtx_lock(&s->mutex);
	worker_mark(w);
	while (s->ready == 0 && r == thrd_success)
		r = w->arg ? cnd_timedwait(&s->cond, &s->mutex, &t) : cnd_wait(&s->cond, &s->mutex);
	s->ready--;
	s->taken++;
	w->result = r;
	mtx_unlock(&s->mutex);
}

static void condition(long arg)
{
	struct timespec past = { .tv_sec = 1 }, never = { .tv_sec = 1, .tv_nsec = 1000000000 };
	struct scene s = { .ready = 0 };
	struct worker w[4];

	(void)arg;
	THRD(mtx_init(&s.mutex, mtx_plain));
	THRD(cnd_init(&s.cond));
	THRD(cnd_signal(&s.cond));
	THRD(cnd_broadcast(&s.cond));
	THRD(mtx_lock(&s.mutex));
	THRD(cnd_timedwait(&s.cond, &s.mutex, &past));
	THRD(cnd_timedwait(&s.cond, &s.mutex, &never));
	THRD(mtx_trylock(&s.mutex));
	THRD(mtx_unlock(&s.mutex));
	for (int i = 0; i < 4; i++)
		worker_start(&w[i], cond_waiter_body, &s, i % 2);
	for (int i = 0; i < 4; i++)
		worker_asleep(&w[i], 1);
	mtx_lock(&s.mutex);
	s.ready = 1;
	THRD(cnd_signal(&s.cond));
	mtx_unlock(&s.mutex);
	for (int left = 1; left;) {
		sleep_ms(1);
		mtx_lock(&s.mutex);
		left = s.ready;
		mtx_unlock(&s.mutex);
	}
	VALUE(s.taken);
	mtx_lock(&s.mutex);
	s.ready = 3;
	THRD(cnd_broadcast(&s.cond));
	mtx_unlock(&s.mutex);
	for (int i = 0; i < 4; i++) {
		worker_join(&w[i]);
		VALUE(w[i].result == thrd_success);
	}
	VALUE(s.taken);
	cnd_destroy(&s.cond);
	mtx_destroy(&s.mutex);
}

static tss_t key;
static atomic_int destroyed;

static void destroy_value(void *value)
{
	atomic_fetch_add(&destroyed, (int)(intptr_t)value);
}

static int thread_main(void *data)
{
	intptr_t how = (intptr_t)data;

	if (tss_set(key, data) != thrd_success || tss_get(key) != data)
		say("tss_set failed");
	if (how == 2)
		thrd_exit(-2000000000);
	return (int)how * 7;
}

static void thread(long arg)
{
	thrd_t t;
	int result = 0;

	(void)arg;
	THRD(tss_create(&key, destroy_value));
	for (intptr_t how = 1; how <= 3; how++) {
		THRD(thrd_create(&t, thread_main, (void *)how));
		THRD(thrd_join(t, &result));
		VALUE(result);
	}
	THRD(thrd_create(&t, thread_main, (void *)4));
	THRD(thrd_detach(t));
	await(&destroyed, 10);
	VALUE(destroyed);
	VALUE(thrd_equal(thrd_current(), thrd_current()));
	THRD(thrd_join(thrd_current(), NULL));
	tss_delete(key);
	thrd_yield();
	VALUE(thrd_sleep(&(struct timespec){ .tv_nsec = 1000 }, NULL));
	VALUE(thrd_sleep(&(struct timespec){ .tv_nsec = -1 }, NULL));
}

static once_flag once = ONCE_FLAG_INIT;
static atomic_int once_runs, once_go;

static void run_once(void)
{
	atomic_fetch_add(&once_runs, 1);
	await(&once_go, 1);
}

static void once_body(struct worker *w)
{
	worker_mark(w);
	call_once(&once, run_once);
	w->result = atomic_load(&once_runs);
}

static void called_once(long arg)
{
	struct worker w[4];

	(void)arg;
	for (int i = 0; i < 4; i++)
		worker_start(&w[i], once_body, NULL, 0);
	for (int i = 0; i < 4; i++)
		worker_asleep(&w[i], 1);
	atomic_store(&once_go, 1);
	for (int i = 0; i < 4; i++) {
		worker_join(&w[i]);
		VALUE(w[i].result);
	}
	call_once(&once, run_once);
	VALUE(once_runs);
}

static struct {
	mtx_t mutex;
	long value;
} counted;

static int counting_main(void *data)
{
	(void)data;
	for (int i = 0; i < 20000; i++) {
		mtx_lock(&counted.mutex);
		counted.value++;
		mtx_unlock(&counted.mutex);
	}
	return 0;
}

static void counting(long type)
{
	thrd_t t[3];

	THRD(mtx_init(&counted.mutex, types[type]));
	for (int i = 0; i < 3; i++)
		thrd_create(&t[i], counting_main, NULL);
	for (int i = 0; i < 3; i++)
		thrd_join(t[i], NULL);
	VALUE(counted.value);
}

void family_c11(void)
{
	static const struct {
		const char *name;
		void (*run)(long type);
	} scenes[] = {
		{ "mutex_life", mutex_life },
		{ "mutex_again", mutex_again },
		{ "mutex_handed_over", mutex_handed_over },
		{ "counting", counting },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		for (long type = 0; type < 4; type++)
			case_add(scenes[i].run, type, "c11/%s/%s", scenes[i].name, type_names[type]);
	CASE("c11", mutex_wrong_type);
	CASE("c11", condition);
	CASE("c11", thread);
	CASE("c11", called_once);
}
