/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The image file: this process's part of the session. Runs in the profiled process at its start, and in a
 * forked child when it first locks something; takes no lock. The file itself is mapping.h, what is put
 * into it chunks.h.
 */
#ifndef MUTRACE_RECORD_IMAGE_H
#define MUTRACE_RECORD_IMAGE_H

#include <stdbool.h>

/* Finds the session in the environment (or makes one, if make is set and the program is not privileged),
 * makes and maps this process's image and fills its header but for program and arguments. 0 or -errno;
 * -ENOENT: no session wanted. */
int image_attach(bool make);
/* The session of a process that runs; an image of an earlier one is replaced where it is mapped. 0 or -errno. */
int image_attach_to(const char *session);
/* In a forked child: adopts the spare, or makes an image by path. 0 or -errno; recorder.image is valid
 * after 0. */
int image_adopt(void);

#endif
