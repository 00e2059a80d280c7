/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The families of the C program of the conformance suite, one function each. Included by conform.h. */
#ifndef CONFORM_FAMILIES_H
#define CONFORM_FAMILIES_H

#define FAMILIES(X) \
	X(family_mutex) \
	X(family_mutex_attr) \
	X(family_rwlock) \
	X(family_cond) \
	X(family_spin_barrier) \
	X(family_sem) \
	X(family_c11) \
	X(family_thread) \
	X(family_once_tsd) \
	X(family_cancel) \
	X(family_process) \
	X(family_environment) \
	X(family_hurt) \
	X(family_gone) \
	X(family_limits) \
	X(family_loader)

#define X(family) void family(void);
FAMILIES(X)
#undef X

#endif
