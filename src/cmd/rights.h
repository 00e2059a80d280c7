/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files made with the rights of another user, where that user decides what a path leads to. Runs in mutrace, single-threaded.
 * Called by session_below.c.
 */
#ifndef MUTRACE_CMD_RIGHTS_H
#define MUTRACE_CMD_RIGHTS_H

#include <stdint.h>
#include <sys/types.h>

#define RIGHTS_GROUPS 64

struct rights {
	uid_t uid;
	gid_t gid, groups[RIGHTS_GROUPS];
	int n_groups; /* -1: ours are as they were */
	uint32_t capabilities[2];
};

/* Files are opened and made as that user alone could, without capabilities, until rights_back(). 0 or -errno. */
int rights_take(struct rights *before, uid_t uid, gid_t gid);
void rights_back(const struct rights *before);

#endif
