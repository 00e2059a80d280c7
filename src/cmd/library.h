/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where libmutrace.so is, for the command that preloads it. */
#ifndef MUTRACE_CMD_LIBRARY_H
#define MUTRACE_CMD_LIBRARY_H

/* The absolute path of the library that belongs to this command; NULL after saying what is wrong. To be freed. */
char *library_find(void);

#endif
