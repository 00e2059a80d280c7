/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The session's directory and its file, see sessionfile.h. Called by recorder.c, image.c and byhand.c. */
#include "src/record/sessionfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/record/byhand.h"
#include "src/record/procinfo.h"
#include "src/record/raw.h"
#include "src/record/state.h"
#include "src/record/window.h"
#include "src/session/directory.h"

static char session_path[DIRECTORY_PATH_LONGEST + 1];
static bool session_is_ours;

const char *sessionfile_path(void)
{
	return session_path[0] ? session_path : NULL;
}

bool sessionfile_is_ours(void)
{
	return session_is_ours;
}

void sessionfile_forget(void)
{
	session_is_ours = false;
}

/* A descriptor or a negative errno. */
static int open_session_file(const char *directory, int flags)
{
	char path[DIRECTORY_PATH_LONGEST + 16];

	stpcpy(stpcpy(path, directory), "/" SESSION_FILE);
	return raw_open(path, flags | O_NOFOLLOW, 0);
}

/* Says in the session that there is one more process of which nothing will be found in it. */
static void count_unrecorded(void)
{
	struct session_file *s;
	struct stat st;
	int fd = open_session_file(session_path, O_RDWR);

	if (fd < 0)
		return;
	/* write() might raise SIGXFSZ. The page is there since the file was made. */
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)SESSION_FILE_SIZE) {
		s = mmap(NULL, SESSION_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (s != MAP_FAILED) {
			__atomic_fetch_add(&s->unrecorded, 1, __ATOMIC_RELAXED);
			munmap(s, SESSION_FILE_SIZE);
		}
	}
	raw_close(fd);
}

/* Reads the file "session" of a directory that must be a private one of ours. asked: the command knows that the process's
 * filters allow it. 0 or -errno. */
static int read_session(const char *path, uid_t user, bool asked)
{
	struct session_file s;
	struct stat st;
	int dir, fd, r = -EINVAL;

	if (strlen(path) >= sizeof(session_path) || path[0] != '/')
		return -EINVAL;
	dir = raw_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return dir;
	if (fstat(dir, &st) != 0 || st.st_uid != user || (st.st_mode & 077) != 0) {
		raw_close(dir);
		return -EPERM;
	}
	raw_close(dir); /* a program may have no second descriptor left */
	fd = open_session_file(path, O_RDONLY);
	if (fd < 0)
		return fd;
	if (raw_read(fd, &s, sizeof(s)) == (ssize_t)sizeof(s) &&
	    memcmp(s.magic, SESSION_FILE_MAGIC, sizeof(s.magic)) == 0 && s.format == SESSION_FORMAT &&
	    s.byte_order == SESSION_BYTE_ORDER)
		r = 0;
	raw_close(fd);
	if (r == 0 && !asked && procinfo_filters() > s.filters)
		r = -EPERM; /* no call more */
	if (r < 0)
		return r;
	recorder.config = s.config;
	memcpy(recorder.rt_threads, s.rt_threads, sizeof(recorder.rt_threads));
	recorder.rt_threads[sizeof(recorder.rt_threads) - 1] = '\0';
	if (s.config.watch == 0)
		window_set(s.start_ns, s.config.after_ms, s.for_ms);
	else
		recorder.watch_for_ms = s.for_ms;
	if (recorder.config.frames < 1)
		recorder.config.frames = FRAMES_DEFAULT;
	if (recorder.config.frames > FRAMES_MAX)
		recorder.config.frames = FRAMES_MAX;
	if (path != session_path)
		strcpy(session_path, path);
	return 0;
}

int sessionfile_find(bool make)
{
	const char *path = secure_getenv(SESSION_ENV);
	int r;

	if (getauxval(AT_SECURE))
		return -EPERM;
	if (path != NULL && path[0] != '\0')
		return read_session(path, (uid_t)getauxval(AT_EUID), false);
	if (!make)
		return -ENOENT;
	r = byhand_make_session(session_path, sizeof(session_path));
	if (r < 0)
		return r;
	session_is_ours = true;
	r = read_session(session_path, (uid_t)getauxval(AT_EUID), false);
	if (r < 0)
		sessionfile_give_up();
	return r;
}

int sessionfile_use(const char *path)
{
	return read_session(path, geteuid(), true);
}

bool sessionfile_is_left(void)
{
	int fd = open_session_file(session_path, O_RDONLY);
	bool left = fd < 0 || directory_hold_alone(fd);

	if (fd >= 0)
		raw_close(fd);
	return left;
}

void sessionfile_give_up(void)
{
	if (session_is_ours)
		byhand_remove_session(session_path);
	else
		count_unrecorded();
	session_is_ours = false;
}

int sessionfile_replace_image(struct mapping *image, char *path, uint32_t namespace)
{
	const struct mapping old = *image;
	struct image_header *h;
	int r = mapping_replace(session_path, recorder.config.max_bytes, &old, path, image);

	if (r == 0) {
		h = (struct image_header *)image->base;
		h->pid_namespace = h->maker_namespace = namespace;
	}
	return r;
}

int sessionfile_add_image(struct mapping *ret, char *path, uint64_t first, uint32_t namespace)
{
	struct image_header *h;
	int r = mapping_create(session_path, recorder.config.max_bytes, first, path, ret);

	if (r == 0) {
		h = (struct image_header *)ret->base;
		h->pid_namespace = h->maker_namespace = namespace;
	}
	return r;
}

void sessionfile_begin_header(struct image_header *h, enum clock_kind clock)
{
	h->format = SESSION_FORMAT;
	h->byte_order = SESSION_BYTE_ORDER;
	h->header_size = sizeof(*h);
	h->pointer_size = sizeof(void *);
	h->clock_kind = clock;
	h->used = CHUNK_ALIGN;
	memcpy(h->magic, SESSION_IMAGE_MAGIC, sizeof(h->magic));
}
