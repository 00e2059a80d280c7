/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The files "moment.N" of a session: all threads of a process, with what they waited for, at a moment when a wait was
 * long (--when-waiting). JSON objects, written by src/cmd/moments.c, read by src/render/moments.c, which trusts nothing
 * in them.
 */
#ifndef MUTRACE_SESSION_MOMENTS_H
#define MUTRACE_SESSION_MOMENTS_H

#define SESSION_MOMENT_PREFIX "moment."
#define MOMENTS_MOST 16u
#define MOMENT_SIZE_MOST (8u << 20)

#endif
