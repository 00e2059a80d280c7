/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See valgrind.h. Runs at start, before there is a second thread. */
#include "src/record/valgrind.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "src/arch/valgrind.h"
#include "src/record/state.h"

extern const char __ehdr_start[]
	__attribute__((visibility("hidden"))); /* from the linker: where our file begins */

void valgrind_ignore_data(const char *object)
{
	const ElfW(Ehdr) *header = (const void *)object;
	const ElfW(Phdr) * segment;

	if (!recorder.valgrind || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return;
	segment = (const void *)(object + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++)
		if (segment[i].p_type == PT_LOAD && segment[i].p_flags & PF_W)
			valgrind_ignore(object + segment[i].p_vaddr, segment[i].p_memsz);
}

void valgrind_ignore_recorder(void)
{
	recorder.valgrind = (uint8_t)valgrind_present();
	valgrind_ignore_data(__ehdr_start);
}
