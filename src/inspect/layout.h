/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How glibc lays out its locks, on the machine that we were built for. Each fills in what it can tell of an owner. */
#ifndef MUTRACE_INSPECT_LAYOUT_H
#define MUTRACE_INSPECT_LAYOUT_H

#include "src/inspect/waits.h"

/* The places of the futexes in a condition, over all versions; the most likely ones first. */
extern const unsigned int layout_cond_futexes[];
extern const size_t layout_cond_futexes_n;
/* The condition that a futex most likely belongs to. */
uint64_t layout_cond_at(uint64_t futex);

/* True if a thread of the target calls itself so. */
bool layout_thread_known(const struct target *t, pid_t ns_tid);
/* The thread whose end is waited for at this futex, as the process itself knows it; 0: it is none. */
pid_t layout_joined(struct target *t, uint64_t futex, uint32_t expected);
/* True if there may be a mutex; if so, its owner and kind. */
bool layout_mutex(struct target *t, uint64_t at, struct wait_found *ret);
/* True if its word says that somebody waits. */
bool layout_mutex_waited(struct target *t, uint64_t at);
/* The rwlock that a futex belongs to, by the value that was expected in it, and who waits. */
uint64_t layout_rwlock_at(uint64_t futex, uint32_t expected, bool to_write);
void layout_rwlock(struct target *t, uint64_t at, struct wait_found *ret);
bool layout_semaphore(struct target *t, uint64_t at);
void layout_barrier(struct target *t, uint64_t futex, struct wait_found *ret);
/* The owner of a stream's lock (stdio), if it is one. */
void layout_stream(struct target *t, uint64_t at, struct wait_found *ret);

#endif
