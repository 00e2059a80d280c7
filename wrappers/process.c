/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Ends of a process that no destructor sees. They stay what they are: one store, then the original. exec*()
 * are in exec.c.
 */
#include <unistd.h>

#include "src/record/recorder.h"
#include "src/session/format.h"
#include "wrappers/real.h"

EXPORT __attribute__((noreturn)) void _exit(int status)
{
	real_need();
	recorder_ended(IMAGE_QUIT);
	REAL(_exit)(status);
	__builtin_unreachable();
}

EXPORT __attribute__((noreturn)) void _Exit(int status)
{
	real_need();
	recorder_ended(IMAGE_QUIT);
	REAL(_Exit)(status);
	__builtin_unreachable();
}

EXPORT __attribute__((noreturn)) void quick_exit(int status)
{
	real_need();
	recorder_ended(IMAGE_QUIT);
	REAL(quick_exit)(status);
	__builtin_unreachable();
}

/* The parent ends inside the C library, by an _exit that is not ours. If it returns, we are the child, whose
 * image this does not touch, or nothing happened. */
EXPORT int daemon(int keep_directory, int keep_files)
{
	int r;

	real_need();
	recorder_ended(IMAGE_QUIT);
	r = REAL(daemon)(keep_directory, keep_files);
	recorder_ended(IMAGE_RUNNING);
	return r;
}
