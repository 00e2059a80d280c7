/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Moments in which a wait was long, see moments.h. A child looks at the process as `mutrace hang` does, writes the file
 * "moment.N" and becomes the command. One at a time, none within some seconds of the last, and not many in all: who is in
 * trouble must not be drowned in its reports.
 */
#include "src/cmd/moments.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/cmd/child.h"
#include "src/cmd/image_file.h"
#include "src/cmd/say.h"
#include "src/inspect/inspect.h"
#include "src/render/inspect.h"
#include "src/session/moments.h"
#include "src/session/ticks.h"

#define BETWEEN_NS 10000000000u
#define DEADLOCK_NS 200000000u /* a circle that is so old is one */
#define NS_PER_MS 1000000u
#define PATIENCE_NS 10000000000u /* for the last command, when the program has ended */

struct moments {
	const struct options *options;
	int dir;
	const char *command;
	uint64_t limit_ns;
	unsigned int count;
	uint64_t last_ns;
	struct asleep_wait seen[MOMENTS_MOST]; /* waits whose moment is kept */
	pid_t child;                           /* that keeps one, or its command; 0: none */
};

struct moments *moments_new(const struct options *o)
{
	const char *colon = strchr(o->when_waiting, ':');
	struct moments *m;
	char *end;
	double ms = strtod(o->when_waiting, &end);

	if (!colon || end != colon || end == o->when_waiting || !(ms > 0 && ms < 1e9) || !colon[1]) {
		say("--when-waiting takes milliseconds and a command, such as 500:'gcore $MUTRACE_WAIT_PID', "
		    "not '%s'",
		    o->when_waiting);
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->options = o;
	m->dir = -1;
	m->command = colon + 1;
	m->limit_ns = (uint64_t)(ms * NS_PER_MS);
	return m;
}

void moments_start(struct moments *m, int dir)
{
	m->dir = dir;
}

void moments_free(struct moments *m)
{
	free(m);
}

uint64_t moments_limit(const struct moments *m)
{
	return m->limit_ns < DEADLOCK_NS ? m->limit_ns : DEADLOCK_NS;
}

/* The name of the thing that a thread waits for, or NULL. */
static const char *name_of(const struct inspection *i, uint32_t tid)
{
	for (size_t k = 0; i && k < i->n_threads; k++)
		if (i->threads[k].tid == (pid_t)tid && i->threads[k].object != INSPECT_NONE)
			return i->objects[i->threads[k].object].name;
	return NULL;
}

/* The words of `mutrace hang`, to be freed; NULL: it could not look. */
static char *words(const struct inspection *i, const struct render_options *o)
{
	char *text = NULL;
	size_t size;
	FILE *f = i ? open_memstream(&text, &size) : NULL;

	if (!f)
		return NULL;
	inspect_text(f, i, o);
	return fclose(f) == 0 ? text : NULL;
}

static json_t *document(const struct inspection *i)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = i ? open_memstream(&text, &size) : NULL;
	json_t *ret = NULL;

	if (!f)
		return NULL;
	inspect_json(f, i);
	if (fclose(f) == 0)
		ret = json_loadb(text, size, 0, NULL);
	free(text);
	return ret;
}

/* The file of the moment: all at once, so that nobody reads half of it. */
static void write_file(const struct moments *m, json_t *moment)
{
	char name[32], temporary[32];
	int fd;

	snprintf(name, sizeof(name), SESSION_MOMENT_PREFIX "%u", m->count);
	snprintf(temporary, sizeof(temporary), SESSION_MOMENT_PREFIX "new");
	unlinkat(m->dir, temporary, 0);
	fd = image_file_open(m->dir, temporary, O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return;
	if (json_dumpfd(moment, fd, JSON_ENSURE_ASCII) == 0)
		renameat(m->dir, temporary, m->dir, name);
	else
		unlinkat(m->dir, temporary, 0);
	close(fd);
}

static void set_number(const char *name, unsigned long long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", n);
	setenv(name, text, 1);
}

/* The command gets the words on its standard input. */
static void give_words(const char *text)
{
	int fd = memfd_create("moment", 0);

	if (fd < 0)
		return;
	if (text && write(fd, text, strlen(text)) < 0)
		errno = 0; /* the command finds less */
	lseek(fd, 0, SEEK_SET);
	dup2(fd, STDIN_FILENO);
	close(fd);
}

__attribute__((noreturn)) static void child(const struct moments *m, const struct asleep_wait *w)
{
	char error[INSPECT_ERROR_SIZE], address[32];
	struct report_options report = m->options->report;
	struct render_options render = m->options->render;
	struct inspection *i = NULL;
	struct timespec now;
	json_t *moment;
	char *text;
	const char *lock;

	clock_gettime(CLOCK_REALTIME, &now);
	report.all = true;
	report.progress_fd = -1;
	report.debuginfod_seconds = 0; /* the moment would be over */
	render.report = &report;
	render.wrap = 0;
	inspect_run((pid_t)w->pid, NULL, &report, &i, error);
	text = words(i, &render);
	snprintf(address, sizeof(address), "0x%llx", (unsigned long long)w->address);
	lock = name_of(i, w->tid);
	moment = json_pack("{s:I, s:I, s:I, s:I, s:b, s:s, s:s?, s:s?, s:o?}", "realtime_ns",
			   (json_int_t)now.tv_sec * 1000000000 + now.tv_nsec, "pid", (json_int_t)w->pid,
			   "tid", (json_int_t)w->tid, "wait_ns", (json_int_t)w->waited_ns, "deadlock",
			   w->deadlock, "address", address, "lock", lock, "text", text, "hang", document(i));
	if (moment)
		write_file(m, moment);
	set_number("MUTRACE_WAIT_PID", w->pid);
	set_number("MUTRACE_WAIT_TID", w->tid);
	set_number("MUTRACE_WAIT_MS", w->waited_ns / NS_PER_MS);
	set_number("MUTRACE_WAIT_DEADLOCK", w->deadlock);
	setenv("MUTRACE_WAIT_LOCK", lock ? lock : address, 1);
	give_words(text);
	child_let_signals();
	execl("/bin/sh", "sh", "-c", m->command, (char *)NULL);
	_exit(127);
}

static bool same(const struct asleep_wait *a, const struct asleep_wait *b)
{
	return a->pid == b->pid && a->tid == b->tid && a->since == b->since;
}

void moments_see(void *data, const struct asleep_wait *w)
{
	struct moments *m = data;
	uint64_t now;

	if (m->child != 0 || m->count >= MOMENTS_MOST ||
	    w->waited_ns < (w->deadlock ? moments_limit(m) : m->limit_ns))
		return;
	for (unsigned int i = 0; i < m->count; i++)
		if (same(&m->seen[i], w))
			return;
	now = ticks_monotonic_ns();
	if (m->count != 0 && now - m->last_ns < BETWEEN_NS)
		return;
	m->child = fork();
	if (m->child == 0)
		child(m, w);
	if (m->child < 0)
		m->child = 0;
	m->seen[m->count++] = *w;
	m->last_ns = now;
}

bool moments_has(const struct moments *m, pid_t pid)
{
	return m && m->child == pid;
}

void moments_look(struct moments *m)
{
	if (m && m->child != 0 && waitpid(m->child, NULL, WNOHANG) != 0)
		m->child = 0;
}

bool moments_busy(const struct moments *m)
{
	return m && m->child != 0 && ticks_monotonic_ns() - m->last_ns < PATIENCE_NS;
}
