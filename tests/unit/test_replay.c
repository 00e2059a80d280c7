/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Replays of runs that are made by hand: which threads act at fixed times, how running times differ by luck,
 * which work comes from outside, and which threads run only as long as others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include <stdlib.h>
#include <string.h>

#include "src/trace/private.h"

#define MS UINT64_C(1000000)
#define EVENTS_MOST 4096
#define THREADS_MOST 8

/* A process whose events are added thread by thread. Locks 0 and 2 are mutexes, lock 1 is a condition. */
struct world {
	struct model_process p;
	struct model_thread threads[THREADS_MOST];
	struct model_lock locks[3];
	struct model_event events[EVENTS_MOST];
};

static struct world *world_new(uint64_t runtime_ms)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->p.threads = w->threads;
	w->p.locks = w->locks;
	w->p.events = w->events;
	w->p.n_locks = 3;
	w->p.pid = 100;
	w->p.runtime_ns = runtime_ms * MS;
	w->p.end = PROCESS_EXITED;
	w->locks[0].kind = KIND_MUTEX;
	w->locks[1].kind = KIND_COND;
	w->locks[2].kind = KIND_MUTEX;
	return w;
}

static struct model_event *happened(struct world *w, enum event_type type, uint64_t begin, uint64_t end,
				    uint32_t lock)
{
	struct model_event *e = &w->events[w->p.n_events++];

	assert_true(w->p.n_events < EVENTS_MOST);
	w->threads[w->p.n_threads - 1].events_count++;
	*e = (struct model_event){ .begin_ns = begin,
				   .end_ns = end,
				   .thread = (uint32_t)w->p.n_threads - 1,
				   .lock = lock,
				   .other = MODEL_NONE,
				   .stack = MODEL_NONE,
				   .within = MODEL_NONE,
				   .type = (uint8_t)type };
	return e;
}

static void thread_begins(struct world *w, uint64_t cpu_ms)
{
	struct model_thread *t = &w->threads[w->p.n_threads++];

	*t = (struct model_thread){ .tid = 100 + (uint32_t)w->p.n_threads - 1,
				    .end_ns = w->p.runtime_ns,
				    .waiting_lock = MODEL_NONE,
				    .joining = MODEL_NONE,
				    .cpu_ns = cpu_ms * MS,
				    .events_first = (uint32_t)w->p.n_events };
	happened(w, EVENT_START, 0, 0, MODEL_NONE);
}

static struct trace *trace_new(const struct world *w)
{
	struct trace *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	*t = (struct trace){ .process = &w->p, .main = MODEL_NONE, .work = MODEL_NONE };
	assert_int_equal(trace_build(t), 0);
	return t;
}

static void trace_end(struct trace *t)
{
	void *const parts[] = { t->ops,  t->strands, t->permits, t->given, t->signallers,
				t->naps, t->jobs,    t->pools,   t->busy,  t };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		free(parts[i]);
}

/* The end of a replay, in ms; first: with lock 0 changed. */
static double replay_changed(const struct trace *t, uint32_t luck, bool first, enum trace_change change)
{
	const uint8_t changed[3] = { 1, 0, 0 };
	struct replay r = { .changed = first ? changed : NULL,
			    .change = change,
			    .sleep = 1,
			    .luck = luck,
			    .steps_most = 1000000 };

	assert_int_equal(trace_replay(t, &r), 0);
	assert_true(r.end > 0);
	return (double)r.end / (double)MS;
}

static double replayed(const struct trace *t, uint32_t luck, bool no_hold)
{
	return replay_changed(t, luck, no_hold, TRACE_NO_HOLD);
}

/* Holds of `held` ms, of which each second one is longer, and sleep after each: until the next `period`
 * (ms), or for 10 ms if that is 0. Are they timed, and how long is the run without holds, in ms? */
static void holds(uint64_t period, uint64_t held, uint64_t more, bool timed, double least, double most)
{
	struct world *w = world_new(40 * (period ? period : 10 + held + more / 2));
	struct trace *t;
	uint64_t at = 0;
	size_t n = 0;

	thread_begins(w, 0);
	for (uint64_t i = 0; i < 40; i++) {
		uint64_t length = held + (i % 2 ? more : 0);

		at = period ? (i + 1) * period - held - more : at + 10;
		happened(w, EVENT_HOLD, at * MS, (at + length) * MS, 0);
		at += length;
	}
	t = trace_new(w);
	for (size_t i = 0; i < t->n_ops; i++)
		n += t->ops[i].timed;
	assert_int_equal(n, timed ? 40 : 0);
	assert_true(replayed(t, 0, false) > (double)w->p.runtime_ns / (double)MS - 0.01);
	assert_true(replayed(t, 0, false) < (double)w->p.runtime_ns / (double)MS + 0.01);
	assert_true(replayed(t, 0, true) >= least);
	assert_true(replayed(t, 0, true) <= most);
	trace_end(t);
	free(w);
}

/* A thread that acts at fixed times is not done earlier, however short its holds are. */
static void test_timed(void **state)
{
	(void)state;
	holds(20, 2, 8, true, 40 * 20 - 10, 40 * 20);
}

/* A thread that sleeps for as long after each hold is, also where its times are regular, as all holds are
 * as long. */
static void test_not_timed(void **state)
{
	(void)state;
	holds(0, 2, 8, false, 40 * 10 - 1, 40 * 10 + 1);
	holds(0, 5, 0, false, 40 * 10 - 1, 40 * 10 + 1);
	holds(20, 5, 0, false, 40 * 15 - 1, 40 * 15 + 5);
}

/* A main thread with 50 holds, and another one with n. */
static struct trace *two_threads(struct world **ret, uint64_t n)
{
	struct world *w = world_new(500);

	for (int thread = 0; thread < 2; thread++) {
		thread_begins(w, 0);
		for (uint64_t i = 0; i < (thread ? n : 50); i++)
			happened(w, EVENT_HOLD, (i * 10 + 4) * MS, (i * 10 + 6) * MS, thread ? 2 : 0);
	}
	*ret = w;
	return trace_new(w);
}

/* Running times differ by a little, in one way for each number, whatever other threads do meanwhile. */
static void test_luck(void **state)
{
	struct world *w[2];
	struct trace *t[2] = { two_threads(&w[0], 0), two_threads(&w[1], 50) };
	double ends[4];

	(void)state;
	for (uint32_t luck = 0; luck < 4; luck++) {
		ends[luck] = replayed(t[0], luck, false);
		assert_true(ends[luck] > 500 * .97 && ends[luck] < 500 * 1.03);
		/* i386's registers are wider than what they are stored to */
		assert_true(fabs(ends[luck] - replayed(t[0], luck, false)) < 1e-6);
		assert_true(fabs(ends[luck] - replayed(t[1], luck, false)) < 1e-6);
		for (uint32_t other = 0; other < luck; other++)
			assert_true(fabs(ends[luck] - ends[other]) > 1e-3);
	}
	assert_true(ends[0] == 500);
	for (int i = 0; i < 2; i++) {
		trace_end(t[i]);
		free(w[i]);
	}
}

/* Two threads have lock 0 by turns, and within it lock 2 for 8 of 10 ms, of which only sums tell. Without
 * lock 0 they wait for lock 2: it is never held twice. */
static void test_inner(void **state)
{
	struct world *w = world_new(400);
	struct trace *t;

	(void)state;
	for (uint64_t thread = 0; thread < 2; thread++) {
		thread_begins(w, 0);
		for (uint64_t at = 10 * thread; at < 400; at += 20) {
			struct model_event *e;
			bool waits = at != 0;

			if (waits)
				happened(w, EVENT_WAIT, (at - 9) * MS, at * MS, 0);
			e = happened(w, EVENT_SUM, at * MS, at * MS, 2);
			e->span_ns = 8 * MS;
			e->holds = 1;
			e->within = 0;
			happened(w, EVENT_HOLD, at * MS, (at + 10) * MS, 0)->flags = waits ? EVENT_WAITED : 0;
		}
	}
	t = trace_new(w);
	assert_true(replay_changed(t, 0, false, 0) == 400);
	assert_true(replay_changed(t, 0, true, TRACE_NO_CONTENTION) >= 2 * 20 * 8);
	trace_end(t);
	free(w);
}

/* A server: the main thread sleeps. Another one gives work by a condition every 10 ms, and used the
 * processor and slept by choice for so long; a worker waits for it for so many ms of the 10, and has the
 * lock for 1 ms. */
static const char *served(uint64_t cpu_ms, uint64_t slept_ms, uint64_t waits)
{
	struct world *w = world_new(1000);
	uint32_t lock = 0;
	struct trace_set set = { .locks = &lock, .n_locks = 1 };
	struct trace_result result;

	w->p.end = PROCESS_KILLED;
	thread_begins(w, 0);
	thread_begins(w, cpu_ms);
	for (uint64_t i = 1; i < 100; i++) {
		if (slept_ms != 0) {
			struct model_event *nap = happened(w, EVENT_NAP, (i * 10 - 9) * MS,
							   (i * 10 - 9 + slept_ms) * MS, MODEL_NONE);

			nap->span_ns = slept_ms * MS;
			nap->flags = 1;
		}
		happened(w, EVENT_SIGNAL, i * 10 * MS, i * 10 * MS, 1);
	}
	thread_begins(w, 500);
	for (uint64_t i = 1; i < 100; i++) {
		happened(w, EVENT_WAIT, (i * 10 - waits) * MS, i * 10 * MS + 1000, 1);
		happened(w, EVENT_HOLD, (i * 10 + 1) * MS, (i * 10 + 2) * MS, 0);
	}
	assert_int_equal(trace_what_if(&w->p, 0, NULL, &set, 1, &result), 0);
	assert_int_equal(result.metric, TRACE_THROUGHPUT);
	free(w);
	return result.refused ? result.refused : "";
}

/* How fast work would come is not known where a thread that sleeps, and not by choice, gives it to those
 * that wait. */
static void test_fed(void **state)
{
	(void)state;
	assert_non_null(strstr(served(10, 0, 5), "from outside"));
	assert_null(strstr(served(900, 0, 5), "from outside"));
	assert_null(strstr(served(10, 8, 5), "from outside"));
	assert_null(strstr(served(10, 0, 0), "from outside"));
}

/* Two threads have a lock each, again and again, to the end of the run. One gives the other a signal each
 * time, for which that waits, or both only sleep. True if the other may only run as long as the first. */
static bool elastic(bool waits)
{
	struct world *w = world_new(505);
	struct trace *t;
	bool ret;

	thread_begins(w, 0);
	for (uint32_t thread = 0; thread < 2; thread++) {
		thread_begins(w, 0);
		for (uint64_t at = 10; at <= 500; at += 10) {
			if (thread == 0 && waits)
				happened(w, EVENT_SIGNAL, at * MS, at * MS, 1);
			else if (thread == 1 && waits)
				happened(w, EVENT_WAIT, (at - 5) * MS, at * MS + 1000, 1);
			happened(w, EVENT_HOLD, (at + 1) * MS, (at + 2) * MS, 2 * thread)->stack = thread;
		}
		happened(w, EVENT_EXIT, (503 + thread) * MS, (503 + thread) * MS, MODEL_NONE);
	}
	t = trace_new(w);
	trace_find_elastic(t);
	ret = t->strands[2].elastic;
	trace_end(t);
	free(w);
	return ret;
}

/* A thread that does what another one gives it does not end earlier if the other does less. */
static void test_elastic(void **state)
{
	(void)state;
	assert_true(elastic(false));
	assert_false(elastic(true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timed), cmocka_unit_test(test_not_timed),
		cmocka_unit_test(test_luck),  cmocka_unit_test(test_inner),
		cmocka_unit_test(test_fed),   cmocka_unit_test(test_elastic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
