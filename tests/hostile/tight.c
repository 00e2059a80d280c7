/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks taken where little stack is left, or where it ends oddly: in handlers on alternate stacks, in
 * coroutines of the C library and such as programs make by hand, in threads with a small default stack, deep
 * in others. A page without access lies at either end of each stack. Prints how often the lock was taken, for
 * tight.sh to compare.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <threads.h>
#include <ucontext.h>

#include "tests/workloads/handshake.h"

#define PAGE 4096
/* Bytes of stack that this file's lock calls need by themselves, and may take more under a profiler. No
 * function is bound at its first call. */
#define NEED 512
#define MORE 1024

static pthread_mutex_t
	fresh_locks[1024]; /* zeros make a mutex; each has its stack captured at its first use */
static sem_t tight_sem;
static long taken, posted;

static __attribute__((noinline)) void use(void)
{
	pthread_mutex_t *m = &fresh_locks[taken++];

	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
	sem_post(&tight_sem);
	posted++;
}

/* The upper end of fresh memory of some bytes, between two pages that cannot be touched. */
static char *stack_end(size_t bytes)
{
	size_t pages = (bytes + PAGE - 1) / PAGE;
	char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + PAGE, pages * PAGE, PROT_READ | PROT_WRITE) != 0)
		exit(99);
	return p + (pages + 1) * PAGE;
}

/* ---- handlers ---- */

static size_t handler_frame; /* first where it lies, then how far below the end */

static void on_signal(int number)
{
	(void)number;
	handler_frame = (size_t)__builtin_frame_address(0);
	use();
}

static void raise_on(size_t size, int flags)
{
	char *end = stack_end(size);

	if (sigaltstack(&(stack_t){ .ss_sp = end - size, .ss_size = size, .ss_flags = flags }, NULL) != 0)
		exit(99);
	raise(SIGUSR1);
	handler_frame = (size_t)end - handler_frame;
}

static void alternate(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	sigaction(SIGUSR1, &sa, NULL);
	raise_on(65536, flags); /* to see what the signal's frame takes */
	for (size_t more = NEED + MORE, size = handler_frame; more < 16384; more += 1024)
		raise_on(size + more, flags);
}

/* ---- coroutines ---- */

static ucontext_t caller, coroutine;

static void library_coroutines(void)
{
	for (size_t bytes = 4096; bytes <= 8192; bytes += 1024) {
		getcontext(&coroutine);
		coroutine.uc_stack.ss_sp = stack_end(bytes) - bytes;
		coroutine.uc_stack.ss_size = bytes;
		coroutine.uc_link = &caller;
		makecontext(&coroutine, use, 0);
		swapcontext(&caller, &coroutine);
	}
}

#ifdef __x86_64__
/*
 * A coroutine made by hand. The function is jumped to: what would be its return address lies behind the end
 * of its stack, and it must not return.
 */
static void *hand_caller, *hand_other;

/* Stores the place on the present stack in *from and goes to the one in `to`. */
void hand_switch(void **from, void *to);
__asm__(".text\n"
	".type hand_switch, @function\n"
	"hand_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	ret\n"
	".size hand_switch, . - hand_switch\n");

static void hand_main(void)
{
	for (;;) {
		use();
		hand_switch(&hand_other, hand_caller);
	}
}

/* gap: bytes above the function's frame; garbage: what the registers and the gap hold. */
static void hand_coroutine(size_t bytes, size_t gap, uintptr_t garbage)
{
	uintptr_t *top = (uintptr_t *)(stack_end(bytes) - gap);

	for (size_t i = 0; i < gap / sizeof(*top); i++)
		top[i] = garbage;
	*--top = (uintptr_t)hand_main;
	for (int i = 0; i < 6; i++)
		*--top = garbage;
	hand_other = top;
	for (int i = 0; i < 2; i++)
		hand_switch(&hand_caller, hand_other);
}
#else
static void hand_coroutine(size_t bytes, size_t gap, uintptr_t garbage)
{
	(void)bytes, (void)gap, (void)garbage;
	use();
	use();
}
#endif

static void hand_coroutines(void)
{
	static const uintptr_t garbage[] = { 0, 1, 8, (uintptr_t)-1, (uintptr_t)-8, UINTPTR_MAX / 3 };

	for (size_t bytes = 4096; bytes <= 8192; bytes += 1024)
		for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
			for (size_t gap = 0; gap <= 32; gap += 8) {
				hand_coroutine(bytes, gap, garbage[i]);
				hand_coroutine(bytes, gap, (uintptr_t)use);
				hand_coroutine(bytes, gap, (uintptr_t)stack_end(1));
			}
}

/* ---- code without unwind tables ---- */

#if defined(__x86_64__) || defined(__i386__)
/* Calls the function with the frame pointer as given; no table says how to leave it. */
void without_tables(void (*function)(void), const uintptr_t *frame_pointer);
__asm__(".text\n"
	".type without_tables, @function\n"
	"without_tables:\n"
#ifdef __x86_64__
	"	pushq %rbp\n	movq %rsi, %rbp\n	call *%rdi\n	popq %rbp\n"
#else
	"	pushl %ebp\n	movl 12(%esp), %ebp\n	call *8(%esp)\n	popl %ebp\n"
#endif
	"	ret\n"
	".size without_tables, . - without_tables\n");
#else
static void without_tables(void (*function)(void), const uintptr_t *frame_pointer)
{
	(void)frame_pointer;
	function();
}
#endif

/* An unwinder that guesses takes what the frame pointer points to for a frame and a return address. */
static void frameless(void)
{
	char *end = stack_end(PAGE);
	const uintptr_t wild[] = {
		1, 4096, UINTPTR_MAX, UINTPTR_MAX - 8, UINTPTR_MAX / 3, (uintptr_t)end, (uintptr_t)end - 1
	};

	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++)
		for (size_t k = 0; k < sizeof(wild) / sizeof(wild[0]); k++) {
			const uintptr_t frame[] = { wild[k], wild[i], wild[i] };

			without_tables(use, frame);
			without_tables(use, (const uintptr_t *)wild[i]);
		}
}

/* ---- a frame whose size changes ---- */

static size_t amount;

static __attribute__((noinline)) void varying(void)
{
	volatile char *p = alloca(amount);

	*p = 0;
	use();
}

/* Large on the thread's stack, then small where there is nothing so far above. */
static void varying_frames(void)
{
	amount = 3000;
	varying();
	amount = 16;
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack_end(8192) - 8192;
	coroutine.uc_stack.ss_size = 8192;
	coroutine.uc_link = &caller;
	makecontext(&coroutine, varying, 0);
	swapcontext(&caller, &coroutine);
}

/* ---- threads ---- */

static void *thread_main(void *data)
{
	use();
	return data;
}

static int thread_main_c11(void *data)
{
	(void)data;
	use();
	return 0;
}

static void run(const pthread_attr_t *a, void *(*function)(void *))
{
	pthread_t t;

	if (pthread_create(&t, a, function, NULL) != 0)
		exit(99);
	pthread_join(t, NULL);
}

static void small_threads(void)
{
	size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN);
	pthread_attr_t a;
	thrd_t t;

	for (size_t more = 0; more <= 16384; more += 4096) {
		pthread_attr_init(&a);
		pthread_attr_setstacksize(&a, least + more);
		run(&a, thread_main);
		if (pthread_setattr_default_np(&a) != 0)
			exit(99);
		run(NULL, thread_main);
		if (thrd_create(&t, thread_main_c11, NULL) != thrd_success)
			exit(99);
		thrd_join(t, NULL);
		/* a handler may run before the thread's first step, and late */
		pthread_attr_setstack(&a, stack_end(least + more) - least - more, least + more);
		run(&a, thread_main);
	}
}

/* Deep in a thread: goes down until little is left. */
static char *thread_low;
static size_t left;

static __attribute__((noinline)) void descend(void)
{
	volatile char here[64];

	here[0] = 0;
	if ((size_t)((char *)__builtin_frame_address(0) - thread_low) > left)
		descend();
	else
		use();
	here[1] = here[0];
}

static void *deep_main(void *data)
{
	pthread_attr_t a;
	void *p;
	size_t size;

	pthread_getattr_np(pthread_self(), &a);
	pthread_attr_getstack(&a, &p, &size);
	pthread_attr_destroy(&a);
	thread_low = p;
	descend();
	return data;
}

static void deep_threads(void)
{
	static const size_t sizes[] = { 65536, 262144, 1048576 };
	pthread_attr_t a;

	pthread_attr_init(&a);
	for (left = 2048; left <= 8192; left += 1024) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			pthread_attr_setstacksize(&a, sizes[i]);
			run(&a, deep_main);
		}
		pthread_attr_setstacksize(&a, 8 << 20);
		pthread_setattr_default_np(&a);
		run(NULL, deep_main);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	sem_init(&tight_sem, 0, 0);
	if (strcmp(what, "alternate") == 0)
		alternate(0);
	else if (strcmp(what, "disarmed") == 0)
		alternate((int)(1u << 31)); /* SS_AUTODISARM */
	else if (strcmp(what, "coroutines") == 0)
		library_coroutines();
	else if (strcmp(what, "hand") == 0)
		hand_coroutines();
	else if (strcmp(what, "frameless") == 0)
		frameless();
	else if (strcmp(what, "varying") == 0)
		varying_frames();
	else if (strcmp(what, "small") == 0)
		small_threads();
	else if (strcmp(what, "deep") == 0)
		deep_threads();
	else
		return 2;
	printf("taken %ld\nposted %ld\n", taken, posted);
	return 0;
}
