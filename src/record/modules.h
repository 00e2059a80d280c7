/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The loaded objects, kept without the loader's lock. All calls but modules_data() and modules_has() are made under the lock of
 * stacks.c. */
#ifndef MUTRACE_RECORD_MODULES_H
#define MUTRACE_RECORD_MODULES_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

/* Lists every object; takes the loader's lock, so only where the program calls into the loader anyway. */
void modules_scan(uint32_t tid);
/* ref of the module_rec that ip lies in, 0 if it lies in none; learns an object it did not know. *ret_new
 * (may be NULL) is set to whether it did. */
uint32_t modules_find(uintptr_t ip, uint32_t tid, bool *ret_new);
/* True if an address lies in a loaded object, or if that cannot be told. Any thread. */
bool modules_data(uintptr_t address);
/* True if an address certainly does. */
bool modules_has(uintptr_t address);
/* An object may be mapped anywhere that is free. */
void modules_data_changing(void);
/* Marks those that are gone or replaced. True if any was. */
bool modules_sweep(void);
/* True if one was found to be gone meanwhile: a sweep is due. */
bool modules_gone(void);
/* Writes all that are still loaded into a new image. */
void modules_rewrite(uint32_t tid);
/* As dl_iterate_phdr(), from our list and without the loader's lock. For libunwind. */
int modules_iterate(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data);

#endif
