/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Naps: calls by which a thread sleeps for a time of its choice, or gives the processor away. Threads that look again and again
 * whether something has happened do so, and only events tell of that. Called by wrappers/nap.c, on the thread itself;
 * takes no lock but that of the chunks.
 */
#ifndef MUTRACE_RECORD_NAPS_H
#define MUTRACE_RECORD_NAPS_H

#include "src/record/recorder.h"

/* A nap that ends. begin: ticks. errno is as it was. */
void nap_ended(struct thread *t, uint64_t begin, struct site site);

#endif
