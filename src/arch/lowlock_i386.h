/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * i386: the lowest lock functions of the C library, see inject/lowlock.h, which includes this.
 * Runs in the profiled process.
 */
#ifndef MUTRACE_ARCH_LOWLOCK_I386_H
#define MUTRACE_ARCH_LOWLOCK_I386_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LOWLOCK_LANDING "f30f1efb"

#define LOWLOCK_JUMP_BYTES 5u
/* jmp to */
static inline void lowlock_jump(uint8_t *code, uintptr_t at, uintptr_t to)
{
	uint32_t distance = (uint32_t)(to - at - LOWLOCK_JUMP_BYTES);

	code[0] = 0xe9;
	memcpy(code + 1, &distance, sizeof(distance));
}

/* As compilers have made it of glibc 2.35 to 2.43. Two dots are a byte of an address. */
static const struct lowlock_code lowlock_codes[] = {
	/* Debian 12 */
	{ LOWLOCK_WAIT_PRIVATE,
	  "57e8........81c7........56538b5c24108b0383f802740bb802000000870385c07444b8f00000"
	  "00b980000000ba0200000031f665ff15100000003d00f0ffff76d683c00b83f80b770aba81080000"
	  "0fa3c272c483ec0c8d87........50e8........8d7426005b5e5fc3" },
	/* Debian 13 */
	{ LOWLOCK_WAIT_PRIVATE,
	  "57e8........81c7........56538b5c24108b0383f802740bb802000000870385c0743cb8f00000"
	  "00b980000000ba0200000031f665ff15100000003d00f0ffff76d683f8f574d183f8fc74cc83ec0c"
	  "8d87........50e8........8d7426005b5e5fc3" },
	/* Debian sid */
	{ LOWLOCK_WAIT_PRIVATE,
	  "57e8........81c7........56538b5c24108b0383f802740bb802000000870385c0743c90b8f000"
	  "0000b980000000ba0200000031f665ff15100000003d00f0ffff76d583f8f574d083f8fc74cb83ec"
	  "0c8d87........50e8........8d76005b5e5fc3" },
	/* Debian 12, 13, sid */
	{ LOWLOCK_WAKE_PRIVATE, "56b8f0000000b981000000ba010000005331f68b5c240c65ff15100000005b5ec3" },
	/* Debian 12 */
	{ LOWLOCK_WAIT, "57e8........81c7........56538b5c24108b0383f802740bb802000000870385c0744c8b4c2414"
			"b8f0000000ba0200000031f680f18065ff15100000003d00f0ffff76d483c00b83f80b770aba8108"
			"00000fa3c272c283ec0c8d87........50e8........8db426000000008d76005b5e5fc3" },
	/* Debian 13 */
	{ LOWLOCK_WAIT, "57e8........81c7........56538b5c24108b0383f802740bb802000000870385c0743c8b4c2414"
			"b8f0000000ba0200000031f680f18065ff15100000003d00f0ffff76d483f8f574cf83f8fc74ca83"
			"ec0c8d87........50e8........66905b5e5fc3" },
	/* Debian sid */
	{ LOWLOCK_WAIT, "57e8........81c7........56538b5c24108b0383f802740bb802000000870385c0743c908b4c24"
			"14b8f0000000ba0200000031f680f18065ff15100000003d00f0ffff76d383f8f574ce83f8fc74c9"
			"83ec0c8d87........50e8........905b5e5fc3" },
	/* Debian 12, 13, sid */
	{ LOWLOCK_WAKE, "56b8f0000000ba0100000031f6538b4c24108b5c240c80f18165ff15100000005b5ec3" },
};

#endif
