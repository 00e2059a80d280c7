/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OpenMP's locks with a known load, see contend.h. The runtimes spin before they sleep. */
#include <omp.h>

#include "contend.h"

static omp_lock_t lock;
static omp_nest_lock_t nest;
static int count;

static NOINLINE void holder(const char *what)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!strcmp(what, "critical")) {
#pragma omp critical(bank)
			contend_hold(i, 1);
		} else if (!strcmp(what, "unnamed")) {
#pragma omp critical
			contend_hold(i, 1);
		} else if (!strcmp(what, "lock")) {
			omp_set_lock(&lock);
			contend_hold(i, 1);
			omp_unset_lock(&lock);
		} else {
			omp_set_nest_lock(&nest);
			contend_hold(i, 1);
			omp_unset_nest_lock(&nest);
		}
		contend_released(i);
	}
}

static NOINLINE void waiter(const char *what)
{
	for (int i = 0; i < ROUNDS; i++) {
		contend_before(i);
		if (!strcmp(what, "critical")) {
#pragma omp critical(bank)
			count++;
		} else if (!strcmp(what, "unnamed")) {
#pragma omp critical
			count++;
		} else if (!strcmp(what, "lock")) {
			omp_set_lock(&lock);
			omp_unset_lock(&lock);
		} else {
			omp_set_nest_lock(&nest);
			omp_set_nest_lock(&nest);
			omp_unset_nest_lock(&nest);
			omp_unset_nest_lock(&nest);
		}
		contend_after(i);
	}
}

static void nap(void)
{
	for (int k = 0; k < 10; k++)
		contend_sleep();
}

static NOINLINE void barrier(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (omp_get_thread_num() == 0)
			nap();
#pragma omp barrier
	}
}

/* The barriers at the ends of loops, sections and single regions. */
static NOINLINE void implicit(const char *what)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!strcmp(what, "loop")) {
#pragma omp for schedule(dynamic)
			for (int k = 0; k < 2; k++)
				if (k == 0)
					nap();
		} else if (!strcmp(what, "sections")) {
#pragma omp sections
			{
#pragma omp section
				nap();
#pragma omp section
				contend_sleep();
			}
		} else if (!strcmp(what, "single")) {
#pragma omp single
			nap();
		} else {
			int value;
#pragma omp single copyprivate(value)
			{
				nap();
				value = i;
			}
			if (value != i)
				abort();
		}
	}
}

/* The holder is in the first iteration's region; the waiter has the second one. */
static NOINLINE void ordered(void)
{
	for (int i = 0; i < ROUNDS; i++) {
#pragma omp for ordered schedule(static, 1)
		for (int k = 0; k < 2; k++) {
			if (k == 1)
				contend_before(i);
#pragma omp ordered
			if (k == 0)
				contend_hold(i, 1);
			if (k == 1)
				contend_after(i);
		}
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "critical";

	omp_set_dynamic(0);
	omp_init_lock(&lock);
	omp_init_nest_lock(&nest);
#pragma omp parallel num_threads(2)
	if (!strcmp(what, "barrier"))
		barrier();
	else if (!strcmp(what, "ordered"))
		ordered();
	else if (strchr("lsc", what[0]) && strcmp(what, "lock") && strcmp(what, "critical"))
		implicit(what);
	else if (omp_get_thread_num() == 0)
		holder(what);
	else
		waiter(what);
	omp_destroy_lock(&lock);
	omp_destroy_nest_lock(&nest);
	return 0;
}
