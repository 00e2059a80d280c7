/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The file "common" of a session: process-shared locks that threads have waited for, and who held them in which
 * process. All processes of the session map it. Written by src/record/common.c only; each account by one thread. What the report
 * needs of it is in edges and in CHUNK_COMMON, so the command does not read it.
 */
#ifndef MUTRACE_SESSION_COMMON_H
#define MUTRACE_SESSION_COMMON_H

#include <stdint.h>

#define SESSION_COMMON "common"
#define COMMON_LOCKS 128u
#define COMMON_ACCOUNTS 255u     /* of a lock */
#define COMMON_HEAD (64u * 1024) /* bytes before the first lock: a page of any machine */

/* The holds of one cell. 64 bytes. */
struct common_account {
	uint32_t turn; /* odd while it is being changed */
	uint32_t pid, tid;
	uint32_t again;   /* further holds that began while one lasted, as of a reader */
	uint64_t charged; /* ticks of ended holds */
	uint64_t since;   /* of the one that lasts; 0: none */
	uint64_t first;   /* when the first one began */
	uint64_t left;    /* when the last one ended; 0: none has */
	uint32_t shared;  /* 1: of readers */
	uint32_t reserved0;
	uint64_t reserved;
};

struct common_lock {
	uint32_t n_accounts; /* asked for; there may be more than places (atomic) */
	uint32_t outsiders;  /* 1: threads that are not recorded use it, too */
	uint64_t reserved[7];
	struct common_account account[COMMON_ACCOUNTS];
};

struct common_file {
	uint64_t key[COMMON_LOCKS];  /* which lock it is, the same in all processes; 0: free (atomic) */
	uint8_t ready[COMMON_LOCKS]; /* 1: its memory is there */
	uint32_t n;                  /* locks that became ready (atomic) */
};

/* A cell of a common lock, CHUNK_COMMON: where its account is. 32 bytes. */
struct common_rec {
	uint32_t cell;
	uint32_t lock, account; /* numbers from 1; 0: none */
	uint32_t seen;          /* the recorder's business, as is all that follows */
	uint64_t key;
	uint32_t instance;
	uint32_t reserved;
};

/* The account of a common lock, as edges name it. */
static inline uint64_t common_name(uint32_t lock, uint32_t account)
{
	return (uint64_t)lock << 32 | account;
}

_Static_assert(sizeof(struct common_account) == 64, "common_account");
_Static_assert(sizeof(struct common_lock) == 64 * (1 + COMMON_ACCOUNTS), "common_lock");
_Static_assert(sizeof(struct common_file) <= 4096, "common_file");
_Static_assert(sizeof(struct common_rec) == 32, "common_rec");

#endif
