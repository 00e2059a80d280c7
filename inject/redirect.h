/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Functions of libraries are redirected to ours, by value, in the objects that are loaded: a slot of an
 * object is written only if it holds the original's address. So no symbol of ours appears that dlsym() or a
 * weak reference could find, no library is loaded that was not, and a function of the program's own that
 * stands in front of the library's is left alone. A slot that is not bound yet (lazy binding) is known by its
 * symbol, and left alone where several objects define that name.
 *
 * Runs in the profiled process: at start, and when objects were loaded since. Holds the loader's list still
 * meanwhile (dl_iterate_phdr), and takes no other lock. Called by wrappers/families.c.
 */
#ifndef MUTRACE_INJECT_REDIRECT_H
#define MUTRACE_INJECT_REDIRECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function of a library. The name may have one *, where versions of the library differ. */
struct redirect {
	const char *name;
	const char *found; /* the name in the library that is loaded */
	void *ours;
	void **original;       /* NULL until the library is loaded */
	unsigned int definers; /* objects that define the name */
	const char *version;   /* of the symbol, where there are several; else NULL */
	bool counted;          /* where the scan counts pointers that stay */
	void **needs;          /* another original, without which it is left alone; or NULL */
};

#define REDIRECT_NAMES 3
struct redirect_library {
	const char *soname[REDIRECT_NAMES]; /* what its name begins with, by whoever made it */
	struct redirect *functions;
	size_t n;
	bool found;
	bool given; /* the originals are known; what a name means in the program is one of them */
};

/* The outcome of a scan. */
struct redirect_sum {
	bool pointers; /* variables are to be looked at, too; and in a heap they are counted */
	uintptr_t heap, heap_end;
	uint32_t slots, refused; /* redirected; not, as the system refuses to make them writable */
	uint32_t found, kept;    /* the same of pointers in variables, and those in the heap */
};

typedef int redirect_iterate(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data);

/* Looks for the libraries, and redirects their functions in all objects. iterate: the C library's
 * dl_iterate_phdr(). One thread at a time. False: another thread is loading an object, so look again. */
bool redirect_scan(struct redirect_library *libraries, size_t n, redirect_iterate *iterate,
		   struct redirect_sum *sum);
/* Puts the originals back in all objects. Not one that is being loaded: there are none of ours in it. */
void redirect_undo(struct redirect_library *libraries, size_t n, redirect_iterate *iterate);

#endif
