/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Calls a function on another stack, see stack.h. Runs in the profiled process; takes no lock. */
#include "src/arch/stack.h"

#include "src/arch/arch.h"

#ifdef ARCH_CALL_ON

__asm__(".text\n"
	".globl arch_call_on\n"
	".hidden arch_call_on\n"
	".type arch_call_on, %function\n"
	"arch_call_on:\n"
	".cfi_startproc\n" ARCH_CALL_ON ".cfi_endproc\n"
	".size arch_call_on, . - arch_call_on\n");

#else

#include <ucontext.h>

/* The contexts lie at the end of the other stack, as each is larger than a thread may have room for.
 */
struct travel {
	ucontext_t here, there;
	void (*work)(void *);
	void *data;
};

static void arrive(unsigned int high, unsigned int low)
{
	struct travel *t = (struct travel *)(uintptr_t)((uint64_t)high << 32 | low);

	t->work(t->data);
}

void arch_call_on(void *end, void (*work)(void *), void *data)
{
	struct travel *t = (struct travel *)(((uintptr_t)end - sizeof(*t)) & ~(uintptr_t)63);
	uint64_t address = (uintptr_t)t;

	t->work = work;
	t->data = data;
	if (getcontext(&t->there) != 0)
		return;
	t->there.uc_stack.ss_sp = (char *)t - ARCH_STACK_BYTES;
	t->there.uc_stack.ss_size = ARCH_STACK_BYTES;
	t->there.uc_link = &t->here;
	makecontext(&t->there, (void (*)(void))arrive, 2, (unsigned int)(address >> 32),
		    (unsigned int)address);
	swapcontext(&t->here, &t->there);
}

#endif
