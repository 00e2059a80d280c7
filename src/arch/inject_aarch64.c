/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See inject.h. For aarch64. */
#include "src/arch/inject.h"

#if defined(__aarch64__)
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

const int arch_extended_set = NT_PRFPREG;
const uint32_t arch_inject_audit = AUDIT_ARCH_AARCH64;

static struct user_regs_struct registers_of(const struct thread_registers *t)
{
	struct user_regs_struct u;

	memcpy(&u, &t->set, sizeof(u));
	return u;
}

bool arch_inject_able(void)
{
	return true;
}

/* mov x22, x0; tgkill(w19, w20, w21), which functions keep; rt_sigreturn() */
static const uint32_t code_words[ARCH_CODE_BYTES / 4] = { 0xaa0003f6,
							  0x2a1303e0,
							  0x2a1403e1,
							  0x2a1503e2,
							  0xd2800008 | SYS_tgkill << 5,
							  0xd4000001,
							  0xd2800008 | SYS_rt_sigreturn << 5,
							  0xd4000001 };
#define CODE_CALLED 24 /* the first system call returns there */

void arch_inject_code(uint8_t code[ARCH_CODE_BYTES])
{
	memcpy(code, code_words, ARCH_CODE_BYTES);
}

bool arch_inject_returned(const struct thread_registers *t, uint64_t code)
{
	return registers_of(t).pc == code + CODE_CALLED;
}

#define SIGINFO_BYTES 128
#define NO_STACK 0x77 /* refused without an error, so that the signal stack stays as it is */

/* The kernel's frame of a signal. */
struct kernel_frame {
	uint8_t info[SIGINFO_BYTES];
	uint64_t flags, link, stack[3], signals;
	uint8_t unused[120];
	uint64_t fault __attribute__((aligned(16)));
	uint64_t registers[31], sp, pc, pstate;
	struct {
		uint32_t magic, size, fpsr, fpcr;
		uint8_t vectors[512];
		uint32_t end[2];
	} extended __attribute__((aligned(16)));
	uint8_t room[4096 - 536]; /* the kernel's own part is of this size */
};

_Static_assert(offsetof(struct kernel_frame, fault) == 304, "the kernel's layout");
_Static_assert(offsetof(struct kernel_frame, extended) == 592, "the kernel's layout");

#define MAGIC 0x46508001u
#define VECTORS 512 /* in the set, status and control follow them */

/* The kernel has put back the pc of a call that it will repeat before it stops the thread. */
size_t arch_inject_frame(uint8_t frame[ARCH_FRAME_BYTES], uint64_t at, const struct thread_registers *t,
			 const uint8_t *extended, size_t extended_size, uint64_t signals)
{
	const struct user_regs_struct u = registers_of(t);
	struct kernel_frame k = { .stack = { 0, NO_STACK }, .signals = signals };

	(void)at;
	if (extended_size < VECTORS + 8)
		return 0;
	memcpy(k.registers, u.regs, sizeof(k.registers));
	k.sp = u.sp;
	k.pc = u.pc;
	k.pstate = u.pstate;
	k.extended.magic = MAGIC;
	k.extended.size =
		offsetof(struct kernel_frame, extended.end) - offsetof(struct kernel_frame, extended);
	memcpy(k.extended.vectors, extended, VECTORS);
	memcpy(&k.extended.fpsr, extended + VECTORS, 8);
	memcpy(frame, &k, sizeof(k));
	return sizeof(k);
}

void arch_inject_call(struct thread_registers *t, uint64_t function,
		      const uint64_t arguments[ARCH_INJECT_ARGUMENTS], uint64_t code, uint64_t frame,
		      const struct arch_inject_signal *signal, uint64_t *ret_word)
{
	struct user_regs_struct u = registers_of(t);

	*ret_word = ~0ull;
	u.sp = frame;
	u.pc = function;
	for (int i = 0; i < ARCH_INJECT_ARGUMENTS; i++)
		u.regs[i] = arguments[i];
	u.regs[19] = signal->process;
	u.regs[20] = signal->thread;
	u.regs[21] = signal->number;
	u.regs[29] = 0;
	u.regs[30] = code;
	u.pstate &= ~0xc00ull; /* BTYPE: function may not begin with a landing pad */
	memcpy(&t->set, &u, sizeof(u));
}

uint64_t arch_inject_result(const struct thread_registers *t)
{
	return registers_of(t).regs[22];
}

uint64_t arch_inject_thread_pointer(pid_t tid, const struct thread_registers *t)
{
	uint64_t pointer = 0;
	struct iovec all = { &pointer, sizeof(pointer) };

	(void)t;
	return ptrace(PTRACE_GETREGSET, tid, (void *)NT_ARM_TLS, &all) == 0 ? pointer : 0;
}

static const uint8_t system_call[] = { 0x01, 0x00, 0x00, 0xd4 };

static bool is_behind(const uint8_t code[8])
{
	return memcmp(code, system_call, sizeof(system_call)) == 0;
}

static bool is_at(const uint8_t code[8])
{
	return memcmp(code + 4, system_call, sizeof(system_call)) == 0;
}

/* At a call that is repeated; or arch_inject_again() has put it there. The registers do not tell whether it was made. */
bool arch_inject_sleeps(const struct thread_registers *t, const uint8_t code[8])
{
	(void)t;
	return is_at(code);
}

/* The first argument's register has the result. The others tell that it is the same call still. */
bool arch_inject_again(struct thread_registers *t, const struct system_call *call, const uint8_t code[8])
{
	struct user_regs_struct u = registers_of(t);

	if (!is_behind(code) || (long)u.regs[0] != -EINTR || (long)u.regs[8] != call->number)
		return false;
	for (int i = 1; i < 6; i++)
		if (u.regs[i] != call->arguments[i])
			return false;
	u.regs[0] = call->arguments[0];
	u.pc -= sizeof(system_call);
	memcpy(&t->set, &u, sizeof(u));
	return true;
}

bool arch_inject_repeat(struct thread_registers *t)
{
	(void)t;
	return false;
}

bool arch_inject_enters(const uint8_t code[8])
{
	return is_at(code);
}

#define SET_SYSTEM_CALL 0x404

bool arch_inject_enter(pid_t tid, struct thread_registers *t, const struct thread_registers *before)
{
	struct user_regs_struct u = registers_of(t);
	int number = (int)registers_of(before).regs[8];
	struct iovec set = { &number, sizeof(number) };

	if (u.regs[8] != SYS_restart_syscall ||
	    ptrace(PTRACE_SETREGSET, tid, (void *)SET_SYSTEM_CALL, &set) != 0)
		return false;
	u.regs[8] = (uint64_t)number;
	memcpy(&t->set, &u, sizeof(u));
	return true;
}

/* The head of the sets of scalable vectors and matrices. */
struct scalable_header {
	uint32_t size, size_max;
	uint16_t length, length_max, flags, unused;
};

#define SET_SVE 0x405
#define SET_STREAMING 0x40b
#define SET_ZA 0x40c
#define SET_GCS 0x410
#define IS_SCALABLE 1 /* a flag: more than the low 128 bits of each are in use */
#define IS_GUARDED 1

static struct scalable_header scalable(pid_t tid, uintptr_t set)
{
	struct scalable_header h = { 0 };
	struct iovec part = { &h, sizeof(h) };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)set, &part) != 0 || part.iov_len < sizeof(h))
		h = (struct scalable_header){ 0 };
	return h;
}

static bool is_guarded(pid_t tid)
{
	uint64_t features = 0;
	struct iovec part = { &features, sizeof(features) };

	return ptrace(PTRACE_GETREGSET, tid, (void *)SET_GCS, &part) == 0 && features & IS_GUARDED;
}

/*
 * Scalable vectors beyond their low 128 bits and predicates are lost at each system call, by the kernel's contract with
 * programs. So they are free where a call is made or has just been. Matrices outlive it, and a function must not be
 * called in streaming mode, nor past a guarded stack.
 */
bool arch_inject_keeps(pid_t tid, const uint8_t code[8])
{
	bool vectors = scalable(tid, SET_SVE).flags & IS_SCALABLE;

	return (!vectors || is_behind(code) || is_at(code)) &&
	       !(scalable(tid, SET_STREAMING).flags & IS_SCALABLE) &&
	       scalable(tid, SET_ZA).size <= sizeof(struct scalable_header) && !is_guarded(tid);
}
#endif
