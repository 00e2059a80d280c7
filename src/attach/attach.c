/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See attach.h. A thread is chosen that is at a safe place (safe.h), preferably one that sleeps; there it calls dlopen(),
 * mutrace_attach() and the like, and goes on. If the library's file does not exist where the process lives, it is given
 * to it as a file without a name.
 */
#include "src/attach/attach.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/attach/names.h"
#include "src/attach/refuse.h"
#include "src/attach/safe.h"
#include "src/attach/tracee.h"
#include "src/inspect/process.h"

#define PATIENCE_NS 5000000000u /* for a safe place */
#define STATUS_MAX 8192
#define RTLD_NOW_ALONE 2 /* RTLD_NOW, and nobody finds its names */
#define MEMORY_FILE_FLAGS 1

/* All that is known while a thread is stopped. */
struct call {
	struct target *t;
	struct safe safe;
	struct tracee tracee;
	const char *library, *session; /* library NULL: detach */
	char *error;
};

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

/* The process, if it can be attached to. */
static int look(pid_t pid, struct target **ret, char status[STATUS_MAX], char *error)
{
	struct target *t;
	int r = process_open(pid, &t, error);

	if (r < 0)
		return r;
	r = status_read(t->pid, status);
	if (r < 0)
		snprintf(error, ATTACH_ERROR_SIZE, "process %d has just ended", (int)pid);
	else
		r = refuse(t, status, error);
	if (r < 0)
		target_close(t);
	else
		*ret = t;
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
	if (r == -EPERM)
		snprintf(
			c->error, ATTACH_ERROR_SIZE,
			"process %d may not be attached to: the system forbids it (kernel.yama.ptrace_scope, "
			"CAP_SYS_PTRACE), or something else traces it",
			(int)c->t->pid);
	else if (r == -ECANCELED)
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d is stopped; let it go on first, by SIGCONT or fg", (int)c->t->pid);
	else
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d cannot be stopped: %s", (int)c->t->pid,
			 strerror(-r));
	return r;
}

/* 1: a thread is stopped at a safe place; 0: it was not safe; -errno. */
static int try_thread(struct call *c, struct target_thread *thread)
{
	int r = tracee_stop(&c->tracee, thread->tid);

	if (r == -ESRCH || r == -EAGAIN)
		return 0;
	if (r < 0)
		return refused(c, r);
	if (safe_executed(&c->safe)) {
		tracee_release(&c->tracee);
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d has just executed another program",
			 (int)c->t->pid);
		return -EBUSY;
	}
	/* The system call that it was in before it was stopped may be over. */
	thread->asleep = thread->asleep && arch_inject_sleeps(&c->tracee.registers);
	if (safe_is(&c->safe, thread, &c->tracee.registers))
		return 1;
	tracee_release(&c->tracee);
	return 0;
}

/* Stops a thread at a safe place. 0 or -errno. */
static int choose(struct call *c)
{
	uint64_t until = now_ns() + PATIENCE_NS;
	unsigned int seed = (unsigned int)getpid();

	do {
		int r = process_threads(c->t);

		for (int asleep = 1; r == 0 && asleep >= 0; asleep--)
			for (size_t i = 0; r == 0 && i < c->t->n_threads; i++) {
				struct target_thread *thread = &c->t->threads[i];

				if (thread->asleep == asleep && safe_looks(thread))
					r = try_thread(c, thread);
			}
		if (r == 1)
			return 0;
		if (r < 0 && c->error[0] == '\0')
			snprintf(c->error, ATTACH_ERROR_SIZE, "process %d has just ended", (int)c->t->pid);
		if (r < 0)
			return r;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 + rand_r(&seed) % 6000000 }, NULL);
	} while (now_ns() < until);
	snprintf(c->error, ATTACH_ERROR_SIZE,
		 "process %d: no thread came to a place where a library can be loaded safely, within %u s; "
		 "try "
		 "again",
		 (int)c->t->pid, (unsigned int)(PATIENCE_NS / 1000000000u));
	return -EAGAIN;
}

static int call(struct call *c, uint64_t function, uint64_t a, uint64_t b, const char *text, uint64_t *ret)
{
	const uint64_t arguments[ARCH_INJECT_ARGUMENTS] = { a, b, 0 };
	int r = function ? tracee_call(&c->tracee, function, arguments, text, 0, ret) : -ENOSYS;

	if (r < 0)
		snprintf(c->error, ATTACH_ERROR_SIZE, "a call in process %d failed: %s", (int)c->t->pid,
			 r == -EFAULT ? "it raised a signal" : strerror(-r));
	return r;
}

static uint64_t of_libc(struct call *c, const char *name)
{
	return names_find(c->t, c->safe.libc, name, NULL);
}

static uint64_t of_loader(struct call *c, const char *name)
{
	struct module *old = names_module(c->t, "libdl"); /* before glibc 2.34 */
	uint64_t at = of_libc(c, name);

	return at || !old ? at : names_find(c->t, old, name, NULL);
}

/* The reason that dlopen() gives. */
static void loader_error(struct call *c)
{
	char text[256] = "";
	uint64_t at;

	if (call(c, of_loader(c, "dlerror"), 0, 0, NULL, &at) < 0)
		return;
	target_forget(c->t);
	for (size_t i = 0; at && i < sizeof(text) - 1; i++)
		if (target_read(c->t, at + i, &text[i], 1) < 0 || text[i] == '\0')
			break;
	snprintf(c->error, ATTACH_ERROR_SIZE, "the loader of process %d refuses %s: %s", (int)c->t->pid,
		 c->library, text[0] ? text : "it does not say why");
}

/* True if the process finds the same file by the library's path. */
static bool finds_library(const struct call *c)
{
	struct stat here, there;
	char path[4096 + 64];

	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)c->t->pid, c->library);
	return stat(c->library, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
	       here.st_ino == there.st_ino;
}

/* Writes the library into a file of the process. */
static int fill(struct call *c, unsigned int fd)
{
	char path[64];
	int from, to, r = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)c->t->pid, fd);
	to = open(path, O_WRONLY | O_CLOEXEC);
	from = open(c->library, O_RDONLY | O_CLOEXEC);
	if (to < 0 || from < 0)
		r = -errno;
	while (r == 0 && (n = sendfile(to, from, NULL, 1 << 20)) != 0)
		if (n < 0)
			r = -errno;
	if (to >= 0)
		close(to);
	if (from >= 0)
		close(from);
	return r;
}

/* Loads it from a file without a name. */
static int load_nameless(struct call *c, uint64_t *ret_handle)
{
	char path[64];
	uint64_t fd, ignored;
	int r = call(c, of_libc(c, "memfd_create"), 0, MEMORY_FILE_FLAGS, "libmutrace.so", &fd);

	if (r < 0)
		return r;
	if ((int)fd < 0) {
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d does not see %s, and may not make a file without a name", (int)c->t->pid,
			 c->library);
		return -EACCES;
	}
	r = fill(c, (unsigned int)fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%u", (unsigned int)fd);
	if (r < 0)
		snprintf(c->error, ATTACH_ERROR_SIZE, "the library cannot be given to process %d: %s",
			 (int)c->t->pid, strerror(-r));
	else
		r = call(c, of_loader(c, "dlopen"), 0, RTLD_NOW_ALONE, path, ret_handle);
	if (call(c, of_libc(c, "close"), (uint32_t)fd, 0, NULL, &ignored) < 0)
		return -EFAULT;
	return r;
}

/* The address of a function of our library, which is loaded if it is not there. */
static int library_function(struct call *c, const char *name, uint64_t *ret)
{
	const struct module *ours = names_module(c->t, "libmutrace");
	uint64_t handle = 0;
	int r;

	if (ours) {
		*ret = names_find(c->t, ours, name, NULL);
		if (*ret == 0)
			snprintf(c->error, ATTACH_ERROR_SIZE,
				 "process %d has the library of another version of mutrace in it",
				 (int)c->t->pid);
		return *ret ? 0 : -EPROTONOSUPPORT;
	}
	if (!c->library) {
		snprintf(c->error, ATTACH_ERROR_SIZE, "mutrace is not attached to process %d",
			 (int)c->t->pid);
		return -ENOENT;
	}
	if (finds_library(c))
		r = call(c, of_loader(c, "dlopen"), 0, RTLD_NOW_ALONE, c->library, &handle);
	else
		r = load_nameless(c, &handle);
	if (r == 0 && handle == 0) {
		loader_error(c);
		return -ENOEXEC;
	}
	if (r == 0)
		r = tracee_call(&c->tracee, of_loader(c, "dlsym"), (uint64_t[]){ handle, 0, 0 }, name, 1,
				ret);
	if (r == 0 && *ret == 0)
		r = -ENOEXEC;
	if (r < 0 && c->error[0] == '\0')
		snprintf(c->error, ATTACH_ERROR_SIZE, "%s is not the library of this mutrace", c->library);
	return r;
}

/* In a stopped thread. */
static int work(struct call *c)
{
	uint64_t function, result;
	int r = library_function(c, c->library ? "mutrace_attach" : "mutrace_detach", &function);

	if (r == 0)
		r = call(c, function, 0, 0, c->session, &result);
	if (r < 0 || (int)result == 0)
		return r;
	switch ((int)result) {
	case -EEXIST:
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d was started under mutrace already",
			 (int)c->t->pid);
		break;
	case -EALREADY:
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 c->library ? "process %d is attached to already; 'mutrace detach %d' ends that"
				    : "mutrace is not attached to process %d",
			 (int)c->t->pid, (int)c->t->pid);
		break;
	default:
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d cannot record into %s: %s", (int)c->t->pid,
			 c->session, strerror(-(int)result));
	}
	return (int)result;
}

static int in_process(pid_t pid, const char *library, const char *session, char *error)
{
	struct call c = { .library = library, .session = session, .error = error };
	char status[STATUS_MAX];
	sigset_t all, before;
	int r;

	error[0] = '\0';
	r = look(pid, &c.t, status, error);
	if (r < 0)
		return r;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	r = safe_open(&c.safe, c.t);
	if (r < 0)
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d has no C library that is known here, or not yet", (int)c.t->pid);
	else
		r = choose(&c);
	if (r == 0) {
		r = tracee_begin(&c.tracee, c.t->pid, c.safe.entry);
		if (r < 0)
			snprintf(error, ATTACH_ERROR_SIZE, "process %d cannot be written to: %s",
				 (int)c.t->pid, strerror(-r));
		else
			r = work(&c);
		tracee_release(&c.tracee);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	safe_close(&c.safe);
	target_close(c.t);
	return r;
}

int attach_begin(pid_t pid, const char *library, const char *session, char error[ATTACH_ERROR_SIZE])
{
	return in_process(pid, library, session, error);
}

int attach_end(pid_t pid, char error[ATTACH_ERROR_SIZE])
{
	return in_process(pid, NULL, NULL, error);
}
