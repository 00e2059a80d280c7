/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The families of cases that the C program of the conformance suite runs. */
#include "conform.h"

#define X(family) family,
void (*const families[])(void) = { FAMILIES(X) NULL };
#undef X
