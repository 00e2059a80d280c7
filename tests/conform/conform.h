/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The conformance suite: what a program sees of the synchronisation calls, written down step by step.
 *
 * A case is a function that makes calls and writes their outcomes as lines of text. Nothing here says
 * what the right outcome is: the same case runs with and without libmutrace.so and the two texts must be
 * equal (run.sh). So an outcome must not vary from run to run: no addresses, no times, no process
 * numbers, and threads meet by handshake. What the C library leaves undefined may be a case where it does
 * the same thing every time.
 *
 * Every case runs in a process of its own that runner.c starts. The helpers below are support.c; they use
 * no lock of their own, only atomics, so that they cannot hide what the case is about.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
#include <atomic>
typedef std::atomic<int> atomic_int; /* laid out as C's */
extern "C" {
#else
#include <stdatomic.h>
#include <stdbool.h>

#include "families.h"
#endif

#define RESULT_FD 900 /* where a case writes its lines; far from the descriptors that cases count */

struct conform_case {
	char name[96];
	void (*run)(long arg);
	long arg;
	unsigned timeout_s;
};

/* Declares a case; called by the families below. The name is "family/case". */
void case_add(void (*run)(long), long arg, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The next case_add()s get this time-out instead of the usual one; 0 sets the usual one again. */
void case_timeout(unsigned seconds);

#define CASE(family, function) case_add(function, 0, family "/" #function)

/* The families of this program, ended by NULL; each calls case_add(). Defined by families.c, cxx.cc. */
extern void (*const families[])(void);

/* One line of outcome. Any thread, any process of the case, signal handlers if the format is plain. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "name": an errno value as a word; "0" for 0. Never NULL. */
const char *error_name(int error);

/* Calls that return an error number: says the result, and errno if the call touched it. */
#define ERRNO_MARK 4242
#define TRY(call) (errno = ERRNO_MARK, case_result(#call, (call)))
/* The same in a worker that was let go on: says so only when the one who let it go wants to hear it. */
#define TRY_THEN(w, call) case_result_later(w, #call, (errno = ERRNO_MARK, (call)))
/* Calls that return -1 and set errno. */
#define TRYE(call) (errno = ERRNO_MARK, case_result_errno(#call, (call)))
/* Any number or truth. */
#define VALUE(expression) say("%s = %ld", #expression, (long)(expression))

int case_result(const char *text, int result);
long case_result_errno(const char *text, long result);

/* Gives up: the case's set-up does not work here. The word is an outcome like any other. */
void case_unable(const char *why) __attribute__((noreturn));

/*
 * A thread of a case. It calls worker_mark() just before it blocks; worker_asleep() of another thread
 * returns when the kernel has it asleep after its nth mark.
 */
struct worker {
	pthread_t thread;
	void (*body)(struct worker *w);
	void *object;
	long arg;
	atomic_int tid;
	atomic_int marks;
	atomic_int go; /* for the body to wait on, see await() */
	int result;
};

int case_result_later(struct worker *w, const char *text, int result);

void worker_start(struct worker *w, void (*body)(struct worker *w), void *object, long arg);
void worker_mark(struct worker *w);
void worker_asleep(struct worker *w, int marks);
void worker_join(struct worker *w);

/* Waits, by looking again and again, until *value >= least. */
void await(atomic_int *value, int least);
void sleep_ms(long ms);

/* Waits until the kernel has thread tid of process pid asleep. */
void await_sleep(pid_t pid, pid_t tid);

/* Runs function(object) in another thread, and says and returns its result. */
#define ELSEWHERE(function, object) \
	case_result("in another thread: " #function "(" #object ")", \
		    elsewhere((int (*)(void *))(function), (void *)(object)))
int elsewhere(int (*function)(void *), void *object);

/* Now plus ms (may be negative) on the given clock. */
struct timespec in_ms(clockid_t clock, long ms);

/* Zeroed memory shared with forked children; ends with the case. */
void *shared_memory(size_t size);

/* Waits for a child and says how it ended. */
void say_child(const char *what, pid_t pid);
/* Reads fd to its end and says each line; closes fd. */
void say_lines(const char *what, int fd);
/* Path of the program that runs, for cases that execute it again. */
const char *own_path(void);
/* A file of the build beside the program, e.g. a library to load. */
const char *beside(const char *name, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
