/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Finds the originals, see real.h. */
#include "wrappers/real.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stddef.h>

#include "wrappers/defined.h"

struct real real;

static const struct {
	const char *name, *version;
	size_t offset;
} functions[] = {
#ifdef MATRACE /* first the allocator: looking up what does not exist makes the loader allocate */
#define WATCH(class, label, type, name, parameters, arguments) { #name, NULL, offsetof(struct real, name) },
#define WATCH_OWN(class, label, type, name, parameters) { #name, NULL, offsetof(struct real, name) },
#define WATCH_KNOWN(class, label, name)
#define WATCH_COUNT(class, label, name)
#include "src/session/watched.def"
#undef WATCH
#undef WATCH_OWN
#undef WATCH_KNOWN
#undef WATCH_COUNT
#endif
#define WRAP(family, type, name, parameters, version) { #name, version, offsetof(struct real, name) },
#include "wrappers/wrappers.def"
#undef WRAP
};

static bool same_object(const void *f, const void *g)
{
	Dl_info a, b;

	return dladdr(f, &a) != 0 && dladdr(g, &b) != 0 && a.dli_fbase == b.dli_fbase;
}

bool real_of_libc(const void *f)
{
	return same_object(f, (const void *)gnu_get_libc_version);
}

/* Another library that puts itself before the C library, such as ThreadSanitizer's, has no versions. */
static void *find_next(const char *name, const char *version)
{
	void *f, *of_version;

	if (!defined_next(name))
		return NULL;
	f = REAL(dlsym)(RTLD_NEXT, name);
	of_version = version != NULL ? dlvsym(RTLD_NEXT, name, version) : NULL;
	return of_version != NULL && same_object(f, of_version) ? of_version : f;
}

/* By dlsym() we would find our own. */
void real_resolve_dlsym(void)
{
	*(void **)&real.dlsym = defined_address_next("dlsym");
}

/* Should a lookup allocate after all, and the allocator call a wrapper, then that one goes on with the next
 * name. */
void real_resolve(void)
{
	static __thread size_t done __attribute__((tls_model("initial-exec")));

	real_need_dlsym();
	while (done < sizeof(functions) / sizeof(functions[0])) {
		size_t i = done++;
		void *f = find_next(functions[i].name, functions[i].version);

		*(void **)((char *)&real + functions[i].offset) = f;
	}
	*(void **)&real.malloc_usable_size = find_next("malloc_usable_size", NULL);
	__atomic_store_n(&real.resolved, true, __ATOMIC_RELEASE);
}

static int resolve_late(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info;
	(void)size;
	(void)data;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		*(void **)((char *)&real + functions[i].offset) = defined_address_any(functions[i].name);
	*(void **)&real.malloc_usable_size = defined_address_any("malloc_usable_size");
	return 1;
}

/* The loader's list stands still meanwhile. */
void real_resolve_late(void)
{
	dl_iterate_phdr(resolve_late, NULL);
	__atomic_store_n(&real.resolved, true, __ATOMIC_RELEASE);
}

void real_resolve_more(void *library)
{
	struct link_map *map;

	if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0)
		return;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void **f = (void **)((char *)&real + functions[i].offset);

		if (*f == NULL && defined_in(map, functions[i].name))
			*f = REAL(dlsym)(library, functions[i].name);
	}
}
