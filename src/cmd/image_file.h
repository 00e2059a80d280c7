/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of an image, while its process may still write it or after. The run command looks at it by its
 * descriptor; nothing in it is trusted. No locks. Called by follow.c, asleep.c and moments.c.
 */
#ifndef MUTRACE_CMD_IMAGE_FILE_H
#define MUTRACE_CMD_IMAGE_FILE_H

#include <stdbool.h>

#include "src/session/format.h"

/*
 * Opens a file of a session, whose directory may belong to a user who wants to harm us: a regular file in it that
 * has no other name, neither a link nor something that was mounted there. The descriptor, or -1 with errno.
 */
int image_file_open(int dir, const char *name, int flags);
/* False if there is not so much. */
bool image_file_header(int fd, struct image_header *ret);
/* True if it holds anything that a report could show, or cannot be read. */
bool image_file_has_records(int fd, const struct image_header *h);
/* Cuts the file, which is as long as the recorder may have needed, to what is in it, so that it can be
 * copied. */
void image_file_shorten(int fd, const struct image_header *h);

#endif
