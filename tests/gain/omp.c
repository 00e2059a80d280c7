/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs with OpenMP whose locks can really be changed, see gain.c: omp CASE [LOCK=CHANGE]... */
#include <omp.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "kit.h"

static omp_lock_t lock_a;

/* A loop of which each turn has a part that one thread does at a time. */
static void critical(void)
{
#pragma omp parallel for schedule(dynamic) num_threads(4)
	for (int i = 0; i < 160; i++) {
		rest(5);
		if (a.split) {
			rest(2.5);
		} else {
#pragma omp critical
			rest(2.5 * a.factor);
		}
	}
}

/* Loops one after another, each with a lock. */
static void loops(void)
{
	for (int k = 0; k < 12; k++) {
#pragma omp parallel for schedule(static, 1) num_threads(4)
		for (int i = 0; i < 16; i++) {
			rest(3 + i % 3);
			if (!a.split)
				omp_set_lock(&lock_a);
			rest(2 * a.factor);
			if (!a.split)
				omp_unset_lock(&lock_a);
		}
	}
}

static void work(double ms)
{
	if (!a.split)
		omp_set_lock(&lock_a);
	rest(ms * a.factor);
	if (!a.split)
		omp_unset_lock(&lock_a);
}

/* Phases in one region. */
static void barriers(void)
{
#pragma omp parallel num_threads(4)
	for (int k = 0; k < 20; k++) {
		rest(3 + (k + omp_get_thread_num()) % 4);
		work(2);
#pragma omp barrier
	}
}

/* Regions within regions. */
static void teams(void)
{
	omp_set_max_active_levels(2);
	for (int k = 0; k < 12; k++) {
#pragma omp parallel num_threads(2)
		{
			rest(2);
#pragma omp parallel num_threads(2)
			for (int i = 0; i < 4; i++) {
				rest(2 + omp_get_thread_num());
				work(2);
			}
			work(1);
		}
	}
}

int main(int argc, char **argv)
{
	double begin;

	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 2; i < argc; i++)
		change(argv[i]);
	omp_init_lock(&lock_a);
	begin = now();
	if (argc > 1 && strcmp(argv[1], "omp-critical") == 0)
		critical();
	else if (argc > 1 && strcmp(argv[1], "omp-loops") == 0)
		loops();
	else if (argc > 1 && strcmp(argv[1], "omp-barriers") == 0)
		barriers();
	else if (argc > 1 && strcmp(argv[1], "omp-teams") == 0)
		teams();
	else
		return 99;
	printf("%.4f\n", now() - begin);
	return 0;
}
