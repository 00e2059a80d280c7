/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See attach.h. A thread is chosen that is at a safe place (safe.h), preferably one that sleeps; there it makes the calls of
 * inside.h, and goes on.
 */
#include "src/attach/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "src/attach/apart.h"
#include "src/attach/confined.h"
#include "src/attach/inside.h"
#include "src/attach/refuse.h"
#include "src/attach/settle.h"
#include "src/inspect/process.h"

#define PATIENCE_NS 5000000000u /* for a safe place */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int status_read(pid_t pid, char status[STATUS_MAX])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return process_slurp(path, status, STATUS_MAX) > 0 ? 0 : -ESRCH;
}

static void moment(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static int look_once(pid_t pid, struct target **ret, char status[STATUS_MAX], char *error)
{
	struct target *t;
	int r = process_open(pid, &t, error);

	if (r < 0)
		return r;
	r = status_read(t->pid, status);
	if (t->pid == getpid()) {
		snprintf(error, ATTACH_ERROR_SIZE, "process %d is this command itself", (int)t->pid);
		r = -EINVAL;
	} else if (r < 0)
		snprintf(error, ATTACH_ERROR_SIZE, "process %d has just ended", (int)pid);
	else
		r = refuse(t, status, error);
	if (r < 0)
		target_close(t);
	else
		*ret = t;
	return r;
}

/* The process, if it can be attached to. */
static int look(pid_t pid, struct target **ret, char status[STATUS_MAX], char *error)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	int r;

	while ((r = look_once(pid, ret, status, error)) == -EINPROGRESS && now_ns() < until)
		moment();
	if (r == 0) /* of an earlier look */
		error[0] = '\0';
	return r;
}

/* The second number of a line of four: the effective one. */
static unsigned int effective(const char *status, const char *name)
{
	const char *at = process_status_line(status, name);
	unsigned int real, id;

	return at && sscanf(at, "%u %u", &real, &id) == 2 ? id : (unsigned int)-1;
}

int attach_look(pid_t pid, struct attach_target *ret, char error[ATTACH_ERROR_SIZE])
{
	char status[STATUS_MAX];
	struct target *t;
	int r = look(pid, &t, status, error);

	if (r < 0)
		return r;
	*ret = (struct attach_target){ .pid = t->pid,
				       .uid = effective(status, "\nUid:"),
				       .gid = effective(status, "\nGid:") };
	snprintf(ret->root, sizeof(ret->root), "%s", t->root);
	target_close(t);
	return 0;
}

static int refused(struct call *c, int r)
{
	char status[STATUS_MAX];

	if (r == -EPERM && (status_read(c->t->pid, status) < 0 || strstr(status, "\nState:\tZ"))) {
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d has just ended", (int)c->t->pid);
		r = -ESRCH;
	} else if (r == -EPERM)
		snprintf(
			c->error, ATTACH_ERROR_SIZE,
			"process %d may not be attached to: the system forbids it (kernel.yama.ptrace_scope, "
			"CAP_SYS_PTRACE), or something else traces it",
			(int)c->t->pid);
	else if (r == -ECANCELED)
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d is stopped; let it go on first, by SIGCONT or fg", (int)c->t->pid);
	else if (r == -ETIMEDOUT)
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d does not stop: it is frozen, gets no processor, or sleeps where nothing "
			 "interrupts it",
			 (int)c->t->pid);
	else
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d cannot be stopped: %s", (int)c->t->pid,
			 strerror(-r));
	return r;
}

/* 1: a thread is stopped at a safe place; 0: it was not safe; -errno. */
static int try_thread(struct call *c, struct target_thread *thread)
{
	int r = tracee_stop(&c->tracee, thread);

	if (r == -ESRCH || r == -EAGAIN)
		return 0;
	if (r < 0)
		return refused(c, r);
	if (safe_executed(&c->safe)) {
		tracee_release(&c->tracee);
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d has just executed another program",
			 (int)c->t->pid);
		return -ESTALE;
	}
	/* The system call that it was in before it was stopped may be over. */
	thread->asleep = thread->asleep && arch_inject_sleeps(&c->tracee.registers, c->tracee.around);
	if (arch_inject_keeps(thread->tid, c->tracee.around) &&
	    safe_is(&c->safe, thread, &c->tracee.registers))
		return 1;
	tracee_release(&c->tracee);
	return 0;
}

/* Loading takes milliseconds and locks, which a realtime thread may not have. */
static bool is_realtime(const struct target_thread *thread)
{
	int policy = sched_getscheduler(thread->tid);

	if (policy < 0)
		return false;
	policy &= ~SCHED_RESET_ON_FORK;
	return policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE;
}

/* How many there are. */
static size_t realtime_threads(const struct target *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_threads; i++)
		n += is_realtime(&t->threads[i]);
	return n;
}

/* Tries them in turn, those that sleep first; realtime ones if there are no others. As try_thread(). */
static int try_all(struct call *c, size_t *ret_realtime)
{
	int r = process_threads(c->t);
	bool only;

	*ret_realtime = realtime_threads(c->t);
	only = *ret_realtime == c->t->n_threads;
	for (int asleep = 1; r == 0 && asleep >= 0; asleep--)
		for (size_t i = 0; r == 0 && i < c->t->n_threads; i++) {
			struct target_thread *thread = &c->t->threads[i];

			if (thread->asleep == asleep && safe_looks(thread) && (only || !is_realtime(thread)))
				r = try_thread(c, thread);
		}
	c->realtime = r == 1 && only;
	return r;
}

/* Stops a thread at a safe place. 0 or -errno. */
static int choose(struct call *c)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	unsigned int seed = (unsigned int)getpid();
	size_t realtime;

	do {
		int r = try_all(c, &realtime);

		if (r == 1)
			return 0;
		if (r < 0 && c->error[0] == '\0')
			snprintf(c->error, ATTACH_ERROR_SIZE, "process %d has just ended", (int)c->t->pid);
		if (r < 0)
			return r;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 + rand_r(&seed) % 6000000 }, NULL);
	} while (now_ns() < until);
	snprintf(c->error, ATTACH_ERROR_SIZE,
		 "process %d: no thread%s came to a place where a library can be loaded safely, within %u s; "
		 "try again",
		 (int)c->t->pid, realtime ? " but realtime ones, which are not used for that," : "",
		 (unsigned int)(PATIENCE_NS / 1000000000u));
	return -EAGAIN;
}

/*
 * One command at a time: two would use the same code to return to. The kernel unlocks it if we die. Returns a descriptor of the
 * process's memory, or -errno.
 */
static int process_lock(pid_t pid, bool *ret_waited, char *error)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	char path[64];
	int fd, r;

	*ret_waited = false;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		snprintf(error, ATTACH_ERROR_SIZE, "process %d cannot be written to: %s", (int)pid,
			 strerror(-r));
		return r;
	}
	while ((r = flock(fd, LOCK_EX | LOCK_NB)) != 0 && errno == EWOULDBLOCK && now_ns() < until) {
		*ret_waited = true;
		moment();
	}
	if (r == 0)
		return fd;
	snprintf(error, ATTACH_ERROR_SIZE, "another command is attaching to process %d", (int)pid);
	close(fd);
	return -EBUSY;
}

/* A realtime thread was late, if there was no other one. */
static void remark(const struct call *c, uint64_t ns)
{
	if (c->realtime)
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "all threads of process %d are realtime ones: thread %d was stopped for %.1f ms",
			 (int)c->t->pid, (int)c->tracee.tid, (double)ns / 1e6);
}

/* With a thread that is stopped. */
static int in_thread(struct call *c, int memory)
{
	uint64_t since = now_ns();
	int r = tracee_begin(&c->tracee, c->t->pid, memory, c->safe.entry);

	if (r < 0)
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d cannot be prepared for a call: %s",
			 (int)c->t->pid, strerror(-r));
	else
		r = c->library ? inside_attach(c) : inside_detach(c);
	if (r == 0 && c->library && apart_is_alone()) /* nobody would end the recording */
		r = inside_detach(c);
	tracee_release(&c->tracee);
	if (r == 0)
		remark(c, now_ns() - since);
	return r;
}

/* With the process to itself. */
static int stopped(struct call *c, int memory)
{
	int r = safe_open(&c->safe, c->t);

	if (r < 0) {
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d has no C library that is known here, or not yet", (int)c->t->pid);
	} else {
		r = confined_look(c->t, c->error);
		if (r < 0 && c->error[0] == '\0')
			refused(c, r);
	}
	if (r == 0 && c->library && inside_is_there(c))
		r = settle_wait(c->t, c->error);
	if (r == 0)
		r = choose(c);
	if (r == 0)
		r = in_thread(c, memory);
	safe_close(&c->safe);
	return r;
}

static int try_once(const struct attach_request *request, char error[ATTACH_ERROR_SIZE])
{
	struct call c = { .library = request->library, .session = request->session, .error = error };
	char status[STATUS_MAX];
	int r, memory;
	bool waited;

	error[0] = '\0';
	r = look(request->pid, &c.t, status, error);
	if (r < 0)
		return r;
	memory = process_lock(c.t->pid, &waited, error);
	if (memory >= 0 && waited) { /* it is not as it was */
		target_close(c.t);
		c.t = NULL;
		r = look(request->pid, &c.t, status, error);
	}
	if (memory < 0)
		r = memory;
	if (r == 0)
		r = stopped(&c, memory);
	if (memory >= 0)
		close(memory);
	target_close(c.t);
	return r;
}

static int in_process(const struct attach_request *request, char error[ATTACH_ERROR_SIZE])
{
	uint64_t until = now_ns() + PATIENCE_NS;
	int r;

	while (((r = try_once(request, error)) == -ESTALE || r == -ERESTART) && now_ns() < until)
		moment();
	return r;
}

int attach_begin(pid_t pid, const char *library, const char *session, char error[ATTACH_ERROR_SIZE])
{
	const struct attach_request request = { pid, library, session };
	int r = apart_do(in_process, &request, error);

	if (r == -EOWNERDEAD) /* as if we had died ourselves: it may be recorded or not */
		apart_do(in_process, &(struct attach_request){ .pid = pid }, (char[ATTACH_ERROR_SIZE]){ 0 });
	return r;
}

int attach_end(pid_t pid, char error[ATTACH_ERROR_SIZE])
{
	return apart_do(in_process, &(struct attach_request){ .pid = pid }, error);
}
