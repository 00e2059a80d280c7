/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The processes of a session, see follow.h.
 * An image says which process it belongs to by pid and start time, so a pid that was used again is not
 * mistaken. A parent makes an image ready for its next child and may offer it again if that child
 * recorded nothing; therefore an image that was not made by its own process is looked at again as long as
 * its maker lives.
 * In another PID namespace a process knows itself under another number than we; that is looked up in
 * /proc.
 */
#include "src/cmd/follow_inside.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/array.h"
#include "src/base/pidns.h"
#include "src/base/proc.h"
#include "src/cmd/image_file.h"
#include "src/cmd/sessiondir.h"
#include "src/session/chunks.h"
#include "src/session/ticks.h"

/* Between two scans there is so many times the time that one takes. */
#define SCAN_SHARE 20u

struct follow *follow_new(int dir)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->dir = dir;
	f->namespace = pidns_own();
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll < 0) {
		free(f);
		return NULL;
	}
	return f;
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		if (f->tracked[i].pidfd >= 0)
			close(f->tracked[i].pidfd);
	close(f->epoll);
	table_free(&f->known);
	free(f->tracked);
	free(f);
}

void follow_program(struct follow *f, pid_t program)
{
	f->program = (uint32_t)program;
}

void follow_program_ended(struct follow *f, int status)
{
	f->program_status = WAIT_STATUS_KNOWN | (uint32_t)status;
}

void follow_verify(struct follow *f, const char *session)
{
	f->session = session;
}

int follow_fd(const struct follow *f)
{
	return f->epoll;
}

int follow_open_image(const struct follow *f, const struct tracked *t, int flags)
{
	char name[64];

	snprintf(name, sizeof(name), SESSION_IMAGE_PREFIX "%u.%u", t->maker, t->serial);
	return image_file_open(f->dir, name, flags);
}

/* True if a process is there, and is the one that started then (0: unknown). One that is hidden from us counts. */
static bool process_lives(uint32_t pid, uint64_t start)
{
	struct proc_stat stat;
	int r;

	if (pid == 0)
		return false;
	r = proc_stat_read(pid, &stat);
	if (r < 0)
		return r != -ESRCH;
	return !proc_ended(&stat) && proc_began(pid, &stat, start);
}

static bool lives(const struct tracked *t)
{
	return process_lives(t->pid_here, t->start);
}

static void forget_pidfd(struct tracked *t)
{
	if (t->pidfd >= 0)
		close(t->pidfd); /* leaves the epoll set by itself */
	t->pidfd = -1;
}

static void remove_image(struct follow *f, struct tracked *t)
{
	char name[64];

	snprintf(name, sizeof(name), SESSION_IMAGE_PREFIX "%u.%u", t->maker, t->serial);
	unlinkat(f->dir, name, 0);
	t->removed = true;
	t->births = false;
}

/* The program itself, whose image stays even if it holds nothing; not what it was before an exec. */
static bool is_program(const struct follow *f, const struct image_header *h)
{
	return h->pid == f->program && h->state != IMAGE_EXECED &&
	       (h->pid_namespace == f->namespace || h->pid_namespace == 0);
}

bool follow_maker_lives(const struct tracked *t)
{
	return process_lives(t->maker_here, 0);
}

/* How a process ended that could not say so itself: for image_header.wait_status. */
static uint32_t ending(const struct follow *f, const struct tracked *t, const struct image_header *h)
{
	struct proc_stat s;
	uint32_t status;

	if (f->program_status != 0 && is_program(f, h))
		return f->program_status;
	/* Until it is buried /proc shows it to root and to its own user; then the descriptor knows. */
	if (proc_stat_read(t->pid_here, &s) == 0 && proc_ended(&s) && proc_began(t->pid_here, &s, t->start) &&
	    (geteuid() == 0 || geteuid() == h->uid))
		return WAIT_STATUS_KNOWN | (uint32_t)s.status;
	return proc_pidfd_status(t->pidfd, &status) ? WAIT_STATUS_KNOWN | status : 0;
}

/* Writes the end that the process could not write itself. */
static void write_ending(const struct follow *f, const struct tracked *t, const struct image_header *h,
			 int fd)
{
	uint64_t ticks = sessiondir_ticks(h->clock_kind);
	uint32_t status = ending(f, t, h);

	if (pwrite(fd, &status, sizeof(status), offsetof(struct image_header, wait_status)) < 0 ||
	    pwrite(fd, &ticks, sizeof(ticks), offsetof(struct image_header, observed_end_ticks)) < 0)
		errno = 0; /* then the report takes the end of the session for it */
}

/* Not while any process has its pid: should that be the one after all, it would die of SIGBUS. */
static void shorten(const struct tracked *t, int fd, const struct image_header *h)
{
	if (!process_lives(t->pid_here, 0))
		image_file_shorten(fd, h);
}

/* The process is seen dead. */
static void end_image(struct follow *f, struct tracked *t)
{
	struct image_header h;
	int fd = follow_open_image(f, t, O_RDWR);

	if (t->phase != PHASE_OVER && t->phase != PHASE_EXECED)
		t->since_ns = ticks_monotonic_ns();
	t->phase = PHASE_OVER;
	if (fd < 0 || !image_file_header(fd, &h)) {
		if (fd >= 0)
			close(fd);
		forget_pidfd(t);
		return;
	}
	if (h.end_ticks == 0 && h.observed_end_ticks == 0)
		write_ending(f, t, &h, fd);
	forget_pidfd(t);
	t->births = h.forks_begun != h.forks_seen;
	t->final = t->maker == t->pid || h.used > CHUNK_ALIGN;
	if (!is_program(f, &h) && !t->births && (t->maker == t->pid || !follow_maker_lives(t)) &&
	    !image_file_has_records(fd, &h))
		remove_image(f, t);
	else if (t->final)
		shorten(t, fd, &h); /* at once: a build has thousands */
	close(fd);
}

/* Brings what is known of an image up to date. */
static void look(struct follow *f, size_t index)
{
	struct tracked *t = &f->tracked[index];
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = index };
	struct image_header h;
	int fd;

	if (t->phase == PHASE_ALIVE && t->pidfd < 0 && !lives(t)) {
		end_image(f, t);
		return;
	}
	fd = follow_open_image(f, t, O_RDONLY);
	if (fd < 0)
		return;
	if (!image_file_header(fd, &h)) {
		close(fd);
		return;
	}
	close(fd);
	if (h.maker_namespace != t->maker_namespace) {
		t->maker_namespace = h.maker_namespace;
		t->maker_here = pidns_here(t->maker, h.maker_namespace);
	}
	if (h.pid == 0 || h.state == IMAGE_EMPTY)
		return; /* nobody's yet, or nobody's again, or its process is about to say who it is */
	if (t->phase == PHASE_OVER && h.pid == t->pid)
		return;
	if (t->phase == PHASE_WAITING || h.pid != t->pid) {
		forget_pidfd(t);
		t->pid = h.pid;
		t->pid_here = t->maker == h.pid && h.pid_namespace == h.maker_namespace
				      ? t->maker_here
				      : pidns_here(h.pid, h.pid_namespace);
		t->start = h.process_start;
		t->phase = PHASE_ALIVE;
		t->births = false;
		t->asked = false;
		t->pidfd = t->pid_here == 0 ? -1 : (int)syscall(SYS_pidfd_open, (pid_t)t->pid_here, 0);
		/* asked after the descriptor was made: it now belongs to the process that was meant, or
		 * is useless */
		if (!lives(t)) {
			end_image(f, t);
			return;
		}
		if (t->pidfd >= 0 && epoll_ctl(f->epoll, EPOLL_CTL_ADD, t->pidfd, &event) < 0)
			forget_pidfd(t);
	}
	if (t->start == 0)
		t->start = h.process_start; /* a child fills it in when it first locks something */
	if (h.state == IMAGE_EXECED && t->phase == PHASE_ALIVE) {
		t->phase = PHASE_EXECED;
		t->since_ns = ticks_monotonic_ns();
	} else if (h.state != IMAGE_EXECED && t->phase == PHASE_EXECED) {
		t->phase = PHASE_ALIVE; /* exec failed */
	}
}

static void add_new(struct follow *f)
{
	struct dirent *entry;
	DIR *dir;
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		struct tracked *t;
		unsigned int maker, serial;
		int end = 0;

		if (sscanf(entry->d_name, SESSION_IMAGE_PREFIX "%u.%u%n", &maker, &serial, &end) != 2 ||
		    entry->d_name[end] != '\0' || table_get(&f->known, maker, serial) != TABLE_NONE)
			continue;
		if (array_grow(&f->tracked, f->n, &f->capacity, sizeof(*f->tracked)) < 0 ||
		    table_put(&f->known, maker, serial, (uint32_t)f->n) < 0)
			break;
		t = &f->tracked[f->n++];
		*t = (struct tracked){
			.maker = maker,
			.maker_here = maker,
			.serial = serial,
			.pidfd = -1,
			.phase = PHASE_WAITING,
			.since_ns = ticks_monotonic_ns(),
		};
	}
	closedir(dir);
}

void follow_ended(struct follow *f)
{
	struct epoll_event events[64];
	int n;

	while ((n = epoll_wait(f->epoll, events, 64, 0)) > 0)
		for (int i = 0; i < n; i++)
			end_image(f, &f->tracked[events[i].data.u64]);
}

void follow_scan(struct follow *f, bool now_please)
{
	uint64_t start = ticks_monotonic_ns(), now;

	follow_ended(f);
	if (!now_please && start < f->next_scan_ns)
		return;
	add_new(f);
	for (size_t i = 0; i < f->n; i++) {
		struct tracked *t = &f->tracked[i];

		if (!t->removed && (t->phase != PHASE_OVER || (!t->final && follow_maker_lives(t))))
			look(f, i);
	}
	now = ticks_monotonic_ns();
	for (size_t i = 0; i < f->n; i++) {
		struct tracked *t = &f->tracked[i];
		struct image_header h;
		int fd;

		if (!t->births || t->removed)
			continue;
		fd = follow_open_image(f, t, O_RDONLY);
		if (now - t->since_ns > BIRTH_NS || fd < 0 || !image_file_header(fd, &h) ||
		    h.forks_begun == h.forks_seen)
			t->births = false;
		if (fd >= 0)
			close(fd);
	}
	f->next_scan_ns = now + SCAN_SHARE * (now - start);
}

void follow_clean(struct follow *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct tracked *t = &f->tracked[i];
		struct image_header h;
		int fd;

		if (t->removed || t->phase == PHASE_ALIVE || (!t->final && follow_maker_lives(t)))
			continue;
		fd = follow_open_image(f, t, O_RDWR);
		if (fd < 0)
			continue;
		if (!image_file_header(fd, &h) || (h.pid == 0 && h.state == IMAGE_EMPTY) ||
		    (!is_program(f, &h) && !image_file_has_records(fd, &h)))
			remove_image(f, t);
		else
			shorten(t, fd, &h);
		close(fd);
	}
	f->any = false;
	for (size_t i = 0; i < f->n; i++)
		f->any |= f->tracked[i].pid != 0 && !f->tracked[i].removed;
}
