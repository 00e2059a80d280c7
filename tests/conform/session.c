/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes sessions for the runner, and looks whether a case was recorded in one. Runs in the runner only.
 */
#include "session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int session_choose(struct session_choice *c, const char *text)
{
	const struct {
		const char *name;
		uint32_t *value;
	} known[] = {
		{ "frames", &c->config.frames },
		{ "sample_hold", &c->config.sample_hold },
		{ "contended_only", &c->config.contended_only },
		{ "track_rt", &c->config.track_rt },
		{ "per_instance", &c->config.per_instance },
	};
	const char *equal = strchr(text, '=');

	for (size_t i = 0; equal && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(known[i].name, text, (size_t)(equal - text)) != 0 ||
		    known[i].name[equal - text] != '\0')
			continue;
		*known[i].value = (uint32_t)strtoul(equal + 1, NULL, 10);
		return 0;
	}
	return -EINVAL;
}

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int session_make(const char *dir, const struct session_choice *c)
{
	union {
		struct session_file file;
		char bytes[4096];
	} s = { .file = { .format = SESSION_FORMAT, .byte_order = SESSION_BYTE_ORDER } };
	char path[4096];
	ssize_t n;
	int fd;

	memcpy(s.file.magic, SESSION_FILE_MAGIC, sizeof(s.file.magic));
	s.file.pid = (uint32_t)getpid();
	s.file.uid = (uint32_t)getuid();
	s.file.start_realtime_ns = nanoseconds(CLOCK_REALTIME);
	s.file.start_ns = nanoseconds(CLOCK_MONOTONIC);
	s.file.config = c->config;
	if (!s.file.config.frames)
		s.file.config.frames = FRAMES_DEFAULT;
	if (!s.file.config.max_bytes)
		s.file.config.max_bytes = 256u << 20;
	if ((size_t)snprintf(path, sizeof(path), "%s/" SESSION_FILE, dir) >= sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	n = write(fd, s.bytes, sizeof(s.bytes));
	close(fd);
	return n == (ssize_t)sizeof(s.bytes) ? 0 : -EIO;
}

bool session_has_image(const char *dir, pid_t pid)
{
	char prefix[64];
	struct dirent *entry;
	bool found = false;
	DIR *d = opendir(dir);

	if (!d)
		return false;
	snprintf(prefix, sizeof(prefix), SESSION_IMAGE_PREFIX "%d.", (int)pid);
	while ((entry = readdir(d))) {
		struct image_header header;
		int fd;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, &header, sizeof(header)) == (ssize_t)sizeof(header) &&
		    memcmp(header.magic, SESSION_IMAGE_MAGIC, sizeof(header.magic)) == 0 &&
		    header.pid == (uint32_t)pid)
			found = true;
		if (fd >= 0)
			close(fd);
		unlinkat(dirfd(d), entry->d_name, 0);
	}
	closedir(d);
	return found;
}
