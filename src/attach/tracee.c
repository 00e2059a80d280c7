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

#define STOP_MOMENTS 4000 /* until a thread that will not stop is let alone */
#define BELOW 1152        /* what a function may use below its stack pointer, and some room */
#define TEXT_MAX 1024
#define ALIGNED 64

static void moment(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

/* Until it stops, or for so long. SIGCHLD is blocked, so none is missed. */
static int await(struct tracee *x, int *status, time_t until)
{
	const struct timespec at_most = { .tv_nsec = 100000000 };
	struct timespec now;
	sigset_t child;
	int r;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while ((r = waitpid(x->tid, status, __WALL | WNOHANG)) == 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		x->lost = now.tv_sec > until;
		if (x->lost)
			return -ETIMEDOUT;
		sigtimedwait(&child, NULL, &at_most);
	}
	return r == x->tid && WIFSTOPPED(*status) ? 0 : -ESRCH;
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
	if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)PTRACE_O_TRACESYSGOOD) != 0)
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

/* Registers last: before, it is restored from the frame if we die. The code last of all. */
void tracee_release(struct tracee *x)
{
	struct iovec extended = { x->extended, x->extended_size };

	if (x->lost) /* it runs; the code stays, so that it comes back */
		return;
	if (x->code) {
		ptrace(PTRACE_SETREGSET, x->tid, (void *)(uintptr_t)arch_extended_set, &extended);
		ptrace(PTRACE_SETSIGMASK, x->tid, sizeof(x->signals), &x->signals);
		registers_set(x->tid, &x->registers);
		if (pwrite(x->memory, x->before, sizeof(x->before), (off_t)x->code) < 0)
			errno = 0; /* it is gone */
	}
	repeat_call(x);
	x->code = 0;
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

static bool store(const struct tracee *x, uint64_t at, const void *bytes, size_t size)
{
	return pwrite(x->memory, bytes, size, (off_t)at) == (ssize_t)size;
}

int tracee_begin(struct tracee *x, int memory, uint64_t code)
{
	struct iovec extended = { x->extended, sizeof(x->extended) };
	uint8_t bytes[ARCH_CODE_BYTES], frame[ARCH_FRAME_BYTES];
	struct registers r;
	size_t size;

	x->memory = memory;
	if (ptrace(PTRACE_GETREGSET, x->tid, (void *)(uintptr_t)arch_extended_set, &extended) != 0 ||
	    ptrace(PTRACE_GETSIGMASK, x->tid, sizeof(x->signals), &x->signals) != 0 ||
	    pread(memory, x->before, sizeof(x->before), (off_t)code) != (ssize_t)sizeof(x->before))
		return -errno;
	x->extended_size = extended.iov_len;
	arch_registers(&r, &x->registers);
	size = arch_inject_frame(frame, 0, &x->registers, x->extended, x->extended_size, x->signals);
	if (size == 0)
		return -ENOTSUP;
	x->text = r.sp - BELOW - TEXT_MAX;
	x->frame = (x->text - size) & ~(uint64_t)(ALIGNED - 1);
	arch_inject_frame(frame, x->frame, &x->registers, x->extended, x->extended_size, x->signals);
	arch_inject_code(bytes);
	if (!store(x, x->frame, frame, size) || !store(x, code, bytes, sizeof(bytes)))
		return -errno;
	x->code = code;
	return 0;
}

/* It is in the code that calls return to, and is stopped behind its system call, as it was at first. */
static int halt(struct tracee *x, time_t until)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, x->tid, NULL, NULL) != 0 || ptrace(PTRACE_CONT, x->tid, NULL, NULL) != 0)
		return -errno;
	return await(x, &status, until);
}

/* Until it comes back. */
static int run(struct tracee *x, struct thread_registers *ret)
{
	struct timespec start;
	uintptr_t signal = 0;
	time_t until;
	int status, r;

	clock_gettime(CLOCK_MONOTONIC, &start);
	until = start.tv_sec + TRACEE_CALL_S;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, x->tid, NULL, (void *)signal) != 0)
			return -errno;
		r = await(x, &status, until);
		if (r < 0)
			return r;
		if (registers_get(x->tid, ret) < 0)
			return -ESRCH;
		signal = 0;
		if (status >> 16) /* the process was told to stop: it does when we are done */
			continue;
		switch (WSTOPSIG(status)) {
		case SIGTRAP | 0x80:
			if (arch_inject_returned(ret, x->code))
				return halt(x, until);
			break;
		case SIGTRAP:
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
	const uint64_t signals = blocked();
	struct thread_registers t = x->registers;
	uint64_t given[ARCH_INJECT_ARGUMENTS], word;
	size_t size = text ? strlen(text) + 1 : 0;
	int result;

	if (x->lost)
		return -ETIMEDOUT;
	if (size > TEXT_MAX)
		return -ENAMETOOLONG;
	memcpy(given, arguments, sizeof(given));
	if (text) {
		given[place] = x->text;
		if (!store(x, x->text, text, size))
			return -EFAULT;
	}
	arch_inject_call(&t, function, given, x->code, x->frame, &word);
	if (word != ~0ull && !store(x, x->frame - sizeof(word), &word, sizeof(word)))
		return -EFAULT;
	/* The signals after it: if we died in between, nobody would restore them. */
	result = registers_set(x->tid, &t);
	if (result == 0 && ptrace(PTRACE_SETSIGMASK, x->tid, sizeof(signals), &signals) != 0)
		result = -errno;
	if (result == 0)
		result = run(x, &t);
	if (result == 0)
		*ret = arch_inject_result(&t);
	return result;
}
