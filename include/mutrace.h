/* SPDX-License-Identifier: MIT-0 */
/*
 * Marks in a program for mutrace(1). Copy this file into your sources; nothing has to be linked. A mark
 * costs a load and a branch while the program is not profiled, and its arguments are not evaluated then.
 *
 *   MUTRACE_NAME(lock, "name")   reports call this lock so. lock: its address, of a mutex, rwlock,
 *                                condition, semaphore or any other lock that mutrace sees. Locks of one
 *                                name are one row.
 *   MUTRACE_PHASE("name")        from here on the process is in this phase, until the next mark. Phases
 *                                do not nest; "a/b" is a name like any other. A name that comes again is
 *                                the same phase.
 *   MUTRACE_PHASE_END()          the process is in no phase from here on
 *   MUTRACE_ACTIVE()             true while the program is profiled: for names that are made up first
 *
 * Names are copied: 119 bytes of a lock's, 47 of a phase's. Any thread may call these, but no signal
 * handler. A lock may be named before or after it is initialised, and the name ends with the lock. Define
 * MUTRACE_NO_MARKS to leave nothing at all of them in the program.
 *
 * How it is found: a note (owner "mutrace", type 1) in each object tells where its two pointers to
 * functions are. The loader fills them in where libmutrace.so is preloaded, and mutrace does where it is
 * not asked or comes later.
 */
#ifndef MUTRACE_H
#define MUTRACE_H

#if defined(__ELF__) && defined(__linux__) && defined(__GNUC__) && !defined(MUTRACE_NO_MARKS)

#ifdef __cplusplus
extern "C" {
#endif

void mutrace_name(const volatile void *lock, const char *name) __attribute__((weak));
void mutrace_phase(const char *name) __attribute__((weak));

struct mutrace_hooks_1 {
	void (*name)(const volatile void *, const char *);
	void (*phase)(const char *);
};

/* One for each program and library: copies of this file in several sources have it in common. */
extern struct mutrace_hooks_1 mutrace_hooks_1 __attribute__((weak, visibility("hidden")));
struct mutrace_hooks_1 mutrace_hooks_1
	__attribute__((weak, used, visibility("hidden"))) = { mutrace_name, mutrace_phase };

#ifdef __cplusplus
}
#endif

__asm__(".pushsection .note.mutrace,\"a\",%note\n\t"
	".balign 4\n\t"
	".long 8, 4, 1\n\t"
	".asciz \"mutrace\"\n\t"
	".long mutrace_hooks_1 - .\n\t"
	".popsection");

#define MUTRACE_ACTIVE() (__atomic_load_n(&mutrace_hooks_1.phase, __ATOMIC_ACQUIRE) != 0)
#define MUTRACE_NAME(lock, text) \
	do { \
		void (*mutrace_hook_)(const volatile void *, const char *) = \
			__atomic_load_n(&mutrace_hooks_1.name, __ATOMIC_ACQUIRE); \
		if (mutrace_hook_) \
			mutrace_hook_((lock), (text)); \
	} while (0)
#define MUTRACE_PHASE(text) \
	do { \
		void (*mutrace_hook_)(const char *) = \
			__atomic_load_n(&mutrace_hooks_1.phase, __ATOMIC_ACQUIRE); \
		if (mutrace_hook_) \
			mutrace_hook_(text); \
	} while (0)

#else

#define MUTRACE_ACTIVE() 0
#define MUTRACE_NAME(lock, text) ((void)0)
#define MUTRACE_PHASE(text) ((void)0)

#endif

#define MUTRACE_PHASE_END() MUTRACE_PHASE("")

#endif
