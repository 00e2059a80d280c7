/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See directory.h. The directory is read by system call, because opendir() allocates. */
#include "src/session/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "src/arch/arch.h"
#include "src/session/asleep.h"
#include "src/session/format.h"
#include "src/session/moments.h"

#define GRACE_NS 600000000000u /* for what its user may be about to read */
#define YOUNG_S 60             /* no image yet: its maker may just be about to make one */
#define ENTRIES_BYTES 4096

typedef bool entry_function(int dir, const char *name, void *data);

/* Calls "each" for every name in a directory that begins so, until it says false. */
static void each_entry(int dir, const char *prefix, entry_function *each, void *data)
{
	_Alignas(struct dirent64) char entries[ENTRIES_BYTES];
	long n;

	lseek(dir, 0, SEEK_SET); /* somebody may have read it with this descriptor */
	while ((n = arch_syscall(SYS_getdents64, dir, (long)entries, sizeof(entries), 0, 0, 0)) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (const struct dirent64 *)(entries + at);

			at += e->d_reclen;
			if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && !each(dir, e->d_name, data))
				return;
		}
	}
}

static int open_at(int dir, const char *name, int flags)
{
	return (int)arch_syscall(SYS_openat, dir, (long)name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0,
				 0, 0);
}

static uint64_t realtime_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct images {
	uint32_t namespace; /* ours */
	unsigned int n;
	bool alive;
};

/* True if the process of an image may be alive. Of one in another PID namespace nothing is known. */
static bool look_at_image(int dir, const char *name, void *data)
{
	struct images *images = data;
	struct image_header h;
	int fd = open_at(dir, name, O_RDONLY);

	if (fd < 0)
		return true;
	images->n++;
	if (read(fd, &h, offsetof(struct image_header, program)) ==
		    (ssize_t)offsetof(struct image_header, program) &&
	    h.pid != 0 && h.observed_end_ticks == 0)
		images->alive =
			h.pid_namespace != images->namespace || kill((pid_t)h.pid, 0) == 0 || errno != ESRCH;
	close(fd);
	return !images->alive;
}

static bool anybody_alive(int dir, const struct stat *st)
{
	struct stat namespace;
	struct images images = { 0 };

	if (stat("/proc/self/ns/pid", &namespace) == 0)
		images.namespace = (uint32_t) namespace.st_ino;
	each_entry(dir, SESSION_IMAGE_PREFIX, look_at_image, &images);
	if (images.n == 0)
		return (int64_t)(realtime_ns() / 1000000000u) - st->st_mtim.tv_sec < YOUNG_S;
	return images.alive;
}

/* One look through a place. The first finds the newest session, the second removes. */
struct cleaning {
	uint64_t newest; /* start of the latest that was made by hand and is over */
	bool remove;
};

/* With the lock on its file: no mutrace has it. */
static bool is_over(int dir, int file, const struct stat *st, struct session_file *s)
{
	if (read(file, s, sizeof(*s)) != (ssize_t)sizeof(*s) ||
	    memcmp(s->magic, SESSION_FILE_MAGIC, sizeof(s->magic)) != 0 || s->format != SESSION_FORMAT ||
	    s->byte_order != SESSION_BYTE_ORDER || s->config.keep)
		return false;
	return (s->pid == 0 || (kill((pid_t)s->pid, 0) != 0 && errno == ESRCH)) && !anybody_alive(dir, st);
}

/* Notes when it was first seen to be over, unless that would raise SIGXFSZ. If it cannot be noted, the next
 * run tries. */
static void note_dead(int file, struct session_file *s)
{
	struct rlimit size;

	s->found_dead_ns = realtime_ns();
	if ((getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur < SESSION_FILE_SIZE) ||
	    pwrite(file, &s->found_dead_ns, sizeof(s->found_dead_ns),
		   offsetof(struct session_file, found_dead_ns)) < 0)
		errno = 0;
}

static bool is_due(const struct session_file *s, const struct cleaning *c)
{
	return realtime_ns() - s->found_dead_ns > GRACE_NS ||
	       (s->pid == 0 && s->start_realtime_ns < c->newest);
}

static bool look_at_session(int place, const char *name, void *data)
{
	struct cleaning *c = data;
	struct stat st, file_st;
	struct session_file s;
	int dir = open_at(place, name, O_RDONLY | O_DIRECTORY), file = -1;

	if (dir >= 0 && fstat(dir, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 077) == 0)
		file = open_at(dir, SESSION_FILE, O_RDWR);
	if (file >= 0 && fstat(file, &file_st) == 0 && S_ISREG(file_st.st_mode) &&
	    file_st.st_uid == st.st_uid && directory_hold_alone(file) && is_over(dir, file, &st, &s)) {
		if (s.found_dead_ns == 0)
			note_dead(file, &s);
		if (s.pid == 0 && s.start_realtime_ns > c->newest)
			c->newest = s.start_realtime_ns;
		if (c->remove && is_due(&s, c)) {
			directory_remove_files(dir);
			unlinkat(place, name, AT_REMOVEDIR);
		}
	}
	if (file >= 0)
		close(file);
	if (dir >= 0)
		close(dir);
	return true;
}

void directory_clean(const char *place)
{
	int dir = (int)arch_syscall(SYS_openat, AT_FDCWD, (long)place, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0,
				    0, 0);
	struct cleaning c = { .remove = false };

	if (dir < 0)
		return;
	each_entry(dir, DIRECTORY_NAME, look_at_session, &c);
	c.remove = true;
	each_entry(dir, DIRECTORY_NAME, look_at_session, &c);
	close(dir);
}

void directory_hold(int session_file)
{
	flock(session_file, LOCK_SH | LOCK_NB);
}

bool directory_hold_alone(int session_file)
{
	return flock(session_file, LOCK_EX | LOCK_NB) == 0;
}

bool directory_held_by_others(int session_file)
{
	bool others = !directory_hold_alone(session_file) && errno == EWOULDBLOCK;

	directory_hold(session_file); /* a lock that could not be made stronger is lost */
	return others;
}

static bool remove_one(int dir, const char *name, void *data)
{
	(void)data;
	if (strcmp(name, SESSION_FILE) == 0 || strcmp(name, SESSION_OPTIONS) == 0 ||
	    strcmp(name, SESSION_ASLEEP) == 0 || strcmp(name, SESSION_COMMON) == 0 ||
	    strcmp(name, SESSION_NAMES) == 0 ||
	    strncmp(name, SESSION_MOMENT_PREFIX, strlen(SESSION_MOMENT_PREFIX)) == 0 ||
	    strncmp(name, SESSION_IMAGE_PREFIX, strlen(SESSION_IMAGE_PREFIX)) == 0)
		unlinkat(dir, name, 0);
	return true;
}

void directory_remove_files(int session_dir)
{
	each_entry(session_dir, "", remove_one, NULL);
}

static bool is_itself(int dir, const char *name, void *data)
{
	(void)dir;
	*(bool *)data = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	return *(bool *)data;
}

bool directory_is_empty(int dir)
{
	bool empty = false; /* if it cannot be read */

	each_entry(dir, "", is_itself, &empty);
	return empty;
}

#define EVENTS_PART 8 /* of the room */

uint64_t directory_room_for_events(const char *path, uint64_t wanted)
{
	struct statvfs fs;
	uint64_t room;

	if (statvfs(path, &fs) != 0)
		return wanted;
	room = (uint64_t)fs.f_bavail * fs.f_frsize / EVENTS_PART;
	return wanted < room ? wanted : room;
}
