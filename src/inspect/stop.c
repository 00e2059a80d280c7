/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threads stopped for an instant, for what /proc does not tell: the registers and stack of one that runs. A child process of
 * ours does it, so that whatever happens to it or us, the kernel lets the thread go on. One thread at a time is stopped.
 * See target.h.
 */
#include "src/inspect/target.h"

#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/base/proc.h"
#include "src/inspect/filters.h"
#include "src/inspect/resume.h"

#define PENDING_MAX 16
#define STOP_WAIT_NS 50000000 /* a thread in an uninterruptible sleep is not waited for any longer */
#define STOP_LONGEST_NS UINT64_C(30000000000)

struct stop *stops_new(void)
{
	void *p = mmap(NULL, STOPS_MAX * sizeof(struct stop), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void stops_free(struct stop *stops)
{
	if (stops)
		munmap(stops, STOPS_MAX * sizeof(struct stop));
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_uninterruptible(pid_t tid)
{
	struct proc_stat stat;

	return proc_stat_read((uint32_t)tid, &stat) == 0 && stat.state == 'D';
}

/*
 * Until it stops. False: it did not, or is gone. A thread that waits for a processor is interrupted already, and would go on
 * without us in a way that a filter may forbid.
 */
static bool await_stop(pid_t tid, int *ret_status)
{
	uint64_t now = now_ns(), until = now + STOP_WAIT_NS, longest = now + STOP_LONGEST_NS;
	struct timespec left = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		pid_t r = waitpid(tid, ret_status, __WALL | WNOHANG);

		if (r == tid)
			return WIFSTOPPED(*ret_status);
		if (r < 0 && errno != EINTR)
			return false;
		now = now_ns();
		if (now > until && (now > longest || is_uninterruptible(tid)))
			return false;
		if (now > until)
			until = now + STOP_WAIT_NS;
		left.tv_nsec = (long)(until - now);
		sigtimedwait(&set, NULL, &left);
	}
}

/* While a thread is stopped for us, we do not wait for a processor if that can be helped. */
static void hurry(void)
{
	struct sched_param first = { .sched_priority = 1 };
	sigset_t set;

	if (sched_setscheduler(0, SCHED_FIFO, &first) != 0)
		setpriority(PRIO_PROCESS, 0, -20);
	/* await_stop() takes it */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

bool stop_signal_comes(pid_t tid)
{
	struct __ptrace_peeksiginfo_args which = { 0, 0, PENDING_MAX };
	siginfo_t info[PENDING_MAX];
	uint64_t blocked = 0;

	ptrace(PTRACE_GETSIGMASK, tid, sizeof(blocked), &blocked);
	for (int shared = 0; shared < 2; shared++) {
		long n;

		which.flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0;
		n = ptrace(PTRACE_PEEKSIGINFO, tid, &which, info);
		for (long i = 0; i < n; i++) {
			if (!(blocked >> (info[i].si_signo - 1) & 1))
				return true;
		}
	}
	return false;
}

static bool registers_take(const struct target *t, struct stop *s)
{
	struct iovec all = { &s->all, sizeof(s->all) }, local, remote;
	const struct mapping *m;
	struct registers r;
	ssize_t n;

	if (ptrace(PTRACE_GETREGSET, s->tid, (void *)NT_PRSTATUS, &all) != 0)
		return false;
	arch_registers(&r, &s->all);
	s->base = r.sp - 128; /* what is below the stack pointer and yet in use */
	m = target_mapping(t, r.sp);
	local = (struct iovec){ s->stack, sizeof(s->stack) };
	if (m && m->end - s->base < sizeof(s->stack))
		local.iov_len = (size_t)(m->end - s->base);
	remote = (struct iovec){ (void *)(uintptr_t)s->base, local.iov_len };
	n = process_vm_readv(s->tid, &local, 1, &remote, 1, 0);
	s->size = n > 0 ? (uint32_t)n : 0;
	s->done = true;
	return true;
}

/* A seccomp filter may kill a thread that goes on with an interrupted call; or it is not shown to us. */
static bool restart_is_forbidden(pid_t pid, pid_t tid)
{
	struct filters f = { .n = 0 };
	bool forbidden;

	if (filters_mode(pid, tid) == CONFINED_NOT)
		return false;
	forbidden = filters_read(&f, tid) < 0 || !filters_let_go_on(&f);
	filters_free(&f);
	return forbidden;
}

static void stop_one(const struct target *t, struct stop *s)
{
	int status = 0;
	uint64_t begin;

	if (ptrace(PTRACE_SEIZE, s->tid, NULL, NULL) != 0)
		return;
	if (ptrace(PTRACE_INTERRUPT, s->tid, NULL, NULL) != 0 || !await_stop(s->tid, &status))
		return; /* our end lets it go */
	begin = now_ns();
	if (status >> 16 != PTRACE_EVENT_STOP) /* a signal came just now: to be delivered */
		ptrace(PTRACE_DETACH, s->tid, NULL, (void *)(uintptr_t)WSTOPSIG(status));
	else if (registers_take(t, s))
		resume(s->tid, &s->all, restart_is_forbidden(t->pid, s->tid));
	else
		ptrace(PTRACE_DETACH, s->tid, NULL, NULL);
	s->ns = (uint32_t)(now_ns() - begin);
}

int process_stop(const struct target *t, struct stop *stops, size_t n)
{
	int status;
	pid_t child;

	for (size_t i = 0; i < n; i++)
		stops[i].done = false;
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hurry();
		for (size_t i = 0; i < n; i++)
			stop_one(t, &stops[i]);
		_exit(EXIT_SUCCESS);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}
