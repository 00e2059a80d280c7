/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Functions of the objects that are loaded into a process, found in its memory: the files may be gone, or lie where we do
 * not see them. Writes nothing; trusts nothing that it reads.
 */
#ifndef MUTRACE_ATTACH_NAMES_H
#define MUTRACE_ATTACH_NAMES_H

#include "src/inspect/target.h"

/* The address of a function that a module defines, and its size; 0: it does not. */
uint64_t names_find(struct target *t, const struct module *m, const char *name, uint64_t *ret_size);
/* The module whose file is called so, or so with a dot and more; NULL: none. */
struct module *names_module(struct target *t, const char *file);
/* True if a module's file is called so. */
bool names_is(const struct module *m, const char *file);
/* True of the libraries of mutrace and matrace. */
bool names_is_ours(const struct module *m);
/* A word of the auxiliary vector; 0: there is none. */
uint64_t names_auxiliary(const struct target *t, uint64_t type);
/* The program's headers: an entry of its dynamic section; 0: there is none. */
uint64_t names_dynamic(struct target *t, const struct module *m, int64_t tag);

#endif
