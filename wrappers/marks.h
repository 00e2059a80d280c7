/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The functions that include/mutrace.h calls. That file is not included: it makes a note in who includes it. */
#ifndef MUTRACE_WRAPPERS_MARKS_H
#define MUTRACE_WRAPPERS_MARKS_H

void mutrace_name(const volatile void *lock, const char *name);
void mutrace_phase(const char *name);

#endif
