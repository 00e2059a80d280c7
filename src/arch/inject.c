/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See inject.h. For x86-64, and for machines where nothing is injected; inject_aarch64.c is another one. */
#include "src/arch/inject.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <signal.h>
#include <ucontext.h>

/* The kernel's own results, for calls that it repeats. */
#define RESTART_FIRST (-512)
#define RESTART_LAST (-516)

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif
const int arch_extended_set = NT_X86_XSTATE;
const uint32_t arch_inject_audit = AUDIT_ARCH_X86_64;

bool arch_inject_able(void)
{
	return true;
}

/* mov %rax, %r14; tgkill(%ebx, %r12d, %r13d), which functions keep; rt_sigreturn() */
static const uint8_t code_bytes[] = { 0x49, 0x89, 0xc6,       0x89, 0xdf,
				      0x44, 0x89, 0xe6,       0x44, 0x89,
				      0xea, 0xb8, SYS_tgkill, 0,    0,
				      0,    0x0f, 0x05,       0xb8, SYS_rt_sigreturn,
				      0,    0,    0,          0x0f, 0x05 };
#define CODE_CALLED 18 /* the first system call returns there */

void arch_inject_code(uint8_t code[ARCH_CODE_BYTES])
{
	memset(code, 0x90, ARCH_CODE_BYTES);
	memcpy(code, code_bytes, sizeof(code_bytes));
}

bool arch_inject_returned(const struct thread_registers *t, uint64_t code)
{
	return ((const struct user_regs_struct *)(const void *)&t->set)->rip == code + CODE_CALLED;
}

/* With it, the system call is made again, for all of its time. */
static void repeat(struct user_regs_struct *u)
{
	long long result = (long long)u->rax;

	if ((long long)u->orig_rax < 0 ||
	    (result != -EINTR && (result > RESTART_FIRST || result < RESTART_LAST)))
		return;
	u->rax = u->orig_rax;
	u->rip -= 2;
}

/* The kernel's struct ucontext; the C library's begins in the same way. */
struct kernel_context {
	uint64_t flags, link, stack[3];
	gregset_t registers;
	uint64_t extended, reserved[8], signals;
};

#define CONTEXT_FLAGS 7 /* extended registers; ss is valid, and meant so */
#define NO_STACK 0x77   /* refused without an error, so that the signal stack stays as it is */
#define SOFTWARE 464    /* where the kernel's note is in the extended registers */
#define LEGACY 512      /* where the bits of the parts that follow are */
#define LEGACY_ALL 576
#define MAGIC_BEGIN 0x46505853u
#define MAGIC_END 0x46505845u
#define FEATURES 64

/* The kernel's note on a frame's extended registers. */
struct software_note {
	uint32_t magic, size_all;
	uint64_t features;
	uint32_t size;
};

/* The bytes of extended registers up to the last part that is in use. */
static uint32_t extended_bytes(uint64_t features)
{
	uint32_t size = LEGACY_ALL, bytes, at, c, d;

	for (uint32_t i = 2; i < FEATURES; i++)
		if (features >> i & 1 && __get_cpuid_count(0xd, i, &bytes, &at, &c, &d) && at + bytes > size)
			size = at + bytes;
	return size;
}

static void context_fill(struct kernel_context *k, const struct user_regs_struct *u, uint64_t signals)
{
	const greg_t all[] = { (greg_t)u->r8,  (greg_t)u->r9,    (greg_t)u->r10, (greg_t)u->r11,
			       (greg_t)u->r12, (greg_t)u->r13,   (greg_t)u->r14, (greg_t)u->r15,
			       (greg_t)u->rdi, (greg_t)u->rsi,   (greg_t)u->rbp, (greg_t)u->rbx,
			       (greg_t)u->rdx, (greg_t)u->rax,   (greg_t)u->rcx, (greg_t)u->rsp,
			       (greg_t)u->rip, (greg_t)u->eflags };

	*k = (struct kernel_context){ .flags = CONTEXT_FLAGS, .stack = { 0, NO_STACK }, .signals = signals };
	memcpy(k->registers, all, sizeof(all));
	k->registers[REG_CSGSFS] = (greg_t)(u->cs | u->ss << 48);
}

size_t arch_inject_frame(uint8_t frame[ARCH_FRAME_BYTES], uint64_t at, const struct thread_registers *t,
			 const uint8_t *extended, size_t extended_size, uint64_t signals)
{
	struct software_note note = { .magic = MAGIC_BEGIN };
	const uint32_t end = MAGIC_END;
	struct user_regs_struct u;
	struct kernel_context k;
	size_t begin = (sizeof(k) + sizeof(siginfo_t) + 63) & ~63ul;

	if (extended_size < LEGACY_ALL)
		return 0;
	memcpy(&note.features, extended + LEGACY, sizeof(note.features));
	note.features |= 3;
	note.size = extended_bytes(note.features);
	note.size_all = note.size + (uint32_t)sizeof(end);
	if (note.size > extended_size || begin + note.size_all > ARCH_FRAME_BYTES)
		return 0;
	memcpy(&u, &t->set, sizeof(u));
	repeat(&u);
	context_fill(&k, &u, signals);
	k.extended = at + begin;
	memset(frame, 0, begin);
	memcpy(frame, &k, sizeof(k));
	memcpy(frame + begin, extended, note.size);
	memcpy(frame + begin + SOFTWARE, &note, sizeof(note));
	memcpy(frame + begin + note.size, &end, sizeof(end));
	return begin + note.size_all;
}

void arch_inject_call(struct thread_registers *t, uint64_t function,
		      const uint64_t arguments[ARCH_INJECT_ARGUMENTS], uint64_t code, uint64_t frame,
		      const struct arch_inject_signal *signal, uint64_t *ret_word)
{
	struct user_regs_struct *u = (void *)&t->set;

	*ret_word = code;
	u->rsp = frame - 8;
	u->rip = function;
	u->rdi = arguments[0];
	u->rsi = arguments[1];
	u->rdx = arguments[2];
	u->rax = 0;
	u->rbp = 0;
	u->rbx = signal->process;
	u->r12 = signal->thread;
	u->r13 = signal->number;
	u->orig_rax = ~0ull;
	u->eflags &= ~0x500ull; /* direction and trap flag */
}

uint64_t arch_inject_result(const struct thread_registers *t)
{
	return ((const struct user_regs_struct *)(const void *)&t->set)->r14;
}

uint64_t arch_inject_thread_pointer(pid_t tid, const struct thread_registers *t)
{
	(void)tid;
	return ((const struct user_regs_struct *)(const void *)&t->set)->fs_base;
}

bool arch_inject_sleeps(const struct thread_registers *t, const uint8_t code[8])
{
	const struct user_regs_struct *u = (const void *)&t->set;
	long long result = (long long)u->rax;

	(void)code;
	return (long long)u->orig_rax >= 0 &&
	       ((result <= RESTART_FIRST && result >= RESTART_LAST) || result == -EINTR);
}

bool arch_inject_repeat(struct thread_registers *t)
{
	struct user_regs_struct *u = (void *)&t->set;

	if (!arch_inject_sleeps(t, NULL))
		return false;
	repeat(u);
	u->orig_rax = ~0ull;
	return true;
}

bool arch_inject_again(struct thread_registers *t, const struct system_call *call, const uint8_t code[8])
{
	(void)t, (void)call, (void)code; /* arch_repeat() does */
	return false;
}

bool arch_inject_keeps(pid_t tid, const uint8_t code[8])
{
	(void)tid, (void)code;
	return true;
}

#elif !defined(__aarch64__)

const int arch_extended_set = NT_PRFPREG;
const uint32_t arch_inject_audit;

bool arch_inject_able(void)
{
	return false;
}

void arch_inject_code(uint8_t code[ARCH_CODE_BYTES])
{
	(void)code;
}

bool arch_inject_returned(const struct thread_registers *t, uint64_t code)
{
	(void)t, (void)code;
	return false;
}

size_t arch_inject_frame(uint8_t frame[ARCH_FRAME_BYTES], uint64_t at, const struct thread_registers *t,
			 const uint8_t *extended, size_t extended_size, uint64_t signals)
{
	(void)frame, (void)at, (void)t, (void)extended, (void)extended_size, (void)signals;
	return 0;
}

void arch_inject_call(struct thread_registers *t, uint64_t function,
		      const uint64_t arguments[ARCH_INJECT_ARGUMENTS], uint64_t code, uint64_t frame,
		      const struct arch_inject_signal *signal, uint64_t *ret_word)
{
	(void)t, (void)function, (void)arguments, (void)code, (void)frame, (void)signal, (void)ret_word;
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

bool arch_inject_sleeps(const struct thread_registers *t, const uint8_t code[8])
{
	(void)t, (void)code;
	return false;
}

bool arch_inject_again(struct thread_registers *t, const struct system_call *call, const uint8_t code[8])
{
	(void)t, (void)call, (void)code;
	return false;
}

bool arch_inject_keeps(pid_t tid, const uint8_t code[8])
{
	(void)tid, (void)code;
	return false;
}

bool arch_inject_repeat(struct thread_registers *t)
{
	(void)t;
	return false;
}

#endif

#if !defined(__aarch64__)
bool arch_inject_enters(const uint8_t code[8])
{
	(void)code;
	return false;
}

bool arch_inject_enter(pid_t tid, struct thread_registers *t, const struct thread_registers *before)
{
	(void)tid, (void)t, (void)before;
	return false;
}
#endif
