/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrace: the allocator. A thread that is not realtime counts and jumps on to the original; all else is out
 * of line. Before the originals are known, and while the loader looks them up, blocks come from a little
 * memory of our own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "inject/loader.h"
#include "src/record/watch.h"
#include "wrappers/real.h"
#include "wrappers/watch_alloc.h"

/* ---- before the originals are known ---- */

#define EARLY_BYTES (64u * 1024)
#define EARLY_HEAD 16u

static char early[EARLY_BYTES] __attribute__((aligned(64)));
static uint32_t early_used;

static inline bool is_early(const void *p)
{
	return (uintptr_t)p - (uintptr_t)early < EARLY_BYTES;
}

static COLD void *early_take(size_t size, size_t alignment)
{
	uint32_t at, end;

	do {
		uintptr_t p;

		end = __atomic_load_n(&early_used, __ATOMIC_RELAXED);
		p = (uintptr_t)early + end + EARLY_HEAD;
		at = (uint32_t)(((p + alignment - 1) & ~(uintptr_t)(alignment - 1)) - (uintptr_t)early);
		if (size > EARLY_BYTES || at > EARLY_BYTES - size) {
			errno = ENOMEM;
			return NULL;
		}
	} while (!__atomic_compare_exchange_n(&early_used, &end, (uint32_t)(at + size), false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	memcpy(early + at - sizeof(size), &size, sizeof(size));
	return early + at; /* zeros: it is handed out once only */
}

/* Makes the originals known. False: the loader is looking them up for this thread just now. */
static bool ready(void)
{
	static __thread bool resolving __attribute__((tls_model("initial-exec")));

	if (likely(real.resolved))
		return true;
	if (resolving)
		return false;
	resolving = true;
	real_resolve();
	resolving = false;
	return true;
}

/* ---- what is not the plain case ---- */

#define ALIGNMENT_MALLOC 16u
/* In the body of an exported wrapper. */
#define CALLER ((uintptr_t)__builtin_return_address(0))

/* A call that is not watched goes on to the original by a jump: sanitizers tell the loader's memory from the
 * program's by the caller. Hence no address of a variable is taken there. */
struct answer {
	void *p;
	bool watched;
};

static COLD struct answer malloc_watched(size_t size, struct site site)
{
	struct answer a = { NULL, false };
	struct watch w;

	if (watch_begin(&w, WATCHED_malloc, site, size, 0)) {
		a = (struct answer){ REAL(malloc)(size), true };
		watch_end(&w);
	}
	return a;
}

static COLD void *malloc_slow(size_t size, struct site site)
{
	struct answer a;

	if (watch_plain_alloc(size, site.ip))
		return REAL(malloc)(size);
	if (!ready() && REAL(malloc) == NULL)
		return early_take(size, ALIGNMENT_MALLOC);
	a = malloc_watched(size, site);
	return a.watched ? a.p : REAL(malloc)(size);
}

static size_t product(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? 0 /* it will fail */ : bytes;
}

static COLD struct answer calloc_watched(size_t n, size_t size, struct site site)
{
	struct answer a = { NULL, false };
	struct watch w;

	if (watch_begin(&w, WATCHED_calloc, site, product(n, size), 0)) {
		a = (struct answer){ REAL(calloc)(n, size), true };
		watch_end(&w);
	}
	return a;
}

static COLD void *calloc_slow(size_t n, size_t size, struct site site)
{
	struct answer a;

	if (watch_plain_alloc(n * size, site.ip))
		return REAL(calloc)(n, size);
	if (!ready() && REAL(calloc) == NULL)
		return early_take(product(n, size), ALIGNMENT_MALLOC);
	a = calloc_watched(n, size, site);
	return a.watched ? a.p : REAL(calloc)(n, size);
}

static COLD void *early_move(void *p, size_t size)
{
	size_t old;
	void *to = REAL(malloc) != NULL ? REAL(malloc)(size) : early_take(size, ALIGNMENT_MALLOC);

	if (to != NULL) {
		memcpy(&old, (char *)p - sizeof(old), sizeof(old));
		memcpy(to, p, old < size ? old : size);
	}
	return to;
}

/* realloc and reallocarray; only a call to nothing gives the block back without a new one. */
static COLD void *realloc_slow(enum watched function, void *p, size_t n, size_t size, struct site site)
{
	struct watch w;
	size_t bytes;
	bool begun;
	void *to;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	if (unlikely(is_early(p)))
		return early_move(p, bytes);
	if (!ready() && REAL(realloc) == NULL)
		return early_take(bytes, ALIGNMENT_MALLOC);
	begun = watch_begin(&w, function, site, bytes, 0);
	to = REAL(realloc)(p, bytes); /* which is what reallocarray does, by a call that would come to us */
	if (begun)
		watch_end(&w);
	if (to == NULL && p != NULL && bytes == 0) {
		struct alloc_totals *plain = thread_self->plain;

		if (begun)
			w.site->frees++;
		else if (plain != NULL)
			plain->frees++;
	}
	return to;
}

static COLD void free_slow(void *p, struct site site)
{
	struct watch w;
	int saved = errno;

	if (p == NULL || is_early(p))
		return;
	if (!ready() && REAL(free) == NULL)
		return; /* nobody knows how; it is the loader's */
	if (watch_plain_free(site.ip)) {
		REAL(free)(p);
	} else if (watch_begin(&w, WATCHED_free, site, 0, 1)) {
		REAL(free)(p);
		watch_end(&w);
	} else {
		errno = saved;
		REAL(free)(p);
	}
}

EXPORT void *malloc(size_t size)
{
	if (likely(watch_direct_alloc(size)))
		return REAL(malloc)(size);
	return malloc_slow(size, SITE_HERE);
}

EXPORT void *calloc(size_t n, size_t size)
{
	if (likely(watch_direct_alloc(n * size)))
		return REAL(calloc)(n, size);
	return calloc_slow(n, size, SITE_HERE);
}

EXPORT void *realloc(void *p, size_t size)
{
	if (likely(size != 0) && likely(watch_direct_alloc(size)))
		return REAL(realloc)(p, size);
	return realloc_slow(WATCHED_realloc, p, 1, size, SITE_HERE);
}

EXPORT void *reallocarray(void *p, size_t n, size_t size)
{
	return realloc_slow(WATCHED_reallocarray, p, n, size, SITE_HERE);
}

EXPORT void free(void *p)
{
	if (unlikely(!watch_direct_free(p)))
		free_slow(p, SITE_HERE);
	else
		REAL(free)(p);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	struct watch w;
	void *p;

	if (!ready() && REAL(memalign) == NULL)
		return early_take(size, alignment);
	if (watch_plain_alloc(size, CALLER) || !watch_begin(&w, WATCHED_memalign, SITE_HERE, size, 0))
		return REAL(memalign)(alignment, size);
	p = REAL(memalign)(alignment, size);
	watch_end(&w);
	return p;
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
	struct watch w;
	int r;

	ready();
	if (watch_plain_alloc(size, CALLER) || !watch_begin(&w, WATCHED_posix_memalign, SITE_HERE, size, 0))
		return REAL(posix_memalign)(out, alignment, size);
	r = REAL(posix_memalign)(out, alignment, size);
	watch_end(&w);
	return r;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	struct watch w;
	void *p;

	ready();
	if (watch_plain_alloc(size, CALLER) || !watch_begin(&w, WATCHED_aligned_alloc, SITE_HERE, size, 0))
		return REAL(aligned_alloc)(alignment, size);
	p = REAL(aligned_alloc)(alignment, size);
	watch_end(&w);
	return p;
}

EXPORT void *valloc(size_t size)
{
	struct watch w;
	void *p;

	ready();
	if (watch_plain_alloc(size, CALLER) || !watch_begin(&w, WATCHED_valloc, SITE_HERE, size, 0))
		return REAL(valloc)(size);
	p = REAL(valloc)(size);
	watch_end(&w);
	return p;
}

EXPORT void *pvalloc(size_t size)
{
	struct watch w;
	void *p;

	ready();
	if (watch_plain_alloc(size, CALLER) || !watch_begin(&w, WATCHED_pvalloc, SITE_HERE, size, 0))
		return REAL(pvalloc)(size);
	p = REAL(pvalloc)(size);
	watch_end(&w);
	return p;
}

/* ---- for the loader: its calls are not the program's ---- */

static void *loader_malloc(size_t size)
{
	return REAL(malloc)(size);
}

static void *loader_calloc(size_t n, size_t size)
{
	return REAL(calloc)(n, size);
}

static void *loader_realloc(void *p, size_t size)
{
	return is_early(p) ? early_move(p, size) : REAL(realloc)(p, size);
}

static void loader_free(void *p)
{
	if (!is_early(p))
		REAL(free)(p);
}

/* True if a function is of this library, not of a program that has an allocator of its own. */
static bool is_ours(const void *function)
{
	Dl_info its, own;

	return dladdr(function, &its) != 0 && dladdr(&early_used, &own) != 0 &&
	       its.dli_fbase == own.dli_fbase;
}

bool watch_alloc_apart(void)
{
	const struct loader_call calls[] = {
		{ (void *)malloc, (void *)loader_malloc },
		{ (void *)calloc, (void *)loader_calloc },
		{ (void *)realloc, (void *)loader_realloc },
		{ (void *)free, (void *)loader_free },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!is_ours(calls[i].function))
			return false;
	return loader_divert(calls, sizeof(calls) / sizeof(calls[0])) && early_used == 0;
}
