/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A session that is being recorded, read again and again: what changed since the last time. Where a thread was given
 * no processor its counters are not read at all; of the others they are compared, and everything else is done only
 * for locks that changed. Names come from a model (model.h), by the number of the lock's record. Runs in mutrace,
 * single-threaded, no locks. It trusts no number in a file. Called by mutrace top.
 */
#ifndef MUTRACE_LOAD_REFRESH_H
#define MUTRACE_LOAD_REFRESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFRESH_NONE UINT32_MAX

struct refresh_counts {
	uint64_t acquired, contended, hold_ns; /* holds that ended */
	uint64_t wait_ns;                      /* waited in this time, also by those that wait still */
};

struct refresh_lock {
	uint32_t image, ref; /* index in images; of its record */
	uint64_t address;    /* 0: it stands for many */
	uint8_t kind;        /* enum lock_kind */
	bool changed;        /* it is in the list of those */
	uint32_t waiters;    /* threads that wait for it now */
	uint64_t ongoing_ns; /* for how long they have, together */
	struct refresh_counts delta;
};

/* A thread that waits now. */
struct refresh_wait {
	uint32_t image, lock; /* indices */
	uint32_t tid;
	char name[17];
	uint64_t waited_ns;
	uint32_t holder; /* its tid, 0: nobody has it now, or that is not known */
	char holder_name[17];
};

struct refresh_image {
	char name[64]; /* of the file, as model_process.source has it */
	uint32_t pid;
	char program[1024];
	uint32_t threads; /* that live */
	bool alive;
};

struct refresh_private;

struct refresh {
	uint64_t span_ns; /* since the last time; the first time: since the session began */
	struct refresh_lock *locks;
	uint32_t *changed; /* indices of locks with a delta, or waiters */
	struct refresh_wait *waits;
	struct refresh_image *images;
	size_t n_locks, n_changed, n_waits, n_images;
	uint64_t bytes_read; /* by the last refresh_read() */
	struct refresh_private *priv;
};

/* The session at path, a directory. 0, or -errno after error (of MODEL_ERROR_SIZE) got one line. */
int refresh_open(const char *path, struct refresh **ret, char *error);
/* 0; -ENOENT: nobody records it any more; another -errno. What it gives lasts until the next call. */
int refresh_read(struct refresh *r);
/* Takes NULL. */
void refresh_free(struct refresh *r);

#endif
