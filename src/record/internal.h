/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the recorder's own files share and wrappers do not see. */
#ifndef MUTRACE_RECORD_INTERNAL_H
#define MUTRACE_RECORD_INTERNAL_H

#include "src/record/hot.h"
#include "src/record/image.h"

/* locks.c */
uint32_t locks_use(struct thread *t, const void *address, uint8_t kind, struct site site);
/* The memory at an address is freed: a lock there that was not initialised by call is no more. */
void locks_memory_gone(struct thread *t, uintptr_t address);
void locks_reset(void);

/* cells.c */
struct cell *cells_use(struct thread *t, uint32_t lock, uint8_t side, struct site site);
void cells_reset_l1(struct thread *t);
bool cells_setup(struct thread *t);
bool table_reserve(struct ref_table *table, uint32_t tid, uint32_t (*hash)(uint32_t ref));

/* threads.c */
struct thread *thread_attach(void);
void threads_reset(void);

#endif
