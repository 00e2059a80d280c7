/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeps an eye on the processes of a session. They are known from their images only: mutrace is no
 * subreaper, so that a daemon finds itself the child of init as always. Run command only.
 */
#ifndef MUTRACE_CMD_FOLLOW_H
#define MUTRACE_CMD_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct follow;

/* dir: the session's directory; the descriptor stays the caller's. NULL: no memory or no descriptors. */
struct follow *follow_new(int dir);
void follow_free(struct follow *f);
void follow_program(struct follow *f, pid_t program);
/* The program has ended so, as waitpid() gives it. */
void follow_program_ended(struct follow *f, int status);

/* The session is another user's, who may write any process's number into an image: only those count that have mapped a file
 * below this path, or part of one. It stays the caller's. */
void follow_verify(struct follow *f, const char *session);

/* Readable when a process ended; then follow_ended() is due, and now and then follow_scan(). */
int follow_fd(const struct follow *f);
/* Sees to the images of those that ended: writes the time of its end into the image of one that could not
 * do so itself, and removes that of one that recorded nothing. */
void follow_ended(struct follow *f);
/* The same, and looks for new images and at all others, unless that was done a moment ago and not "now"
 * is asked for: what it costs grows with the number of images, and with ten thousand processes that end
 * one by one it would grow with the square. */
void follow_scan(struct follow *f, bool now);
/* True if processes live, or may be about to be born. As of the last scan. */
bool follow_busy(const struct follow *f);
/* True if processes run in this session (its path) that no image tells of, or not yet; of those that never do, such as
 * static programs, it says so for a second. */
bool follow_newcomers(struct follow *f, const char *session);
/* True if somebody is about to show up, as follow_busy() does. */
bool follow_expects(const struct follow *f);
/* How many of the session's processes live, but for one process and for those that have come to their end. */
unsigned int follow_others(const struct follow *f, pid_t but);
/* How many of the session's processes live, and one of them. As of the last scan. */
unsigned int follow_living(const struct follow *f, pid_t *ret_one);
/* The living ones, at most max of them; how many were stored. */
size_t follow_pids(const struct follow *f, pid_t *out, size_t max);
/* True if there is anything to report: a process that registered, and did not only go on as something that did not.
 * After follow_clean(). */
bool follow_any(const struct follow *f);
/* When all is over: removes all images that hold nothing, also those that were made ready for children,
 * and cuts the others, which are sparse, to the length that is used. */
void follow_clean(struct follow *f);

#endif
