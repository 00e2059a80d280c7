/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The session's directory, see sessiondir.h. It belongs to the user alone (0700), is made under a name that nobody can
 * guess, and its files are only opened relative to a descriptor of it.
 */
#include "src/cmd/sessiondir.h"

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "src/cmd/say.h"
#include "src/session/ticks.h"

#define SHM "/dev/shm"
/* A session of a large program takes some ten megabytes; less room than this is left to others. */
#define SHM_ROOM (128ull << 20)
/* The recorder keeps the path in a buffer of 512 bytes. */
#define PATH_LONGEST 440

/* /dev/shm first: no disk ever writes these pages back, which would stall the program's counters. */
static bool shm_has_room(void)
{
	struct statvfs fs;

	return statvfs(SHM, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= SHM_ROOM &&
	       access(SHM, W_OK | X_OK) == 0;
}

static char *make_in(const char *place)
{
	char *path, *absolute;

	if (asprintf(&path, "%s/mutrace-XXXXXX", place) < 0)
		return NULL;
	if (mkdtemp(path) == NULL) {
		free(path);
		return NULL;
	}
	absolute = realpath(path, NULL);
	if (absolute == NULL)
		rmdir(path);
	free(path);
	return absolute;
}

static char *make_unnamed(void)
{
	const char *places[] = { shm_has_room() ? SHM : NULL, getenv("TMPDIR"), "/tmp", SHM };
	char *path = NULL;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && path == NULL; i++)
		if (places[i] != NULL && places[i][0] != '\0')
			path = make_in(places[i]);
	if (path == NULL)
		say("cannot make a directory for the session in %s, $TMPDIR or /tmp: %s", SHM, strerror(errno));
	return path;
}

static bool is_empty(const char *path)
{
	struct dirent *entry;
	bool empty = true;
	DIR *dir = opendir(path);

	if (dir == NULL)
		return false;
	while (empty && (entry = readdir(dir)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(dir);
	return empty;
}

static char *make_named(const char *output)
{
	struct stat st;
	char *path;

	if (mkdir(output, 0700) < 0) {
		if (errno != EEXIST) {
			say("%s: %s", output, strerror(errno));
			return NULL;
		}
		if (lstat(output, &st) < 0 || !S_ISDIR(st.st_mode) || !is_empty(output)) {
			say("%s exists already; name a new or an empty directory", output);
			return NULL;
		}
		if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
			say("%s must be yours alone (chmod 700): the session tells what the program does", output);
			return NULL;
		}
	}
	path = realpath(output, NULL);
	if (path == NULL)
		say("%s: %s", output, strerror(errno));
	return path;
}

uint64_t sessiondir_ticks(uint32_t clock_kind)
{
	return clock_kind == CLOCK_KIND_TSC ? ticks_counter() : ticks_monotonic_ns();
}

static void read_boot_id(uint8_t id[16])
{
	char text[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	unsigned int digits = 0;

	if (fd >= 0)
		close(fd);
	memset(id, 0, 16);
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		int v;

		if (text[i] >= '0' && text[i] <= '9')
			v = text[i] - '0';
		else if (text[i] >= 'a' && text[i] <= 'f')
			v = text[i] - 'a' + 10;
		else
			continue;
		id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | v);
		digits++;
	}
}

static int write_content(struct sessiondir *s)
{
	const struct session_file content = s->content;
	ssize_t n = pwrite(s->file, &content, sizeof(content), 0);

	return n == (ssize_t)sizeof(content) ? 0 : n < 0 ? -errno : -ENOSPC;
}

int sessiondir_make(struct sessiondir *s, const struct session_config *config, const char *rt_threads,
		    const char *output)
{
	struct session_file *c = &s->content;
	struct timespec now;
	int r;

	*s = (struct sessiondir){ .dir = -1, .file = -1, .keep = output != NULL };
	s->path = output != NULL ? make_named(output) : make_unnamed();
	if (s->path == NULL)
		return -1;
	if (strlen(s->path) > PATH_LONGEST) {
		say("%s: the path is too long for a session", s->path);
		goto fail;
	}
	memcpy(c->magic, SESSION_FILE_MAGIC, sizeof(c->magic));
	c->format = SESSION_FORMAT;
	c->byte_order = SESSION_BYTE_ORDER;
	c->pid = (uint32_t)getpid();
	c->uid = (uint32_t)getuid();
	clock_gettime(CLOCK_REALTIME, &now);
	c->start_realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	c->start_ns = ticks_monotonic_ns();
	read_boot_id(c->boot_id);
	c->config = *config;
	if (rt_threads != NULL)
		snprintf(c->rt_threads, sizeof(c->rt_threads), "%s", rt_threads);
	snprintf(c->version, sizeof(c->version), "%s", PACKAGE_VERSION);

	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0 || fchmod(s->dir, 0700) < 0)
		goto fail_say;
	s->file = openat(s->dir, SESSION_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->file < 0 || fchmod(s->file, 0600) < 0)
		goto fail_say;
	r = -posix_fallocate(s->file, 0, 4096);
	if (r == 0)
		r = write_content(s);
	if (r == 0)
		return 0;
	errno = -r;
fail_say:
	say("%s: %s", s->path, strerror(errno));
fail:
	s->keep = false;
	sessiondir_close(s);
	return -1;
}

void sessiondir_started(struct sessiondir *s, pid_t program)
{
	s->content.program_pid = (uint32_t)program;
	write_content(s);
}

void sessiondir_finish(struct sessiondir *s, int wait_status)
{
	s->content.wait_status = (uint32_t)wait_status;
	s->content.end_ticks = sessiondir_ticks(ticks_have_counter() ? CLOCK_KIND_TSC : CLOCK_KIND_NS);
	s->content.end_ns = ticks_monotonic_ns();
	s->content.finished = 1;
	write_content(s);
}

/* Only what a session consists of: a directory that the user put other things into stays. */
static void remove_files(int directory)
{
	struct dirent *entry;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, SESSION_FILE) == 0 ||
		    strncmp(entry->d_name, SESSION_IMAGE_PREFIX, strlen(SESSION_IMAGE_PREFIX)) == 0)
			unlinkat(directory, entry->d_name, 0);
	closedir(dir);
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
	remove_files(dir);
	close(dir);
	return rmdir(path) < 0 ? -errno : 0;
}

void sessiondir_close(struct sessiondir *s)
{
	if (s->path != NULL && !s->keep) {
		if (s->dir >= 0)
			remove_files(s->dir);
		rmdir(s->path);
	}
	if (s->file >= 0)
		close(s->file);
	if (s->dir >= 0)
		close(s->dir);
	free(s->path);
	*s = (struct sessiondir){ .dir = -1, .file = -1 };
}
