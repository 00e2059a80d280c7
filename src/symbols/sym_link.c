/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine's process; see sym_link.h. Runs in mutrace, takes no locks. Called by symbolize.c.
 *
 * The child is a fork without exec. It has only its end of a socket pair and /dev/null open (and the terminal, where it may fetch files), gets none of the
 * terminal's signals, dies with mutrace, leaves no core, and is ended by the kernel if libbfd spins for
 * minutes. Its parent believes nothing that it says but checks it while decoding (sym_wire.h).
 */
#include "src/symbols/sym_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/symbols/sym_fetch.h"

#define CPU_SECONDS_MAX 600u
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ADDRESS_SPACE_LIMITED false /* their shadow memory alone takes more */
#else
#define ADDRESS_SPACE_LIMITED true
#endif
#define REPLY_MAX (256u << 20)

struct sym_link {
	pid_t child; /* 0: in this process */
	int fd;
	struct sym_engine *engine; /* in this process only, with the reply that waits to be received */
	struct sym_buffer reply;
};

static int write_all(int fd, const void *from, size_t size)
{
	const uint8_t *p = from;

	while (size) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, void *to, size_t size)
{
	uint8_t *p = to;

	while (size) {
		ssize_t n = recv(fd, p, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_message(int fd, const struct sym_buffer *b)
{
	uint32_t size = (uint32_t)b->size;
	int r;

	if (b->bad || b->size > REPLY_MAX)
		return -EPIPE;
	r = write_all(fd, &size, sizeof(size));
	return r < 0 ? r : write_all(fd, b->data, size);
}

static int read_message(int fd, struct sym_buffer *b)
{
	uint32_t size;
	void *to;
	int r = read_all(fd, &size, sizeof(size));

	if (r < 0)
		return r;
	if (size > REPLY_MAX)
		return -EPIPE;
	sym_buffer_reset(b);
	to = sym_buffer_extend(b, size);
	if (!to)
		return -ENOMEM;
	return read_all(fd, to, size);
}

/* Leaves the child with nothing of its parent's but memory. Returns its end of the socket pair. */
static int settle(int fd, pid_t parent, const struct sym_fetch *fetch)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP, SIGPIPE };
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGCHLD, SIGXCPU };
	struct rlimit no_core = { 0 }, cpu = { CPU_SECONDS_MAX, CPU_SECONDS_MAX }, memory;
	sigset_t none;
	int null, shown = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	setrlimit(RLIMIT_CPU, &cpu);
	/* libbfd reads whole sections; where they do not fit, better no lines than the machine out of
	 * memory */
	if (ADDRESS_SPACE_LIMITED && getrlimit(RLIMIT_AS, &memory) == 0) {
		rlim_t most = (rlim_t)sysconf(_SC_PHYS_PAGES) * (rlim_t)sysconf(_SC_PAGESIZE) / 4 * 3;

		if (memory.rlim_cur == RLIM_INFINITY || memory.rlim_cur > most)
			memory.rlim_cur = most;
		setrlimit(RLIMIT_AS, &memory);
	}
	if (fetch && fetch->fd >= 0)
		shown = fcntl(fetch->fd, F_DUPFD_CLOEXEC, 5);
	if (fd != 3) {
		if (dup2(fd, 3) != 3)
			_exit(1);
		fd = 3;
	}
	if (fetch)
		sym_fetch_terminal(shown >= 0 ? dup2(shown, 4) : -1);
	close_range(shown >= 0 ? 5 : 4, ~0u,
		    0); /* a kernel without it: they stay open, and are not touched */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	if (null > 3)
		close(null);
	return fd;
}

__attribute__((noreturn)) static void serve(int fd, const struct sym_spec *spec)
{
	struct sym_buffer request = { 0 }, reply = { 0 };
	struct sym_engine *engine;

	if (sym_engine_new(&engine, spec) < 0)
		_exit(1);
	while (read_message(fd, &request) == 0) {
		sym_buffer_reset(&reply);
		sym_engine_answer(engine, &request, &reply);
		if (write_message(fd, &reply) < 0)
			break;
	}
	_exit(0); /* all memory goes at once */
}

static int start_child(struct sym_link *link, const struct sym_spec *spec)
{
	pid_t parent = getpid();
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	link->child = fork();
	if (link->child == 0)
		serve(settle(fds[1], parent, spec->fetch), spec);
	close(fds[1]);
	if (link->child < 0) {
		link->child = 0;
		close(fds[0]);
		return -EAGAIN;
	}
	link->fd = fds[0];
	return 0;
}

int sym_link_open(struct sym_link **ret, const struct sym_spec *spec, bool in_process)
{
	struct sym_link *link = calloc(1, sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	link->fd = -1;
	if (in_process || start_child(link, spec) < 0) {
		r = sym_engine_new(&link->engine, spec);
		if (r < 0) {
			free(link);
			return r;
		}
	}
	*ret = link;
	return 0;
}

void sym_link_close(struct sym_link *link)
{
	if (!link)
		return;
	if (link->child) {
		/* It ends by that. No signal is sent: if somebody else has collected it, its number may be
		 * another's. */
		close(link->fd);
		while (waitpid(link->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	sym_engine_free(link->engine);
	sym_buffer_free(&link->reply);
	free(link);
}

int sym_link_send(struct sym_link *link, const struct sym_buffer *request)
{
	struct sym_buffer copy = *request;

	if (link->child)
		return write_message(link->fd, request);
	copy.read = 0;
	sym_buffer_reset(&link->reply);
	sym_engine_answer(link->engine, &copy, &link->reply);
	return 0;
}

int sym_link_receive(struct sym_link *link, struct sym_buffer *reply)
{
	if (link->child)
		return read_message(link->fd, reply);
	sym_buffer_reset(reply);
	sym_put_bytes(reply, link->reply.data, link->reply.size);
	return reply->bad || link->reply.bad ? -ENOMEM : 0;
}
