/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Loading and unloading. Objects that are loaded later are found when a stack first meets them. dl_iterate_phdr
 * is wrapped, because libunwind calls it while this thread may hold a lock of the program that a thread inside
 * the loader wants.
 *
 * dlopen() and dlmopen() are watched for libraries that do not find our functions: with RTLD_DEEPBIND they find
 * the C library's first, in a namespace of their own they have a C library of their own. The report says so. The
 * loader searches along the run path of the object that calls, which it knows by the return address. So both
 * must leave to the original by a jump: nothing may follow the call, and it needs an optimising compiler. So must
 * dlsym(), which looks in the objects that come after the caller's; it is where a program first hears of a library
 * that it has just loaded, and so the time to redirect its calls.
 */
#include <dlfcn.h>

#include "src/record/modules.h"
#include "src/record/recorder.h"
#include "wrappers/attach.h"
#include "wrappers/families.h"
#include "wrappers/real.h"

EXPORT int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data)
{
	if (thread_self->capturing)
		return modules_iterate(callback, data);
	real_need();
	return REAL(dl_iterate_phdr)(callback, data);
}

EXPORT int dlclose(void *handle)
{
	struct thread *t;
	int r;

	real_need();
	r = REAL(dlclose)(handle);
	families_changing();
	if (r == 0 && (t = recorder_enter()) != NULL)
		stacks_modules_changed(t);
	return r;
}

EXPORT void *dlopen(const char *file, int flags)
{
	real_need();
	if (flags & RTLD_DEEPBIND && !(flags & RTLD_NOLOAD))
		recorder_unseen_library(file);
	families_look();
	families_changing();
	modules_data_changing();
	return REAL(dlopen)(file, flags);
}

/*
 * A sanitizer asks before anything of the program is ready: no more is found out than is needed. In a process that was
 * attached to, nobody finds our functions by name, nor does who looks in the C library alone.
 */
EXPORT void *dlsym(void *handle, const char *name)
{
	void *ours;

	real_need_dlsym();
	families_look();
	ours = handle == RTLD_NEXT ? NULL : attach_instead(handle, name);
	if (ours)
		return ours;
	return REAL(dlsym)(handle, name);
}

EXPORT void *dlmopen(Lmid_t namespace, const char *file, int flags)
{
	real_need();
	if ((namespace != LM_ID_BASE || flags & RTLD_DEEPBIND) && !(flags & RTLD_NOLOAD))
		recorder_unseen_library(file);
	families_look();
	families_changing();
	modules_data_changing();
	return REAL(dlmopen)(namespace, file, flags);
}
