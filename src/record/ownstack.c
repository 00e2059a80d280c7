/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The recorder's own stack, see ownstack.h. Runs in the profiled process; takes no lock. */
#include "src/record/ownstack.h"

#include "src/arch/stack.h"
#include "src/arch/valgrind.h"
#include "src/record/raw.h"

/* OWNSTACK_BYTES: room for libunwind, for what the loader saves when it binds one of libunwind's functions,
 * and for a handler of SIGSEGV or SIGTRAP, whose frame takes up to 12 KB. Only what is used becomes memory.
 */
#define OWNSTACK_GUARD (64u * 1024) /* no page is larger */

_Static_assert(OWNSTACK_BYTES > ARCH_STACK_BYTES, "room for a stack");

/* Not wiped and not released on fork: the child is not on it, and may use it. */
static char *stack;

void *ownstack_end(void)
{
	if (stack == NULL) {
		char *p =
			raw_mmap(OWNSTACK_GUARD + OWNSTACK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

		if (!raw_mapped(p))
			return NULL;
		if (raw_mprotect(p + OWNSTACK_GUARD, OWNSTACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
			raw_munmap(p, OWNSTACK_GUARD + OWNSTACK_BYTES);
			return NULL;
		}
		valgrind_ignore(p + OWNSTACK_GUARD, OWNSTACK_BYTES);
		stack = p + OWNSTACK_GUARD;
	}
	return stack + OWNSTACK_BYTES;
}

void ownstack_alternate_look(stack_t *ret)
{
	if (raw_sigaltstack(NULL, ret) != 0)
		ret->ss_flags = SS_DISABLE;
}

void ownstack_alternate_away(const stack_t *alternate)
{
	const stack_t none = { .ss_flags = SS_DISABLE };

	if (alternate->ss_flags & SS_ONSTACK)
		raw_sigaltstack(&none, NULL);
}

void ownstack_alternate_back(const stack_t *alternate)
{
	stack_t same = *alternate;

	if (!(alternate->ss_flags & SS_ONSTACK))
		return;
	same.ss_flags &= ~SS_ONSTACK;
	raw_sigaltstack(&same, NULL);
}
