/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A seccomp filter, followed for the system calls that the recorder makes in a process, along all ways that arguments which are
 * not known here may lead. Reads nothing but the filter, and trusts nothing in it. Called by filters.c and src/attach/confined.c.
 */
#ifndef MUTRACE_INSPECT_FILTER_H
#define MUTRACE_INSPECT_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

/* The name of a call that the filter forbids though it is needed, or for which it kills; NULL: it forbids none. */
const char *filter_forbids(const struct sock_filter *code, size_t n);
/* True if the filter lets a thread go on with a call that was interrupted. */
bool filter_lets_go_on(const struct sock_filter *code, size_t n);

#endif
