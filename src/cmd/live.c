/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The news of a session that is being recorded, see live.h. */
#include "src/cmd/live.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/strings.h"
#include "src/render/render.h"

#define BETWEEN_NS 300000000

struct live {
	const char *session;
	struct report_options options;
	struct render_options render;
	struct strings shown; /* lines that were */
	size_t before;        /* places known to the last look */
};

/* Prints what a line says if none said it before. */
static void show(struct live *l, const struct report_process *e, const struct report_alloc *a)
{
	size_t size = 0, count = l->shown.count;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	render_watched_place(f, e, a, &l->render);
	if (fclose(f) == 0 && strings_intern(&l->shown, text) && l->shown.count != count &&
	    write(STDERR_FILENO, text, size) < 0)
		errno = 0; /* nobody reads: the report will find out */
	free(text);
}

static void look(struct live *l)
{
	char error[MODEL_ERROR_SIZE];
	struct report *r = NULL;
	struct model *m = NULL;
	size_t places = 0;

	if (model_new(&m) < 0)
		return;
	/* It may be read in the middle of a change: the next look is a better one. */
	if (model_load(m, l->session, error) < 0)
		goto out;
	for (size_t i = 0; i < m->n_processes; i++)
		places += m->processes[i].n_allocs;
	if (places <= l->before || report_new(m, &l->options, &r) < 0)
		goto out;
	l->before = places;
	for (size_t i = 0; i < r->n_processes; i++)
		for (size_t k = 0; k < r->processes[i].n_allocs && !r->processes[i].allocs[k].suppressed; k++)
			show(l, &r->processes[i], &r->processes[i].allocs[k]);
out:
	report_free(r);
	model_free(m);
}

pid_t live_start(const char *session, const struct report_options *report,
		 const struct render_options *render)
{
	const struct timespec between = { 0, BETWEEN_NS };
	struct live l = { .session = session, .options = *report, .render = *render };
	pid_t parent = getpid(), pid = fork();
	sigset_t end, all;

	if (pid != 0)
		return pid < 0 ? 0 : pid;
	sigfillset(&all); /* the terminal's, and what is sent to the group */
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	l.options.progress_fd = -1;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	while (sigtimedwait(&end, NULL, &between) != SIGTERM)
		look(&l);
	look(&l);
	_exit(0);
}

void live_end(pid_t live)
{
	if (live == 0)
		return;
	kill(live, SIGTERM);
	while (waitpid(live, NULL, 0) < 0 && errno == EINTR)
		;
}
