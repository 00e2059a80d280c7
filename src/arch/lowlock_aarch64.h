/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * aarch64: the lowest lock functions of the C library, see inject/lowlock.h, which includes this.
 * Runs in the profiled process.
 */
#ifndef MUTRACE_ARCH_LOWLOCK_AARCH64_H
#define MUTRACE_ARCH_LOWLOCK_AARCH64_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LOWLOCK_LANDING "" /* it is part of the code below: our function signs its return address itself */

#define LOWLOCK_JUMP_BYTES 20u
/* bti c; ldr x16, .+8; br x16; to */
static inline void lowlock_jump(uint8_t *code, uintptr_t at, uintptr_t to)
{
	static const uint32_t instructions[] = { 0xd503245f, 0x58000050, 0xd61f0200 };

	(void)at;
	memcpy(code, instructions, sizeof(instructions));
	memcpy(code + sizeof(instructions), &to, sizeof(to));
}

/* As compilers have made it of glibc 2.35 to 2.43. Two dots are a byte of an address. */
static const struct lowlock_code lowlock_codes[] = {
	/* Debian 12 */
	{ LOWLOCK_WAIT_PRIVATE,
	  "fd7bbea9fd030091f30b00f9f30300aa000040b91f080071a0000054e10313aa40008052........"
	  "00020034e00313aa011080d2420080d2030080d2480c80d2010000d41f0440b1a9feff541f2c0031"
	  "60feff541f10003120feff54..............91........f30b40f9fd7bc2a8c0035fd6" },
	/* Debian 13 */
	{ LOWLOCK_WAIT_PRIVATE,
	  "3f2303d5fd7bbea9fd030091f30b00f9f30300aa000040b91f080071a0000054e10313aa40008052"
	  "........00020034e00313aa011080d2420080d2030080d2480c80d2010000d41f0440b1a9feff54"
	  "1f2c003160feff541f10003120feff54..............91........f30b40f9fd7bc2a8bf2303d5"
	  "c0035fd6" },
	/* Debian sid */
	{ LOWLOCK_WAIT_PRIVATE,
	  "3f2303d5fd7bbea9fd030091f30b00f9f30300aa000040b91f080071a0000054e10313aa40008052"
	  "........200200341f2003d5011080d2e00313aa420080d2030080d2480c80d2010000d41f0440b1"
	  "89feff541f2c003140feff541f10003100feff54..............91........f30b40f9fd7bc2a8"
	  "bf2303d5c0035fd6" },
	/* Debian 12 */
	{ LOWLOCK_WAKE_PRIVATE, "211080d2220080d2030080d2480c80d2010000d4c0035fd6" },
	/* Debian 13, sid */
	{ LOWLOCK_WAKE_PRIVATE, "5f2403d5211080d2220080d2030080d2480c80d2010000d4c0035fd6" },
	/* Debian 12 */
	{ LOWLOCK_WAIT, "fd7bbea9fd030091f35301a9f30300aaf403012a000040b91f080071a0000054e10313aa40008052"
			"........2002003481021952e00313aa420080d2030080d2217c4093480c80d2010000d41f0440b1"
			"89feff541f2c003140feff541f10003100feff54..............91........f35341a9fd7bc2a8"
			"c0035fd6" },
	/* Debian 13 */
	{ LOWLOCK_WAIT, "3f2303d5fd7bbea9fd030091f35301a9f30300aaf403012a000040b91f080071a0000054e10313aa"
			"40008052........2002003481021952e00313aa420080d2030080d2217c4093480c80d2010000d4"
			"1f0440b189feff541f2c003140feff541f10003100feff54..............91........f35341a9"
			"fd7bc2a8bf2303d5c0035fd6" },
	/* Debian sid */
	{ LOWLOCK_WAIT, "3f2303d5fd7bbea9fd030091f35301a9f30300aaf403012a000040b91f080071a0000054e10313aa"
			"40008052........400200341f2003d581021952e00313aa420080d2030080d2217c4093480c80d2"
			"010000d41f0440b169feff541f2c003120feff541f100031e0fdff54..............91........"
			"f35341a9fd7bc2a8bf2303d5c0035fd6" },
	/* Debian 12 */
	{ LOWLOCK_WAKE, "221080522100024a030080d2220080d2480c80d2217c4093010000d4c0035fd6" },
	/* Debian 13 */
	{ LOWLOCK_WAKE, "5f2403d5221080522100024a030080d2220080d2480c80d2217c4093010000d4c0035fd6" },
	/* Debian sid */
	{ LOWLOCK_WAKE, "5f2403d5221080522100024a030080d2220080d2217c4093480c80d2010000d4c0035fd6" },
};

#endif
