/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Adding up, naming, ranking, blaming: sessions made by hand against what the report says of them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/report.h"
#include "fake_symbols.h"
#include "make_session.h"
#include "src/render/number.h"
#include "src/render/render.h"

#define BASE 0x400000u

static const struct fake_function functions[] = {
	{ 0x1000, 0x1080, "transfer", "/src/bank.c", 88, NULL, 0 },
	{ 0x1080, 0x1100, "transfer", "/src/bank.c", 95, NULL, 0 },
	{ 0x2000, 0x2100, "worker", "/src/bank.c", 120, NULL, 0 },
	{ 0x3000, 0x3100, "audit", "/src/bank.c", 64, NULL, 0 },
	{ 0x3100, 0x3200, "audit", "/src/bank.c", 70, NULL, 0 },
	{ 0x4000, 0x4100, "std::mutex::lock()", "/usr/include/c++/12/bits/std_mutex.h", 100, NULL, 0 },
	{ 0x4100, 0x4200, "std::lock_guard<std::mutex>::lock_guard(std::mutex&)", "/x", 229, "push(Queue&)",
	  33 },
	{ 0x5000, 0x5100, "start_thread", NULL, 0, NULL, 0 },
	{ 0x6000, 0x6100, "my_lock", "/src/lock.c", 5, NULL, 0 },
	{ 0x7000, 0x7080, "queue_new", "/src/queue.c", 31, NULL, 0 },
	{ 0x7080, 0x7100, "queue_new", "/src/queue.c", 32, NULL, 0 },
	{ 0x8000, 0x8100, "evil\033[31m\nname", "/src/\xff.c", 1, NULL, 0 },
	{ 0, 0, NULL, NULL, 0, NULL, 0 },
};
static const struct fake_variable variables[] = {
	{ 0x9000, 0x9028, "accounts_lock", "/src/bank.c", 31 },
	{ 0x9100, 0x91fe, "stats", "/src/bank.c", 33 },
	{ 0x9200, 0x9228, "lock", NULL, 0 },
	{ 0x9300, 0x9328, "lock", NULL, 0 },
	{ 0, 0, NULL, NULL, 0 },
};

/* One session with one image, as far as the tests share it. */
struct fixture {
	char *dir;
	struct image_maker *im;
	struct model *model;
	struct report *report;
	struct report_options options;
	bool debug_info;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct session_file s;

	fake_functions = functions;
	fake_variables = variables;
	f->dir = session_dir_make();
	session_file_init(&s);
	session_file_write(f->dir, &s);
	f->im = image_maker_new(64);
	image_maker_module(f->im, "/nowhere/bank", BASE, 0x10000, MODULE_MAIN);
	report_options_init(&f->options);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->im) /* no report was made of it */
		image_maker_free(f->im);
	report_free(f->report);
	model_free(f->model);
	session_dir_remove(f->dir);
	free(f);
	return 0;
}

static uint32_t stack(struct fixture *f, uint64_t a, uint64_t b, uint64_t c)
{
	return image_maker_stack(f->im, (uint64_t[]){ BASE + a, b ? BASE + b : 0, c ? BASE + c : 0, 0 });
}

static struct report_process *report(struct fixture *f)
{
	char error[MODEL_ERROR_SIZE];

	if (f->im) {
		image_maker_write(f->im, f->dir, "image.100.0");
		f->im = NULL;
	}
	report_free(f->report);
	model_free(f->model);
	f->report = NULL;
	f->model = NULL;
	assert_int_equal(model_new(&f->model), 0);
	assert_int_equal(model_load(f->model, f->dir, error), 0);
	assert_int_equal(report_new(f->model, &f->options, &f->report), 0);
	return &f->report->processes[0];
}

/* Two mutexes and a rwlock, used by two threads. */
static void make_three_locks(struct fixture *f)
{
	uint32_t hot, cold, rw, t1, t2;
	struct cell *c;

	hot = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL);
	cold = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9140, NULL);
	rw = image_maker_lock(f->im, KIND_RWLOCK, BASE + 0x9180, NULL);
	t1 = image_maker_thread(f->im, 101, NULL);
	t2 = image_maker_thread(f->im, 102, NULL);
	image_maker_cell(f->im, t1, cold, 1000, NULL);
	image_maker_cell(f->im, t1, hot, 10, &c);
	c->contended = 1;
	c->hold_total = 1000;
	c->hold_max = 400;
	image_maker_cell(f->im, t2, hot, 30, &c);
	c->contended = 2;
	c->owner_changes = 5;
	c->hold_total = 3000;
	c->hold_max = 200;
	c->trylock_failed = 4;
	image_maker_cell(f->im, t2, hot, 2, &c); /* another call site of the same thread */
	c->flags = 0;
	image_maker_cell(f->im, t1, rw, 6, &c);
	c->side = SIDE_SHARED;
	image_maker_cell(f->im, t2, rw, 3, NULL);
	image_maker_edge(f->im, t1, hot, 1, 100);
	image_maker_edge(f->im, t2, hot, 3, 900)->timed_out = 1;
	image_maker_edge(f->im, t2, rw, 1, 400)->side = SIDE_SHARED;
}

static void test_totals_and_ranking(void **state)
{
	struct fixture *f = *state;
	struct report_process *p;

	make_three_locks(f);
	p = report(f);
	assert_int_equal(p->n_locks, 3);
	assert_string_equal(p->locks[0].name, "accounts_lock");
	assert_string_equal(p->locks[1].name, "stats+0x80");
	assert_string_equal(p->locks[2].name, "stats+0x40");
	assert_int_equal(p->locks[0].rank, 1);
	assert_int_equal(p->locks[0].side[0].acquired, 42);
	assert_int_equal(p->locks[0].side[0].contended, 3);
	assert_int_equal(p->locks[0].side[0].owner_changes, 5);
	assert_int_equal(p->locks[0].side[0].trylock_failed, 4);
	assert_int_equal(p->locks[0].side[0].threads, 2);
	assert_int_equal(p->locks[0].side[0].timed_out, 1);
	assert_int_equal(p->locks[0].side[0].wait.total_ns, 1000);
	assert_int_equal(p->locks[0].side[0].wait.max_ns, 300);
	assert_int_equal(p->locks[0].side[0].hold.total_ns, 4000);
	assert_int_equal(p->locks[0].side[0].hold.max_ns, 400);
	assert_int_equal(durations_average(&p->locks[0].side[0].hold), 4000 / 42);
	assert_int_equal(p->locks[1].side[SIDE_SHARED].acquired, 6);
	assert_int_equal(p->locks[1].side[SIDE_EXCLUSIVE].acquired, 3);
	assert_int_equal(p->locks[1].side[SIDE_SHARED].wait.total_ns, 400);
	assert_int_equal(p->total.acquired, 1051);
	assert_int_equal(p->total.wait.total_ns, 1400);
	assert_int_equal(p->thread_time_ns, 2000000000);
	assert_true(p->complete);
}

#define HOUR 3600000000000u
#define CLOCK (5 * (uint64_t)HOUR)
#define START 1000000000u

/* Longest waits as the recorder keeps them: one of a thread that is gone, one after the clock was set back
 * by an hour, and one that is half written. */
static void make_long_waits(struct fixture *f, uint32_t lock, const uint32_t threads[2])
{
	struct long_wait *w = image_maker_long_wait(f->im, threads[0], lock, START + 1000, 5000);

	w->realtime_ns = CLOCK + 6000;
	w->waiter_tid = 99;
	strcpy(w->waiter_name, "gone");
	w->hold_stack = stack(f, 0x3010, 0x2010, 0);
	w->hold_site = BASE + 0x3110;
	w->holder = threads[1];
	w->holder_tid = 102;
	w->holder_generation = 1;
	w->gave_up = 1;
	w->sum = long_wait_sum(w);
	w = image_maker_long_wait(f->im, threads[1], lock, START + 20000, 3000);
	w->realtime_ns = CLOCK + 23000 - HOUR;
	w->sum = long_wait_sum(w);
	image_maker_long_wait(f->im, threads[1], lock, START + 7, 900000)->length++;
}

/* Waits as events: one of those above again, and another one. */
static void make_waits(struct fixture *f, uint32_t lock, const uint32_t threads[2])
{
	struct event *e = image_maker_event(f->im, threads[1], EVENT_WAIT);

	e->begin = START + 20000;
	e->end = START + 23000;
	e->lock = lock;
	e = image_maker_event(f->im, threads[1], EVENT_WAIT);
	e->begin = START + 40000;
	e->end = START + 44000;
	e->lock = lock;
	e->other = threads[0];
}

static void check_longest(const struct report_long_wait *w)
{
	assert_true(w[0].unfinished);
	assert_int_equal(w[0].wait_ns, 940000);
	assert_int_equal(w[0].held_by, 101);
	assert_int_equal(w[0].realtime_ns, CLOCK + 60000 - HOUR);
	assert_int_equal(w[1].wait_ns, 5000);
	assert_int_equal(w[1].realtime_ns, CLOCK + 1000);
	assert_int_equal(w[1].tid, 99);
	assert_string_equal(w[1].thread_name, "gone");
	assert_string_equal(w[1].holder_name, "late");
	assert_int_equal(w[1].held_at->frames[0].line, 70); /* where it was taken, not where released */
	assert_true(w[1].gave_up);
	assert_int_equal(w[2].wait_ns, 4000);
	assert_int_equal(w[2].realtime_ns, CLOCK + 40000 - HOUR);
	assert_int_equal(w[2].held_by, 101);
	assert_int_equal(w[3].wait_ns, 3000);
	assert_int_equal(w[3].realtime_ns, CLOCK + 20000 - HOUR);
}

/* Waits of three sources, each once, with the clock as it was then. */
static void test_longest(void **state)
{
	struct fixture *f = *state;
	uint32_t lock = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL), t[2], cell;
	struct image_header *h = image_maker_header(f->im);
	struct thread_rec *r[2];

	for (uint32_t i = 0; i < 2; i++) {
		t[i] = image_maker_thread(f->im, 101 + i, &r[i]);
		strcpy(r[i]->name, i ? "late" : "early");
		r[i]->end_ticks = 0;
	}
	h->start_realtime_ns = CLOCK;
	h->end_ticks = 0;
	h->observed_end_ticks = START + 1000000;
	make_long_waits(f, lock, t);
	make_waits(f, lock, t);
	cell = image_maker_cell(f->im, t[0], lock, 10, NULL);
	image_maker_held(f->im, r[0], lock, cell)->since = START + 50000;
	r[1]->waiting_lock = lock;
	r[1]->waiting_since = START + 60000;
	assert_int_equal(report(f)->n_longest, 4);
	check_longest(f->report->processes[0].longest);

	f->options.filter.threads = (const char *const[]){ "gone", NULL };
	assert_int_equal(report(f)->n_longest, 0); /* no present thread of that name used a lock */
	f->options.filter.threads = (const char *const[]){ "early", NULL };
	assert_int_equal(report(f)->n_longest, 2);
	f->options.filter.threads = NULL;
	f->options.filter.wait_ns = 4500;
	assert_int_equal(report(f)->n_longest, 2);
}

static void test_orders_and_limits(void **state)
{
	struct fixture *f = *state;
	struct report_process *p;

	make_three_locks(f);
	assert_true(order_find(false, "n-locked", &f->options.lock_order));
	p = report(f);
	assert_string_equal(p->locks[0].name, "stats+0x40");
	assert_true(order_find(false, "id", &f->options.lock_order));
	p = report(f);
	assert_int_equal(p->locks[0].id, 1);
	assert_int_equal(p->locks[2].id, 3);
	assert_false(order_find(false, "nonsense", &f->options.lock_order));

	f->options.lock_order = (struct order){ 0 };
	f->options.max = 1;
	p = report(f);
	assert_true(p->locks[0].shown);
	assert_false(p->locks[1].shown);
	f->options.max = 10;
	f->options.contended_min = 1;
	f->options.locked_min = 11;
	p = report(f);
	assert_true(p->locks[0].shown);
	assert_false(p->locks[1].shown);
	assert_false(p->locks[2].shown);
	f->options.all = true;
	p = report(f);
	assert_true(p->locks[2].shown);
}

/* Rows that are not shown leave no gaps in the numbers. The longest wait is that of both sides. */
static void test_numbers_of_rows(void **state)
{
	struct fixture *f = *state;
	uint32_t often, seldom, first, third, thread;
	struct report_process *p;
	struct edge *e;

	often = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL);
	seldom = image_maker_lock(f->im, KIND_RWLOCK, BASE + 0x9180, NULL);
	first = image_maker_lock(f->im, KIND_COND, BASE + 0x9100, NULL);
	image_maker_lock(f->im, KIND_COND, BASE + 0x9140, NULL); /* never used */
	third = image_maker_lock(f->im, KIND_COND, BASE + 0x91c0, NULL);
	thread = image_maker_thread(f->im, 101, NULL);
	image_maker_cell(f->im, thread, often, 100, NULL);
	image_maker_cell(f->im, thread, seldom, 1, NULL);
	image_maker_edge(f->im, thread, often, 100, 10000)->wait_max = 110;
	e = image_maker_edge(f->im, thread, seldom, 1, 400);
	e->side = SIDE_SHARED;
	image_maker_cell(f->im, thread, first, 1, NULL);
	image_maker_cell(f->im, thread, third, 1, NULL);
	assert_true(order_find(false, "wait-max", &f->options.lock_order));
	assert_true(order_find(true, "id", &f->options.cond_order));
	p = report(f);
	assert_string_equal(p->locks[0].name, "stats+0x80");
	assert_string_equal(p->locks[1].name, "accounts_lock");
	assert_true(p->conditions[1].shown);
	assert_string_equal(p->conditions[1].name, "stats+0xc0");
	assert_int_equal(p->conditions[1].rank, 2);
	assert_string_equal(p->conditions[2].name, "stats+0x40");
	assert_false(p->conditions[2].shown);
}

static void test_naming_and_folding(void **state)
{
	struct fixture *f = *state;
	struct report_process *p;
	struct lock_rec *l;
	int i;

	for (i = 0; i < 3; i++) { /* one place of creation, different callers of the caller's line */
		image_maker_lock(f->im, KIND_MUTEX, 0x7f0000000000 + 64 * (uint64_t)i, &l);
		l->created_stack = stack(f, 0x7010, 0x2010 + (uint64_t)i, 0);
		l->instances = 100;
		l->state = i < 2 ? STATE_DEAD : 0;
	}
	image_maker_lock(f->im, KIND_MUTEX, 0x7f0000001000, &l); /* the next line of the same function */
	l->created_stack = stack(f, 0x7090, 0x2010, 0);
	image_maker_lock(f->im, KIND_MUTEX, 0x7f0000002000, &l); /* by first use, through two helpers */
	l->first_stack = stack(f, 0x4010, 0x4110, 0x5010);
	image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9200, NULL);
	image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9300, NULL);  /* another variable of that name */
	image_maker_lock(f->im, KIND_MUTEX, 0x7f0000003000, NULL); /* nothing known */

	f->options.all = true;
	assert_true(order_find(false, "id", &f->options.lock_order));
	p = report(f);
	assert_int_equal(p->n_locks, 6);
	assert_string_equal(p->locks[0].name, "queue_new queue.c:31");
	assert_string_equal(p->locks[0].identity, "mutex:bank:@queue_new<worker");
	assert_int_equal(p->locks[0].named_by, NAMED_BY_CREATION);
	assert_int_equal(p->locks[0].instances, 300);
	assert_false(p->locks[0].state & STATE_DEAD);
	assert_string_equal(p->locks[1].name, "queue_new queue.c:32");
	assert_string_equal(p->locks[1].identity, "mutex:bank:@queue_new<worker#2");
	assert_string_equal(p->locks[2].name, "push x:33");
	assert_string_equal(p->locks[2].identity, "mutex:bank:~push(Queue&)");
	assert_string_equal(p->locks[3].identity, "mutex:bank:lock");
	assert_string_equal(p->locks[4].identity, "mutex:bank:lock#2");
	assert_string_equal(p->locks[5].name, "0x7f0000003000");
	assert_int_equal(p->locks[5].named_by, NAMED_BY_ADDRESS);

	f->options.per_instance = true;
	p = report(f);
	assert_int_equal(p->n_locks, 8);
	assert_string_equal(p->locks[1].name, "queue_new queue.c:31 at 0x7f0000000040");
	assert_string_equal(p->locks[1].identity, "mutex:bank:@queue_new<worker");
}

/* The identity outlives another build: lines and addresses move, functions stay. */
/* Counters that many locks of one place share are that place's row's, exactly; each lock is counted once. */
static void test_folded_counters(void **state)
{
	struct fixture *f = *state;
	uint32_t made_at = stack(f, 0x7010, 0x2000, 0), fold, thread[2];
	struct report_process *p;
	struct lock_rec *l;
	struct cell *c;
	struct edge *e;

	fold = image_maker_fold(f->im, KIND_MUTEX, &l); /* it may come first */
	l->flags |= LOCK_INITIALIZED;
	l->created_stack = l->first_stack = made_at;
	for (uint64_t i = 0; i < 2; i++)
		thread[i] = image_maker_thread(f->im, 101 + (uint32_t)i, NULL);
	for (uint64_t i = 0; i < 20; i++) {
		uint32_t lock = image_maker_lock(f->im, KIND_MUTEX, 0x7f0000000000 + 64 * i, &l);

		l->created_stack = l->first_stack = made_at;
		l->flags = LOCK_INITIALIZED;
		l->instances = 3;
		if (i > 1)
			l->state = STATE_DEAD; /* of these nothing shows that they were used */
		else
			image_maker_cell(f->im, thread[i], lock, 10, NULL);
	}
	for (uint64_t i = 0; i < 2; i++) {
		image_maker_cell(f->im, thread[i], fold, 1000, &c);
		c->contended = 7;
		c->hold_total = 5000;
		c->hold_max = 100 + i;
		e = image_maker_edge(f->im, thread[i], fold, 7, 700);
		e->facts.holder = thread[1 - i];
	}
	p = report(f);
	assert_int_equal(f->model->processes[0].damaged, 0);
	assert_int_equal(p->n_locks, 1);
	assert_string_equal(p->locks[0].name, "queue_new queue.c:31");
	assert_int_equal(p->locks[0].instances, 60);
	assert_int_equal(p->locks[0].side[0].acquired, 2020);
	assert_int_equal(p->locks[0].side[0].contended, 14);
	assert_int_equal(p->locks[0].side[0].threads, 2);
	assert_int_equal(p->locks[0].side[0].hold.total_ns, 10000);
	assert_int_equal(p->locks[0].side[0].hold.max_ns, 101);
	assert_int_equal(p->locks[0].side[0].wait.total_ns, 1400);
	assert_int_equal(p->locks[0].flags, LOCK_INITIALIZED);
	assert_int_equal(p->locks[0].state & STATE_DEAD, 0);

	f->options.per_instance = true; /* one by one, the rest in a row of its own */
	p = report(f);
	assert_int_equal(p->n_locks, 21);
	assert_string_equal(p->locks[0].name, "queue_new queue.c:31, all others");
	assert_int_equal(p->locks[0].side[0].acquired, 2000);
	assert_int_equal(p->total.acquired, 2020);
}

static void test_identity_across_builds(void **state)
{
	static const struct fake_function moved[] = {
		{ 0x1000, 0x1100, "queue_new", "/src/queue.c", 131, NULL, 0 },
		{ 0x1100, 0x1200, "queue_new", "/src/queue.c", 132, NULL, 0 },
		{ 0x3000, 0x3100, "worker.constprop.0", "/src/bank.c", 10, NULL, 0 },
		{ 0, 0, NULL, NULL, 0, NULL, 0 },
	};
	static const struct fake_variable moved_variables[] = {
		{ 0x5000, 0x5028, "accounts_lock", "/other/bank.c", 99 },
		{ 0, 0, NULL, NULL, 0 },
	};
	struct fixture *f = *state;
	char first[3][200];
	struct report_process *p;
	struct lock_rec *l;
	int i;

	image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL);
	image_maker_lock(f->im, KIND_MUTEX, 0x7f0000001000, &l);
	l->created_stack = stack(f, 0x7010, 0x2010, 0);
	image_maker_lock(f->im, KIND_MUTEX, 0x7f0000002000, &l);
	l->created_stack = stack(f, 0x7090, 0x2010, 0);
	assert_true(order_find(false, "id", &f->options.lock_order));
	p = report(f);
	for (i = 0; i < 3; i++)
		snprintf(first[i], sizeof(first[i]), "%s", p->locks[i].identity);

	fake_functions = moved;
	fake_variables = moved_variables;
	f->im = image_maker_new(8);
	image_maker_module(f->im, "/elsewhere/bank", BASE + 0x700000, 0x10000, MODULE_MAIN);
	image_maker_lock(f->im, KIND_MUTEX, BASE + 0x705000, NULL);
	image_maker_lock(f->im, KIND_MUTEX, 0x7e0000001000, &l);
	l->created_stack = stack(f, 0x701010, 0x703010, 0);
	image_maker_lock(f->im, KIND_MUTEX, 0x7e0000002000, &l);
	l->created_stack = stack(f, 0x701110, 0x703010, 0);
	p = report(f);
	assert_int_equal(p->n_locks, 3);
	for (i = 0; i < 3; i++)
		assert_string_equal(p->locks[i].identity, first[i]);
}

static void test_blame(void **state)
{
	struct fixture *f = *state;
	const struct report_row *row;
	struct report_process *p;
	uint32_t lock, t1, t2;
	struct edge *e;

	lock = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL);
	t1 = image_maker_thread(f->im, 101, NULL);
	t2 = image_maker_thread(f->im, 102, NULL);
	image_maker_cell(f->im, t1, lock, 10, NULL);
	/* released in audit line 70, taken in audit line 64: line 64 is shown */
	e = image_maker_edge(f->im, t1, lock, 3, 3000);
	e->facts.wait_stack = stack(f, 0x1010, 0x2010, 0x5010);
	e->facts.hold_stack = stack(f, 0x3110, 0x2010, 0x5010);
	e->facts.hold_site = BASE + 0x3010;
	e->facts.holder = t2;
	/* the same, recorded by the stack of the taking */
	e = image_maker_edge(f->im, t1, lock, 1, 500);
	e->facts.wait_stack =
		stack(f, 0x1020, 0x2010, 0x5010); /* same line, other address: the same to a reader */
	e->facts.hold_stack = stack(f, 0x3010, 0x2010, 0x5010);
	e->facts.hold_site = BASE + 0x3010;
	e->facts.holder = t2;
	/* taken in a helper of the user's, released elsewhere: the stack stays as it was captured */
	e = image_maker_edge(f->im, t2, lock, 1, 400);
	e->facts.wait_stack = stack(f, 0x1090, 0x2010, 0);
	e->facts.hold_stack = stack(f, 0x1010, 0x2010, 0);
	e->facts.hold_site = BASE + 0x6010;
	/* only the site is known */
	e = image_maker_edge(f->im, t2, lock, 1, 300);
	e->facts.wait_stack = stack(f, 0x1090, 0x2010, 0);
	e->facts.hold_site = BASE + 0x6010;
	/* nothing is known */
	e = image_maker_edge(f->im, t2, lock, 1, 200);
	e->facts.wait_stack = stack(f, 0x1090, 0x2010, 0);

	p = report(f);
	row = &p->locks[0];
	assert_int_equal(row->n_waiters, 2);
	assert_int_equal(row->waiters[0].count, 4);
	assert_int_equal(row->waiters[0].ns, 3500);
	assert_int_equal(row->waiters[0].stack->n, 2); /* start_thread is not the user's */
	assert_string_equal(row->waiters[0].stack->frames[0].function, "transfer");
	assert_int_equal(row->waiters[0].stack->frames[0].line, 88);
	assert_int_equal(row->waiters[1].count, 3);
	assert_int_equal(row->waiters[1].stack->frames[0].line, 95);
	assert_int_equal(row->n_holders, 4);
	assert_int_equal(row->holders[0].ns, 3500);
	assert_int_equal(row->holders[0].tid, 102);
	assert_string_equal(row->holders[0].stack->frames[0].function, "audit");
	assert_int_equal(row->holders[0].stack->frames[0].line, 64);
	assert_string_equal(row->holders[0].stack->frames[1].function, "worker");
	assert_string_equal(row->holders[1].stack->frames[0].function, "transfer");
	assert_string_equal(row->holders[2].stack->frames[0].function, "my_lock");
	assert_null(row->holders[3].stack);
}

/* A wait of 1000 ticks for two holders in turn, of which nobody had the lock for 100 and somebody unknown for
 * 50. */
static void test_parts(void **state)
{
	struct fixture *f = *state;
	const struct report_process *p;
	const struct report_row *row;
	uint32_t t1, lock;
	struct edge *e;

	lock = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL);
	t1 = image_maker_thread(f->im, 101, NULL);
	image_maker_cell(f->im, t1, lock, 10, NULL);
	e = image_maker_edge(f->im, t1, lock, 1, 1000);
	e->facts.wait_stack = stack(f, 0x1010, 0x2010, 0x5010);
	e->facts.hold_stack = stack(f, 0x3010, 0x2010, 0x5010);
	e->blocked = e->blocked_max = 800;
	e->handoff = 100;
	e = image_maker_edge(f->im, t1, lock, 0, 0);
	e->facts.wait_stack = stack(f, 0x1010, 0x2010, 0x5010);
	e->facts.hold_stack = stack(f, 0x1090, 0x2010, 0x5010);
	e->parts = 1;
	e->blocked = e->blocked_max = 50;

	p = report(f);
	row = &p->locks[0];
	assert_int_equal(row->n_waiters, 1);
	assert_int_equal(row->waiters[0].ns, 1000);
	assert_int_equal(row->n_holders, 2);
	assert_int_equal(row->holders[0].ns, 800);
	assert_int_equal(row->holders[1].ns, 50);
	assert_int_equal(row->holders[1].count, 1);
	assert_int_equal(row->side[0].blocked_ns, 850);
	assert_int_equal(row->side[0].handoff_ns, 100);
	assert_int_equal(row->side[0].unknown_ns, 50);
}

static void test_helpers(void **state)
{
	static const char *const more[] = { "my_*", NULL };
	struct fixture *f = *state;
	struct report_process *p;
	struct lock_rec *l;

	image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, &l);
	l->first_stack = stack(f, 0x4010, 0x6010, 0x1010);
	image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9100, &l);
	l->first_stack = stack(f, 0x4010, 0x5010, 0); /* nothing of the user's: must not become empty */
	assert_true(order_find(false, "id", &f->options.lock_order));
	p = report(f);
	assert_string_equal(p->locks[0].first_used_at->frames[0].function, "my_lock");
	assert_string_equal(p->locks[1].first_used_at->frames[0].function, "std::mutex::lock()");
	f->options.helpers = more;
	p = report(f);
	assert_string_equal(p->locks[0].first_used_at->frames[0].function, "transfer");
	assert_int_equal(p->locks[0].first_used_at->n, 1);
}

static void wait_for(struct fixture *f, struct thread_rec *t, uint32_t lock, uint64_t since)
{
	t->end_ticks = 0;
	t->waiting_lock = lock;
	t->waiting_since = since;
	t->waiting_stack = stack(f, 0x1010, 0x2010, 0);
}

static void test_deadlock(void **state)
{
	struct fixture *f = *state;
	struct thread_rec *t[4];
	uint32_t lock[3], cell, ref;
	struct report_process *p;
	struct cell *c;
	int i;

	image_maker_header(f->im)->end_ticks = 0;
	image_maker_header(f->im)->wait_status = WAIT_STATUS_KNOWN | SIGKILL;
	image_maker_header(f->im)->observed_end_ticks = 2000000000;
	for (i = 0; i < 3; i++)
		lock[i] = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9100 + 8 * (uint64_t)i, NULL);
	for (i = 0; i < 4; i++) {
		ref = image_maker_thread(f->im, 101 + (uint32_t)i, &t[i]);
		t[i]->end_ticks = 0;
		if (i < 3) {
			cell = image_maker_cell(f->im, ref, lock[i], 1, &c);
			c->stack = stack(f, 0x3010, 0x2010, 0);
			image_maker_held(f->im, t[i], lock[i], cell);
			wait_for(f, t[i], lock[(i + 1) % 3], 1600000000);
		} else {
			wait_for(f, t[i], lock[0], 1700000000); /* waits too, but is not in the circle */
		}
	}
	p = report(f);
	assert_false(p->complete);
	assert_int_equal(p->n_waits, 4);
	assert_int_equal(p->n_cycles, 1);
	assert_int_equal(p->cycles[0].n, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(p->cycles[0].waits[i]->held_by, p->cycles[0].waits[(i + 1) % 3]->tid);
	assert_string_equal(p->cycles[0].waits[0]->held_at->frames[0].function, "audit");
	assert_int_equal(p->cycles[0].waits[0]->waited_ns, 400000000);
	for (i = 0; i < 3; i++) {
		if (strcmp(p->locks[i].name, "stats") == 0)
			assert_int_equal(p->locks[i].n_waiting, 2);
	}
}

/* Readers who hold do not keep readers out, so that is no deadlock. */
static void test_no_deadlock_of_readers(void **state)
{
	struct fixture *f = *state;
	struct report_process *p;
	struct thread_rec *t[2];
	uint32_t rw, mutex, ref;

	image_maker_header(f->im)->end_ticks = 0;
	image_maker_header(f->im)->observed_end_ticks = 2000000000;
	rw = image_maker_lock(f->im, KIND_RWLOCK, BASE + 0x9100, NULL);
	mutex = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9108, NULL);
	ref = image_maker_thread(f->im, 101, &t[0]);
	image_maker_held(f->im, t[0], rw, image_maker_cell(f->im, ref, rw, 1, NULL))->flags = HELD_SHARED;
	wait_for(f, t[0], mutex, 1600000000);
	ref = image_maker_thread(f->im, 102, &t[1]);
	image_maker_held(f->im, t[1], mutex, image_maker_cell(f->im, ref, mutex, 1, NULL));
	wait_for(f, t[1], rw, 1600000000);
	t[1]->waiting_side = SIDE_SHARED;
	p = report(f);
	assert_int_equal(p->n_waits, 2);
	assert_int_equal(p->n_cycles, 0);
}

static void test_many_images(void **state)
{
	struct fixture *f = *state;
	struct report_process *p;
	int i;

	image_maker_free(f->im);
	for (i = 0; i < 20; i++) {
		uint64_t base = BASE + 0x100000 * (uint64_t)i;
		uint32_t lock, thread;
		struct lock_rec *l;
		char name[32];

		f->im = image_maker_new(4);
		image_maker_module(f->im, "/nowhere/prog", base, 0x10000, MODULE_MAIN);
		lock = image_maker_lock(f->im, KIND_MUTEX, 0x7f0000000000, &l);
		l->created_stack = image_maker_stack(f->im, (uint64_t[]){ base + 0x7010, base + 0x2010, 0 });
		thread = image_maker_thread(f->im, 101, NULL);
		image_maker_cell(f->im, thread, lock, 10, NULL);
		image_maker_edge(f->im, thread, lock, 1, 100 + (uint64_t)i);
		snprintf(name, sizeof(name), "image.%d.0", i);
		image_maker_write(f->im, f->dir, name);
	}
	f->im = NULL;
	p = report(f);
	assert_int_equal(f->report->n_processes, 1);
	assert_int_equal(p->n_processes, 20);
	assert_int_equal(p->n_locks, 1);
	assert_int_equal(p->locks[0].instances, 20);
	assert_int_equal(p->locks[0].side[0].acquired, 200);
	assert_int_equal(p->locks[0].processes, 20);
	assert_int_equal(p->locks[0].wait_min_ns, 100);
	assert_int_equal(p->locks[0].wait_max_ns, 119);
	f->options.fold_images = 0;
	report(f);
	assert_int_equal(f->report->n_processes, 20);
}

static void test_percentiles(void **state)
{
	uint32_t hist[HIST_BUCKETS] = { 0 };
	struct durations d = {
		.count = 100, .total_ns = 100000, .max_ns = 5000, .one = hist, .ns_per_tick = 1
	};
	struct durations sum = { 0 }, other = d;

	(void)state;
	assert_int_equal(durations_percentile(&d, 0.5), 0);
	hist[3] = 50; /* 128 to 256 */
	hist[8] = 50; /* 4096 to 8192, at most 5000 */
	assert_int_equal(durations_percentile(&d, 0.25), 192);
	assert_int_equal(durations_percentile(&d, 0.5), 256);
	assert_int_equal(durations_percentile(&d, 0.75), 4096 + (5000 - 4096) / 2);
	assert_int_equal(durations_percentile(&d, 1), 5000);
	/* values of a clock of another rate go where they belong: half as many ticks for the same time */
	other.ns_per_tick = 2;
	other.max_ns = 10000;
	assert_int_equal(durations_add(&sum, &d), 0);
	assert_int_equal(durations_add(&sum, &other), 0);
	assert_int_equal(sum.sum[3], 50);
	assert_int_equal(sum.sum[4], 50);
	assert_int_equal(sum.sum[9], 50);
	assert_int_equal(sum.max_ns, 10000);
	free(sum.sum);
}

static char *render(struct fixture *f, const struct renderer *r, size_t *ret_size)
{
	struct render_options ro;
	char *text = NULL;
	FILE *out;

	report(f);
	out = open_memstream(&text, ret_size);
	assert_non_null(out);
	render_options_init(&ro, &f->options);
	ro.debug_info = f->debug_info;
	assert_int_equal(r->render(out, f->report, &ro), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* No byte of a name may do anything to the terminal, and JSON stays JSON. */
static void test_hostile_names(void **state)
{
	struct fixture *f = *state;
	struct thread_rec *t;
	struct lock_rec *l;
	uint32_t lock, thread;
	size_t size, i;
	char *text;
	json_t *j;

	strcpy(image_maker_header(f->im)->program, "/x/\033]0;evil\007\xff\n\xe2\x80\xae\xc2\x9b"
						   "31m");
	/* what it was started as stands before what its file is called, unless that is no name */
	memcpy(image_maker_header(f->im)->arguments,
	       "/y/\033]0;bad\007\xff\xe2\x80\xae\xc2\x9b"
	       "31m\0",
	       22);
	image_maker_header(f->im)->end_ticks = 0;
	lock = image_maker_lock(f->im, KIND_MUTEX, 0x7f0000000000, &l);
	l->created_stack = stack(f, 0x8010, 0, 0);
	l->state = STATE_RELOCK;
	thread = image_maker_thread(f->im, 101, &t);
	strcpy(t->name, "\033[2J\r");
	wait_for(f, t, lock, 1600000000);
	image_maker_cell(f->im, thread, lock, 1, NULL);
	image_maker_edge(f->im, thread, lock, 1, 100)->facts.wait_stack = stack(f, 0x8010, 0, 0);

	f->options.all = true;
	for (int debug = 0; debug < 2; debug++) {
		f->debug_info = debug;
		text = render(f, &render_text, &size);
		assert_non_null(strstr(text, "\\x1b]0;bad\\x07\\xff\\u202e\\x9b31m"));
		for (i = 0; i < size; i++)
			assert_true(text[i] == '\n' || (text[i] >= 0x20 && text[i] < 0x7f));
		free(text);
	}
	text = render(f, &render_json, &size);
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	json_decref(j);
	free(text);
}

/* Events that were lost, and stacks that were not captured although their events are counted, are two
 * things. */
/* A cell of no thread whose stack is complete, and events of the second thread only. */
static void test_damaged_threads(void **state)
{
	struct fixture *f = *state;
	uint32_t lock = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL);
	uint32_t stack = image_maker_stack(f->im, (const uint64_t[]){ BASE + 0x1001, BASE + 0x2001, 0 });
	uint32_t thread = image_maker_thread(f->im, 101, NULL);
	struct report_process *p;
	struct event *e;
	struct cell *c;

	((struct frame_node *)image_maker_at(f->im, stack))->flags |= FRAME_END;
	image_maker_cell(f->im, 0, lock, 5, &c);
	c->stack = stack;
	image_maker_cell(f->im, thread, lock, 5, NULL);
	image_maker_edge(f->im, thread, lock, 1, 500000000);
	thread = image_maker_thread(f->im, 102, NULL);
	e = image_maker_event(f->im, thread, EVENT_WAIT);
	e->begin = START + 20000;
	e->end = START + 23000;
	e->lock = lock;
	p = report(f);
	assert_int_equal(p->n_locks, 1);
	assert_int_equal(p->locks[0].side[SIDE_EXCLUSIVE].acquired, 10);
}

static void test_losses(void **state)
{
	struct fixture *f = *state;
	uint32_t lock, thread;
	struct report_process *p;
	char *text;
	size_t size;
	json_t *j, *o;

	lock = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL);
	thread = image_maker_thread(f->im, 101, NULL);
	image_maker_cell(f->im, thread, lock, 20, NULL);
	image_maker_header(f->im)->lost[LOSS_STACK] = 19;
	image_maker_header(f->im)->lost[LOSS_HELD] = 2;
	p = report(f);
	assert_int_equal(p->lost_events, 2);
	text = render(f, &render_text, &size);
	assert_non_null(strstr(text, "19 stacks were not captured"));
	assert_non_null(strstr(text, "2 events lost."));
	assert_null(strstr(text, "21"));
	free(text);
	text = render(f, &render_json, &size);
	j = json_loads(text, 0, NULL);
	o = json_array_get(json_object_get(j, "processes"), 0);
	assert_int_equal(json_integer_value(json_object_get(o, "lost_events")), 2);
	assert_int_equal(json_integer_value(json_object_get(o, "stacks_not_captured")), 19);
	assert_int_equal(json_object_size(json_object_get(o, "losses")), 1);
	json_decref(j);
	free(text);
}

static void test_conditions(void **state)
{
	struct fixture *f = *state;
	struct report_process *p;
	uint32_t cond, mutex, thread;
	struct lock_rec *l;
	struct cell *c;
	char *text;
	size_t size;
	json_t *j, *o;

	mutex = image_maker_lock(f->im, KIND_MUTEX, BASE + 0x9000, NULL);
	cond = image_maker_lock(f->im, KIND_COND, BASE + 0x9140, &l);
	l->other = mutex;
	thread = image_maker_thread(f->im, 101, NULL);
	image_maker_cell(f->im, thread, cond, 20, &c);
	c->broadcasts = 3;
	c->unheard = 2;
	image_maker_edge(f->im, thread, cond, 5, 5000)->timed_out = 1;
	p = report(f);
	assert_int_equal(p->n_locks, 1);
	assert_int_equal(p->n_conditions, 1);
	assert_string_equal(p->conditions[0].other, "accounts_lock");
	assert_int_equal(p->total.wait.total_ns, 0); /* waiting for work is not waiting for a lock */
	text = render(f, &render_json, &size);
	j = json_loads(text, 0, NULL);
	o = json_array_get(json_object_get(json_array_get(json_object_get(j, "processes"), 0), "conditions"),
			   0);
	assert_int_equal(json_integer_value(json_object_get(o, "waits")), 5);
	assert_int_equal(json_integer_value(json_object_get(o, "signals")), 20);
	assert_int_equal(json_integer_value(json_object_get(o, "broadcasts")), 3);
	assert_int_equal(json_integer_value(json_object_get(o, "signals_without_waiter")), 2);
	assert_int_equal(json_integer_value(json_object_get(o, "timed_out")), 1);
	json_decref(j);
	free(text);
}

/* A number never reads as a thousand of its unit. */
static void test_numbers(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0 ns" },
		{ 999, "999 ns" },
		{ 1000, "1.00 us" },
		{ 999499, "999 us" },
		{ 999600, "1.00 ms" },
		{ 99960000, "100 ms" },
		{ 999600000, "1.00 s" },
		{ 1000000000, "1.00 s" },
		{ 59990000000, "60.0 s" },
		{ 60000000000, "60.0 s" },
		{ 12345000000000, "12 345 s" },
	};
	char out[NUMBER_SIZE];

	static const struct {
		double share;
		const char *text;
	} shares[] = {
		{ 0, "0 %" },           { 0.000001, "<0.001 %" },
		{ 0.00001, "0.001 %" }, { 0.000094, "0.009 %" },
		{ 0.0005, "0.05 %" },   { 0.00094, "0.09 %" },
		{ 0.00096, "0.1 %" },   { 0.0194, "1.9 %" },
		{ 0.0199, "2 %" },      { 0.996, "99.6 %" },
		{ 0.99999, "99.9 %" },  { 1, "100 %" },
	};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		assert_string_equal(number_share(out, shares[i].share, 1), shares[i].text);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(number_ns(out, cases[i].ns), cases[i].text);
}

static void test_short_names(void **state)
{
	static const char *const names[][2] = {
		{ "transfer", "transfer" },
		{ "worker.constprop.0", "worker" },
		{ "foo(int)::bar() [clone .lto_priv.3]", "foo::bar" },
		{ "LRUCacheShard<unsigned long, std::vector<int> >::Lookup(unsigned long const&)",
		  "LRUCacheShard<..>::Lookup" },
		{ "bool std::unique_lock<std::mutex>::try_lock(int) const",
		  "std::unique_lock<std::mutex>::try_lock" },
		{ "main::{lambda(int, std::vector<int>)#1}::operator()(int, std::vector<int>) const",
		  "main::{lambda#1}" },
		{ "foo(int, char)::{lambda()#2}::operator()() const", "foo::{lambda#2}" },
		{ "ns::(anonymous namespace)::Cache<int>::get(int)",
		  "ns::(anonymous namespace)::Cache<int>::get" },
		{ "std::ostream& operator<< <std::char_traits<char> >(std::ostream&, char const*)",
		  "operator<< <..>" },
		{ "Foo::operator()(int) const", "Foo::operator()" },
		{ "Foo::operator bool() const", "Foo::operator bool" },
		{ "non-virtual thunk to Foo::bar(int)", "non-virtual thunk to Foo::bar" },
		{ "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop", "<Vec as Drop>::drop" },
		{ "Foo<", "Foo<..>" },
		{ "(", "(" },
		{ "", "" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		report_function_short(out, sizeof(out), names[i][0]);
		assert_string_equal(out, names[i][1]);
	}
	report_function_short(out, 4, "transfer"); /* cut, never written over */
	assert_string_equal(out, "tra");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_totals_and_ranking),
		TEST(test_orders_and_limits),
		TEST(test_longest),
		TEST(test_numbers_of_rows),
		TEST(test_short_names),
		TEST(test_naming_and_folding),
		TEST(test_folded_counters),
		TEST(test_identity_across_builds),
		TEST(test_blame),
		TEST(test_parts),
		TEST(test_helpers),
		TEST(test_deadlock),
		TEST(test_no_deadlock_of_readers),
		TEST(test_many_images),
		TEST(test_hostile_names),
		TEST(test_conditions),
		TEST(test_damaged_threads),
		TEST(test_losses),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
