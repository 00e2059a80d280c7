/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells where a thread sleeps, see sleeper.h. Called by src/cmd/asleep.c. */
#include "src/inspect/sleeper.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "src/inspect/private.h"

#define OPEN_AGAIN_S 1 /* not more often */

struct sleeper {
	pid_t pid;
	struct target *target;
	struct unwinder *unwinder;
	struct unwound stack;
	time_t opened;
};

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void let_go(struct sleeper *s)
{
	unwinder_free(s->unwinder);
	target_close(s->target);
	s->unwinder = NULL;
	s->target = NULL;
}

static int take(struct sleeper *s)
{
	char error[TARGET_ERROR_SIZE];
	int r = process_open(s->pid, &s->target, error);

	s->opened = seconds();
	if (r < 0) {
		s->target = NULL;
		return r;
	}
	r = unwinder_new(s->target, &s->unwinder);
	if (r < 0)
		let_go(s);
	return r;
}

int sleeper_open(pid_t pid, struct sleeper **ret)
{
	struct sleeper *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->pid = pid;
	r = take(s);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sleeper_close(struct sleeper *s)
{
	if (!s)
		return;
	let_go(s);
	free(s);
}

/* Libraries come and go: looks at the mappings again if an address lies in none. */
static bool renew(struct sleeper *s, uint64_t pc)
{
	if (s->target && target_mapping(s->target, pc))
		return true;
	if (seconds() - s->opened < OPEN_AGAIN_S)
		return s->target != NULL;
	let_go(s);
	return take(s) == 0;
}

bool sleeper_look(struct sleeper *s, pid_t tid, struct sleeper_place *ret)
{
	struct target_thread before = { .tid = tid }, after = { .tid = tid };
	struct registers r;

	if (!s->target && !renew(s, 0))
		return false;
	if (!process_thread_look(s->target, &before) || !before.asleep || !renew(s, before.pc))
		return false;
	target_forget(s->target);
	arch_registers_asleep(&r, before.sp, before.pc);
	unwinder_walk_asleep(s->unwinder, &r, &s->stack);
	if (!process_thread_look(s->target, &after) || !look_same_wait(&before, &after))
		return false;
	*ret = (struct sleeper_place){ .call = before.call.number };
	while (ret->n < s->stack.n && ret->n < SLEEPER_FRAMES) {
		ret->frame[ret->n] = s->stack.pc[ret->n];
		ret->n++;
	}
	return true;
}
