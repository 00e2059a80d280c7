/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds where threads sleep while others wait for a lock that they hold. The run command looks now and then while the
 * program runs, at the images for who waits for whom, and at the holder from outside, without stopping it. It looks seldom while
 * nobody waits, and takes at most a small part of a processor.
 */
#ifndef MUTRACE_CMD_ASLEEP_H
#define MUTRACE_CMD_ASLEEP_H

#include <stdbool.h>
#include <stdint.h>

struct asleep;
struct follow;

/* A wait for a lock that is going on. */
struct asleep_wait {
	uint32_t pid, tid;
	uint64_t address; /* of the lock */
	uint64_t since;   /* ticks */
	uint64_t waited_ns;
	bool deadlock; /* the threads of a circle wait for each other */
};

/* dir: the session's directory, the caller's. NULL: no memory; the other functions take it. */
struct asleep *asleep_new(const struct follow *f, int dir);
/* From now on each look tells of the waits for locks that have lasted so long. */
void asleep_tell(struct asleep *a, uint64_t limit_ns, void (*tell)(void *data, const struct asleep_wait *w),
		 void *data);
void asleep_free(struct asleep *a);
/* Looks, if it is time. Returns in how many ms it will be time again, at most `ms`. */
int asleep_look(struct asleep *a, int ms);
/* Writes what was seen so far into the session. */
void asleep_write(const struct asleep *a);

#endif
