/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the renderers of stacks (folded, pprof): which of a lock's groups have the time that was asked for. */
#ifndef MUTRACE_RENDER_STACKS_H
#define MUTRACE_RENDER_STACKS_H

#include "src/analysis/report.h"

static inline const struct report_group *stacks_of(const struct report_row *row, enum report_time time,
						   size_t *ret_n)
{
	switch (time) {
	case TIME_HOLD: *ret_n = row->n_users; return row->users;
	case TIME_BLOCKED: *ret_n = row->n_holders; return row->holders;
	default: *ret_n = row->n_waiters; return row->waiters;
	}
}

#endif
