/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See safe.h. */
#include "src/attach/safe.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>

#include "src/arch/inject.h"
#include "src/attach/names.h"

#define ROOM 65536u      /* of stack that the loader and we may use */
#define ENTRY_BYTES 128u /* of the program's first function */
#define WORDS 8192u      /* of a stack that cannot be followed */

/* Functions of the C library, under any name that it exports, that hold locks while they wait. */
static const char *const holders[] = {
	"malloc",
	"free",
	"calloc",
	"realloc",
	"reallocarray",
	"memalign",
	"aligned_alloc",
	"valloc",
	"pvalloc",
	"posix_memalign",
	"malloc_trim",
	"mallinfo",
	"mallinfo2",
	"malloc_info",
	"malloc_stats",
	"mallopt",
	"fork",
	"vfork",
	"_Fork",
	"daemon",
	"system",
	"popen",
	"posix_spawn",
	"posix_spawnp",
	"dlopen",
	"dlmopen",
	"dlclose",
	"dlsym",
	"dlvsym",
	"dladdr",
	"dladdr1",
	"dlinfo",
	"dlerror",
	"dl_iterate_phdr",
	"pthread_create",
	"pthread_exit",
	"exit",
	"quick_exit",
	"__cxa_finalize",
	"pthread_atfork",
	"__register_atfork",
	"__libc_freeres",
};

/* An allocator's in the program itself. */
static const char *const allocators[] = { "malloc",   "free",          "calloc",         "realloc",
					  "memalign", "aligned_alloc", "posix_memalign", "_Znwm",
					  "_Znam",    "_ZdlPv",        "_ZdlPvm",        "_ZdaPv" };

static void forbid(struct safe *s, uint64_t from, uint64_t size)
{
	if (s->n == SAFE_RANGES || from == 0)
		return;
	s->forbidden[s->n].from = from;
	s->forbidden[s->n++].to = from + size;
}

static void forbid_functions(struct safe *s, const struct module *m, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t size = 0, at = names_find(s->t, m, names[i], &size);

		forbid(s, at, size ? size : 64);
	}
}

int safe_open(struct safe *s, struct target *t)
{
	const struct module *program;

	*s = (struct safe){ .t = t };
	s->entry = names_auxiliary(t, AT_ENTRY);
	s->random = names_auxiliary(t, AT_RANDOM);
	s->loader = target_module(t, names_auxiliary(t, AT_BASE));
	s->libc = names_module(t, "libc");
	program = target_module(t, s->entry);
	if (!s->loader || !s->libc || !program)
		return -ENOENT;
	s->debug = names_dynamic(t, program, DT_DEBUG);
	forbid(s, s->loader->start, s->loader->end - s->loader->start);
	forbid_functions(s, s->libc, holders, sizeof(holders) / sizeof(holders[0]));
	forbid_functions(s, program, allocators, sizeof(allocators) / sizeof(allocators[0]));
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct module *m = target_module(t, t->modules[i].start);

		if (m && m != s->loader && m != s->libc && m != program && !names_is_ours(m) &&
		    names_find(t, m, "malloc", NULL))
			forbid(s, m->start, m->end - m->start);
	}
	return unwinder_new(t, &s->unwinder);
}

void safe_close(struct safe *s)
{
	if (s->unwinder)
		unwinder_free(s->unwinder);
	s->unwinder = NULL;
}

bool safe_looks(const struct target_thread *thread)
{
	switch (thread->call.number) {
	case SYS_execve:
	case SYS_execveat:
	case SYS_clone:
#ifdef SYS_clone3
	case SYS_clone3:
#endif
#ifdef SYS_vfork
	case SYS_vfork:
#endif
	case SYS_exit:
	case SYS_exit_group:
	case SYS_rt_sigreturn: return false;
#ifdef SYS_io_uring_enter
	case SYS_io_uring_enter: /* a stop makes one that submits something return before what it waits for */
		if (thread->call.arguments[1] != 0)
			return false;
		break;
#endif
	default: break;
	}
	return thread->state == 'S' || thread->state == 'R';
}

static bool is_forbidden(const struct safe *s, uint64_t at)
{
	for (size_t i = 0; i < s->n; i++)
		if (at >= s->forbidden[i].from && at < s->forbidden[i].to)
			return true;
	return false;
}

/* True if it is on a thread's own stack, with room below. */
static bool has_room(const struct safe *s, pid_t tid, const struct thread_registers *registers, uint64_t sp)
{
	const struct mapping *m = target_mapping(s->t, sp);
	uint64_t top = tid == s->t->pid ? s->random : arch_inject_thread_pointer(tid, registers);

	return m && m->writable && sp < top && top < m->end &&
	       (tid == s->t->pid ? sp > ROOM : sp - m->start > ROOM);
}

/* For a stack that the unwinder could not follow to its end: no word of the rest may be a return into what is forbidden. */
static bool rest_is_free(const struct safe *s, uint64_t sp)
{
	const struct mapping *m = target_mapping(s->t, sp);
	uint64_t word;

	for (unsigned int i = 0; m && i < WORDS && sp + 8 <= m->end; i++, sp += 8)
		if (target_word(s->t, sp, &word) < 0 || is_forbidden(s, word & ~arch_signature))
			return false;
	return true;
}

bool safe_executed(const struct safe *s)
{
	return names_auxiliary(s->t, AT_RANDOM) != s->random || names_auxiliary(s->t, AT_ENTRY) != s->entry;
}

/* True if no thread is loading or unloading objects now. */
static bool loader_rests(struct safe *s)
{
	struct r_debug d;

	return s->debug && target_read(s->t, s->debug, &d, sizeof(d)) == 0 && d.r_map &&
	       d.r_state == RT_CONSISTENT;
}

bool safe_is(struct safe *s, const struct target_thread *thread, const struct thread_registers *registers)
{
	const struct module *own;
	struct registers r;
	struct unwound w = { .n = 0 };
	uint64_t last;

	target_forget(s->t);
	arch_registers(&r, registers);
	own = target_module(s->t, r.pc);
	if (!loader_rests(s) || !has_room(s, thread->tid, registers, r.sp) || (own && names_is_ours(own)))
		return false;
	/* A thread that runs may be in the middle of anything in there. */
	if (!thread->asleep && (!own || own == s->libc))
		return false;
	unwinder_walk(s->unwinder, &r, NULL, &w);
	if (w.n == 0 || is_forbidden(s, r.pc))
		return false;
	for (size_t i = 0; i < w.n; i++)
		if (is_forbidden(s, w.pc[i]) || is_forbidden(s, w.pc[i] - 1))
			return false;
	last = w.pc[w.n - 1];
	if (!w.incomplete && w.n < UNWIND_MAX &&
	    (target_module(s->t, last) == s->libc || last - s->entry < ENTRY_BYTES))
		return true;
	return rest_is_free(s, w.sp[w.n - 1]);
}
