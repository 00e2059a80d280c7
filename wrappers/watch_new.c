/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrace: C++ operators new and delete. Those of the C++ library call malloc and free, which are watched:
 * they are left alone. Allocators like jemalloc and tcmalloc bring their own, which do not.
 */
#include <dlfcn.h>

#include "src/record/watch.h"
#include "wrappers/real.h"
#include "wrappers/watch_new.h"

/* Names have the type that size_t is: unsigned long (m), and on 32 bits unsigned int (j). */
#if __SIZEOF_SIZE_T__ != 8
#define _Znwm _Znwj
#define _Znam _Znaj
#define _ZnwmRKSt9nothrow_t _ZnwjRKSt9nothrow_t
#define _ZnamRKSt9nothrow_t _ZnajRKSt9nothrow_t
#define _ZnwmSt11align_val_t _ZnwjSt11align_val_t
#define _ZnamSt11align_val_t _ZnajSt11align_val_t
#define _ZnwmSt11align_val_tRKSt9nothrow_t _ZnwjSt11align_val_tRKSt9nothrow_t
#define _ZnamSt11align_val_tRKSt9nothrow_t _ZnajSt11align_val_tRKSt9nothrow_t
#define _ZdlPvm _ZdlPvj
#define _ZdaPvm _ZdaPvj
#define _ZdlPvmSt11align_val_t _ZdlPvjSt11align_val_t
#define _ZdaPvmSt11align_val_t _ZdaPvjSt11align_val_t
#endif

/* 1: the operators are the allocator's own, 0: they are not, -1: that is not known yet */
static int8_t own_operators = -1;

/*
 * A program in C may load a library in C++ later, and its C++ library then is not in the scope where
 * originals are looked for; but it is loaded, or nobody would call us.
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
		own_operators = dladdr(*(void **)&REAL(_Znwm), &ours) != 0 &&
				dladdr(*(void **)&REAL(malloc), &theirs) != 0 &&
				ours.dli_fbase == theirs.dli_fbase;
}

static inline bool watch_new(struct watch *w, enum watched function, struct site site, size_t bytes,
			     uint32_t frees)
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

/* The C++ library's are left by a jump: a frame of ours above them would be taken for the caller of malloc.
 * Hence two functions for each. The last parameter of the second is where the first was called. */
#define FIRST(...) __VA_ARGS__
#define NEW(...) NEW_NAMED(__VA_ARGS__)
#define NEW_NAMED(name, parameters, arguments) \
	void *name(FIRST parameters); \
	static COLD void *slow##name(FIRST parameters, struct site site) \
	{ \
		struct watch w; \
		void *p; \
\
		if (!watch_new(&w, WATCHED_##name, site, size, 0)) \
			return REAL(name)(FIRST arguments); \
		p = REAL(name)(FIRST arguments); \
		watch_end(&w); \
		return p; \
	} \
	EXPORT void *name(FIRST parameters) \
	{ \
		if (likely(own_operators == 0)) \
			return REAL(name)(FIRST arguments); \
		return slow##name(FIRST arguments, SITE_HERE); \
	}
#define DELETE(...) DELETE_NAMED(__VA_ARGS__)
#define DELETE_NAMED(name, parameters, arguments) \
	void name(FIRST parameters); \
	static COLD void slow##name(FIRST parameters, struct site site) \
	{ \
		struct watch w; \
\
		if (p == NULL || !watch_new(&w, WATCHED_##name, site, 0, 1)) { \
			REAL(name)(FIRST arguments); \
			return; \
		} \
		REAL(name)(FIRST arguments); \
		watch_end(&w); \
	} \
	EXPORT void name(FIRST parameters) \
	{ \
		if (likely(own_operators == 0)) \
			REAL(name)(FIRST arguments); \
		else \
			slow##name(FIRST arguments, SITE_HERE); \
	}

NEW(_Znwm, (size_t size), (size))
NEW(_Znam, (size_t size), (size))
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const void *nothrow), (size, nothrow))
NEW(_ZnamRKSt9nothrow_t, (size_t size, const void *nothrow), (size, nothrow))
NEW(_ZnwmSt11align_val_t, (size_t size, size_t alignment), (size, alignment))
NEW(_ZnamSt11align_val_t, (size_t size, size_t alignment), (size, alignment))
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t alignment, const void *nothrow),
    (size, alignment, nothrow))
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t alignment, const void *nothrow),
    (size, alignment, nothrow))
DELETE(_ZdlPv, (void *p), (p))
DELETE(_ZdaPv, (void *p), (p))
DELETE(_ZdlPvm, (void *p, size_t size), (p, size))
DELETE(_ZdaPvm, (void *p, size_t size), (p, size))
DELETE(_ZdlPvRKSt9nothrow_t, (void *p, const void *nothrow), (p, nothrow))
DELETE(_ZdaPvRKSt9nothrow_t, (void *p, const void *nothrow), (p, nothrow))
DELETE(_ZdlPvSt11align_val_t, (void *p, size_t alignment), (p, alignment))
DELETE(_ZdaPvSt11align_val_t, (void *p, size_t alignment), (p, alignment))
DELETE(_ZdlPvmSt11align_val_t, (void *p, size_t size, size_t alignment), (p, size, alignment))
DELETE(_ZdaPvmSt11align_val_t, (void *p, size_t size, size_t alignment), (p, size, alignment))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t alignment, const void *nothrow),
       (p, alignment, nothrow))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t alignment, const void *nothrow),
       (p, alignment, nothrow))
