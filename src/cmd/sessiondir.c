/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The session's directory, see sessiondir.h. It belongs to the user alone (0700), is made under a name
 * that nobody can guess, and its files are only opened relative to a descriptor of it.
 */
#include "src/cmd/sessiondir.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "src/base/proc.h"
#include "src/cmd/say.h"
#include "src/session/directory.h"
#include "src/session/sandbox.h"
#include "src/session/ticks.h"

/* A session of a large program takes some ten megabytes; less room than this is left to others. */
#define MEMORY_ROOM (128ull << 20)
#define OTHER_ROOM (16ull << 20)

static bool has_room(const char *place, uint64_t bytes)
{
	struct statvfs fs;

	return statvfs(place, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= bytes;
}

static char *make_in(const char *place)
{
	char *path, *absolute = realpath(place, NULL); /* first: a link may not come in afterwards */
	int r;

	if (!absolute)
		return NULL;
	r = asprintf(&path, "%s/" DIRECTORY_NAME "XXXXXX", absolute);
	free(absolute);
	if (r < 0)
		return NULL;
	if (!mkdtemp(path)) {
		free(path);
		return NULL;
	}
	return path;
}

static bool is_empty(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool empty = dir >= 0 && directory_is_empty(dir);

	if (dir >= 0)
		close(dir);
	return empty;
}

/* NULL with errno; 0: it was said already. */
static char *make_named(const char *output)
{
	struct stat st;

	if (mkdir(output, 0700) < 0) {
		if (errno != EEXIST)
			return NULL;
		if (lstat(output, &st) < 0 || !S_ISDIR(st.st_mode) || !is_empty(output)) {
			say("%s exists already; name a new or an empty directory", output);
			errno = 0;
			return NULL;
		}
		if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
			say("%s must be yours alone (chmod 700): the session tells what the program does",
			    output);
			errno = 0;
			return NULL;
		}
	}
	return realpath(output, NULL);
}

uint64_t sessiondir_ticks(uint32_t clock_kind)
{
	return clock_kind == CLOCK_KIND_TSC ? ticks_counter() : ticks_monotonic_ns();
}

static int write_at(const struct sessiondir *s, size_t from, size_t to)
{
	const struct session_file content = s->content;
	ssize_t n = pwrite(s->file, (const char *)&content + from, to - from, (off_t)from);

	return n == (ssize_t)(to - from) ? 0 : n < 0 ? -errno : -ENOSPC;
}

/* The files of a directory that was just made. 0 or -errno. */
static int fill(struct sessiondir *s)
{
	struct rlimit size;
	struct stat st;
	int r;

	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		return -errno;
	/* The owner of the place may have put another one there. */
	if (fstat(s->dir, &st) < 0 || st.st_uid != (uid_t)setfsuid((uid_t)-1) || !directory_is_empty(s->dir))
		return -EPERM;
	if (fchmod(s->dir, 0700) < 0)
		return -errno;
	s->file = openat(s->dir, SESSION_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->file < 0 || fchmod(s->file, 0600) < 0)
		return -errno;
	directory_hold(s->file);
	s->content.config.events = directory_room_for_events(s->path, s->content.config.events);
	if (getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur < SESSION_FILE_SIZE)
		return -EFBIG; /* to try it would raise SIGXFSZ */
	r = -posix_fallocate(s->file, 0, SESSION_FILE_SIZE);
	return r < 0 ? r : write_at(s, 0, sizeof(s->content));
}

/* As far as it came. */
static void unmake(struct sessiondir *s)
{
	if (s->file >= 0)
		close(s->file); /* before another descriptor is needed */
	if (s->dir >= 0) {
		directory_remove_files(s->dir);
		close(s->dir);
	}
	if (s->path)
		rmdir(s->path);
	free(s->path);
	s->path = NULL;
	s->dir = s->file = -1;
}

/* A place with ample room, /dev/shm first: no disk ever writes these pages back, which would stall the program's
 * counters. Else where there is any. 0 or -errno of the last place. */
static int make_unnamed(struct sessiondir *s)
{
	const char *places[DIRECTORY_PLACES];
	int r = -ENOENT;

	directory_places(getenv("TMPDIR"), places);
	for (int any = 0; any < 2; any++) {
		for (size_t i = 0; i < DIRECTORY_PLACES; i++) {
			if (!places[i] || (!any && !has_room(places[i], i == 0 ? MEMORY_ROOM : OTHER_ROOM)))
				continue;
			directory_clean(places[i]);
			s->path = make_in(places[i]);
			r = !s->path                                   ? -errno
			    : strlen(s->path) > DIRECTORY_PATH_LONGEST ? -ENAMETOOLONG
								       : fill(s);
			if (r == 0)
				return 0;
			unmake(s);
		}
	}
	say("cannot make a session in %s, $TMPDIR or %s: %s", places[0], places[2], strerror(-r));
	return r;
}

static bool no_room(int error)
{
	static const int errors[] = { ENOSPC, EDQUOT, EROFS, EFBIG, EMFILE, ENFILE, ENOMEM, EIO };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (error == errors[i])
			return true;
	return false;
}

static uint32_t own_filters(void)
{
	char text[SANDBOX_STATUS];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return sandbox_filters(text);
}

/* Fills in the file "session" as it is at the beginning. */
static void begin(struct sessiondir *s, const struct session_config *config, uint32_t for_ms,
		  const char *rt_threads, bool keep)
{
	struct session_file *c = &s->content;
	struct timespec now;

	*s = (struct sessiondir){ .dir = -1, .file = -1, .keep = keep };
	memcpy(c->magic, SESSION_FILE_MAGIC, sizeof(c->magic));
	c->format = SESSION_FORMAT;
	c->byte_order = SESSION_BYTE_ORDER;
	c->pid = (uint32_t)getpid();
	c->uid = (uint32_t)getuid();
	clock_gettime(CLOCK_REALTIME, &now);
	c->start_realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	c->start_ns = ticks_monotonic_ns();
	proc_boot_id(c->boot_id);
	c->filters = own_filters();
	c->config = *config;
	c->config.keep = s->keep;
	c->for_ms = for_ms;
	if (rt_threads)
		snprintf(c->rt_threads, sizeof(c->rt_threads), "%s", rt_threads);
	snprintf(c->version, sizeof(c->version), "%s", PACKAGE_VERSION);
}

int sessiondir_make_below(struct sessiondir *s, const struct session_config *config, const char *rt_threads,
			  int place)
{
	int r = 0;

	begin(s, config, 0, rt_threads, false);
	if (asprintf(&s->path, "/proc/self/fd/%d/" DIRECTORY_NAME "XXXXXX", place) < 0) {
		s->path = NULL;
		return -ENOMEM;
	}
	r = mkdtemp(s->path) ? fill(s) : -errno;
	if (r < 0)
		unmake(s);
	return r;
}

int sessiondir_give(struct sessiondir *s, uid_t uid, gid_t gid)
{
	return fchown(s->file, uid, gid) < 0 || fchown(s->dir, uid, gid) < 0 ? -errno : 0;
}

int sessiondir_make(struct sessiondir *s, const struct session_config *config, uint32_t for_ms,
		    const char *rt_threads, const char *output)
{
	int r = 0;

	begin(s, config, for_ms, rt_threads, output);
	if (output) {
		s->path = make_named(output);
		if (!s->path && errno == 0)
			return -1;
		if (s->path && strlen(s->path) > DIRECTORY_PATH_LONGEST) {
			say("%s: the path is too long for a session", s->path);
			unmake(s);
			return -1;
		}
		r = s->path ? fill(s) : -errno;
		if (r == 0)
			return 0;
		unmake(s);
		say("%s: %s", output, strerror(-r));
		if (!no_room(-r))
			return -1;
	}
	r = make_unnamed(s);
	if (r < 0)
		return SESSION_NO_ROOM;
	if (output)
		say("the session is kept in %s", s->path);
	return 0;
}

/* Only what is ours to write: processes count themselves in this file, see unrecorded. */
void sessiondir_started(struct sessiondir *s, pid_t program)
{
	s->content.program_pid = (uint32_t)program;
	write_at(s, offsetof(struct session_file, program_pid), offsetof(struct session_file, wait_status));
}

void sessiondir_finish(struct sessiondir *s, int wait_status)
{
	struct timespec now;

	s->content.wait_status = (uint32_t)wait_status;
	ticks_pair(ticks_have_counter(), &s->content.end_ticks, &s->content.end_ns);
	if (clock_gettime(CLOCK_REALTIME, &now) == 0)
		s->content.end_realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	s->content.finished = 1;
	write_at(s, offsetof(struct session_file, end_realtime_ns), sizeof(struct session_file));
	write_at(s, offsetof(struct session_file, end_ticks), offsetof(struct session_file, version));
	write_at(s, offsetof(struct session_file, finished), offsetof(struct session_file, unrecorded));
}

unsigned int sessiondir_unrecorded(const struct sessiondir *s)
{
	uint32_t n;

	return pread(s->file, &n, sizeof(n), offsetof(struct session_file, unrecorded)) == (ssize_t)sizeof(n)
		       ? n
		       : 0;
}

int sessiondir_remove(const char *path)
{
	struct stat st;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	if (fstat(dir, &st) < 0 || st.st_uid != geteuid() || faccessat(dir, SESSION_FILE, F_OK, 0) < 0) {
		close(dir);
		return -EPERM;
	}
	directory_remove_files(dir);
	close(dir);
	return rmdir(path) < 0 ? -errno : 0;
}

void sessiondir_close(struct sessiondir *s)
{
	if (!s->keep) {
		unmake(s);
		return;
	}
	if (!s->content.config.keep) { /* it is now, see run.c: no later run may remove it */
		s->content.config.keep = 1;
		write_at(s, offsetof(struct session_file, config.keep),
			 offsetof(struct session_file, config.no_libc_locks));
	}
	close(s->file);
	close(s->dir);
	free(s->path);
	*s = (struct sessiondir){ .dir = -1, .file = -1 };
}
