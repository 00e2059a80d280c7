/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The image that waits for the next child: made by the parent before it forks, since a child may not be
 * able to open files (it may have changed its root or its user by then). Runs in fork's handlers; takes no
 * lock.
 */
#ifndef MUTRACE_RECORD_SPARE_H
#define MUTRACE_RECORD_SPARE_H

#include "src/record/mapping.h"

/* In the parent, before fork. */
void spare_prepare(void);
/* In a forked child, at once: marks the spare as its own so that the front end sees the process. */
void spare_claim(void);
/* In a forked child: hands over what it claimed, with its path, or gives up what a sibling has. Whether
 * there was one. */
bool spare_take(struct mapping *ret, char *path);

#endif
