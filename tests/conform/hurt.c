/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ways in which lock profilers have hurt programs: forks while others lock, descriptors that come and go,
 * signal handlers, odd stacks, very many of everything.
 */
#include "conform.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static atomic_int stop;

static void locking_body(struct worker *w)
{
	pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;

	for (long i = 0; !atomic_load(&stop); i++) {
		pthread_mutex_t *m = i % 3 ? w->object : &own;

		pthread_mutex_lock(m);
		if (i % 64 == 0)
			sched_yield();
		pthread_mutex_unlock(m);
	}
}

/* Children of a process whose threads are in the middle of lock calls: none hangs, none says anything. */
static void fork_while_others_lock(long arg)
{
	struct worker w[3];
	int good = 0;

	(void)arg;
	for (int i = 0; i < 3; i++)
		worker_start(&w[i], locking_body, &other, 0);
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			pthread_mutex_t fresh;
			struct worker v;

			alarm(30);
			pthread_mutex_init(&fresh, NULL);
			pthread_mutex_lock(&fresh);
			pthread_mutex_lock(&mutex);
			pthread_mutex_unlock(&mutex);
			pthread_mutex_unlock(&fresh);
			free(malloc(100000));
			atomic_store(&stop, i % 2);
			if (i % 2) {
				worker_start(&v, locking_body, &mutex, 0);
				worker_join(&v);
			}
			_exit(0);
		}
		good += waitpid(pid, &status, 0) == pid && status == 0;
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < 3; i++)
		worker_join(&w[i]);
	VALUE(good);
}

static void forking_body(struct worker *w)
{
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();
		int status;

		pthread_mutex_lock(w->object);
		pthread_mutex_unlock(w->object);
		if (pid == 0)
			_exit(0);
		w->result += waitpid(pid, &status, 0) == pid && status == 0;
	}
}

/* Several threads fork at once. */
static void fork_in_threads(long arg)
{
	pthread_mutex_t *own = calloc(3, sizeof(*own));
	struct worker w[3];

	(void)arg;
	for (int i = 0; i < 3; i++)
		worker_start(&w[i], forking_body, &own[i], 0);
	for (int i = 0; i < 3; i++) {
		worker_join(&w[i]);
		VALUE(w[i].result);
	}
	free(own);
}

/* CONFORM_FORKS=30000 for the whole length. */
static void many_forks(long uses)
{
	const char *text = getenv("CONFORM_FORKS");
	int n = text ? atoi(text) : 1000, good = 0;

	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			if (uses && i % 20 == 0) { /* most children only exec */
				pthread_mutex_lock(&mutex);
				pthread_mutex_unlock(&mutex);
			}
			_exit(0);
		}
		good += waitpid(pid, &status, 0) == pid && status == 0;
	}
	VALUE(good == n);
}

static void short_body(struct worker *w)
{
	pthread_mutex_lock(w->object);
	pthread_mutex_unlock(w->object);
}

static void *short_main(void *data)
{
	pthread_mutex_lock(data);
	pthread_mutex_unlock(data);
	return NULL;
}

static long resident_kb(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[128];
	long kb = 0;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "VmRSS:", 6) == 0)
			kb = atol(line + 6);
	if (file)
		fclose(file);
	return kb;
}

/* 20 000 threads one after another: memory does not grow with them. */
static void short_threads(long arg)
{
	long before = 0;
	int good = 0;

	(void)arg;
	for (int i = 0; i < 20000; i++) {
		pthread_t t;

		good += pthread_create(&t, NULL, short_main, &mutex) == 0 && pthread_join(t, NULL) == 0;
		if (i == 500)
			before = resident_kb();
	}
	VALUE(good);
	VALUE(resident_kb() - before < 8192);
}

/* 2 000 at once, all waiting for one lock. */
static void threads_at_once(long arg)
{
	enum { N = 2000 };
	static pthread_t t[N];
	pthread_attr_t a;
	int started = 0, joined = 0;

	(void)arg;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	pthread_mutex_lock(&mutex);
	while (started < N && pthread_create(&t[started], &a, short_main, &mutex) == 0)
		started++;
	VALUE(started);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < started; i++)
		joined += pthread_join(t[i], NULL) == 0;
	VALUE(joined);
}

/* Locks that come and go by the hundred thousand, on the heap and on the stack. */
static void short_locks(long arg)
{
	long before = 0;
	int bad = 0;

	(void)arg;
	for (int i = 0; i < 300000; i++) {
		pthread_mutex_t on_stack, *m = i % 2 ? &on_stack : malloc(sizeof(*m));

		bad += pthread_mutex_init(m, NULL) != 0;
		bad += pthread_mutex_lock(m) != 0;
		bad += pthread_mutex_unlock(m) != 0;
		bad += pthread_mutex_destroy(m) != 0;
		if (!(i % 2))
			free(m);
		if (i == 10000)
			before = resident_kb();
	}
	VALUE(bad);
	VALUE(resident_kb() - before < 8192);
}

/* Memory of a lock is wiped or reused without destroy, held or not. */
static void wiped(long arg)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, n;

	(void)arg;
	for (int i = 0; i < 100; i++) {
		if (pthread_mutex_lock(&m) != 0)
			say("lock failed");
		memset(&m, 0, sizeof(m));
	}
	TRY(pthread_mutex_lock(&m));
	TRY(pthread_mutex_unlock(&m));
	memcpy(&n, &m, sizeof(m));
	TRY(pthread_mutex_lock(&n));
	TRY(pthread_mutex_unlock(&n));
	TRY(pthread_mutex_init(&m, NULL));
	TRY(pthread_mutex_init(&m, NULL));
	TRY(pthread_mutex_lock(&m));
}

static void contend(pthread_mutex_t *m)
{
	struct worker w;

	pthread_mutex_lock(m);
	worker_start(&w, short_body, m, 0);
	await_sleep(getpid(), atomic_load(&w.tid));
	pthread_mutex_unlock(m);
	worker_join(&w);
}

/* The inner program of the next case: its standard descriptors are data files, and it must not write to
 * them. */
static void reuse_inner(long arg)
{
	(void)arg;
	contend(&mutex);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	for (int fd = 0; fd < 3; fd++) {
		char name[16];

		snprintf(name, sizeof(name), "data%d", fd);
		if (open(name, O_RDWR | O_CREAT | O_TRUNC, 0600) != fd)
			say("another descriptor came");
	}
	contend(&other);
	if (write(2, "data\n", 5) != 5)
		say("write failed");
	contend(&mutex);
	exit(0);
}

/* Descriptor 2 closed and reused by a data file; or everything closed, before the program began or in it. */
static void descriptor_reuse(long how)
{
	pid_t pid;

	if (mkdir(how ? "before" : "in", 0700) != 0 || chdir(how ? "before" : "in") != 0)
		case_unable("mkdir");
	pid = fork();
	if (pid == 0) {
		if (how == 1)
			for (int fd = 0; fd < 3; fd++)
				close(fd);
		execl(own_path(), own_path(), "-C", "hurt/reuse_inner", (char *)NULL);
		_exit(127);
	}
	say_child("child", pid);
	for (int fd = 0; fd < 3; fd++) {
		char name[16];

		snprintf(name, sizeof(name), "data%d", fd);
		say_lines(name, open(name, O_RDONLY));
		unlink(name);
	}
}

/* The program closes all descriptors, ours too, and then uses the numbers. */
static void all_closed(long arg)
{
	char text[8] = "";
	int fd[20];

	(void)arg;
	contend(&mutex);
	close_range(3, RESULT_FD - 1, 0);
	close_range(RESULT_FD + 1, ~0U, 0);
	for (int i = 0; i < 20; i++) {
		fd[i] = open("closed", O_RDWR | O_CREAT, 0600);
		say("%d", fd[i]);
	}
	for (int i = 0; i < 5; i++)
		contend(&other);
	VALUE(lseek(fd[0], 0, SEEK_END));
	VALUE(read(fd[0], text, sizeof(text)));
	unlink("closed");
}

static volatile long handled;

static void locking_handler(int number)
{
	(void)number;
	pthread_mutex_lock(&other);
	handled++;
	pthread_mutex_unlock(&other);
}

/* A handler that takes a lock of its own, while the program is in lock calls all the time. */
static void lock_in_handler(long arg)
{
	struct sigaction sa = { .sa_handler = locking_handler, .sa_flags = SA_RESTART };
	struct itimerval timer = { .it_interval.tv_usec = 500, .it_value.tv_usec = 500 };
	int bad = 0;

	(void)arg;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (handled < 200) {
		pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

		for (int i = 0; i < 100; i++) {
			bad += pthread_mutex_lock(&mutex) != 0;
			bad += pthread_mutex_lock(&fresh) != 0;
			bad += pthread_mutex_unlock(&fresh) != 0;
			bad += pthread_mutex_unlock(&mutex) != 0;
		}
	}
	timer = (struct itimerval){ .it_value.tv_usec = 0 };
	setitimer(ITIMER_REAL, &timer, NULL);
	VALUE(bad);
	TRY(pthread_mutex_trylock(&mutex));
	TRY(pthread_mutex_trylock(&other));
}

static void contending_handler(int number)
{
	(void)number;
	handled = 1;
	pthread_mutex_lock(&other);
	pthread_mutex_unlock(&other);
	handled = 2;
}

static void handler_body(struct worker *w)
{
	/* Some processors need 11 KB for the frame of the signal alone. */
	size_t size = (size_t)(sysconf(_SC_MINSIGSTKSZ) + w->arg);
	stack_t stack = { .ss_sp = malloc(size), .ss_size = size };

	if (!stack.ss_sp || sigaltstack(&stack, NULL) != 0)
		case_unable("sigaltstack");
	worker_mark(w);
	raise(SIGUSR1);
}

/* A contended lock in a handler on a small stack of its own: `size` beyond the frame of the signal. */
static void small_handler_stack(long size)
{
	struct sigaction sa = { .sa_handler = contending_handler, .sa_flags = SA_ONSTACK };
	struct worker w;

	sigaction(SIGUSR1, &sa, NULL);
	TRY(pthread_mutex_lock(&other));
	worker_start(&w, handler_body, NULL, size);
	worker_asleep(&w, 1);
	VALUE(handled);
	TRY(pthread_mutex_unlock(&other));
	worker_join(&w);
	VALUE(handled);
}

static sigjmp_buf jump;

static void jumping_handler(int number)
{
	(void)number;
	siglongjmp(jump, 1);
}

/* Out of a lock call that sleeps, by a jump from a handler: the call never returns. */
static void jump_body(struct worker *w)
{
	for (volatile int i = 0; i < 20; i++) {
		if (sigsetjmp(jump, 1) == 0) {
			worker_mark(w);
			pthread_mutex_lock(&other);
			say("not reached");
		}
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
}

static void jump_out(long arg)
{
	struct sigaction sa = { .sa_handler = jumping_handler };
	struct worker w;

	(void)arg;
	sigaction(SIGUSR1, &sa, NULL);
	TRY(pthread_mutex_lock(&other));
	worker_start(&w, jump_body, NULL, 0);
	for (int i = 1; i <= 20; i++) {
		worker_asleep(&w, i);
		pthread_kill(w.thread, SIGUSR1);
	}
	worker_join(&w);
	say("jumped");
	contend(&mutex);
}

static ucontext_t main_context, coroutine_context;

static void coroutine(void)
{
	for (int i = 0; i < 5; i++) {
		pthread_mutex_lock(&mutex);
		swapcontext(&coroutine_context, &main_context);
		pthread_mutex_unlock(&mutex);
		contend(&other);
	}
}

/* Coroutines: the thread changes stacks while it holds locks. */
static void coroutines(long arg)
{
	static char stack[65536];

	(void)arg;
	getcontext(&coroutine_context);
	coroutine_context.uc_stack.ss_sp = stack;
	coroutine_context.uc_stack.ss_size = sizeof(stack);
	coroutine_context.uc_link = &main_context;
	makecontext(&coroutine_context, coroutine, 0);
	for (int i = 0; i < 6; i++) {
		swapcontext(&main_context, &coroutine_context);
		TRY(pthread_mutex_trylock(&mutex));
		TRY(pthread_mutex_lock(&other));
		TRY(pthread_mutex_unlock(&other));
	}
}

static void blocked_body(struct worker *w)
{
	worker_mark(w);
	if (w->arg == 0)
		pthread_mutex_lock(&other);
	else if (w->arg == 1) {
		pthread_mutex_lock(&mutex);
		pthread_cond_wait(&cond, &mutex);
	} else {
		for (;;)
			short_body(w);
	}
	say("not reached");
}

static void late_handler(void)
{
	contend(&mutex);
	say("at exit");
}

/* exit() while others wait and lock; handlers contend after it began. */
static void exit_amid(long arg)
{
	static struct worker w[3];
	static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;

	(void)arg;
	atexit(late_handler);
	TRY(pthread_mutex_lock(&other));
	for (int i = 0; i < 3; i++)
		worker_start(&w[i], blocked_body, &busy, i);
	worker_asleep(&w[0], 1);
	worker_asleep(&w[1], 1);
	printf("flushed");
	exit(11);
}

void family_hurt(void)
{
	CASE("hurt", fork_while_others_lock);
	CASE("hurt", fork_in_threads);
	case_timeout(600);
	case_add(many_forks, 0, "hurt/many_forks/idle");
	case_add(many_forks, 1, "hurt/many_forks/locking");
	CASE("hurt", short_threads);
	case_timeout(0);
	CASE("hurt", threads_at_once);
	CASE("hurt", short_locks);
	CASE("hurt", wiped);
	CASE("hurt", reuse_inner);
	case_add(descriptor_reuse, 0, "hurt/descriptor_reuse/in_program");
	case_add(descriptor_reuse, 1, "hurt/descriptor_reuse/before_program");
	CASE("hurt", all_closed);
	CASE("hurt", lock_in_handler);
	case_add(small_handler_stack, 6144, "hurt/small_handler_stack/6144");
	case_add(small_handler_stack, 14336, "hurt/small_handler_stack/14336");
	CASE("hurt", jump_out);
	CASE("hurt", coroutines);
	CASE("hurt", exit_amid);
}
