/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages of mutrace to its user: lines on stderr that begin with "mutrace: " (or "matrace: "). Called by the commands only; code
 * in other folders returns its errors.
 */
#ifndef MUTRACE_CMD_SAY_H
#define MUTRACE_CMD_SAY_H

/* Exit statuses of our own; 126 and 127 are what a shell gives for the same reasons. */
#define STATUS_TROUBLE 2
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127

/* One line, whatever is in the arguments: control characters are shown as numbers. A stderr that is
 * closed or gone is not an error. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Lines begin with this name, of the program: "mutrace" or "matrace". Once, at the start. */
void say_as(const char *name);
const char *say_name(void);

/* Opens /dev/null, close-on-exec, in place of each of descriptors 0 to 2 that is closed: what we open
 * later must not get these numbers, or lines for the user would be written into it. The program finds
 * them closed. */
void say_guard_descriptors(void);

#endif
