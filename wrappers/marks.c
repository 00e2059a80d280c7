/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The functions that include/mutrace.h calls: names of locks, and phases. */
#include "wrappers/marks.h"

#include "src/record/phases.h"
#include "src/record/recorder.h"
#include "wrappers/real.h"

EXPORT void mutrace_name(const volatile void *lock, const char *name)
{
	struct thread *t = recorder_enter();

	if (t && lock && name)
		recorder_name(t, (const void *)(uintptr_t)lock, name);
}

EXPORT void mutrace_phase(const char *name)
{
	struct thread *t = recorder_enter();

	if (t)
		phase_begin(t, name);
}
