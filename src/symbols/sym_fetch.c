/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asking debuginfod servers; see sym_fetch.h. Runs in the engine's process, called by sym_debugfile.c; takes no
 * locks. libdebuginfod calls back while it works, so the callback ends what takes too long; but since elfutils
 * 0.196 not while a server is silent, for which it has limits of its own.
 */
#include "src/symbols/sym_fetch.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "src/symbols/symbolize.h"

#define LIBRARY "libdebuginfod.so.1"
#define QUIET_MS 1000 /* what is faster shows no progress */

/* As elfutils/debuginfod.h has them, which need not be there to build. */
struct client;
static struct {
	struct client *(*begin)(void);
	int (*find_debuginfo)(struct client *client, const unsigned char *build_id, int size, char **path);
	void (*set_progressfn)(struct client *client, int (*progress)(struct client *client, long a, long b));
	void (*end)(struct client *client);
} library;

static struct { /* the file that is being fetched: the callback's old interface has no pointer for data */
	struct sym_fetch *fetch;
	const char *name;
	int64_t start_ms;
	bool shown;
} now;

static int terminal = -2; /* -2: as the fetch says */

void sym_fetch_terminal(int fd)
{
	terminal = fd;
}

int sym_fetch_new(struct sym_fetch **ret, unsigned int seconds, int fd)
{
	struct sym_fetch *f =
		mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (f == MAP_FAILED)
		return -errno;
	f->left_ms = (int64_t)seconds * 1000;
	f->fd = fd;
	*ret = f;
	return 0;
}

void sym_fetch_free(struct sym_fetch *f)
{
	if (f)
		munmap(f, sizeof(*f));
}

static bool library_load(void)
{
	static const char *const names[] = { "debuginfod_begin", "debuginfod_find_debuginfo",
					     "debuginfod_set_progressfn", "debuginfod_end" };
	void *found[4], *handle = library.end ? NULL : dlopen(LIBRARY, RTLD_NOW);

	if (library.end || !handle)
		return library.end;
	for (size_t i = 0; i < 4; i++) {
		found[i] = dlsym(handle, names[i]);
		if (!found[i])
			return false;
	}
	memcpy(&library, found, sizeof(library));
	return true;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One line on a terminal, over the last one. done of total are bytes, or servers that were asked. */
static void progress_show(long done, long total)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "\r\033[Kmutrace: fetching debug information of %.60s",
			 now.name);

	for (int i = 4; i < n; i++) /* the name is the program's, and may hold what a terminal obeys */
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	if (total > 1 && done <= total)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ", %2.0f %%",
			      100.0 * (double)done / (double)total);
	if (write(terminal, line, (size_t)n) == n)
		now.shown = true;
}

static int progress(struct client *client, long done, long total)
{
	int64_t spent = now_ms() - now.start_ms;

	(void)client;
	if (terminal >= 0 && spent >= QUIET_MS)
		progress_show(done, total);
	return spent >= now.fetch->left_ms;
}

static int find(struct sym_fetch *f, struct client *client, const char *hex, const char *name,
		char **ret_path)
{
	static const char blank[] = "\r\033[K";
	const char *urls = getenv("DEBUGINFOD_URLS");
	int64_t spent;
	int fd;

	if (terminal == -2)
		terminal = f->fd;
	now.fetch = f;
	now.name = name;
	now.start_ms = now_ms();
	now.shown = false;
	library.set_progressfn(client, progress);
	fd = library.find_debuginfo(client, (const unsigned char *)hex, 0, ret_path);
	spent = now_ms() - now.start_ms;
	if (now.shown && write(terminal, blank, sizeof(blank) - 1) < 0)
		now.shown = false;
	f->left_ms -= spent;
	if (fd >= 0) {
		close(fd);
		f->files++;
		return 0;
	}
	if (f->left_ms <= 0)
		f->trouble = SYMBOL_FETCH_TOO_SLOW;
	else if (!urls || !urls[strspn(urls, " ")])
		f->trouble = SYMBOL_FETCH_NO_SERVER;
	else if (fd != -ENOENT)
		f->trouble = SYMBOL_FETCH_FAILED;
	return -ENOENT;
}

/* A limit of the library's own, unless the user has a lower one. */
static void limit(const char *name, int64_t seconds)
{
	const char *present = getenv(name);
	long own = present ? strtol(present, NULL, 10) : 0;
	char text[24];

	if (own > 0 && own <= seconds)
		return;
	snprintf(text, sizeof(text), "%lld", (long long)seconds);
	setenv(name, text, 1);
}

int sym_fetch_debuginfo(struct sym_fetch *f, const char *hex, const char *name, char **ret_path)
{
	struct client *client;
	int r;

	if (f->left_ms <= 0)
		return -ENOENT;
	if (!library_load()) {
		f->trouble = SYMBOL_FETCH_NO_LIBRARY;
		return -ENOENT;
	}
	limit("DEBUGINFOD_TIMEOUT", (f->left_ms + 999) / 1000);
	limit("DEBUGINFOD_MAXTIME", (f->left_ms + 999) / 1000);
	client = library.begin();
	if (!client) {
		f->trouble = SYMBOL_FETCH_FAILED;
		return -ENOENT;
	}
	r = find(f, client, hex, name, ret_path);
	library.end(client);
	return r;
}
