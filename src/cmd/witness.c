/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The witness, see witness.h. */
#include "src/cmd/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOKS 3
#define BETWEEN_NS 1000000

/* Under another name, also in its command line: "pkill mutrace" means mutrace, not the group. */
static void rename_self(void)
{
	static const char name[] = "witness";
	char text[4096];
	size_t length = 0;
	ssize_t n;
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_NAME, name);
	if (fd < 0)
		return;
	while ((n = read(fd, text, sizeof(text))) > 0)
		length += (size_t)n;
	close(fd);
	if (length >= sizeof(name)) {
		memset(program_invocation_name, 0, length);
		memcpy(program_invocation_name, name, sizeof(name));
	}
}

pid_t witness_start(void)
{
	pid_t parent = getpid(), pid = fork();
	sigset_t all;

	if (pid != 0)
		return pid < 0 ? 0 : pid;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	rename_self();
	/* It must not keep anybody's pipe open. */
	if (syscall(SYS_close_range, 0u, ~0u, 0u) < 0)
		for (int fd = 0; fd < 1024; fd++)
			close(fd);
	for (;;)
		pause();
}

/* The pending signals of a process as a mask, 0 if unknown. */
static unsigned long long pending(pid_t pid)
{
	char path[64], text[4096], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strstr(text, "\nShdPnd:");
	return p ? strtoull(p + 8, NULL, 16) : 0;
}

bool witness_saw(pid_t *witness, int signal)
{
	const struct timespec between = { 0, BETWEEN_NS };

	if (*witness == 0)
		return false;
	/* The sender may still be on its way through the group. */
	for (int look = 0; look < LOOKS; look++) {
		if (pending(*witness) >> (signal - 1) & 1) {
			witness_end(*witness);
			*witness = witness_start();
			return true;
		}
		nanosleep(&between, NULL);
	}
	return false;
}

void witness_end(pid_t witness)
{
	if (witness == 0)
		return;
	kill(witness, SIGKILL);
	while (waitpid(witness, NULL, 0) < 0 && errno == EINTR)
		;
}
