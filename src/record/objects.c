/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reads the C library's lock objects: the attributes of those that were initialised statically, and the
 * owner. Knows glibc's layouts and nothing else does; elsewhere everything is "unknown".
 *
 * A lock's memory may be gone at any time without our knowing: unmapped while it is locked, part of a library
 * that is closed, absent in a forked child. So these may be called only for an address that the program has
 * just passed to a function that itself touches the lock, before the original is called or when it says that
 * the lock is held now.
 */
#include <pthread.h>

#include "src/arch/valgrind.h"
#include "src/record/internal.h"

void object_unwatch(const void *address, size_t size)
{
	valgrind_ignore(address, size);
}

#ifdef __GLIBC__
/* Bits of pthread_mutex_t.__data.__kind, fixed by glibc's ABI for static initialisers and process-shared
 * use. */
#define GLIBC_MUTEX_TYPE 3
#define GLIBC_MUTEX_INHERIT 32
#define GLIBC_MUTEX_PROTECT 64
#define GLIBC_MUTEX_PSHARED 128
/* The int of a sem_t that says so; its value is one word before it, or two. */
#define GLIBC_SEM_PRIVATE (sizeof(long) == 8 ? 2 : 1)
#define GLIBC_SEM_SHARED 128

struct lock_attributes object_attributes(const void *address, uint8_t kind)
{
	struct lock_attributes a = { .kind = kind };

	if (kind == KIND_MUTEX) {
		int k = ((const pthread_mutex_t *)address)->__data.__kind;

		if (likely(k == 0))
			return a;
		a.type = k & GLIBC_MUTEX_TYPE;
		a.protocol = k & GLIBC_MUTEX_INHERIT   ? PROTOCOL_INHERIT
			     : k & GLIBC_MUTEX_PROTECT ? PROTOCOL_PROTECT
						       : PROTOCOL_NONE;
		a.flags = (uint8_t)((k & GLIBC_MUTEX_ROBUST ? LOCK_ROBUST : 0) |
				    (k & GLIBC_MUTEX_PSHARED ? LOCK_PSHARED : 0));
	} else if (kind == KIND_RWLOCK) {
		const pthread_rwlock_t *rw = address;

		a.type = (uint8_t)(rw->__data.__flags <= 2 ? rw->__data.__flags : 0);
		a.flags = rw->__data.__shared ? LOCK_PSHARED : 0;
	} else if (kind == KIND_COND) {
		a.flags = ((const pthread_cond_t *)address)->__data.__wrefs & 1 ? LOCK_PSHARED : 0;
	} else if (kind == KIND_SEM) {
		a.flags = ((const int *)address)[GLIBC_SEM_PRIVATE] == GLIBC_SEM_SHARED ? LOCK_PSHARED : 0;
	}
	return a;
}

clockid_t object_clock(const void *cond)
{
	if (recorder.valgrind)
		object_unwatch(cond, sizeof(pthread_cond_t));
	return __atomic_load_n(&((const pthread_cond_t *)cond)->__data.__wrefs, __ATOMIC_RELAXED) & 2
		       ? CLOCK_MONOTONIC
		       : CLOCK_REALTIME;
}

bool object_destroyed(const void *address, uint8_t kind)
{
	return kind == KIND_MUTEX && ((const pthread_mutex_t *)address)->__data.__kind == -1;
}

bool object_taken(const void *mutex)
{
	/* of a robust mutex this is the owner's id; its upper two bits say "waited for" and "owner died" */
	return __atomic_load_n(&((const pthread_mutex_t *)mutex)->__data.__lock, __ATOMIC_RELAXED) &
	       0x3fffffff;
}

uint32_t object_owner(const void *address, uint8_t kind)
{
	if (recorder.valgrind)
		object_unwatch(address, kind == KIND_MUTEX    ? sizeof(pthread_mutex_t)
					: kind == KIND_RWLOCK ? sizeof(pthread_rwlock_t)
							      : 0);
	if (kind == KIND_MUTEX)
		return (uint32_t)__atomic_load_n(&((const pthread_mutex_t *)address)->__data.__owner,
						 __ATOMIC_RELAXED);
	if (kind == KIND_RWLOCK)
		return (uint32_t)__atomic_load_n(&((const pthread_rwlock_t *)address)->__data.__cur_writer,
						 __ATOMIC_RELAXED);
	return 0;
}
#else
struct lock_attributes object_attributes(const void *address, uint8_t kind)
{
	(void)address;
	return (struct lock_attributes){ .kind = kind, .flags = LOCK_UNKNOWN_ATTRS };
}

clockid_t object_clock(const void *cond)
{
	(void)cond;
	return CLOCK_REALTIME;
}

bool object_destroyed(const void *address, uint8_t kind)
{
	(void)address;
	(void)kind;
	return false;
}

bool object_taken(const void *mutex)
{
	(void)mutex;
	return false;
}

uint32_t object_owner(const void *address, uint8_t kind)
{
	(void)address;
	(void)kind;
	return 0;
}
#endif
