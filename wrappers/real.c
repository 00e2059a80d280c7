/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Finds the originals, see real.h. */
#include "wrappers/real.h"

#include <dlfcn.h>
#include <stddef.h>

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
	{ "pthread_setname_np", NULL, offsetof(struct real, pthread_setname_np) },
	{ "prctl", NULL, offsetof(struct real, prctl) },
#endif
#define WRAP(family, type, name, parameters, version) { #name, version, offsetof(struct real, name) },
#include "wrappers/wrappers.def"
#undef WRAP
};

void real_resolve(void)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *f = NULL;

		if (functions[i].version != NULL)
			f = dlvsym(RTLD_NEXT, functions[i].name, functions[i].version);
		if (f == NULL)
			f = dlsym(RTLD_NEXT, functions[i].name);
		*(void **)((char *)&real + functions[i].offset) = f;
	}
	*(void **)&real.malloc_usable_size = dlsym(RTLD_NEXT, "malloc_usable_size");
	__atomic_store_n(&real.resolved, true, __ATOMIC_RELEASE);
}

void real_resolve_more(void *library)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void **f = (void **)((char *)&real + functions[i].offset);

		if (*f == NULL)
			*f = dlsym(library, functions[i].name);
	}
}
