/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See tracee.h. */
#include "src/attach/tracee.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_MOMENTS 400 /* until a thread that will not stop is let alone */
#define BELOW 1152       /* what a function may use below its stack pointer, and some room */
#define TEXT_MAX 1024

static void moment(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

static int registers_get(pid_t tid, struct thread_registers *r)
{
	struct iovec all = { r, sizeof(*r) };

	return ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &all) == 0 ? 0 : -errno;
}

static int registers_set(pid_t tid, const struct thread_registers *r)
{
	struct iovec all = { (void *)(uintptr_t)r, sizeof(*r) };

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &all) == 0 ? 0 : -errno;
}

int tracee_stop(struct tracee *x, pid_t tid)
{
	int status = 0, r;

	*x = (struct tracee){ .tid = tid, .memory = -1 };
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0)
		return -errno;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0)
		return -errno;
	for (int i = 0; (r = waitpid(tid, &status, __WALL | WNOHANG)) != tid; i++) {
		if (r < 0 && errno != EINTR)
			return -ESRCH;
		if (i == STOP_MOMENTS)
			return -ETIMEDOUT;
		moment();
	}
	if (!WIFSTOPPED(status))
		return -ESRCH;
	if (status >> 16 != PTRACE_EVENT_STOP) { /* a signal came just now */
		ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)WSTOPSIG(status));
		return -EAGAIN;
	}
	if (WSTOPSIG(status) != SIGTRAP || registers_get(tid, &x->registers) < 0) {
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return -ECANCELED;
	}
	return 0;
}

static void repeat_call(struct tracee *x)
{
	struct thread_registers repeat = x->registers;

	if (arch_repeat(&repeat) && !stop_signal_comes(x->tid))
		registers_set(x->tid, &repeat);
}

void tracee_release(struct tracee *x)
{
	struct iovec extended = { x->extended, x->extended_size };

	if (x->trap) {
		if (pwrite(x->memory, x->code, sizeof(x->code), (off_t)x->trap) < 0)
			errno = 0; /* it is gone */
		ptrace(PTRACE_SETREGSET, x->tid, (void *)(uintptr_t)arch_extended_set, &extended);
		registers_set(x->tid, &x->registers);
		ptrace(PTRACE_SETSIGMASK, x->tid, sizeof(x->signals), &x->signals);
	}
	repeat_call(x);
	if (x->memory >= 0)
		close(x->memory);
	x->memory = -1;
	x->trap = 0;
	ptrace(PTRACE_DETACH, x->tid, NULL, NULL);
}

/* All but those that a fault raises. */
static uint64_t blocked(void)
{
	static const int faults[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	uint64_t all = ~0ull;

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		all &= ~((uint64_t)1 << (faults[i] - 1));
	return all;
}

int tracee_begin(struct tracee *x, pid_t pid, uint64_t trap)
{
	struct iovec extended = { x->extended, sizeof(x->extended) };
	uint64_t signals = blocked();
	uint8_t code[ARCH_TRAP_BYTES];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	x->memory = open(path, O_RDWR | O_CLOEXEC);
	if (x->memory < 0)
		return -errno;
	if (ptrace(PTRACE_GETREGSET, x->tid, (void *)(uintptr_t)arch_extended_set, &extended) != 0 ||
	    ptrace(PTRACE_GETSIGMASK, x->tid, sizeof(x->signals), &x->signals) != 0 ||
	    pread(x->memory, x->code, sizeof(x->code), (off_t)trap) != (ssize_t)sizeof(x->code))
		return -errno;
	x->extended_size = extended.iov_len;
	memcpy(code, x->code, sizeof(code));
	arch_inject_trap(code);
	if (pwrite(x->memory, code, sizeof(code), (off_t)trap) != (ssize_t)sizeof(code))
		return -errno;
	x->trap = trap;
	return ptrace(PTRACE_SETSIGMASK, x->tid, sizeof(signals), &signals) == 0 ? 0 : -errno;
}

/* Until it comes back. */
static int run(struct tracee *x, struct thread_registers *ret)
{
	uintptr_t signal = 0;
	int status;

	for (;;) {
		if (ptrace(PTRACE_CONT, x->tid, NULL, (void *)signal) != 0)
			return -errno;
		while (waitpid(x->tid, &status, __WALL) < 0)
			if (errno != EINTR)
				return -ESRCH;
		if (!WIFSTOPPED(status) || registers_get(x->tid, ret) < 0)
			return -ESRCH;
		signal = 0;
		if (status >> 16) /* the process was told to stop: it does when we are done */
			continue;
		switch (WSTOPSIG(status)) {
		case SIGTRAP: return arch_inject_trapped(ret, x->trap) ? 0 : -EFAULT;
		case SIGSEGV:
		case SIGBUS:
		case SIGILL:
		case SIGFPE: return -EFAULT;
		default: signal = (uintptr_t)WSTOPSIG(status);
		}
	}
}

int tracee_call(struct tracee *x, uint64_t function, const uint64_t arguments[ARCH_INJECT_ARGUMENTS],
		const char *text, unsigned int place, uint64_t *ret)
{
	struct thread_registers t = x->registers;
	uint64_t given[ARCH_INJECT_ARGUMENTS], stack, word;
	struct registers r;
	size_t size = text ? strlen(text) + 1 : 0;
	int result;

	if (size > TEXT_MAX)
		return -ENAMETOOLONG;
	memcpy(given, arguments, sizeof(given));
	arch_registers(&r, &t);
	stack = (r.sp - BELOW - size) & ~15ull;
	if (text) {
		given[place] = stack;
		if (pwrite(x->memory, text, size, (off_t)stack) != (ssize_t)size)
			return -EFAULT;
	}
	arch_inject_call(&t, function, given, x->trap, &stack, &word);
	if (word != ~0ull && pwrite(x->memory, &word, sizeof(word), (off_t)stack) != (ssize_t)sizeof(word))
		return -EFAULT;
	result = registers_set(x->tid, &t);
	if (result == 0)
		result = run(x, &t);
	if (result == 0)
		*ret = arch_inject_result(&t);
	return result;
}
