/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See pointers.h. The memory is copied by the kernel, which does not mind parts that cannot be read. */
#include "inject/pointers.h"

#include <sys/syscall.h>
#include <sys/uio.h>

#include "src/record/raw.h"

#define WORDS 4096u /* that are copied at a time */

/* As many bytes as can be read. */
static size_t copy(uintptr_t *to, uintptr_t from, size_t bytes)
{
	struct iovec here = { to, bytes }, there = { (void *)from, bytes };
	long pid = RAW_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0), n;

	n = RAW_CALL(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0);
	return n > 0 ? (size_t)n : 0;
}

/* The program may store something else there at the same time. */
static void replace(struct pointers *p, uintptr_t *word, uintptr_t value, uintptr_t other)
{
	if (p->count || !raw_writable((uint32_t *)word))
		p->kept++;
	else if (__atomic_compare_exchange_n(word, &value, other, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		p->found++;
}

static void look(struct pointers *p, uintptr_t *at, const uintptr_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uintptr_t other = 0;

		if (words[i] - p->low <= p->high - p->low)
			other = p->other(p->data, words[i]);
		if (other)
			replace(p, at + i, words[i], other);
	}
}

void pointers_replace(struct pointers *p, uintptr_t from, uintptr_t to)
{
	static uintptr_t words[WORDS]; /* one thread at a time looks */

	from = (from + sizeof(*words) - 1) & ~(sizeof(*words) - 1);
	to &= ~(sizeof(*words) - 1);
	while (from < to && p->budget >= sizeof(words)) {
		size_t left = to - from < sizeof(words) ? to - from : sizeof(words),
		       n = copy(words, from, left);

		p->budget -= left;
		look(p, (uintptr_t *)from, words, n / sizeof(*words));
		from += n == left ? n : (n & ~(p->page - 1)) + p->page - from % p->page;
	}
}

void pointers_replace_in(struct pointers *p, const struct dl_phdr_info *object, uintptr_t relro,
			 uintptr_t relro_end)
{
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];
		uintptr_t from = object->dlpi_addr + h->p_vaddr, to = from + h->p_memsz;

		if (h->p_type != PT_LOAD || !(h->p_flags & PF_W))
			continue;
		if (from < relro_end && relro < to)
			from = relro_end;
		pointers_replace(p, from, to);
	}
}
