/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the tables of this folder hash. The hash is seeded, so a session made by an attacker cannot know
 * which keys collide.
 */
#ifndef MUTRACE_BASE_HASH_H
#define MUTRACE_BASE_HASH_H

#include <stdint.h>
#include <sys/random.h>

/* fallback: an address, in case the kernel has no random numbers yet. */
static inline uint64_t hash_seed(const void *fallback)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (uint64_t)(uintptr_t)fallback * 0x9e3779b97f4a7c15u;
	return seed;
}

static inline uint64_t hash_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

#endif
