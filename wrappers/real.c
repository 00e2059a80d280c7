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
