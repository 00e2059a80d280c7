/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The recorder linked with stress.c under ThreadSanitizer: functions of files that cannot be linked into
 * a program. Those redirect calls in other libraries, and begin in a process that runs already.
 */
#include <pthread.h>

#include "wrappers/attach.h"
#include "wrappers/families.h"
#include "wrappers/lowlock.h"

bool families_stale;

bool attach_late(int argc, char **argv)
{
	(void)argc, (void)argv;
	return false;
}

bool attach_is_late(void)
{
	return false;
}

/* The program's keys are all taken, so that it gets ours: threads tell of their end as they leave their
 * function. A destructor would do so after ThreadSanitizer has forgotten the thread. */
void families_start(void)
{
	pthread_key_t key;

	while (pthread_key_create(&key, NULL) == 0)
		;
}

void families_before_fork(void)
{
}

void families_after_fork_parent(void)
{
}

void families_after_fork_child(void)
{
}

void families_look_again(void)
{
}

void lowlocks_start(void)
{
}
