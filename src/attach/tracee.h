/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One thread of a process, stopped by ptrace, that calls functions for us and then goes on as if nothing had been. The
 * other threads run on. If we die meanwhile, it comes back from the call by itself: see arch_inject_code(). Only a system call that the
 * kernel does not repeat would return EINTR, if we died just after tracee_stop() has begun.
 */
#ifndef MUTRACE_ATTACH_TRACEE_H
#define MUTRACE_ATTACH_TRACEE_H

#include <stdbool.h>

#include "src/arch/inject.h"
#include "src/inspect/target.h"

#define TRACEE_CALL_S 30
#define TRACEE_EXTENDED 16384 /* bytes of floating point and vector registers, at most */

struct tracee {
	pid_t tid;
	struct thread_registers registers; /* as it was stopped */
	uint8_t around[8];                 /* code: 4 bytes before pc and 4 bytes from it */
	int memory;                        /* of the process */
	uint64_t code;                     /* where calls return to; 0: not there */
	bool lost;                         /* in a call that did not return in time */
	bool whole;           /* a system call that was interrupted is made again, for all of its time */
	uint64_t text, frame; /* on its stack: a call's string; what it is restored from */
	uint8_t before[ARCH_CODE_BYTES]; /* what was there */
	struct arch_inject_signal back;  /* by which it tells that it is back from a call */
	uint64_t signals;                /* that it had blocked */
	size_t extended_size;
	uint8_t extended[TRACEE_EXTENDED];
};

/* Stops a thread. 0; -EAGAIN: not now; -ECANCELED: the process is stopped; -EPERM; -ESRCH; another -errno. */
int tracee_stop(struct tracee *x, const struct target_thread *thread);
/* It goes on as it was, from what tracee_stop() or tracee_begin() did. */
void tracee_release(struct tracee *x);
/* Makes it ready for calls, which return to an address of code that nobody executes any more. memory: of the process, open for
 * writing. 0 or -errno; then it is as it was stopped. */
int tracee_begin(struct tracee *x, pid_t pid, int memory, uint64_t code);
/* A call. text: a string that is put on its stack and given as argument number `place`; NULL: none. 0; -EFAULT: it has
 * raised a signal such as SIGSEGV; -ETIMEDOUT: it did not return within TRACEE_CALL_S seconds, and no other call is made: if it
 * returns later, the thread goes on as if we had died; -ESRCH: the process is gone. */
int tracee_call(struct tracee *x, uint64_t function, const uint64_t arguments[ARCH_INJECT_ARGUMENTS],
		const char *text, unsigned int place, uint64_t *ret);

#endif
