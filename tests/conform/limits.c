/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs in narrow places: at their limits of memory, file size, descriptors, in a sandbox, without
 * privileges, in another root. Where the profiler cannot go on it must stop recording and nothing else.
 */
#include "conform.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void contender(struct worker *w)
{
	worker_mark(w);
	pthread_mutex_lock(w->object);
	pthread_mutex_unlock(w->object);
}

/* Everything once, and so many locks and call sites that tables must grow. */
static void work(void)
{
	static pthread_mutex_t many[3000];
	struct timespec past = { .tv_sec = 1 };
	struct worker w;
	int bad = 0;
	pid_t pid;

	TRY(pthread_mutex_lock(&mutex));
	worker_start(&w, contender, &mutex, 0);
	worker_asleep(&w, 1);
	TRY(pthread_mutex_unlock(&mutex));
	worker_join(&w);
	for (int i = 0; i < 3000; i++)
		bad += pthread_mutex_lock(&many[i]) != 0;
	for (int i = 0; i < 3000; i++)
		bad += pthread_mutex_unlock(&many[i]) != 0;
	VALUE(bad);
	TRY(pthread_mutex_lock(&mutex));
	TRY(pthread_cond_timedwait(&cond, &mutex, &past));
	TRY(pthread_mutex_unlock(&mutex));
	pid = fork();
	if (pid == 0) {
		bad = 0;
		for (int i = 0; i < 3000; i++)
			bad += pthread_mutex_lock(&many[i]) != 0;
		_exit(bad != 0);
	}
	say_child("child", pid);
}

static void inner(long arg)
{
	(void)arg;
	work();
	printf("written\n");
}

static void limit(__rlimit_resource_t which, rlim_t value)
{
	struct rlimit l = { .rlim_cur = value, .rlim_max = value };

	TRYE(setrlimit(which, &l));
}

static const struct {
	const char *name;
	__rlimit_resource_t which;
	rlim_t value;
} limits[] = {
	{ "address-space-60M", RLIMIT_AS, 60 << 20 },   { "address-space-90M", RLIMIT_AS, 90 << 20 },
	{ "address-space-200M", RLIMIT_AS, 200 << 20 }, { "address-space-400M", RLIMIT_AS, 400 << 20 },
	{ "data-12M", RLIMIT_DATA, 12 << 20 },          { "file-size-0", RLIMIT_FSIZE, 0 },
	{ "file-size-8k", RLIMIT_FSIZE, 8192 },         { "file-size-100k", RLIMIT_FSIZE, 100 << 10 },
	{ "file-size-1M", RLIMIT_FSIZE, 1 << 20 },      { "descriptors-4", RLIMIT_NOFILE, 4 },
	{ "stack-256k", RLIMIT_STACK, 256 << 10 },      { "locked-memory-0", RLIMIT_MEMLOCK, 0 },
};

/* Executed with the limit set, or set when it has begun. The results are written where the limits do not
 * reach. */
static void limited(long arg)
{
	int fd[2];
	pid_t pid;

	if (pipe(fd) != 0)
		case_unable("pipe");
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], RESULT_FD);
		close(fd[0]);
		close(fd[1]);
		if (arg % 2)
			work();
		limit(limits[arg / 2].which, limits[arg / 2].value);
		if (arg % 2) {
			work();
			_exit(0);
		}
		dup2(RESULT_FD, 1);
		execl(own_path(), own_path(), "-C", "limits/inner", (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	say_lines("limited", fd[0]);
	say_child("limited", pid);
}

static void idle(struct worker *w)
{
	worker_mark(w);
}

/* Little address space, from now on: what the program has use for is there, to what it maps first and
 * last. */
static void lowered(long arg)
{
	__rlimit_resource_t which = arg % 2 ? RLIMIT_DATA : RLIMIT_AS;
	struct worker w;

	TRY(pthread_mutex_lock(&mutex));
	TRY(pthread_mutex_unlock(&mutex));
	limit(which, (rlim_t)(arg / 2) << 20);
	worker_start(&w, idle, NULL, 0);
	worker_join(&w);
	VALUE(mmap(NULL, (size_t)(arg / 2 - 16) << 20, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED);
	TRY(pthread_mutex_lock(&mutex));
	TRY(pthread_mutex_unlock(&mutex));
}

static const struct {
	const char *name;
	int flags;
} lockings[] = {
	{ "current", MCL_CURRENT },
	{ "future", MCL_FUTURE },
	{ "both", MCL_CURRENT | MCL_FUTURE },
	{ "on-fault", MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT },
};

/* A user's program locks itself into memory, within the usual limit of 8 MB; what it needs then is locked,
 * too. */
static void locked_by_user(long arg)
{
	char *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	limit(RLIMIT_MEMLOCK, 8 << 20);
	TRYE(setgid(65534));
	TRYE(setuid(65534));
	TRY(pthread_mutex_lock(&mutex));
	TRY(pthread_mutex_unlock(&mutex));
	TRYE(mlock2(page, 65536, MLOCK_ONFAULT));
	TRYE(mlockall(lockings[arg].flags));
	for (int i = 0; i < 1000; i++) {
		static pthread_mutex_t many[1000];

		pthread_mutex_lock(&many[i]);
		pthread_mutex_unlock(&many[i]);
	}
	VALUE(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	TRYE(munlockall());
	work();
}

static void all_locked(long arg)
{
	(void)arg;
	limit(RLIMIT_MEMLOCK, 64 << 10);
	TRYE(setgid(65534));
	TRYE(setuid(65534));
	work();
	TRYE(mlockall(MCL_FUTURE));
	for (int i = 0; i < 10; i++) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
	say("done");
}

/*
 * Any system call but exit kills: a warm uncontended lock makes none. (Not SECCOMP_MODE_STRICT, which also
 * forbids reading the time stamp counter: there a program cannot be measured.)
 */
static void strict_sandbox(long arg)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };
	pid_t pid;

	(void)arg;
	pid = fork();
	if (pid == 0) {
		int bad = 0;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		for (int i = 0; i < 1000; i++) {
			bad += pthread_mutex_lock(&mutex) != 0;
			bad += pthread_mutex_unlock(&mutex) != 0;
			if (i == 500 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
				bad = 99;
		}
		syscall(SYS_exit, bad);
	}
	say_child("child", pid);
}

/* A usual sandbox: no new files, no new processes; the calls fail with EPERM. */
static void sandbox(long threads)
{
#define DENY(number) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		DENY(SYS_openat),
		DENY(SYS_ftruncate),
		DENY(SYS_fallocate),
		DENY(SYS_socket),
		DENY(SYS_pipe2),
		DENY(SYS_kill),
		DENY(SYS_mincore),
		DENY(SYS_madvise),
		DENY(SYS_sched_getscheduler),
		DENY(SYS_memfd_create),
		DENY(SYS_unlinkat),
		DENY(SYS_getdents64),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };
	pthread_mutex_t many[200];
	int bad = 0;

	if (threads) {
		TRY(pthread_mutex_lock(&mutex));
		TRY(pthread_mutex_unlock(&mutex));
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		case_unable("seccomp");
	for (int i = 0; i < 200; i++) {
		pthread_mutex_init(&many[i], NULL);
		bad += pthread_mutex_lock(&many[i]) != 0;
	}
	VALUE(bad);
	if (threads) {
		struct worker w = { .object = &mutex };
		pthread_t t[4];

		for (int i = 0; i < 4; i++)
			bad += pthread_create(&t[i], NULL, (void *(*)(void *))(uintptr_t)contender, &w) != 0;
		for (int i = 0; i < 4; i++)
			bad += pthread_join(t[i], NULL) != 0;
		VALUE(bad);
	}
	TRY(pthread_mutex_trylock(&many[0]));
}

/* Gives up its privileges or its root directory, then forks, executes and goes on. */
static void moved(long how)
{
	work();
	switch (how) {
	case 0:
		TRYE(setgid(65534));
		TRYE(setuid(65534));
		break;
	case 1:
		TRYE(mkdir("root", 0755));
		TRYE(chroot("root"));
		TRYE(chdir("/"));
		break;
	case 2:
		TRYE(mkdir("gone", 0755));
		TRYE(chdir("gone"));
		TRYE(rmdir("../gone"));
		break;
	case 3: umask(0777); break;
	default: TRYE(prctl(PR_SET_DUMPABLE, 0)); break;
	}
	work();
	if (how == 0 || how == 3)
		VALUE(WEXITSTATUS(system("exit 5")));
}

void family_limits(void)
{
	static const char *const moves[] = { "setuid", "chroot", "no_directory", "umask", "not_dumpable" };

	CASE("limits", inner);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		case_add(limited, (long)i * 2, "limits/executed/%s", limits[i].name);
		case_add(limited, (long)i * 2 + 1, "limits/set/%s", limits[i].name);
	}
	for (long mb = 50; mb <= 800; mb *= 4) {
		case_add(lowered, mb * 2, "limits/lowered/address-space-%ldM", mb);
		case_add(lowered, mb * 2 + 1, "limits/lowered/data-%ldM", mb);
	}
	for (long i = 0; i < (long)(sizeof(lockings) / sizeof(lockings[0])); i++)
		case_add(locked_by_user, i, "limits/locked_by_user/%s", lockings[i].name);
	CASE("limits", all_locked);
	CASE("limits", strict_sandbox);
	case_add(sandbox, 0, "limits/sandbox/cold");
	case_add(sandbox, 1, "limits/sandbox/warm");
	for (long i = 0; i < 5; i++)
		case_add(moved, i, "limits/moved/%s", moves[i]);
}
