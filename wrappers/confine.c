/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A program that confines itself: by a seccomp filter, by seccomp's strict mode, or by giving up the
 * processor's clock. The recorder prepares before the program does, for a call of its own too many would be
 * the program's end. A filter may allow everything, or forbid without killing, but that cannot be seen. Runs
 * in the thread that does it.
 */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "src/record/recorder.h"
#include "wrappers/confine.h"
#include "wrappers/real.h"
#include "wrappers/thread.h"

enum step { STEP_NONE, STEP_FILTER, STEP_STOP };

/* True: to be taken back if the program's call fails. */
static bool before(enum step step)
{
	if (step == STEP_STOP)
		recorder_stop(LOSS_STOPPED);
	return step == STEP_FILTER && recorder_confine();
}

/* libseccomp makes calls that cannot succeed, to see what there is. */
static enum step seccomp_step(const long a[6])
{
	if (a[0] == SECCOMP_SET_MODE_FILTER && a[2] != 0)
		return STEP_FILTER;
	return a[0] == SECCOMP_SET_MODE_STRICT && a[1] == 0 && a[2] == 0 ? STEP_STOP : STEP_NONE;
}

long confined_seccomp(const long a[6])
{
	bool confined = before(seccomp_step(a));
	long r = REAL(syscall)(SYS_seccomp, a[0], a[1], a[2], a[3], a[4], a[5]);

	if (r < 0 && confined)
		recorder_unconfine();
	return r;
}

static enum step step_of(int what, unsigned long value)
{
	if (what == PR_SET_SECCOMP)
		return value == SECCOMP_MODE_FILTER   ? STEP_FILTER
		       : value == SECCOMP_MODE_STRICT ? STEP_STOP
						      : STEP_NONE;
	return what == PR_SET_TSC && value == PR_TSC_SIGSEGV ? STEP_STOP : STEP_NONE;
}

EXPORT int prctl(int what, ...)
{
	unsigned long a[4];
	bool confined;
	va_list args;
	int r;

	va_start(args, what);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(args, unsigned long);
	va_end(args);
	real_need();
	confined = before(step_of(what, a[0]));
	r = REAL(prctl)(what, a[0], a[1], a[2], a[3]);
	if (r < 0 && confined)
		recorder_unconfine();
	if (what == PR_SET_NAME && r == 0)
		thread_renamed(pthread_self(), (const char *)(uintptr_t)a[0]);
	return r;
}
