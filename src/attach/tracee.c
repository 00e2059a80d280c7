/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See tracee.h. */
#include "src/attach/tracee.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/inspect/process.h"
#include "src/inspect/resume.h"

#define STOP_MOMENTS 4000 /* until a thread that will not stop is let alone */
#define BELOW 1152        /* what a function may use below its stack pointer, and some room */
#define TEXT_MAX 1024
#define ALIGNED 64
#define STATUS_BYTES 8192

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

/* A call that would return EINTR is made again, where only the thread's system call tells how. */
static void see_call(struct tracee *x, const struct target_thread *thread)
{
	struct thread_registers again = x->registers;

	resume_code(x->tid, &x->registers, x->around);
	if (thread->asleep && arch_inject_again(&again, &thread->call, x->around) &&
	    !stop_signal_comes(x->tid) && registers_set(x->tid, &again) == 0) {
		x->registers = again;
		resume_code(x->tid, &again, x->around);
	}
}

int tracee_stop(struct tracee *x, const struct target_thread *thread)
{
	pid_t tid = thread->tid;
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
	see_call(x, thread);
	return 0;
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
	x->code = 0;
	resume(x->tid, &x->registers, x->whole);
}

static uint64_t bit(uint32_t signal)
{
	return (uint64_t)1 << (signal - 1);
}

/* All but those that a fault raises, and the one that tells of the end. */
static uint64_t blocked(const struct tracee *x)
{
	static const uint32_t faults[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	uint64_t all = ~0ull & ~(x->back.number ? bit(x->back.number) : 0);

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		all &= ~bit(faults[i]);
	return all;
}

static bool store(const struct tracee *x, uint64_t at, const void *bytes, size_t size)
{
	return pwrite(x->memory, bytes, size, (off_t)at) == (ssize_t)size;
}

static bool same_numbers(pid_t pid)
{
	char path[64], ours[64] = "", theirs[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return readlink("/proc/self/ns/pid", ours, sizeof(ours) - 1) > 0 &&
	       readlink(path, theirs, sizeof(theirs) - 1) > 0 && strcmp(ours, theirs) == 0;
}

/* Signals of a mask in /proc/PID/status. */
static uint64_t signals_of(const char *status, const char *name)
{
	const char *at = process_status_line(status, name);

	return at ? strtoull(at, NULL, 16) : ~0ull;
}

/*
 * A signal that the system drops if nobody traces, as it has no handler, and that nobody waits for. Without one, or where
 * the thread has another number, each system call of the thread must be looked at, for each of which we and it wait for a processor.
 */
static void choose_signal(struct tracee *x, pid_t pid)
{
	static const uint32_t dropped[] = { SIGURG, SIGWINCH, SIGCHLD };
	char path[64], status[STATUS_BYTES];
	uint64_t used;

	x->back = (struct arch_inject_signal){ (uint32_t)pid, (uint32_t)x->tid, 0 };
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)x->tid);
	if (!same_numbers(pid) || process_slurp(path, status, sizeof(status)) <= 0)
		return;
	used = signals_of(status, "\nSigBlk:") | signals_of(status, "\nSigCgt:");
	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		if (!(used & bit(dropped[i])) && x->back.number == 0)
			x->back.number = dropped[i];
}

int tracee_begin(struct tracee *x, pid_t pid, int memory, uint64_t code)
{
	struct iovec extended = { x->extended, sizeof(x->extended) };
	uint8_t bytes[ARCH_CODE_BYTES], frame[ARCH_FRAME_BYTES];
	struct registers r;
	size_t size;

	x->memory = memory;
	choose_signal(x, pid);
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
		if (ptrace(x->back.number ? PTRACE_CONT : PTRACE_SYSCALL, x->tid, NULL, (void *)signal) != 0)
			return -errno;
		r = await(x, &status, until);
		if (r < 0)
			return r;
		if (registers_get(x->tid, ret) < 0)
			return -ESRCH;
		signal = 0;
		if (status >> 16) /* the process was told to stop: it does when we are done */
			continue;
		if (x->back.number && WSTOPSIG(status) == (int)x->back.number &&
		    arch_inject_returned(ret, x->code))
			return 0;
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
	const uint64_t signals = blocked(x);
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
	arch_inject_call(&t, function, given, x->code, x->frame, &x->back, &word);
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
