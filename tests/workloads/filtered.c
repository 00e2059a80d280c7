/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Has seccomp filters. The first argument says which, the second one where: "all" threads, one "thread" that
 * reads, or one "sleeper".
 * Then "ready" is printed, threads sleep and lock, and each line on stdin is answered with "done".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_MAX 8
#define NONE UINT32_MAX /* no call has this number */
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define IF_NOT(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, skipped)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define CODE(...) { __VA_ARGS__ }, sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter)

/* An action for one call; or for one with all bits of a mask in an argument. */
#define CALL(name, number, action) \
	{ \
		name, CODE(LOAD(nr), IF_NOT(number, 1), RETURN(action), RETURN(SECCOMP_RET_ALLOW)) \
	}
#define MASKED(name, number, field, mask) \
	{ \
		name, CODE(LOAD(nr), IF_NOT(number, 4), LOAD(field), \
			   BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask), IF_NOT(mask, 1), \
			   RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)) \
	}

static const struct {
	const char *name;
	struct sock_filter code[CODE_MAX];
	unsigned short n;
} filters[] = {
	CALL("nothing", NONE, SECCOMP_RET_KILL_PROCESS),
	CALL("openat", SYS_openat, SECCOMP_RET_KILL_PROCESS),
	CALL("mmap", SYS_mmap, SECCOMP_RET_ERRNO | EPERM),
	CALL("munmap", SYS_munmap, SECCOMP_RET_TRAP),
	CALL("memfd_create", SYS_memfd_create, SECCOMP_RET_KILL_THREAD),
	CALL("getcwd", SYS_getcwd, SECCOMP_RET_KILL_PROCESS), /* for a program with a relative name */
	CALL("restart_syscall", SYS_restart_syscall, SECCOMP_RET_KILL_PROCESS),
	CALL("a failing memfd_create", SYS_memfd_create, SECCOMP_RET_ERRNO | ENOSYS),
	CALL("a logged openat", SYS_openat, SECCOMP_RET_LOG),
	MASKED("a written mprotect", SYS_mprotect, args[2], PROT_WRITE),
	MASKED("a written and executed mmap", SYS_mmap, args[2], PROT_WRITE | PROT_EXEC),
	MASKED("a set-user-ID openat", SYS_openat, args[3], S_ISUID),
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *filter;
static bool everywhere, sleeper;

static void confine(void)
{
	int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (strcmp(filter, "strict") == 0)
		r = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	for (size_t i = 0; r == 0 && i < sizeof(filters) / sizeof(filters[0]); i++)
		if (strcmp(filters[i].name, filter) == 0) {
			struct sock_fprog program = { filters[i].n, (struct sock_filter *)filters[i].code };

			r = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
		}
	if (r != 0)
		_exit(99);
}

/* Each says by the pipe that it is confined. */
static void *reads(void *pipe)
{
	const int *ends = pipe;
	char c;

	if (!sleeper)
		confine();
	if (write(ends[1], "", 1) != 1)
		_exit(99);
	for (;;)
		if (read(ends[2], &c, 1) != 1)
			_exit(99);
}

/* mutrace hang must stop the thread here: where its stack goes on, only a register tells. */
static __attribute__((noinline)) void doze(size_t size)
{
	char *room = __builtin_alloca(size);

	__asm__ volatile("" : : "r"(room) : "memory");
	usleep(1000);
}

static void *locks(void *pipe)
{
	const int *ends = pipe;

	if (everywhere || sleeper)
		confine();
	if (write(ends[1], "", 1) != 1)
		_exit(99);
	for (;;) {
		pthread_mutex_lock(&mutex);
		doze((size_t)(unsigned char)*filter);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t id;
	int ends[4];
	char c;

	if (argc != 3 || pipe(ends) || pipe(ends + 2))
		return 99;
	prctl(PR_SET_PTRACER, -1L, 0L, 0L, 0L); /* yama's scope 1 lets the test attach */
	filter = argv[1];
	everywhere = strcmp(argv[2], "all") == 0;
	sleeper = strcmp(argv[2], "sleeper") == 0;
	if (pthread_create(&id, NULL, reads, ends) || pthread_create(&id, NULL, locks, ends) ||
	    read(ends[0], &c, 1) != 1 || read(ends[0], &c, 1) != 1)
		return 99;
	if (everywhere)
		confine();
	if (write(1, "ready\n", 6) != 6)
		return 99;
	while (read(0, &c, 1) == 1)
		if (write(1, "done\n", 5) != 5)
			return 99;
	return 0;
}
