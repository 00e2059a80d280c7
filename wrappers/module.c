/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Loading and unloading. Objects that are loaded later are found when a stack first meets them. dl_iterate_phdr
 * is wrapped, because libunwind calls it while this thread may hold a lock of the program that a thread inside
 * the loader wants.
 *
 * dlopen() and dlmopen() are watched for libraries that do not find our functions: with RTLD_DEEPBIND they find
 * the C library's first, in a namespace of their own they have a C library of their own. The report says so. The
 * loader searches along the run path of the object that calls, which it knows by the return address. So both
 * must leave to the original by a jump: nothing may follow the call, and it needs an optimising compiler.
 */
#include <dlfcn.h>

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

EXPORT void *dlopen(const char *file, int flags)
{
	real_need();
	if (flags & RTLD_DEEPBIND && !(flags & RTLD_NOLOAD))
		recorder_unseen_library(file);
	return REAL(dlopen)(file, flags);
}

EXPORT void *dlmopen(Lmid_t namespace, const char *file, int flags)
{
	real_need();
	if ((namespace != LM_ID_BASE || flags & RTLD_DEEPBIND) && !(flags & RTLD_NOLOAD))
		recorder_unseen_library(file);
	return REAL(dlmopen)(namespace, file, flags);
}
