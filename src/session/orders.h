/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The orders in which threads take locks; a part of format.h. Used on both sides. */
#ifndef MUTRACE_SESSION_ORDERS_H
#define MUTRACE_SESSION_ORDERS_H

#include <stdint.h>

#define ORDER_GATES 4u

/* A thread asked for a lock while it held another. 64 bytes. */
struct order_rec {
	uint32_t held, taken; /* refs of the locks */
	uint32_t held_stack;  /* of the cell through which the first was taken */
	uint32_t taken_stack; /* of the call for the second, the first time */
	uint32_t generation;  /* of the thread that did it first */
	uint8_t several;      /* 1: others did it, too, that used the record later */
	uint8_t held_side, taken_side;
	uint8_t n_gates;
	uint32_t gate[ORDER_GATES]; /* locks that were held besides each time, exclusively */
	uint64_t reserved[3];
};

_Static_assert(sizeof(struct order_rec) == 64, "order_rec");

#endif
