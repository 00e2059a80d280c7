/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See thread.h. One block an architecture. */
#include "src/arch/thread.h"
#include "src/arch/arch.h"

#include <elf.h>
#include <errno.h>
#include <libunwind.h>
#include <string.h>
#include <sys/user.h>

const uint16_t arch_elf_machine = ARCH_ELF_MACHINE;
const uint8_t arch_elf_class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

#if defined(__aarch64__)
const uint64_t arch_signature = UINT64_C(0x7f)
				<< 48; /* addresses of programs have 48 bits, unless they ask for more */
#else
const uint64_t arch_signature = 0;
#endif

static __attribute__((unused)) void put(struct registers *r, int number, uint64_t value)
{
	r->value[number] = value;
	r->known |= (uint64_t)1 << number;
}

#if defined(__x86_64__)

void arch_registers(struct registers *r, const struct thread_registers *t)
{
	const struct user_regs_struct *u = (const void *)&t->set;
	const uint64_t values[] = { u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi, u->rbp, u->rsp, u->r8,
				    u->r9,  u->r10, u->r11, u->r12, u->r13, u->r14, u->r15, u->rip };

	*r = (struct registers){ .sp = u->rsp, .pc = u->rip };
	for (int i = 0; i < (int)(sizeof(values) / sizeof(values[0])); i++)
		put(r, UNW_X86_64_RAX + i, values[i]);
}

struct system_call arch_call(const struct thread_registers *t, const uint8_t code[8])
{
	const struct user_regs_struct *u = (const void *)&t->set;
	static const uint8_t instruction[] = { 0x0f, 0x05 };

	if ((long long)u->orig_rax < 0 || memcmp(code + 2, instruction, 2) != 0)
		return (struct system_call){ .number = -1 };
	return (struct system_call){ (long)u->orig_rax, { u->rdi, u->rsi, u->rdx, u->r10, u->r8, u->r9 } };
}

bool arch_repeat(struct thread_registers *t)
{
	struct user_regs_struct *u = (void *)&t->set;

	if ((long long)u->orig_rax < 0 || (long long)u->rax != -EINTR)
		return false;
	u->rax = u->orig_rax;
	u->rip -= 2;
	u->orig_rax = ~0ull;
	return true;
}

uint64_t arch_first_argument(const struct registers *r)
{
	return r->known >> UNW_X86_64_RDI & 1 ? r->value[UNW_X86_64_RDI] : UINT64_MAX;
}

#elif defined(__i386__)

void arch_registers(struct registers *r, const struct thread_registers *t)
{
	const struct user_regs_struct *u = (const void *)&t->set;
	const long values[] = { u->eax, u->edx, u->ecx, u->ebx, u->esi, u->edi, u->ebp, u->esp, u->eip };

	*r = (struct registers){ .sp = (unsigned long)u->esp, .pc = (unsigned long)u->eip };
	for (int i = 0; i < (int)(sizeof(values) / sizeof(values[0])); i++)
		put(r, UNW_X86_EAX + i, (unsigned long)values[i]);
}

/* sysenter and syscall, too, come back behind the int 0x80 that follows them in the vdso. */
struct system_call arch_call(const struct thread_registers *t, const uint8_t code[8])
{
	const struct user_regs_struct *u = (const void *)&t->set;
	static const uint8_t instruction[] = { 0xcd, 0x80 };

	if (u->orig_eax < 0 || memcmp(code + 2, instruction, 2) != 0)
		return (struct system_call){ .number = -1 };
	return (struct system_call){ u->orig_eax,
				     { (unsigned long)u->ebx, (unsigned long)u->ecx, (unsigned long)u->edx,
				       (unsigned long)u->esi, (unsigned long)u->edi,
				       (unsigned long)u->ebp } };
}

bool arch_repeat(struct thread_registers *t)
{
	struct user_regs_struct *u = (void *)&t->set;

	if (u->orig_eax < 0 || u->eax != -EINTR)
		return false;
	u->eax = u->orig_eax;
	u->eip -= 2;
	u->orig_eax = -1;
	return true;
}

uint64_t arch_first_argument(const struct registers *r)
{
	(void)r; /* on the stack, where it may be changed */
	return UINT64_MAX;
}

#elif defined(__aarch64__)

void arch_registers(struct registers *r, const struct thread_registers *t)
{
	const struct user_regs_struct *u = (const void *)&t->set;
	*r = (struct registers){ .sp = u->sp, .pc = u->pc };
	for (int i = 0; i < 31; i++)
		put(r, UNW_AARCH64_X0 + i, u->regs[i]);
	put(r, UNW_AARCH64_SP, u->sp);
	put(r, UNW_AARCH64_PC, u->pc);
}

/* A call that will be repeated has its pc put back already; one that will not has lost its first argument. */
struct system_call arch_call(const struct thread_registers *t, const uint8_t code[8])
{
	const struct user_regs_struct *u = (const void *)&t->set;
	static const uint8_t instruction[] = { 0x01, 0x00, 0x00, 0xd4 };
	struct system_call c = { .number = -1 };

	if (memcmp(code, instruction, 4) != 0 && memcmp(code + 4, instruction, 4) != 0)
		return c;
	c.number = (long)u->regs[8];
	for (int i = 0; i < 6; i++)
		c.arguments[i] = u->regs[i];
	return c;
}

bool arch_repeat(struct thread_registers *t)
{
	(void)t; /* the call's first argument is gone */
	return false;
}

uint64_t arch_first_argument(const struct registers *r)
{
	return r->known & 1 ? r->value[UNW_AARCH64_X0] : UINT64_MAX;
}

#else

void arch_registers(struct registers *r, const struct thread_registers *t)
{
	(void)t;
	*r = (struct registers){ 0 };
}

struct system_call arch_call(const struct thread_registers *t, const uint8_t code[8])
{
	(void)t, (void)code;
	return (struct system_call){ .number = -1 };
}

bool arch_repeat(struct thread_registers *t)
{
	(void)t;
	return false;
}

uint64_t arch_first_argument(const struct registers *r)
{
	(void)r;
	return UINT64_MAX;
}

#endif

void arch_registers_asleep(struct registers *r, uint64_t sp, uint64_t pc)
{
	*r = (struct registers){ .sp = sp, .pc = pc };
#if defined(__x86_64__)
	put(r, UNW_X86_64_RSP, sp);
	put(r, UNW_X86_64_RIP, pc);
#elif defined(__i386__)
	put(r, UNW_X86_ESP, sp);
	put(r, UNW_X86_EIP, pc);
#elif defined(__aarch64__)
	put(r, UNW_AARCH64_SP, sp);
	put(r, UNW_AARCH64_PC, pc);
#endif
}
