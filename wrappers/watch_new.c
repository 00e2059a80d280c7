/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrace: C++ operators new and delete. Those of the C++ library call malloc and free, which are watched: they are
 * left alone. Allocators like jemalloc and tcmalloc bring their own, which do not.
 */
#include <dlfcn.h>

#include "src/record/watch.h"
#include "wrappers/real.h"
#include "wrappers/watch_new.h"

/* 1: the operators are the allocator's own, 0: they are not, -1: that is not known yet */
static int8_t own_operators = -1;

/*
 * A program in C may load a library in C++ later, and its C++ library then is not in the scope where originals are
 * looked for; but it is loaded, or nobody would call us.
 */
static COLD void find_late(void)
{
	static const char *const libraries[] = { "libstdc++.so.6", "libc++abi.so.1", "libc++.so.1" };

	real_need();
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]) && REAL(_Znwm) == NULL; i++) {
		void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);

		if (library != NULL)
			real_resolve_more(library); /* and it stays */
	}
}

void watch_new_setup(void)
{
	Dl_info ours, theirs;

	if (REAL(_Znwm) != NULL)
		own_operators = dladdr(*(void **)&REAL(_Znwm), &ours) != 0 && dladdr(*(void **)&REAL(malloc), &theirs) != 0 &&
				ours.dli_fbase == theirs.dli_fbase;
}

static inline bool watch_new(struct watch *w, enum watched function, struct site site, size_t bytes, uint32_t frees)
{
	if (likely(own_operators == 0))
		return false;
	if (own_operators < 0) { /* before our constructor, or see above */
		if (REAL(_Znwm) == NULL)
			find_late();
		return false;
	}
	if (frees != 0 ? watch_plain_free(site.ip) : watch_plain_alloc(bytes, site.ip))
		return false;
	return watch_begin(w, function, site, bytes, frees);
}

void *_Znwm(size_t size);
EXPORT void *_Znwm(size_t size)
{
	struct watch w;
	void *p;

	if (likely(!watch_new(&w, WATCHED__Znwm, SITE_HERE, size, 0)))
		return REAL(_Znwm)(size);
	p = REAL(_Znwm)(size);
	watch_end(&w);
	return p;
}

void *_Znam(size_t size);
EXPORT void *_Znam(size_t size)
{
	struct watch w;
	void *p;

	if (likely(!watch_new(&w, WATCHED__Znam, SITE_HERE, size, 0)))
		return REAL(_Znam)(size);
	p = REAL(_Znam)(size);
	watch_end(&w);
	return p;
}

void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
EXPORT void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow)
{
	struct watch w;
	void *p;

	if (likely(!watch_new(&w, WATCHED__ZnwmRKSt9nothrow_t, SITE_HERE, size, 0)))
		return REAL(_ZnwmRKSt9nothrow_t)(size, nothrow);
	p = REAL(_ZnwmRKSt9nothrow_t)(size, nothrow);
	watch_end(&w);
	return p;
}

void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow);
EXPORT void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow)
{
	struct watch w;
	void *p;

	if (likely(!watch_new(&w, WATCHED__ZnamRKSt9nothrow_t, SITE_HERE, size, 0)))
		return REAL(_ZnamRKSt9nothrow_t)(size, nothrow);
	p = REAL(_ZnamRKSt9nothrow_t)(size, nothrow);
	watch_end(&w);
	return p;
}

void *_ZnwmSt11align_val_t(size_t size, size_t alignment);
EXPORT void *_ZnwmSt11align_val_t(size_t size, size_t alignment)
{
	struct watch w;
	void *p;

	if (likely(!watch_new(&w, WATCHED__ZnwmSt11align_val_t, SITE_HERE, size, 0)))
		return REAL(_ZnwmSt11align_val_t)(size, alignment);
	p = REAL(_ZnwmSt11align_val_t)(size, alignment);
	watch_end(&w);
	return p;
}

void *_ZnamSt11align_val_t(size_t size, size_t alignment);
EXPORT void *_ZnamSt11align_val_t(size_t size, size_t alignment)
{
	struct watch w;
	void *p;

	if (likely(!watch_new(&w, WATCHED__ZnamSt11align_val_t, SITE_HERE, size, 0)))
		return REAL(_ZnamSt11align_val_t)(size, alignment);
	p = REAL(_ZnamSt11align_val_t)(size, alignment);
	watch_end(&w);
	return p;
}

void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *nothrow);
EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *nothrow)
{
	struct watch w;
	void *p;

	if (likely(!watch_new(&w, WATCHED__ZnwmSt11align_val_tRKSt9nothrow_t, SITE_HERE, size, 0)))
		return REAL(_ZnwmSt11align_val_tRKSt9nothrow_t)(size, alignment, nothrow);
	p = REAL(_ZnwmSt11align_val_tRKSt9nothrow_t)(size, alignment, nothrow);
	watch_end(&w);
	return p;
}

void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *nothrow);
EXPORT void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *nothrow)
{
	struct watch w;
	void *p;

	if (likely(!watch_new(&w, WATCHED__ZnamSt11align_val_tRKSt9nothrow_t, SITE_HERE, size, 0)))
		return REAL(_ZnamSt11align_val_tRKSt9nothrow_t)(size, alignment, nothrow);
	p = REAL(_ZnamSt11align_val_tRKSt9nothrow_t)(size, alignment, nothrow);
	watch_end(&w);
	return p;
}

void _ZdlPv(void *p);
EXPORT void _ZdlPv(void *p)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdlPv, SITE_HERE, 0, 1))) {
		REAL(_ZdlPv)(p);
		return;
	}
	REAL(_ZdlPv)(p);
	watch_end(&w);
}

void _ZdaPv(void *p);
EXPORT void _ZdaPv(void *p)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdaPv, SITE_HERE, 0, 1))) {
		REAL(_ZdaPv)(p);
		return;
	}
	REAL(_ZdaPv)(p);
	watch_end(&w);
}

void _ZdlPvm(void *p, size_t size);
EXPORT void _ZdlPvm(void *p, size_t size)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdlPvm, SITE_HERE, 0, 1))) {
		REAL(_ZdlPvm)(p, size);
		return;
	}
	REAL(_ZdlPvm)(p, size);
	watch_end(&w);
}

void _ZdaPvm(void *p, size_t size);
EXPORT void _ZdaPvm(void *p, size_t size)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdaPvm, SITE_HERE, 0, 1))) {
		REAL(_ZdaPvm)(p, size);
		return;
	}
	REAL(_ZdaPvm)(p, size);
	watch_end(&w);
}

void _ZdlPvRKSt9nothrow_t(void *p, const void *nothrow);
EXPORT void _ZdlPvRKSt9nothrow_t(void *p, const void *nothrow)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdlPvRKSt9nothrow_t, SITE_HERE, 0, 1))) {
		REAL(_ZdlPvRKSt9nothrow_t)(p, nothrow);
		return;
	}
	REAL(_ZdlPvRKSt9nothrow_t)(p, nothrow);
	watch_end(&w);
}

void _ZdaPvRKSt9nothrow_t(void *p, const void *nothrow);
EXPORT void _ZdaPvRKSt9nothrow_t(void *p, const void *nothrow)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdaPvRKSt9nothrow_t, SITE_HERE, 0, 1))) {
		REAL(_ZdaPvRKSt9nothrow_t)(p, nothrow);
		return;
	}
	REAL(_ZdaPvRKSt9nothrow_t)(p, nothrow);
	watch_end(&w);
}

void _ZdlPvSt11align_val_t(void *p, size_t alignment);
EXPORT void _ZdlPvSt11align_val_t(void *p, size_t alignment)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdlPvSt11align_val_t, SITE_HERE, 0, 1))) {
		REAL(_ZdlPvSt11align_val_t)(p, alignment);
		return;
	}
	REAL(_ZdlPvSt11align_val_t)(p, alignment);
	watch_end(&w);
}

void _ZdaPvSt11align_val_t(void *p, size_t alignment);
EXPORT void _ZdaPvSt11align_val_t(void *p, size_t alignment)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdaPvSt11align_val_t, SITE_HERE, 0, 1))) {
		REAL(_ZdaPvSt11align_val_t)(p, alignment);
		return;
	}
	REAL(_ZdaPvSt11align_val_t)(p, alignment);
	watch_end(&w);
}

void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t alignment);
EXPORT void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t alignment)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdlPvmSt11align_val_t, SITE_HERE, 0, 1))) {
		REAL(_ZdlPvmSt11align_val_t)(p, size, alignment);
		return;
	}
	REAL(_ZdlPvmSt11align_val_t)(p, size, alignment);
	watch_end(&w);
}

void _ZdaPvmSt11align_val_t(void *p, size_t size, size_t alignment);
EXPORT void _ZdaPvmSt11align_val_t(void *p, size_t size, size_t alignment)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdaPvmSt11align_val_t, SITE_HERE, 0, 1))) {
		REAL(_ZdaPvmSt11align_val_t)(p, size, alignment);
		return;
	}
	REAL(_ZdaPvmSt11align_val_t)(p, size, alignment);
	watch_end(&w);
}

void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const void *nothrow);
EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const void *nothrow)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdlPvSt11align_val_tRKSt9nothrow_t, SITE_HERE, 0, 1))) {
		REAL(_ZdlPvSt11align_val_tRKSt9nothrow_t)(p, alignment, nothrow);
		return;
	}
	REAL(_ZdlPvSt11align_val_tRKSt9nothrow_t)(p, alignment, nothrow);
	watch_end(&w);
}

void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const void *nothrow);
EXPORT void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const void *nothrow)
{
	struct watch w;

	if (p == NULL || likely(!watch_new(&w, WATCHED__ZdaPvSt11align_val_tRKSt9nothrow_t, SITE_HERE, 0, 1))) {
		REAL(_ZdaPvSt11align_val_tRKSt9nothrow_t)(p, alignment, nothrow);
		return;
	}
	REAL(_ZdaPvSt11align_val_tRKSt9nothrow_t)(p, alignment, nothrow);
	watch_end(&w);
}
