/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See apart.h. */
#include "src/attach/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome {
	int result;
	char error[ATTACH_ERROR_SIZE];
};

static int answer = -1; /* of the child: the pipe to the command */

bool apart_is_alone(void)
{
	struct pollfd p = { .fd = answer };

	return answer >= 0 && poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

/* Neither ^C nor a signal to the command's process group is meant for it. */
static void child(apart_work *work, const struct attach_request *request)
{
	struct outcome o = { .error = "" };
	sigset_t all;

	setsid();
	signal(SIGCHLD, SIG_DFL); /* the user may have had it ignored; then it tells nothing */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	o.result = work(request, o.error);
	_exit(write(answer, &o, sizeof(o)) == (ssize_t)sizeof(o) ? EXIT_SUCCESS : EXIT_FAILURE);
}

int apart_do(apart_work *work, const struct attach_request *request, char error[ATTACH_ERROR_SIZE])
{
	struct outcome o;
	int ends[2];
	ssize_t n;
	pid_t id;

	id = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
	if (id < 0) {
		int r = -errno;

		snprintf(error, ATTACH_ERROR_SIZE, "cannot make a process: %s", strerror(-r));
		return r;
	}
	if (id == 0) {
		close(ends[0]);
		answer = ends[1];
		child(work, request);
	}
	close(ends[1]);
	do
		n = read(ends[0], &o, sizeof(o));
	while (n < 0 && errno == EINTR);
	close(ends[0]);
	while (waitpid(id, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(o)) {
		snprintf(error, ATTACH_ERROR_SIZE, "process %d, which attaches to process %d, was killed",
			 (int)id, (int)request->pid);
		return -EOWNERDEAD;
	}
	memcpy(error, o.error, ATTACH_ERROR_SIZE);
	return o.result;
}
