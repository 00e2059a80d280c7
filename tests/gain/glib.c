/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs with GLib whose locks can really be changed, see gain.c: glib CASE [LOCK=CHANGE]... */
#include <glib.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "kit.h"

static GMutex mutex_a;

static void with_lock(double ms)
{
	if (!a.split)
		g_mutex_lock(&mutex_a);
	rest(ms * a.factor);
	if (!a.split)
		g_mutex_unlock(&mutex_a);
}

/* Workers take from a queue, and put the answers into another one. */
static GAsyncQueue *jobs, *answers;

static void *worker(void *p)
{
	(void)p;
	while (GPOINTER_TO_INT(g_async_queue_pop(jobs)) == 1) {
		rest(3);
		with_lock(2.5);
		g_async_queue_push(answers, GINT_TO_POINTER(1));
	}
	return NULL;
}

static void queues(void)
{
	pthread_t t[4];

	jobs = g_async_queue_new();
	answers = g_async_queue_new();
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, worker, NULL);
	for (int round = 0; round < 15; round++) {
		for (int i = 0; i < 12; i++)
			g_async_queue_push(jobs, GINT_TO_POINTER(1));
		for (int i = 0; i < 12; i++)
			g_async_queue_pop(answers);
	}
	for (int i = 0; i < 4; i++)
		g_async_queue_push(jobs, GINT_TO_POINTER(2));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void task(gpointer data, gpointer user)
{
	(void)data;
	(void)user;
	with_lock(2);
	rest(4);
}

static void glib_pool(void)
{
	GThreadPool *pool = g_thread_pool_new(task, NULL, 4, TRUE, NULL);

	for (int i = 0; i < 200; i++)
		g_thread_pool_push(pool, GINT_TO_POINTER(1), NULL);
	g_thread_pool_free(pool, FALSE, TRUE);
}

int main(int argc, char **argv)
{
	double begin;

	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 2; i < argc; i++)
		change(argv[i]);
	begin = now();
	if (argc > 1 && strcmp(argv[1], "glib-queues") == 0)
		queues();
	else if (argc > 1 && strcmp(argv[1], "glib-pool") == 0)
		glib_pool();
	else
		return 99;
	printf("%.4f\n", now() - begin);
	return 0;
}
