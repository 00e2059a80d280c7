/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The marks of include/mutrace.h in loaded objects: a note in each object tells where its two pointers to
 * functions are, and they are filled in. The loader does that itself where the library is preloaded and
 * the object was not linked to a fixed address.
 *
 * Runs in the profiled process, where redirect.h does. Called by wrappers/families.c.
 */
#ifndef MUTRACE_INJECT_MARKS_H
#define MUTRACE_INJECT_MARKS_H

#include "inject/redirect.h"

typedef void marks_name(const volatile void *, const char *);
typedef void marks_phase(const char *);

/* iterate: the C library's dl_iterate_phdr(). */
void marks_fill(marks_name *name, marks_phase *phase, redirect_iterate *iterate);

#endif
