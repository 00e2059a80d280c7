/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Valgrind's helgrind and drd look for races in the recorder, too, whose lock they do not know. They are told to leave out
 * its memory: here the data of loaded objects; whoever maps memory tells them itself (src/arch/valgrind.h).
 */
#ifndef MUTRACE_RECORD_VALGRIND_H
#define MUTRACE_RECORD_VALGRIND_H

/* The data of an object that was loaded at this address. */
void valgrind_ignore_data(const char *object);
/* Our own. */
void valgrind_ignore_recorder(void);

#endif
