/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GLib's locks with a known load, see contend.h. Or misuse: "stranger" lets another thread unlock, "clear"
 * also ends a lock that is held. "cross" is a deadlock with a pthread mutex, until SIGALRM comes.
 */
#include <glib.h>

#include "contend.h"

static GMutex accounts;
static GRecMutex nested;
static GRWLock rates;
static GMutex guard;
static GCond ready;
static int bits;
static gsize once[ROUNDS];
static gboolean flag;
static pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
static const char *what;

static NOINLINE void take(void)
{
	if (!strcmp(what, "mutex"))
		g_mutex_lock(&accounts);
	else if (!strcmp(what, "nested"))
		g_rec_mutex_lock(&nested);
	else if (!strcmp(what, "rates"))
		g_rw_lock_writer_lock(&rates);
	else if (!strcmp(what, "bit"))
		g_bit_lock(&bits, 3);
	__asm__ volatile("");
}

static NOINLINE void give(void)
{
	if (!strcmp(what, "mutex"))
		g_mutex_unlock(&accounts);
	else if (!strcmp(what, "nested"))
		g_rec_mutex_unlock(&nested);
	else if (!strcmp(what, "rates"))
		g_rw_lock_writer_unlock(&rates);
	else if (!strcmp(what, "bit"))
		g_bit_unlock(&bits, 3);
	__asm__ volatile("");
}

/* One waits at a condition of GLib's for the other to initialise, behind a mutex of GLib's. */
static NOINLINE void initialise(int i, gboolean first)
{
	if (g_once_init_enter(&once[i]) != first)
		abort();
	if (!first)
		return;
	contend_hold(i, 0);
	g_once_init_leave(&once[i], 1);
}

static NOINLINE void condition(int i)
{
	g_mutex_lock(&guard);
	contend_before(i);
	while (!flag)
		g_cond_wait(&ready, &guard);
	flag = FALSE;
	g_mutex_unlock(&guard);
}

static NOINLINE void signal_it(void)
{
	g_mutex_lock(&guard);
	flag = TRUE;
	g_mutex_unlock(&guard);
	g_cond_signal(&ready);
	__asm__ volatile("");
}

static NOINLINE void *waiter(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (!strcmp(what, "condition")) {
			condition(i);
		} else if (!strcmp(what, "once")) {
			contend_before(i);
			initialise(i, FALSE);
		} else {
			contend_before(i);
			take(); /* WAITS HERE */
			give();
		}
		contend_after(i);
	}
	return unused;
}

static NOINLINE void holder(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (strcmp(what, "condition"))
			take(); /* HELD HERE */
		if (strcmp(what, "once"))
			contend_hold(i, 0);
		else
			initialise(i, TRUE);
		if (strcmp(what, "condition"))
			give(); /* GIVEN HERE */
		else
			signal_it();
		contend_released(i);
	}
}

static NOINLINE void *stranger(void *unused)
{
	g_mutex_unlock(&accounts);
	return unused;
}

static NOINLINE void *crosser(void *unused)
{
	pthread_mutex_lock(&other);
	contend_before(0);
	g_mutex_lock(&accounts);
	return unused;
}

static int misuse(void)
{
	gboolean cross = !strcmp(what, "cross");
	pthread_t thread;

	g_mutex_lock(&accounts);
	g_rec_mutex_lock(&nested);
	pthread_create(&thread, NULL, cross ? crosser : stranger, NULL);
	if (cross) {
		contend_hold(0, 0);
		alarm(1);
		pthread_mutex_lock(&other);
	}
	if (!strcmp(what, "clear"))
		g_rec_mutex_clear(&nested);
	return pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	what = argc > 1 ? argv[1] : "mutex";
	if (!strcmp(what, "stranger") || !strcmp(what, "clear") || !strcmp(what, "cross"))
		return misuse();
	pthread_create(&thread, NULL, waiter, NULL);
	holder();
	return pthread_join(thread, NULL);
}
