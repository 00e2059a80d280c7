/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Preloaded by hand, with no mutrace in front: the library makes the session, and the last process of it that
 * ends has the report printed. byhand_start() and byhand_end() are called by the library's constructor and
 * destructor.
 */
#ifndef MUTRACE_RECORD_BYHAND_H
#define MUTRACE_RECORD_BYHAND_H

#include <stddef.h>

/* Makes a session as MUTRACE_OPTIONS says; its path goes to path. Says on stderr what of the options is
 * wrong. 0 or -errno. */
int byhand_make_session(char *path, size_t size);
/* Removes one that came to nothing. */
void byhand_remove_session(const char *path);

/* In a session made by hand: keeps a duplicate of stderr, and tells children of the session. */
void byhand_start(void);
/* Runs "mutrace report --by-hand" on it if this may be the last of its processes. */
void byhand_end(void);

#endif
