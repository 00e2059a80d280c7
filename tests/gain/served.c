/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Servers whose locks can really be changed, see gain.c:
 *     served CASE [LOCK=CHANGE]...
 * Eight workers serve as long as the main thread sleeps; clients, in a process of their own or beside them,
 * send a request, wait for the reply, and think. Prints how many requests were served.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kit.h"

#define WORKERS 8
#define CLIENTS_MOST 64
#define LENGTH_MS 1500

/* How workers come to their requests. */
enum way {
	EACH,   /* each has connections of its own */
	SHARED, /* all wait at one epoll */
	QUEUED, /* one thread reads, and hands requests on by a condition */
	INSIDE, /* like EACH, but clients are threads of this process */
	ASKED,  /* clients are threads of this process, and ask by a condition */
};

static const struct server {
	const char *name;
	enum way way;
	int clients;
	double think, work, hold_a, hold_b; /* ms; of clients, and of a worker for each request */
	int every;                          /* one request in so many takes A */
	bool computes;
} servers[] = {
	{ "long", SHARED, 32, 0, 4, 2, 0, 1, false },
	{ "short", SHARED, 32, 0, .6, .1, 0, 1, false },
	{ "thinking", SHARED, 16, 10, 4, 2, 0, 1, false },
	{ "scarce", SHARED, 6, 1, 4, 2, 0, 1, false },
	{ "two", SHARED, 32, 0, 3, 2, 1.5, 1, false },
	{ "seldom", SHARED, 32, 0, 3, 12, 0, 10, false },
	{ "each", EACH, 8, 1, 4, 2, 0, 1, false },
	{ "each-many", EACH, 32, 1, 4, 2, 0, 1, false },
	{ "queued", QUEUED, 32, 0, 4, 2, 0, 1, false },
	{ "queued-thinking", QUEUED, 16, 10, 4, 2, 0, 1, false },
	{ "queued-few", QUEUED, 6, 1, 4, 2, 0, 1, false },
	{ "inside", INSIDE, 16, 1, 4, 2, 0, 1, false },
	{ "asked", ASKED, 24, 1, 4, 2, 0, 1, false },
	{ "asked-thinking", ASKED, 12, 10, 4, 2, 0, 1, false },
	{ "computing", SHARED, 16, 0, .3, .4, 0, 1, true },
	{ "computing-short", SHARED, 16, 0, .06, .02, 0, 1, true },
};

static const struct server *self;
static int sockets[CLIENTS_MOST][2]; /* the server's end, the client's */
static int all_epoll;
static atomic_int served;

/* Requests that were read, or asked; of the latter who waits. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	int items[CLIENTS_MOST];
	int n, first;
} other_requests = { .mutex = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER };

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t answered;
	bool done;
} other_answers[CLIENTS_MOST];

static void pass(double ms)
{
	if (self->computes)
		burn(ms);
	else
		rest(ms);
}

static __attribute__((noinline)) void serve(int request)
{
	static __thread int n;

	(void)request;
	pass(self->work);
	if (n++ % self->every == 0) {
		enter(&a);
		pass(self->hold_a * a.factor);
		leave(&a);
	}
	if (self->hold_b > 0) {
		enter(&b);
		pass(self->hold_b * b.factor);
		leave(&b);
	}
	atomic_fetch_add(&served, 1);
}

static void request_put(int client)
{
	pthread_mutex_lock(&other_requests.mutex);
	other_requests.items[(other_requests.first + other_requests.n++) % CLIENTS_MOST] = client;
	pthread_cond_signal(&other_requests.filled);
	pthread_mutex_unlock(&other_requests.mutex);
}

static int request_get(void)
{
	int client;

	pthread_mutex_lock(&other_requests.mutex);
	while (other_requests.n == 0)
		pthread_cond_wait(&other_requests.filled, &other_requests.mutex);
	client = other_requests.items[other_requests.first++ % CLIENTS_MOST];
	other_requests.n--;
	pthread_mutex_unlock(&other_requests.mutex);
	return client;
}

static void byte_get(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(0); /* the other side has ended */
}

static void byte_put(int fd)
{
	if (write(fd, "x", 1) != 1)
		_exit(0);
}

static void *reads(void *p)
{
	struct epoll_event events[16];

	for (;;) {
		int n = epoll_wait(all_epoll, events, 16, -1);

		for (int i = 0; i < n; i++) {
			byte_get(sockets[events[i].data.u32][0]);
			request_put((int)events[i].data.u32);
		}
	}
	return p;
}

static void *asked_worker(void *p)
{
	for (;;) {
		int client = request_get();

		serve(client);
		pthread_mutex_lock(&other_answers[client].mutex);
		other_answers[client].done = true;
		pthread_cond_signal(&other_answers[client].answered);
		pthread_mutex_unlock(&other_answers[client].mutex);
	}
	return p;
}

static void *queued_worker(void *p)
{
	for (;;) {
		int client = request_get();

		serve(client);
		byte_put(sockets[client][0]);
	}
	return p;
}

/* As servers have one: further clients could come. */
static void *accepts(void *p)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX }; /* bound to a name that the kernel chooses */
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t));
	listen(fd, 5);
	for (struct pollfd x = { fd, POLLIN, 0 };;)
		poll(&x, 1, -1);
	return p;
}

static void watch(int epoll, int client, uint32_t flags, int how)
{
	struct epoll_event e = { .events = EPOLLIN | flags, .data.u32 = (uint32_t)client };

	epoll_ctl(epoll, how, sockets[client][0], &e);
}

static void *epoll_worker(void *p)
{
	bool shared = self->way == SHARED;
	int epoll = shared ? all_epoll : epoll_create1(0);
	struct epoll_event e;

	for (int i = (int)(long)p; !shared && i < self->clients; i += WORKERS)
		watch(epoll, i, 0, EPOLL_CTL_ADD);
	while (epoll_wait(epoll, &e, 1, -1) == 1) {
		int client = (int)e.data.u32;

		byte_get(sockets[client][0]);
		serve(client);
		byte_put(sockets[client][0]);
		if (shared)
			watch(epoll, client, EPOLLONESHOT, EPOLL_CTL_MOD);
	}
	return NULL;
}

static void *client(void *p)
{
	long i = (long)p;

	for (;;) {
		if (self->way == ASKED) {
			pthread_mutex_lock(&other_answers[i].mutex);
			other_answers[i].done = false;
			pthread_mutex_unlock(&other_answers[i].mutex);
			request_put((int)i);
			pthread_mutex_lock(&other_answers[i].mutex);
			while (!other_answers[i].done)
				pthread_cond_wait(&other_answers[i].answered, &other_answers[i].mutex);
			pthread_mutex_unlock(&other_answers[i].mutex);
		} else {
			byte_put(sockets[i][1]);
			byte_get(sockets[i][1]);
		}
		rest(self->think);
	}
	return NULL;
}

static void start(int n, void *(*f)(void *))
{
	pthread_t t;

	for (long i = 0; i < n; i++)
		pthread_create(&t, NULL, f, (void *)i);
}

/* Clients in a process that is not profiled: it begins before any lock is used, and has the sockets as 100
 * and so on. */
static void clients_exec(const char *name)
{
	char program[4096];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *const args[] = { program, (char *)"clients", (char *)name, NULL }, *const none[] = { NULL };

	program[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < self->clients; i++)
		dup2(sockets[i][1], 100 + i);
	close(1);
	close(2);
	execve(program, args, none);
	_exit(99);
}

static int clients_main(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 0; i < self->clients; i++)
		sockets[i][1] = 100 + i;
	start(self->clients, client);
	pause();
	return 0;
}

static void server_run(void)
{
	static void *(*const workers[])(void *) = { epoll_worker, epoll_worker, queued_worker, epoll_worker,
						    asked_worker };
	bool inside = self->way == INSIDE || self->way == ASKED;

	all_epoll = epoll_create1(0);
	for (int i = 0; i < self->clients; i++) {
		pthread_mutex_init(&other_answers[i].mutex, NULL);
		pthread_cond_init(&other_answers[i].answered, NULL);
		if (self->way == ASKED)
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets[i]) < 0)
			exit(99);
		if (self->way == SHARED || self->way == QUEUED)
			watch(all_epoll, i, self->way == SHARED ? EPOLLONESHOT : 0, EPOLL_CTL_ADD);
	}
	if (!inside && fork() == 0)
		clients_exec(self->name);
	start(WORKERS, workers[self->way]);
	if (self->way == QUEUED)
		start(1, reads);
	if (!inside)
		start(1, accepts);
	if (inside)
		start(self->clients, client);
	rest(LENGTH_MS);
	printf("%d\n", atomic_load(&served));
	exit(0);
}

int main(int argc, char **argv)
{
	struct a_case cases[sizeof(servers) / sizeof(servers[0])];
	bool clients = argc == 3 && strcmp(argv[1], "clients") == 0;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		cases[i] = (struct a_case){ servers[i].name, NULL, 0, server_run };
		if (argc > 1 && strcmp(argv[clients ? 2 : 1], servers[i].name) == 0)
			self = &servers[i];
	}
	return !self ? 99 : clients ? clients_main() : RUN_CASE(cases, argc, argv);
}
