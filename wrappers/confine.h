/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A program that confines itself, see confine.c. */
#ifndef MUTRACE_WRAPPERS_CONFINE_H
#define MUTRACE_WRAPPERS_CONFINE_H

/* The system call seccomp() with these arguments, for the wrapper of syscall(). */
long confined_seccomp(const long a[6]);

#endif
