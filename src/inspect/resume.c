/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See resume.h. */
#include "src/inspect/resume.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "src/arch/inject.h"
#include "src/inspect/target.h"

#define ENTER_ROUNDS 300 /* of a tenth of a second, until it has a processor */

bool resume_code(pid_t tid, const struct thread_registers *t, uint8_t ret[8])
{
	struct registers r;
	long word;

	arch_registers(&r, t);
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, tid, (void *)(uintptr_t)(r.pc - 4), NULL);
	if (errno != 0)
		return false;
	memset(ret, 0, 8);
	memcpy(ret, &word, sizeof(word));
	return true;
}

/* Until it stops again. 0: it does not. */
static int next_stop(pid_t tid)
{
	const struct timespec at_most = { .tv_nsec = 100000000 };
	sigset_t child;
	int status;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (int i = 0; i < ENTER_ROUNDS; i++) {
		pid_t r = waitpid(tid, &status, __WALL | WNOHANG);

		if (r != 0)
			return r == tid && WIFSTOPPED(status) ? status : 0;
		sigtimedwait(&child, NULL, &at_most);
	}
	return 0;
}

/*
 * The kernel alone may know how it has a call go on. Then the thread is met once more as it enters it, before filters
 * see that. To detach there would interrupt the call, so it is our end that lets go of it. True: it goes on; else it is stopped
 * still, with *ret_signal for it, or 0.
 */
static bool enter_call(pid_t tid, const struct thread_registers *before, int *ret_signal)
{
	struct thread_registers entered;
	struct iovec all = { &entered, sizeof(entered) };
	uint8_t code[8];
	int status;

	*ret_signal = 0;
	if (!resume_code(tid, before, code) || !arch_inject_enters(code) ||
	    ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)PTRACE_O_TRACESYSGOOD) != 0 ||
	    ptrace(PTRACE_SYSCALL, tid, NULL, NULL) != 0)
		return false;
	status = next_stop(tid);
	if (status == 0)
		return true;
	if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
		*ret_signal = status >> 16 ? 0 : WSTOPSIG(status);
		return false;
	}
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &all) == 0 &&
	    arch_inject_enter(tid, &entered, before))
		ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &all);
	return ptrace(PTRACE_CONT, tid, NULL, NULL) == 0;
}

void resume(pid_t tid, const struct thread_registers *t, bool whole)
{
	struct thread_registers repeat = *t;
	struct iovec all = { &repeat, sizeof(repeat) };
	int signal = 0;

	if (((whole && arch_inject_repeat(&repeat)) || arch_repeat(&repeat)) && !stop_signal_comes(tid))
		ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &all);
	if (!whole || !enter_call(tid, t, &signal))
		ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)signal);
}
