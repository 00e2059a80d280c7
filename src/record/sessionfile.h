/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The session as the recorder knows it: its directory and the file "session" in it. Runs in the profiled
 * process at start and at its end; takes no lock. errno may change.
 */
#ifndef MUTRACE_RECORD_SESSIONFILE_H
#define MUTRACE_RECORD_SESSIONFILE_H

#include <stdbool.h>

#include "src/record/mapping.h"
#include "src/session/format.h"

/* Finds the session that the environment names, or makes one if there is none and make is set; reads its
 * options into recorder.config. 0 or -errno; -ENOENT: no session wanted, -EPERM: it is not to be trusted,
 * or the program gained privileges. */
int sessionfile_find(bool make);
/* A session by its path, for a process that runs; it must be the process's user's. 0 or -errno. */
int sessionfile_use(const char *path);
/* True if no command reads the session any more. */
bool sessionfile_is_left(void);
/* Nothing of this process will be in the session: one that it made is removed, another is told. */
void sessionfile_give_up(void);
/* Makes a new image file in it and maps at least `first` bytes; path as for mapping_create(). namespace:
 * that of the calling process. 0 or -errno. */
int sessionfile_add_image(struct mapping *ret, char *path, uint64_t first, uint32_t namespace);
/* Makes one in the place of another, which stays on failure. */
int sessionfile_replace_image(struct mapping *image, char *path, uint32_t namespace);
/* Makes a page an image's header; readers need nothing that is still to be filled in. */
void sessionfile_begin_header(struct image_header *h, enum clock_kind clock);
/* The directory, or NULL. */
const char *sessionfile_path(void);
/* True if this process made the session itself (preloaded by hand). */
bool sessionfile_is_ours(void);
void sessionfile_forget(void);

#endif
