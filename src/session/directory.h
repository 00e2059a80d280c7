/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Directories of sessions: how they are emptied, and which of them nobody will read. Those are the sessions
 * of programs that were preloaded by hand and killed, and of a mutrace that was killed; a later run removes
 * them. Runs in mutrace and in the profiled process, before it records. Allocates nothing, takes no lock,
 * keeps no descriptor.
 */
#ifndef MUTRACE_SESSION_DIRECTORY_H
#define MUTRACE_SESSION_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIRECTORY_NAME "mutrace-" /* names of unnamed sessions begin so */
#define DIRECTORY_PATH_LONGEST \
	440 /* of any session: the recorder puts a file's name behind it in a buffer of 512 */
#define DIRECTORY_PLACES 3

/* The places where unnamed sessions are made, the best one first, NULL where there is none; [0] is in memory.
 * temporary: $TMPDIR, or NULL. */
static inline void directory_places(const char *temporary, const char *ret[DIRECTORY_PLACES])
{
	ret[0] = "/dev/shm";
	ret[1] = temporary;
	ret[2] = "/tmp";
	if (temporary && (!*temporary || strcmp(temporary, ret[0]) == 0 || strcmp(temporary, ret[2]) == 0))
		ret[1] = NULL;
}

/*
 * Removes stale sessions of this user from a directory where unnamed sessions are made. Stale is a session
 * whose processes are all gone, which nobody reads, and which nobody asked to keep. The user may be about to
 * read it: one that a mutrace made stays for ten more minutes, and so does the newest that was made by hand.
 * errno may change.
 */
void directory_clean(const char *place);

/* Holds off directory_clean() in other processes until the descriptor, which is of the file "session", is
 * closed. */
void directory_hold(int session_file);
/* The same, against other callers of it too. False: somebody else reads or reports this session. */
bool directory_hold_alone(int session_file);
/* True if another descriptor holds it too: that of the mutrace that records, or of somebody who reads it. The caller holds
 * it before and after. */
bool directory_held_by_others(int session_file);

/* Removes the files of a session, and nothing else that the user may have put beside them. */
void directory_remove_files(int session_dir);
/* True if there is nothing in a directory. */
bool directory_is_empty(int dir);

/* Bytes of events that a session in this place may have, of `wanted`: where there is little room, the rest is for
 * counters. */
uint64_t directory_room_for_events(const char *path, uint64_t wanted);

#endif
