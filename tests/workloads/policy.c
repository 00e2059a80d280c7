/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Ways for a thread to become realtime, each followed by the use of a lock of its own. The locks were all
 * used before by the same thread through the same line, so that a profiler knows them already.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include "tests/workloads/handshake.h"

static pthread_mutex_t before_lock = PTHREAD_MUTEX_INITIALIZER;  /* used while not realtime */
static pthread_mutex_t given_lock = PTHREAD_MUTEX_INITIALIZER;   /* another thread said so */
static pthread_mutex_t syscall_lock = PTHREAD_MUTEX_INITIALIZER; /* sched_setattr() as a system call */
static pthread_mutex_t function_lock =
	PTHREAD_MUTEX_INITIALIZER; /* sched_setattr() as a function, if there is one */
static pthread_mutex_t ordinary_lock = PTHREAD_MUTEX_INITIALIZER;  /* ordinary again */
static pthread_mutex_t attribute_lock = PTHREAD_MUTEX_INITIALIZER; /* from its attributes */
static pthread_mutex_t outside_lock = PTHREAD_MUTEX_INITIALIZER;   /* by chrt, from outside */
static atomic_int step;

struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static __attribute__((noinline)) void use(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}

static void *thread(void *argument)
{
	struct attributes a = { .size = sizeof(a), .policy = SCHED_OTHER };
	int (*set)(int, struct attributes *, unsigned int);
	char command[64];

	use(&before_lock);
	use(&given_lock);
	atomic_store(&step, 1);
	await_step(&step, 2); /* main gives it SCHED_FIFO */
	use(&given_lock);
	if (syscall(SYS_sched_setattr, 0, &a, 0) != 0)
		exit(99);
	use(&ordinary_lock);
	use(&syscall_lock);
	a.policy = SCHED_RR;
	a.priority = 3;
	if (syscall(SYS_sched_setattr, 0, &a, 0) != 0)
		exit(99);
	use(&syscall_lock);
	a.policy = SCHED_OTHER;
	a.priority = 0;
	if (syscall(SYS_sched_setattr, 0, &a, 0) != 0)
		exit(99);
	use(&function_lock);
	set = (int (*)(int, struct attributes *, unsigned int))dlsym(RTLD_DEFAULT, "sched_setattr");
	a.policy = SCHED_FIFO;
	a.priority = 2;
	if (set && set(0, &a, 0) != 0)
		exit(99);
	use(&function_lock);
	a.policy = SCHED_OTHER;
	a.priority = 0;
	if (syscall(SYS_sched_setattr, 0, &a, 0) != 0)
		exit(99);
	snprintf(command, sizeof(command), "chrt -f -p 7 %d", own_tid());
	if (system(command) != 0)
		exit(99);
	/* seen within a number of locks that are new to the thread */
	for (int i = 0; i < 200; i++) {
		pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

		pthread_mutex_lock(&m);
		pthread_mutex_unlock(&m);
		pthread_mutex_destroy(&m);
	}
	use(&outside_lock);
	return argument;
}

static void *by_attributes(void *argument)
{
	use(&attribute_lock);
	return argument;
}

int main(void)
{
	struct sched_param p = { .sched_priority = 4 };
	pthread_attr_t attributes;
	pthread_t id;

	if (pthread_create(&id, NULL, thread, NULL) != 0)
		return 99;
	await_step(&step, 1);
	if (pthread_setschedparam(id, SCHED_FIFO, &p) != 0)
		return 77;
	atomic_store(&step, 2);
	pthread_join(id, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, SCHED_RR);
	pthread_attr_setschedparam(&attributes, &p);
	if (pthread_create(&id, &attributes, by_attributes, NULL) != 0)
		return 99;
	pthread_join(id, NULL);
	return 0;
}
