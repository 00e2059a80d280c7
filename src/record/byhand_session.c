/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The session of a program that is preloaded by hand, made by the program itself. Runs in the profiled
 * process, in the library's constructor; takes no lock and allocates nothing. Called by sessionfile.c.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/record/byhand.h"
#include "src/record/byhand_options.h"
#include "src/record/state.h"
#include "src/record/procinfo.h"
#include "src/record/raw.h"
#include "src/session/directory.h"
#include "src/session/ticks.h"

#define NUMBERED_MAX 1000u

void byhand_remove_session(const char *path)
{
	int dir = raw_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (dir < 0)
		return;
	directory_remove_files(dir);
	raw_close(dir);
	rmdir(path);
}

/* A directory in a place where sessions are made that nobody named. 0 or -errno. */
static int make_unnamed(char *path, size_t size)
{
	const char *places[DIRECTORY_PLACES];
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[12];
	int r = -ENOENT;

	directory_places(secure_getenv("TMPDIR"), places);
	for (size_t i = 0; i < DIRECTORY_PLACES; i++) {
		const char *place = places[i];
		char *p;

		if (place == NULL || place[0] != '/' || strlen(place) > size - 64 ||
		    getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
			continue;
		directory_clean(place);
		p = stpcpy(stpcpy(path, place), "/" DIRECTORY_NAME);
		for (size_t j = 0; j < sizeof(random); j++)
			*p++ = letters[random[j] % 32];
		*p = '\0';
		if (mkdir(path, 0700) == 0)
			return 0;
		r = -errno;
	}
	return r;
}

/* An empty directory of our own, as a container may have it mounted. */
static bool can_be_used(const char *path)
{
	int dir = raw_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct stat st;
	bool can;

	if (dir < 0)
		return false;
	can = fstat(dir, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 077) == 0 &&
	      directory_is_empty(dir);
	raw_close(dir);
	return can;
}

/* ".2" and so on. */
static void put_suffix(char *to, unsigned int n)
{
	char digits[8];
	int i = 0;

	for (; n != 0; n /= 10)
		digits[i++] = (char)('0' + n % 10);
	*to++ = '.';
	while (i > 0)
		*to++ = digits[--i];
	*to = '\0';
}

/* The directory of -o, or that with a number behind it: a service that is started again leaves one session
 * each time. */
static int make_named(char *path, size_t size, const char *output)
{
	size_t length = 0;
	char *end;

	if (output[0] != '/') {
		if (getcwd(path, size - 1) == NULL)
			return -errno;
		length = strlen(path);
		path[length++] = '/';
	}
	if (length + strlen(output) > DIRECTORY_PATH_LONGEST)
		return -ENAMETOOLONG;
	end = stpcpy(path + length, output);
	while (end > path + 1 && end[-1] == '/')
		*--end = '\0';
	for (unsigned int n = 2; mkdir(path, 0700) != 0; n++) {
		if (errno != EEXIST || n > NUMBERED_MAX)
			return -errno;
		if (can_be_used(path))
			break;
		put_suffix(end, n);
	}
	return 0;
}

static int write_file(const char *path, const char *name, const void *content, size_t length, size_t size)
{
	char file[DIRECTORY_PATH_LONGEST + 96];
	int fd, r = 0;

	stpcpy(stpcpy(stpcpy(file, path), "/"), name);
	fd = raw_open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	if (fchmod(fd, 0600) != 0 || raw_write(fd, content, length) != (ssize_t)length ||
	    (size > length && ftruncate(fd, (off_t)size) != 0))
		r = -ENOSPC;
	raw_close(fd);
	return r;
}

/* Facts for the report: where its files are meant to be, and its options. */
static int write_options(const char *path, const struct byhand_options *o)
{
	char content[BYHAND_OPTIONS_MAX + 1024];
	size_t length;

	if (getcwd(content, 1024) == NULL)
		strcpy(content, "/");
	length = strlen(content) + 1;
	memcpy(content + length, o->report, o->report_length);
	return write_file(path, SESSION_OPTIONS, content, length + o->report_length, 0);
}

static void fill(struct session_file *s)
{
	struct timespec now;

	s->format = SESSION_FORMAT;
	s->byte_order = SESSION_BYTE_ORDER;
	memcpy(s->magic, SESSION_FILE_MAGIC, sizeof(s->magic));
	s->uid = (uint32_t)getuid();
	s->program_pid = (uint32_t)getpid();
	s->filters = procinfo_filters();
	clock_gettime(CLOCK_REALTIME, &now);
	s->start_realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	s->start_ns = ticks_monotonic_ns();
	procinfo_boot_id(s->boot_id);
	s->config.frames = FRAMES_DEFAULT;
	s->config.events = EVENTS_DEFAULT;
	s->config.report_at_exit = 1;
	s->config.watch = recorder.watch_by_hand;
	strcpy(s->version, PACKAGE_VERSION);
}

/* True if -o was given, and the session is in another directory. */
static bool ends_otherwise(const char *path, const char *output)
{
	size_t length = output == NULL ? 0 : strlen(output), path_length = strlen(path);

	while (length > 1 && output[length - 1] == '/')
		length--;
	return length != 0 &&
	       (path_length < length || memcmp(path + path_length - length, output, length) != 0);
}

int byhand_make_session(char *path, size_t size)
{
	struct session_file s = { 0 };
	struct byhand_options o = { .config = &s.config, .rt_threads = s.rt_threads, .for_ms = &s.for_ms };
	struct rlimit limit;
	int r = -ENOENT;

	fill(&s);
	byhand_options_read(&o);
	s.config.keep = o.output != NULL;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < SESSION_FILE_SIZE)
		return -EFBIG;
	if (o.output != NULL) {
		r = make_named(path, size, o.output);
		if (r < 0)
			byhand_say("no session can be made here, so it goes elsewhere: ", o.output, NULL);
	}
	if (r < 0)
		r = make_unnamed(path, size);
	if (r < 0)
		return r;
	if (ends_otherwise(path, o.output))
		byhand_say("the session is kept in ", path, NULL);
	s.config.events = directory_room_for_events(path, s.config.events);
	r = write_file(path, SESSION_FILE, &s, sizeof(s), SESSION_FILE_SIZE);
	if (r == 0)
		r = write_options(path, &o);
	if (r < 0)
		byhand_remove_session(path);
	return r;
}
