/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Loading and unloading. dlopen is not wrapped: it searches along the run path of the object that calls it,
 * which would be ours. Objects that it loads are found when a stack first meets them. dl_iterate_phdr is
 * wrapped, because libunwind calls it while this thread may hold a lock of the program that a thread inside
 * the loader wants.
 */
#include "src/record/recorder.h"
#include "wrappers/real.h"

EXPORT int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
	if (thread_self->capturing)
		return stacks_iterate(callback, data);
	real_need();
	return REAL(dl_iterate_phdr)(callback, data);
}

EXPORT int dlclose(void *handle)
{
	struct thread *t;
	int r;

	real_need();
	r = REAL(dlclose)(handle);
	if (r == 0 && (t = recorder_enter()) != NULL)
		stacks_modules_changed(t);
	return r;
}
