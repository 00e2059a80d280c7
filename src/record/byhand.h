/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Preloaded by hand, with no mutrace in front: the library makes the session and has the report printed at exit. */
#ifndef MUTRACE_RECORD_BYHAND_H
#define MUTRACE_RECORD_BYHAND_H

/* Keeps a duplicate of stderr, and tells children of the session. */
void byhand_start(void);
/* Runs "mutrace report" on the session, on the kept stderr, and removes the session. */
void byhand_end(void);

#endif
