/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See byhand.h. There is no mutrace that waits for the processes of such a session, so each that ends asks
 * whether it is the last. Two may ask at once: the lock on the session's file is had by one of them.
 */
#include "src/cmd/byhand.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/cmd/follow.h"
#include "src/cmd/run.h"
#include "src/cmd/say.h"
#include "src/cmd/sessiondir.h"
#include "src/session/directory.h"
#include "src/session/format.h"

#define ARGUMENTS_MAX 64
#define BIRTH_MS 20

struct byhand {
	const char *path;
	enum command_bit command;
	int dir, file;
	struct session_file content;
	char options[8192];
	char *argv[ARGUMENTS_MAX + 2];
	int argc;
};

static int open_session(struct byhand *b)
{
	ssize_t n;

	b->dir = open(b->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	b->file = b->dir < 0 ? -1 : openat(b->dir, SESSION_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (b->file < 0)
		return -errno;
	n = read(b->file, &b->content, sizeof(b->content));
	return n == (ssize_t)sizeof(b->content) && b->content.config.report_at_exit ? 0 : -EINVAL;
}

/* True if processes besides the one that asks us are still in the session, or about to be. */
static bool others_run(struct byhand *b)
{
	struct follow *f = follow_new(b->dir);
	bool others;

	if (!f)
		return false;
	for (;;) {
		follow_scan(f, true);
		others = follow_others(f, getppid()) != 0;
		if (others || (!follow_expects(f) && !follow_newcomers(f, b->path)))
			break;
		poll(NULL, 0, BIRTH_MS);
	}
	if (!others)
		follow_clean(f);
	follow_free(f);
	return others;
}

/* The last process of the session that ends shall report then. */
static void leave_behind(const struct byhand *b)
{
	uint32_t yes = 1;

	if (pwrite(b->file, &yes, sizeof(yes), offsetof(struct session_file, left_behind)) < 0)
		say("%s: %s", b->path, strerror(errno));
}

/* Splits the file of options; the first of them is the working directory of the program's start. */
static void read_options(struct byhand *b)
{
	int fd = openat(b->dir, SESSION_OPTIONS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, b->options, sizeof(b->options) - 1);
	char *p = b->options;

	if (fd >= 0)
		close(fd);
	b->options[n > 0 ? n : 0] = '\0';
	b->argv[b->argc++] = (char *)"report";
	if (n <= 0)
		return;
	if (chdir(p) < 0)
		say("%s: %s", p, strerror(errno));
	for (p += strlen(p) + 1; p < b->options + n && b->argc <= ARGUMENTS_MAX; p += strlen(p) + 1) {
		struct options o;
		char *one[] = { b->argv[0], p, NULL };

		/* A wrong one is said and left out. */
		if (options_parse(&o, b->command, 2, one, false) >= 0)
			b->argv[b->argc++] = p;
		options_free(&o);
	}
}

static int report(struct byhand *b)
{
	struct options o;
	int r = REPORT_FAILED;

	read_options(b);
	if (options_parse(&o, b->command, b->argc, b->argv, false) >= 0)
		r = run_report(&o, b->path);
	options_free(&o);
	return r;
}

int byhand_report(const char *session, enum command_bit command)
{
	struct byhand b = { .path = session, .command = command, .dir = -1, .file = -1 };
	int r = open_session(&b), status = EXIT_SUCCESS;

	signal(SIGXFSZ, SIG_IGN); /* a limit of the program's is an error here */
	if (r < 0) {
		say("%s: %s", session, strerror(-r));
		status = STATUS_TROUBLE;
	} else if (!b.content.config.no_follow && others_run(&b)) {
		leave_behind(&b);
	} else if (directory_hold_alone(b.file)) {
		if (report(&b) == REPORT_FAILED)
			status = STATUS_TROUBLE;
		r = b.content.config.keep ? 0 : sessiondir_remove(session);
		if (r < 0)
			say("%s could not be removed: %s", session, strerror(-r));
	}
	if (b.file >= 0)
		close(b.file);
	if (b.dir >= 0)
		close(b.dir);
	return status;
}
