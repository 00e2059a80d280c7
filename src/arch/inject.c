/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See inject.h. One block an architecture. */
#include "src/arch/inject.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#if defined(__x86_64__)

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif
const int arch_extended_set = NT_X86_XSTATE;

bool arch_inject_able(void)
{
	return true;
}

void arch_inject_trap(uint8_t code[ARCH_TRAP_BYTES])
{
	code[0] = 0xcc;
}

bool arch_inject_trapped(const struct thread_registers *t, uint64_t at)
{
	return ((const struct user_regs_struct *)(const void *)&t->set)->rip == at + 1;
}

void arch_inject_call(struct thread_registers *t, uint64_t function,
		      const uint64_t arguments[ARCH_INJECT_ARGUMENTS], uint64_t ret_to, uint64_t *stack,
		      uint64_t *ret_word)
{
	struct user_regs_struct *u = (void *)&t->set;

	*stack -= 8;
	*ret_word = ret_to;
	u->rsp = *stack;
	u->rip = function;
	u->rdi = arguments[0];
	u->rsi = arguments[1];
	u->rdx = arguments[2];
	u->rax = 0;
	u->rbp = 0;
	u->orig_rax = ~0ull;
	u->eflags &= ~0x500ull; /* direction and trap flag */
}

uint64_t arch_inject_result(const struct thread_registers *t)
{
	return ((const struct user_regs_struct *)(const void *)&t->set)->rax;
}

uint64_t arch_inject_thread_pointer(pid_t tid, const struct thread_registers *t)
{
	(void)tid;
	return ((const struct user_regs_struct *)(const void *)&t->set)->fs_base;
}

bool arch_inject_sleeps(const struct thread_registers *t)
{
	const struct user_regs_struct *u = (const void *)&t->set;
	long long result = (long long)u->rax;

	/* -512 to -516 are the kernel's own, for calls that it repeats */
	return (long long)u->orig_rax >= 0 && ((result <= -512 && result >= -516) || result == -EINTR);
}

bool arch_inject_disturbs(long system_call)
{
	(void)system_call; /* arch_repeat() */
	return false;
}

#elif defined(__aarch64__)

const int arch_extended_set = NT_PRFPREG;

bool arch_inject_able(void)
{
	return true;
}

void arch_inject_trap(uint8_t code[ARCH_TRAP_BYTES])
{
	static const uint8_t brk[] = { 0x00, 0x00, 0x20, 0xd4 };

	memcpy(code, brk, sizeof(brk));
}

bool arch_inject_trapped(const struct thread_registers *t, uint64_t at)
{
	return ((const struct user_regs_struct *)(const void *)&t->set)->pc == at;
}

/* The kernel has put back the pc of a call that it will repeat before it stops the thread. */
void arch_inject_call(struct thread_registers *t, uint64_t function,
		      const uint64_t arguments[ARCH_INJECT_ARGUMENTS], uint64_t ret_to, uint64_t *stack,
		      uint64_t *ret_word)
{
	struct user_regs_struct *u = (void *)&t->set;

	*ret_word = ~0ull;
	u->sp = *stack;
	u->pc = function;
	for (int i = 0; i < ARCH_INJECT_ARGUMENTS; i++)
		u->regs[i] = arguments[i];
	u->regs[29] = 0;
	u->regs[30] = ret_to;
	u->pstate &= ~0xc00ull; /* BTYPE: function may not begin with a landing pad */
}

uint64_t arch_inject_result(const struct thread_registers *t)
{
	return ((const struct user_regs_struct *)(const void *)&t->set)->regs[0];
}

uint64_t arch_inject_thread_pointer(pid_t tid, const struct thread_registers *t)
{
	uint64_t pointer = 0;
	struct iovec all = { &pointer, sizeof(pointer) };

	(void)t;
	return ptrace(PTRACE_GETREGSET, tid, (void *)NT_ARM_TLS, &all) == 0 ? pointer : 0;
}

bool arch_inject_sleeps(const struct thread_registers *t)
{
	(void)t; /* the registers do not tell; a call of the C library follows its frame */
	return true;
}

bool arch_inject_disturbs(long system_call)
{
	static const long calls[] = { SYS_epoll_pwait,  SYS_semtimedop, SYS_semop,   SYS_rt_sigtimedwait,
				      SYS_io_getevents, SYS_recvfrom,   SYS_recvmsg, SYS_recvmmsg,
				      SYS_sendto,       SYS_sendmsg,    SYS_accept,  SYS_accept4,
				      SYS_connect,      SYS_pause,      SYS_ppoll,   SYS_pselect6,
				      SYS_rt_sigsuspend };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == system_call)
			return true;
	return false;
}

#else

const int arch_extended_set = NT_PRFPREG;

bool arch_inject_able(void)
{
	return false;
}

void arch_inject_trap(uint8_t code[ARCH_TRAP_BYTES])
{
	(void)code;
}

bool arch_inject_trapped(const struct thread_registers *t, uint64_t at)
{
	(void)t, (void)at;
	return false;
}

void arch_inject_call(struct thread_registers *t, uint64_t function,
		      const uint64_t arguments[ARCH_INJECT_ARGUMENTS], uint64_t ret_to, uint64_t *stack,
		      uint64_t *ret_word)
{
	(void)t, (void)function, (void)arguments, (void)ret_to, (void)stack, (void)ret_word;
}

uint64_t arch_inject_result(const struct thread_registers *t)
{
	(void)t;
	return 0;
}

uint64_t arch_inject_thread_pointer(pid_t tid, const struct thread_registers *t)
{
	(void)tid, (void)t;
	return 0;
}

bool arch_inject_sleeps(const struct thread_registers *t)
{
	(void)t;
	return false;
}

bool arch_inject_disturbs(long system_call)
{
	(void)system_call;
	return true;
}

#endif
