/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Processes that cannot be attached to, and why. */
#ifndef MUTRACE_ATTACH_REFUSE_H
#define MUTRACE_ATTACH_REFUSE_H

#include "src/attach/attach.h"
#include "src/inspect/target.h"

#define STATUS_MAX 8192 /* of /proc/PID/status */

/* 0, or -errno with error filled in; -EINPROGRESS: another mutrace is about it, so try again. status: text of /proc/PID/status. */
int refuse(struct target *t, const char *status, char error[ATTACH_ERROR_SIZE]);

#endif
