/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How locks are told apart and called; see identity.c. For rows.c only. */
#ifndef MUTRACE_ANALYSIS_IDENTITY_H
#define MUTRACE_ANALYSIS_IDENTITY_H

#include "src/analysis/private.h"

/* Finds the places that the locks of a process are known by, one for each lock; that of all processes must be
 * done before the first name is asked for. */
int identities_places(struct identities *n, const struct model_process *p, uint32_t *ret_places);
int identities_name(struct identities *n, const struct model_process *p, const struct model_lock *l,
		    uint32_t place, struct lock_name *ret);

#endif
