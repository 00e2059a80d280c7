/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * x86-64: the lowest lock functions of the C library, see inject/lowlock.h, which includes this.
 * Runs in the profiled process.
 */
#ifndef MUTRACE_ARCH_LOWLOCK_X86_64_H
#define MUTRACE_ARCH_LOWLOCK_X86_64_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A mark that an indirect branch may come here (CET). It stays where it stands. */
#define LOWLOCK_LANDING "f30f1efa"

#define LOWLOCK_JUMP_BYTES 13u
/* movabs $to, %r11; jmp *%r11 */
static inline void lowlock_jump(uint8_t *code, uintptr_t at, uintptr_t to)
{
	(void)at;
	memcpy(code, "\x49\xbb", 2);
	memcpy(code + 2, &to, sizeof(to));
	memcpy(code + 10, "\x41\xff\xe3", 3);
}

/* As compilers have made it of glibc 2.35 to 2.43. Two dots are a byte of an address. */
static const struct lowlock_code lowlock_codes[] = {
	/* Debian 12, 13 */
	{ LOWLOCK_WAIT_PRIVATE,
	  "8b0783f802740bb802000000870785c074364531d2ba02000000be80000000b8ca0000000f05483d"
	  "00f0ffff76d983f8f574d483f8fc74cf50488d3d........e8........0f1f00c3" },
	/* Debian sid */
	{ LOWLOCK_WAIT_PRIVATE,
	  "8b0783f802740bb802000000870785c0743e904531d2ba02000000be80000000b8ca0000000f0548"
	  "3d00f0ffff76d883f8f574d383f8fc74ce50488d3d........e8........662e0f1f840000000000"
	  "c3" },
	/* Ubuntu 22.04 */
	{ LOWLOCK_WAIT_PRIVATE,
	  "8b0783f802740bb802000000870785c07442904531d2ba02000000be80000000b8ca0000000f0548"
	  "3d00f0ffff76d883c00b83f80b770bba81080000480fa3c272c550488d3d........e8........0f"
	  "1f440000c3" },
	/* Ubuntu 24.04, 25.10 */
	{ LOWLOCK_WAIT_PRIVATE,
	  "8b0783f802740bb802000000870785c0743a904531d2ba02000000be80000000b8ca0000000f0548"
	  "3d00f0ffff76d883f8f574d383f8fc74ce55488d3d........4889e5e8........0f1f00c3" },
	/* Debian 12, 13, sid, Ubuntu 22.04, 24.04, 25.10 */
	{ LOWLOCK_WAKE_PRIVATE, "4531d2ba01000000be81000000b8ca0000000f05c3" },
	/* Debian 12, 13 */
	{ LOWLOCK_WAIT, "8b074189f083f802740bb802000000870785c0743b4489c64531d2ba02000000b8ca0000004080f6"
			"800f05483d00f0ffff76d783f8f574d283f8fc74cd50488d3d........e8........660f1f440000"
			"c3" },
	/* Debian sid */
	{ LOWLOCK_WAIT, "8b074189f083f802740bb802000000870785c0743b904489c64531d2ba02000000b8ca0000004080"
			"f6800f05483d00f0ffff76d683f8f574d183f8fc74cc50488d3d........e8........0f1f440000"
			"c3" },
	/* Ubuntu 22.04 */
	{ LOWLOCK_WAIT, "8b074189f083f802740bb802000000870785c07447904489c64531d2ba02000000b8ca0000004080"
			"f6800f05483d00f0ffff76d683c00b83f80b770bba81080000480fa3c272c350488d3d........e8"
			"........0f1f840000000000c3" },
	/* Ubuntu 24.04, 25.10 */
	{ LOWLOCK_WAIT, "8b074189f083f802740bb802000000870785c0743f904489c64531d2ba02000000b8ca0000004080"
			"f6800f05483d00f0ffff76d683f8f574d183f8fc74cc55488d3d........4889e5e8........660f"
			"1f440000c3" },
	/* Debian 12, 13, sid, Ubuntu 22.04, 24.04, 25.10 */
	{ LOWLOCK_WAKE, "4080f6814531d2ba01000000b8ca0000000f05c3" },
};

#endif
