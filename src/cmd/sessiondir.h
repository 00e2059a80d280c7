/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making, ending and removing the directory of a session. Run and report commands. */
#ifndef MUTRACE_CMD_SESSIONDIR_H
#define MUTRACE_CMD_SESSIONDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "src/session/format.h"

struct sessiondir {
	char *path; /* absolute */
	int dir;    /* descriptor of the directory */
	int file;   /* descriptor of the file "session" */
	bool keep;  /* the user asked for it by name */
	struct session_file content;
};

#define SESSION_NO_ROOM -2

/* Makes a session in the directory "output" (NULL: one with an unpredictable name, in memory if there is
 * room); also elsewhere if there is no room in it. 0, -1 if "output" cannot be meant, or SESSION_NO_ROOM
 * if it can be made nowhere: after saying so, with nothing left behind. for_ms: of the recording window. */
int sessiondir_make(struct sessiondir *s, const struct session_config *config, uint32_t for_ms,
		    const char *rt_threads, const char *output);
/* The same in a directory that is open, which is not ours to name: another mount namespace's. It belongs to whose rights the
 * caller has (rights.h). 0 or -errno. */
int sessiondir_make_below(struct sessiondir *s, const struct session_config *config, const char *rt_threads,
			  int place);
/* It becomes another user's, whose process is to record into it. 0 or -errno. */
int sessiondir_give(struct sessiondir *s, uid_t uid, gid_t gid);
/* Writes down which process the program is. */
void sessiondir_started(struct sessiondir *s, pid_t program);
/* Writes down that all is over, and how the program ended. */
void sessiondir_finish(struct sessiondir *s, int wait_status);
/* How many processes found no room for their image. */
unsigned int sessiondir_unrecorded(const struct sessiondir *s);
/* Closes; removes the directory with all that is in it unless it is to be kept. */
void sessiondir_close(struct sessiondir *s);
/* Removes a session of this user by name. 0 or -errno. */
int sessiondir_remove(const char *path);

/* Now, in the ticks of an image of this clock kind. */
uint64_t sessiondir_ticks(uint32_t clock_kind);

#endif
