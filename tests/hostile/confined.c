/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs that give up system calls but for those that they make themselves, or the processor's clock; a
 * call too many kills. confined CASE, see the table. Prints the number of its lock calls; hurt.sh compares
 * that and the status with and without the profiler.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define LOCKS 500

static pthread_mutex_t common = PTHREAD_MUTEX_INITIALIZER, locks[LOCKS];
static long calls;

/* The system calls that a program needs: one without threads; besides them, one with threads, one that forks,
 * and one that is started confined. */
static const int alone[] = { SYS_write, SYS_exit, SYS_exit_group, SYS_futex };
static const int threads[] = {
	SYS_clone,        SYS_clone3,    SYS_rseq,   SYS_set_robust_list, SYS_rt_sigprocmask,
	SYS_rt_sigaction, SYS_mmap,      SYS_munmap, SYS_mprotect,        SYS_madvise,
	SYS_brk,          SYS_getrandom, SYS_wait4,
#ifdef SYS_mmap2
	SYS_mmap2,
#endif
};
static const int start[] = {
	SYS_execve,          SYS_read,     SYS_pread64,   SYS_close,     SYS_openat,     SYS_set_tid_address,
	SYS_readlinkat,      SYS_fstat,    SYS_prlimit64,
#ifdef SYS_newfstatat
	SYS_newfstatat,
#endif
#ifdef SYS_faccessat
	SYS_faccessat,
#endif
#ifdef SYS_access
	SYS_access,          SYS_readlink,
#endif
#ifdef SYS_fstat64
	SYS_set_thread_area, SYS_fstat64,  SYS_stat64,    SYS_fstatat64, SYS_ugetrlimit, SYS_statx,
#endif
#ifdef SYS_arch_prctl
	SYS_arch_prctl,
#endif
};

/* Some that systemd's @system-service, which many services are started with, does not have. */
static const int no_service[] = {
	SYS_bpf,    SYS_chroot,  SYS_mincore, SYS_mount, SYS_open_by_handle_at, SYS_perf_event_open,
	SYS_ptrace, SYS_seccomp, SYS_syslog,
};

static struct sock_filter rules[128];
static unsigned short rule_count;

static void rule(struct sock_filter r)
{
	rules[rule_count++] = r;
}

static void rule_for(const int *numbers, size_t n, unsigned int action)
{
	for (size_t i = 0; i < n; i++) {
		rule((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)numbers[i], 0, 1));
		rule((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
	}
}

static void allow(const int *numbers, size_t n)
{
	rule_for(numbers, n, SECCOMP_RET_ALLOW);
}

enum needs { ALONE, WITH_THREADS, STARTED };

static void filter(enum needs needs)
{
	struct sock_fprog program = { 0, rules };

	rule((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	allow(alone, sizeof(alone) / sizeof(alone[0]));
	if (needs >= WITH_THREADS)
		allow(threads, sizeof(threads) / sizeof(threads[0]));
	if (needs >= STARTED)
		allow(start, sizeof(start) / sizeof(start[0]));
	rule((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	program.len = rule_count;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Some look first whether there are filters; that fails. */
	syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL);
	if (needs == ALONE ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
			   : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(77);
}

static void *work(void *unused)
{
	(void)unused;
	for (int i = 0; i < LOCKS; i++) {
		pthread_mutex_lock(&locks[i]);
		pthread_mutex_lock(&common);
		calls++;
		pthread_mutex_unlock(&common);
		pthread_mutex_unlock(&locks[i]);
	}
	return NULL;
}

static void work_threads(void)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static int child_status(pid_t child)
{
	int status = 0;

	waitpid(child, &status, 0);
	return status;
}

static void run_alone(void)
{
	filter(ALONE);
	work(NULL);
}

static void run_threads(void)
{
	filter(WITH_THREADS);
	for (int i = 0; i < 4; i++)
		work_threads();
}

/* Threads that record already, and others after them. */
static void run_late(void)
{
	work_threads();
	filter(WITH_THREADS);
	work_threads();
}

static void run_fork(void)
{
	pid_t child;

	filter(WITH_THREADS);
	child = fork();
	if (child == 0) {
		work_threads();
		_exit(7);
	}
	calls += child_status(child);
}

/* A child that has not locked yet, and its child. */
static void run_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		filter(WITH_THREADS);
		run_fork();
		_exit(calls == 7 << 8 ? 6 : 5);
	}
	calls += child_status(child);
	work_threads();
}

static void run_vfork(void)
{
	pid_t child = vfork();

	if (child == 0) {
		filter(WITH_THREADS);
		_exit(9);
	}
	calls += child_status(child);
	work_threads();
}

static void run_exec(void)
{
	work(NULL);
	filter(STARTED);
	execl("/proc/self/exe", "confined", "threads-only", (char *)NULL);
}

/* Does not return: runs a command that mutrace may be, too. */
static void be_service(char **command)
{
	struct sock_fprog program = { 0, rules };

	rule((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	rule_for(no_service, sizeof(no_service) / sizeof(no_service[0]), SECCOMP_RET_KILL_PROCESS);
	rule((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	program.len = rule_count;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(77);
	execvp(command[0], command);
	_exit(99);
}

static void run_strict(void)
{
	work(NULL);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		_exit(77);
	work(NULL);
	syscall(SYS_exit, write(1, "strict\n", 7) == 7 ? 3 : 4);
}

static void run_strict_call(void)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) != 0)
		_exit(77);
	work(NULL);
	syscall(SYS_exit, write(1, "strict\n", 7) == 7 ? 3 : 4);
}

static void run_clock(void)
{
	work_threads();
#ifdef PR_SET_TSC
	if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) != 0)
		_exit(77);
#endif
	work_threads();
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "alone", run_alone },
	{ "threads", run_threads },
	{ "late", run_late },
	{ "fork", run_fork },
	{ "child", run_child },
	{ "vfork", run_vfork },
	{ "exec", run_exec },
	{ "threads-only", work_threads },
	{ "strict", run_strict },
	{ "clock", run_clock },
	{ "strict-call", run_strict_call },
};

int main(int argc, char **argv)
{
	static char buffer[4096];
	char text[32];
	int n;

	if (argc > 2 && strcmp(argv[1], "service") == 0)
		be_service(argv + 2);
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		cases[i].run();
		n = snprintf(text, sizeof(text), "%ld calls\n", calls);
		_exit(write(1, text, (size_t)n) == n ? 3 : 4);
	}
	fprintf(stderr, "confined CASE\n");
	return 99;
}
