/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The names that loaded objects define, without a call to the loader: dlsym() allocates when it finds
 * nothing, and the program's allocator may be the one that waits for us. Takes no lock, allocates nothing,
 * leaves errno alone.
 */
#ifndef MUTRACE_WRAPPERS_DEFINED_H
#define MUTRACE_WRAPPERS_DEFINED_H

#include <link.h>
#include <stdbool.h>

/* True if an object defines a name, or cannot be asked. */
bool defined_in(const struct link_map *map, const char *name);
/* The address of a function that an object defines, by its base and its dynamic section; NULL: it does not. */
void *defined_address(ElfW(Addr) base, const ElfW(Dyn) * dynamic, const char *name);
/* The name of a function that an object defines, by a pattern with one * in it; NULL: there is none. It lies in the
 * object. */
const char *defined_like(ElfW(Addr) base, const ElfW(Dyn) * dynamic, const char *pattern);
/* The address of a function in the first object that was loaded after this library. */
void *defined_address_next(const char *name);
/* The same in the first object of all but this library. The caller keeps the loader's list still. */
void *defined_address_any(const char *name);
/* The same in this library. */
void *defined_address_here(const char *name);
/* True if any object defines a name that was loaded after this library, where RTLD_NEXT looks. */
bool defined_next(const char *name);

#endif
