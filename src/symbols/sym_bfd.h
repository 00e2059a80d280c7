/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libbfd as the engine uses it: opened on files that have been looked at (sym_elf.h), silent. Runs in the
 * engine (sym_engine.h); whoever needs bfd.h includes this.
 */
#ifndef MUTRACE_SYMBOLS_SYM_BFD_H
#define MUTRACE_SYMBOLS_SYM_BFD_H

#ifndef PACKAGE /* bfd.h wants a config.h to have been there */
#define PACKAGE "mutrace"
#define PACKAGE_VERSION "1"
#include <bfd.h>
#undef PACKAGE
#undef PACKAGE_VERSION
#else
#include <bfd.h>
#endif

#include <stdbool.h>
#include <stdint.h>

#include "src/symbols/sym_elf.h"

/* NULL: libbfd cannot read the file. Ended with bfd_close(). */
bfd *sym_bfd_open(const struct sym_elf *elf, const char *path);
/* True if the address lies in this section, and the section is there when the program runs. */
bool sym_bfd_section_has(asection *section, uint64_t address);

#endif
