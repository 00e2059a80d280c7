/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See filter.h. Jumps of such a program lead forward only, so all ways end. */
#include "src/inspect/filter.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "src/arch/inject.h"

#define STEPS_MAX 200000u /* of one call in one filter; with more it counts as forbidden */

/* A call, with the arguments that filters look at. */
struct needed {
	const char *name;
	long number;
	uint32_t given; /* a bit for each argument whose value is known here */
	uint32_t value[4];
	bool must; /* else it may fail, but not be the process's end */
};

/* clang-format off */
#define MUST(name) { #name, SYS_##name, 0, { 0 }, true }
#define MAY(name) { #name, SYS_##name, 0, { 0 }, false }
#define MUST_MAP(name, protection) { #name, SYS_##name, 1u << 2, { [2] = (protection) }, true }
#define MUST_OPEN(flags, mode) \
	{ "openat", SYS_openat, 3u << 2, { [2] = (flags) | O_CLOEXEC, [3] = (mode) }, true }

/* Of the loader, the recorder, libunwind, and the code that calls return to. */
static const struct needed calls[] = {
	MUST(restart_syscall), MUST(rt_sigreturn), MUST(tgkill),
	MUST(brk), MUST(close), MUST(fallocate), MUST(flock), MUST(fstat), MUST(ftruncate), MUST(futex),
	MUST(geteuid), MUST(getpid), MUST(gettid), MUST(getuid), MUST(madvise), MUST(mremap), MUST(munmap),
	MUST(nanosleep), MUST(pread64), MUST(prlimit64), MUST(read), MUST(readlinkat), MUST(rt_sigprocmask),
	MUST(write),
	MUST_OPEN(O_RDONLY, 0),
	MUST_OPEN(O_RDWR | O_NOFOLLOW, 0),
	MUST_OPEN(O_RDWR | O_NOFOLLOW | O_CREAT | O_EXCL, 0600),
	MUST_MAP(mmap, PROT_NONE),
	MUST_MAP(mmap, PROT_READ),
	MUST_MAP(mmap, PROT_READ | PROT_WRITE),
	MUST_MAP(mmap, PROT_READ | PROT_EXEC),
	MUST_MAP(mprotect, PROT_NONE),
	MUST_MAP(mprotect, PROT_READ),
	MUST_MAP(mprotect, PROT_READ | PROT_WRITE),
	MAY(clock_gettime), MAY(faccessat), MAY(fchmod), MAY(fcntl), MAY(getcwd), MAY(getdents64), MAY(getppid), MAY(getrandom),
	MAY(getrusage), MAY(kill), MAY(lseek), MAY(memfd_create), MAY(prctl), MAY(process_vm_readv),
	MAY(sched_getaffinity), MAY(sched_getparam), MAY(sched_getscheduler), MAY(sched_yield),
	MAY(sigaltstack), MAY(statx), MAY(unlinkat),
#ifdef SYS_newfstatat
	MUST(newfstatat),
#endif
#ifdef SYS_open
	MAY(access), MAY(open), MAY(readlink), MAY(unlink),
#endif
};
/* clang-format on */

/* A value that a filter works with. */
struct value {
	bool known;
	uint32_t is;
};

struct walk {
	const struct sock_filter *code;
	size_t n;
	uint32_t steps;
	const struct needed *call;
};

struct state {
	size_t at;
	struct value a, x, memory[BPF_MEMWORDS];
};

static const struct value unknown = { false, 0 };

static struct value known(uint32_t is)
{
	return (struct value){ true, is };
}

/* A word of struct seccomp_data. */
static struct value data(const struct needed *c, uint32_t offset)
{
	const uint32_t argument = (offset - (uint32_t)offsetof(struct seccomp_data, args)) / 8;
	const bool high = (offset % 8 == 0) == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);

	if (offset == offsetof(struct seccomp_data, nr))
		return known((uint32_t)c->number);
	if (offset == offsetof(struct seccomp_data, arch))
		return known(arch_inject_audit);
	if (argument >= sizeof(c->value) / sizeof(c->value[0]) || !(c->given >> argument & 1))
		return unknown;
	return known(high ? 0 : c->value[argument]);
}

static struct value compute(uint16_t code, struct value a, struct value b)
{
	if (!a.known || !b.known)
		return unknown;
	switch (BPF_OP(code)) {
	case BPF_ADD: return known(a.is + b.is);
	case BPF_SUB: return known(a.is - b.is);
	case BPF_MUL: return known(a.is * b.is);
	case BPF_OR: return known(a.is | b.is);
	case BPF_AND: return known(a.is & b.is);
	case BPF_XOR: return known(a.is ^ b.is);
	case BPF_LSH: return b.is < 32 ? known(a.is << b.is) : unknown;
	case BPF_RSH: return b.is < 32 ? known(a.is >> b.is) : unknown;
	case BPF_NEG: return known(-a.is);
	default: return unknown;
	}
}

static bool holds(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ: return a == b;
	case BPF_JGT: return a > b;
	case BPF_JGE: return a >= b;
	default: return (a & b) != 0;
	}
}

static struct value loaded(const struct walk *w, const struct state *s, const struct sock_filter *i)
{
	switch (BPF_MODE(i->code)) {
	case BPF_ABS: return data(w->call, i->k);
	case BPF_MEM: return s->memory[i->k % BPF_MEMWORDS];
	case BPF_LEN: return known(sizeof(struct seccomp_data));
	default: return known(i->k);
	}
}

/* An instruction that neither jumps nor returns. */
static void step(const struct walk *w, struct state *s, const struct sock_filter *i)
{
	const struct value operand = BPF_SRC(i->code) == BPF_X ? s->x : known(i->k);

	switch (BPF_CLASS(i->code)) {
	case BPF_LD: s->a = loaded(w, s, i); break;
	case BPF_LDX: s->x = loaded(w, s, i); break;
	case BPF_ST: s->memory[i->k % BPF_MEMWORDS] = s->a; break;
	case BPF_STX: s->memory[i->k % BPF_MEMWORDS] = s->x; break;
	case BPF_ALU: s->a = compute(i->code, s->a, BPF_OP(i->code) == BPF_NEG ? known(0) : operand); break;
	default: /* BPF_MISC */
		if (BPF_MISCOP(i->code) == BPF_TAX)
			s->x = s->a;
		else
			s->a = s->x;
	}
}

static bool permits(const struct walk *w, const struct sock_filter *i)
{
	if (BPF_RVAL(i->code) != BPF_K)
		return false;
	switch (i->k & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG: return true;
	case SECCOMP_RET_ERRNO: return !w->call->must;
	default: return false;
	}
}

/* True if all ways from here end in permission. */
static bool allows(struct walk *w, struct state s)
{
	while (s.at < w->n && w->steps++ < STEPS_MAX) {
		const struct sock_filter *i = &w->code[s.at++];
		const struct value b = BPF_SRC(i->code) == BPF_X ? s.x : known(i->k);

		if (BPF_CLASS(i->code) == BPF_RET)
			return permits(w, i);
		if (BPF_CLASS(i->code) != BPF_JMP) {
			step(w, &s, i);
		} else if (BPF_OP(i->code) == BPF_JA) {
			s.at += i->k;
		} else if (s.a.known && b.known) {
			s.at += holds(i->code, s.a.is, b.is) ? i->jt : i->jf;
		} else {
			struct state other = s;

			other.at += i->jt;
			s.at += i->jf;
			if (i->jt != i->jf && !allows(w, other))
				return false;
		}
	}
	return false;
}

static bool allows_call(const struct sock_filter *code, size_t n, const struct needed *call)
{
	struct walk w = { .code = code, .n = n, .call = call };

	return allows(&w, (struct state){ .a = known(0), .x = known(0) });
}

const char *filter_forbids(const struct sock_filter *code, size_t n)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!allows_call(code, n, &calls[i]))
			return calls[i].name;
	return NULL;
}

bool filter_lets_go_on(const struct sock_filter *code, size_t n)
{
	const struct needed call = MUST(restart_syscall);

	return allows_call(code, n, &call);
}
