/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Jumps in front of the C library's lowest lock functions, see lowlock.h. */
#include "inject/lowlock.h"

#include <string.h>
#include <unistd.h>

#include "src/arch/arch.h"
#include "src/record/raw.h"
#include "wrappers/defined.h"

#ifdef ARCH_LOWLOCK
#include ARCH_LOWLOCK

#define FILL_MOST 32u /* bytes between two functions */

static unsigned int digit(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') : (unsigned int)(c - 'a') + 10;
}

/* How many bytes of a code stand here; 0: it does not. */
static size_t matches(const uint8_t *at, const char *code)
{
	const char *p = code;

	for (; p[0] && p[1]; p += 2, at++)
		if (p[0] != '.' && *at != (digit(p[0]) << 4 | digit(p[1])))
			return 0;
	return (size_t)(p - code) / 2;
}

/* The bytes of a function here that is known, after a landing mark, or 0. Gives what to write over. */
static size_t known(enum lowlock_function function, uint8_t *at, uint8_t **ret)
{
	size_t landing = matches(at, LOWLOCK_LANDING);

	for (size_t i = 0; i < sizeof(lowlock_codes) / sizeof(lowlock_codes[0]); i++) {
		size_t n = lowlock_codes[i].function == function
				   ? matches(at + landing, lowlock_codes[i].code)
				   : 0;

		if (n < LOWLOCK_JUMP_BYTES)
			continue;
		*ret = at + landing;
		return landing + n;
	}
	return 0;
}

bool lowlock_find(const struct link_map *library, uint8_t *ret[LOWLOCK_FUNCTIONS])
{
	static const char *const names[] = { "__lll_lock_wait_private", "__lll_lock_wake_private" };

	for (unsigned int i = 0; i < 2; i++) {
		uint8_t *at = defined_address(library->l_addr, library->l_ld, names[i]), *end;
		size_t n = at ? known(LOWLOCK_WAIT_PRIVATE + i, at, &ret[LOWLOCK_WAIT_PRIVATE + i]) : 0, fill;

		if (n == 0)
			return false;
		end = at + n;
		for (fill = 0; fill <= FILL_MOST; fill++)
			if (known(LOWLOCK_WAIT + i, end + fill, &ret[LOWLOCK_WAIT + i]) != 0)
				break;
		if (fill > FILL_MOST)
			return false;
	}
	return true;
}

/* Finds where a piece of the library's code stands in its file. False: it is not of the file. */
static bool offset_in_file(const struct link_map *library, uintptr_t from, uintptr_t to, uint64_t *ret)
{
	const ElfW(Ehdr) *file = (const void *)library->l_addr;
	const ElfW(Phdr) * h;

	if (memcmp(file->e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	h = (const void *)(library->l_addr + file->e_phoff);
	for (unsigned int i = 0; i < file->e_phnum; i++) {
		uintptr_t begin = library->l_addr + h[i].p_vaddr;

		if (h[i].p_type == PT_LOAD && h[i].p_flags == (PF_R | PF_X) && from >= begin &&
		    to <= begin + h[i].p_filesz) {
			*ret = from - begin + h[i].p_offset;
			return true;
		}
	}
	return false;
}

/* Pages of the library's file, which are as those in memory, or NULL. */
static uint8_t *pages_again(const struct link_map *library, const uint8_t *from, size_t bytes)
{
	uint64_t offset;
	uint8_t *copy;
	int fd;

	if (!offset_in_file(library, (uintptr_t)from, (uintptr_t)from + bytes, &offset))
		return NULL;
	fd = raw_open(library->l_name, O_RDONLY, 0);
	if (fd < 0)
		return NULL;
	copy = raw_mmap_from(bytes, PROT_READ, MAP_PRIVATE, fd, offset);
	raw_close(fd);
	if (!raw_mapped(copy))
		return NULL;
	if (memcmp(copy, from, bytes) == 0)
		return copy;
	raw_munmap(copy, bytes);
	return NULL;
}

enum lowlock_result lowlock_patch(const struct link_map *library, const void *const ours[LOWLOCK_FUNCTIONS])
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), low = UINTPTR_MAX, high = 0;
	uint8_t *at[LOWLOCK_FUNCTIONS], *copy;

	if (!lowlock_find(library, at))
		return LOWLOCK_UNKNOWN;
	for (unsigned int i = 0; i < LOWLOCK_FUNCTIONS; i++) {
		low = (uintptr_t)at[i] < low ? (uintptr_t)at[i] : low;
		high = (uintptr_t)at[i] > high ? (uintptr_t)at[i] : high;
	}
	low &= ~(page - 1);
	high = (high + LOWLOCK_JUMP_BYTES + page - 1) & ~(page - 1);
	copy = pages_again(library, (const uint8_t *)low, high - low);
	if (!copy)
		return LOWLOCK_UNKNOWN;
	if (raw_mprotect(copy, high - low, PROT_READ | PROT_WRITE) < 0)
		goto refused;
	for (unsigned int i = 0; i < LOWLOCK_FUNCTIONS; i++)
		lowlock_jump(copy + ((uintptr_t)at[i] - low), (uintptr_t)at[i], (uintptr_t)ours[i]);
	__builtin___clear_cache((char *)copy, (char *)copy + (high - low));
	if (raw_mprotect(copy, high - low, PROT_READ | PROT_EXEC) < 0 ||
	    !raw_mapped(raw_mremap_over(copy, high - low, (void *)low)))
		goto refused;
	__builtin___clear_cache((char *)low, (char *)high);
	return LOWLOCK_DONE;
refused:
	raw_munmap(copy, high - low);
	return LOWLOCK_REFUSED;
}

#else

enum lowlock_result lowlock_patch(const struct link_map *library, const void *const ours[LOWLOCK_FUNCTIONS])
{
	(void)library;
	(void)ours;
	return LOWLOCK_UNKNOWN;
}

#endif
