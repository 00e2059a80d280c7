/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Names of threads, see thread.c. */
#ifndef MUTRACE_WRAPPERS_THREAD_H
#define MUTRACE_WRAPPERS_THREAD_H

#include <pthread.h>

/* A thread was given a name, by itself or by another. Any thread. */
void thread_renamed(pthread_t id, const char *name);

#endif
