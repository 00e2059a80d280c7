/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutrace top [SESSION|PID]: which locks are waited for right now, in a process that is being recorded. The session is
 * read again and again (refresh.h); names come from a report of it, which is made seldom.
 */
#include "src/cmd/top.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/cmd/command.h"
#include "src/cmd/say.h"
#include "src/cmd/top_session.h"
#include "src/load/model.h"

#define BATCH_WIDTH 110u

static int look(struct top *t)
{
	char error[MODEL_ERROR_SIZE];
	int r = refresh_read(t->refresh);

	if (r < 0 && r != -ENOENT)
		return r;
	t->ended = r == -ENOENT;
	r = top_rows_make(&t->rows, t->refresh, &t->names, &t->choice);
	if (r < 0 || t->rows.unnamed == 0 || !top_names_may_read(&t->names))
		return r;
	if (top_names_read(&t->names, t->refresh, error) < 0)
		return 0; /* it is over, or in the middle of a change */
	return top_rows_make(&t->rows, t->refresh, &t->names, &t->choice);
}

static void batch_print(const struct top *t, unsigned int most)
{
	top_print_head(stdout, t);
	top_print_titles(stdout, t, BATCH_WIDTH);
	for (size_t i = 0; i < t->rows.n_shown && i < most; i++)
		top_print_row(stdout, t, &t->rows.rows[t->rows.shown[i]], BATCH_WIDTH);
	top_print_waits(stdout, t, most);
	putchar('\n');
}

/* For logs: a table again and again, until the program ends. */
static int batch(struct top *t, const struct options *o)
{
	unsigned int most = o->report.max == REPORT_MAX_USUAL ? 10
			    : o->report.max                   ? o->report.max
							      : UINT32_MAX;
	const struct timespec pause = { .tv_sec = (time_t)(t->interval_ms / 1000),
					.tv_nsec = (long)(t->interval_ms % 1000) * 1000000 };

	for (unsigned int i = 0; !t->ended && (o->top_count == 0 || i < o->top_count); i++) {
		int r;

		nanosleep(&pause, NULL);
		r = look(t);
		if (r < 0)
			return r;
		batch_print(t, most);
		if (fflush(stdout) != 0)
			return errno == EPIPE ? 0 : -errno;
	}
	return 0;
}

static int run(struct top *t, const struct options *o)
{
	char error[MODEL_ERROR_SIZE];
	int r = look(t);

	if (r == 0 && t->names.versions == 0 && top_names_read(&t->names, t->refresh, error) < 0)
		say("note: locks have no names: %s", error);
	if (r == 0)
		r = top_rows_make(&t->rows, t->refresh, &t->names, &t->choice);
	if (r < 0)
		return r;
	return o->top_batch ? batch(t, o) : top_screen(t, look);
}

int command_top(struct options *o, int argc, char **argv)
{
	struct top t = { .interval_ms = o->top_interval_ms ? o->top_interval_ms : 1000 };
	char error[MODEL_ERROR_SIZE] = "";
	char *session = NULL;
	int r;

	if (argc > 1) {
		say("one session or process is wanted: mutrace top [OPTION...] [SESSION|PID]");
		return STATUS_TROUBLE;
	}
	if (!o->top_batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
		say("there is no terminal; --batch prints instead");
		return STATUS_TROUBLE;
	}
	session = top_session(argc ? argv[0] : NULL, error);
	o->report.no_gains = true;
	t.names.session = session;
	t.names.options = &o->report;
	t.choice.filter = o->top_filter ? o->top_filter : "";
	r = session ? refresh_open(session, &t.refresh, error) : -ENOENT;
	if (r < 0) {
		say("%s", error);
	} else {
		r = run(&t, o);
		if (r < 0)
			say("%s", strerror(-r));
	}
	top_rows_free(&t.rows);
	top_names_free(&t.names);
	refresh_free(t.refresh);
	free(session);
	return r < 0 ? STATUS_TROUBLE : EXIT_SUCCESS;
}
