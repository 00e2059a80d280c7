/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lockbench: main, options, the threads and the clocks around a load. See lockbench.h.
 *
 *     lockbench [-t THREADS] [-n ITERATIONS] [-l LOCKS] [-a ALIVE] [-h HOLD] [-g GAP]
 *               [-d DEPTH] [-m] [-1] LOAD
 *
 * prints one line of JSON: wall_ns_pair is the time of the slowest thread over the pairs of one thread,
 * cpu_ns_pair the processor time of all threads over all pairs. On a machine that others use too, the
 * second is the one to trust where nobody waits.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lockbench.h"

struct options options = { .threads = 1, .iters = 1000000, .locks = 1, .depth = 0 };

static const struct load *const all_loads[] = { uncontended_loads, contended_loads, lifetime_loads };
static const struct load *load;
static pthread_barrier_t start_line;
static pthread_mutex_t *others_alive;

void bench_die(const char *what)
{
	fprintf(stderr, "lockbench: %s\n", what);
	exit(99);
}

void *bench_alloc(uint64_t size)
{
	void *p = aligned_alloc(CACHE_LINE, (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

	if (!p)
		bench_die("out of memory");
	memset(p, 0, size);
	return p;
}

static double clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *worker_main(void *argument)
{
	struct worker *w = argument;
	double wall, cpu;

	if (load->setup)
		load->setup(w);
	pthread_barrier_wait(&start_line);
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	load->run(w);
	w->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	w->wall_ns = clock_ns(CLOCK_MONOTONIC) - wall;
	return NULL;
}

/* Locks that are there and known, but take no part: their number must not matter. */
static void make_others(void)
{
	others_alive = bench_alloc((uint64_t)options.alive * sizeof(*others_alive));
	for (long i = 0; i < options.alive; i++) {
		pthread_mutex_init(&others_alive[i], NULL);
		pthread_mutex_lock(&others_alive[i]);
		pthread_mutex_unlock(&others_alive[i]);
	}
}

static void stay_on_one_cpu(void)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		bench_die("sched_getaffinity failed");
	for (int i = CPU_SETSIZE - 1; i >= 0; i--) {
		if (CPU_ISSET(i, &all)) {
			CPU_ZERO(&one);
			CPU_SET(i, &one);
			sched_setaffinity(0, sizeof(one), &one);
			return;
		}
	}
}

static void *nothing(void *argument)
{
	return argument;
}

/* In a process that never had a second thread glibc takes shortcuts, which is not what we compare. */
static void have_had_a_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL))
		bench_die("cannot create a thread");
	pthread_join(thread, NULL);
}

static void run_and_print(struct worker *workers)
{
	double wall = 0, cpu = 0;
	uint64_t pairs = 0, most = 0, contended = 0;
	struct rusage usage;
	int first = options.on_main ? 1 : 0;

	for (int i = first; i < options.threads; i++)
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]))
			bench_die("cannot create a thread");
	if (options.on_main)
		worker_main(&workers[0]);
	for (int i = first; i < options.threads; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < options.threads; i++) {
		const struct worker *w = &workers[i];

		wall = w->wall_ns > wall ? w->wall_ns : wall;
		most = w->pairs > most ? w->pairs : most;
		cpu += w->cpu_ns;
		pairs += w->pairs;
		contended += w->contended;
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"load\": \"%s\", \"threads\": %d, \"pairs\": %llu, \"contended\": %llu, ", load->name,
	       options.threads, (unsigned long long)pairs, (unsigned long long)contended);
	printf("\"wall_ns_pair\": %.2f, \"cpu_ns_pair\": %.2f, \"cpu_ns\": %.0f, \"wall_ns\": %.0f, ",
	       wall / (double)most, cpu / (double)pairs, cpu, wall);
	printf("\"maxrss_kb\": %ld, \"switches\": %ld", usage.ru_maxrss, usage.ru_nivcsw);
	if (load->finish)
		load->finish(workers, options.threads);
	printf("}\n");
}

static const struct load *find_load(const char *name)
{
	for (size_t t = 0; t < sizeof(all_loads) / sizeof(all_loads[0]); t++)
		for (const struct load *l = all_loads[t]; l->name; l++)
			if (!strcmp(l->name, name))
				return l;
	return NULL;
}

static int usage_error(void)
{
	fprintf(stderr, "usage: lockbench [-t THREADS] [-n ITERATIONS] [-l LOCKS] [-a ALIVE] [-h HOLD]\n"
			"                 [-g GAP] [-d DEPTH] [-m] [-1] LOAD\n"
			"  -m: the first worker is the main thread; -1: all threads on one processor\n"
			"loads:\n");
	for (size_t t = 0; t < sizeof(all_loads) / sizeof(all_loads[0]); t++)
		for (const struct load *l = all_loads[t]; l->name; l++)
			fprintf(stderr, "  %-12s %s\n", l->name, l->help);
	return 2;
}

int main(int argc, char **argv)
{
	struct worker *workers;
	int c;

	while ((c = getopt(argc, argv, "t:n:l:a:h:g:d:m1")) != -1) {
		switch (c) {
		case 't': options.threads = atoi(optarg); break;
		case 'n': options.iters = atol(optarg); break;
		case 'l': options.locks = atol(optarg); break;
		case 'a': options.alive = atol(optarg); break;
		case 'h': options.hold = atol(optarg); break;
		case 'g': options.gap = atol(optarg); break;
		case 'd': options.depth = atoi(optarg); break;
		case 'm': options.on_main = 1; break;
		case '1': options.one_cpu = 1; break;
		default: return usage_error();
		}
	}
	if (optind != argc - 1 || !(load = find_load(argv[optind])))
		return usage_error();
	if (load->threads)
		options.threads = load->threads;
	if (options.threads < 1 || options.iters < 1 || options.locks < 1)
		return usage_error();
	if (options.one_cpu)
		stay_on_one_cpu();
	have_had_a_thread();
	if (options.alive)
		make_others();
	workers = bench_alloc((uint64_t)options.threads * sizeof(*workers));
	for (int i = 0; i < options.threads; i++) {
		workers[i].index = i;
		workers[i].random = 0x9e3779b97f4a7c15u * (uint64_t)(i + 1);
	}
	pthread_barrier_init(&start_line, NULL, (unsigned int)options.threads);
	run_and_print(workers);
	return 0;
}
