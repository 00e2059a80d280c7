/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A session: a directory with the file "session" and image files. Runs in mutrace. Called by the analysis, by way of
 * model_load().
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/proc.h"
#include "src/load/tables.h"
#include "src/session/directory.h"

/* The file "session". 0 also if there is none; -errno with error. */
static int session_file_read(int dir, const char *path, struct session_context *c, bool *ret_foreign,
			     char *error)
{
	struct session_file *f = &c->file;
	unsigned int uid;
	uint64_t size;
	int64_t got;
	int fd;

	fd = file_open(dir, SESSION_FILE, &size, &uid);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "%s/%s cannot be read: %s", path, SESSION_FILE,
			 fd == -ENOTSUP || fd == -ELOOP ? "it is not a regular file" : strerror(-fd));
		return fd;
	}
	c->hold = fd;
	directory_hold(fd); /* against its removal meanwhile */
	got = file_read(fd, f, sizeof(*f), 0);
	if (got < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "%s/%s cannot be read: %s", path, SESSION_FILE,
			 strerror((int)-got));
		return (int)got;
	}
	if (got < (int64_t)sizeof(f->magic) || memcmp(f->magic, SESSION_FILE_MAGIC, sizeof(f->magic)) != 0) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "%s is not a mutrace session: its file \"%s\" is something else", path,
			 SESSION_FILE);
		return -EBADMSG;
	}
	if (got >= 16 && f->byte_order == __builtin_bswap32(SESSION_BYTE_ORDER)) {
		snprintf(error, MODEL_ERROR_SIZE, "%s was recorded on a machine with the other byte order",
			 path);
		return -EPROTONOSUPPORT;
	}
	if (got >= 16 && f->byte_order == SESSION_BYTE_ORDER && f->format != SESSION_FORMAT) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "%s has session format %u, %s; this mutrace reads format %u", path, f->format,
			 f->format > SESSION_FORMAT ? "written by a newer mutrace" : "of an older mutrace",
			 SESSION_FORMAT);
		return -EPROTONOSUPPORT;
	}
	if (got < (int64_t)sizeof(*f)) {
		snprintf(error, MODEL_ERROR_SIZE, "%s/%s is cut off: %u of %u bytes", path, SESSION_FILE,
			 (unsigned int)got, (unsigned int)sizeof(*f));
		return -EBADMSG;
	}
	if (f->byte_order != SESSION_BYTE_ORDER) {
		snprintf(error, MODEL_ERROR_SIZE, "%s/%s is damaged", path, SESSION_FILE);
		return -EBADMSG;
	}
	f->version[sizeof(f->version) - 1] = 0;
	c->have_file = true;
	if (uid != geteuid())
		*ret_foreign = true;
	return 0;
}

static bool image_name(const char *name)
{
	return strncmp(name, SESSION_IMAGE_PREFIX, strlen(SESSION_IMAGE_PREFIX)) == 0;
}

/* image.9.1 before image.10.0: by number where there are numbers */
static int name_compare(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(char **names, size_t n)
{
	while (n > 0)
		free(names[--n]);
	free(names);
}

static int names_read(int dir, char ***ret_names, size_t *ret_n)
{
	size_t n = 0, capacity = 0;
	char **names = NULL;
	struct dirent *e;
	int fd, r = 0;
	DIR *d;

	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while ((e = readdir(d))) {
		if (!image_name(e->d_name))
			continue;
		if (array_grow(&names, n, &capacity, sizeof(*names)) < 0 || !(names[n] = strdup(e->d_name))) {
			r = -ENOMEM;
			break;
		}
		n++;
	}
	closedir(d);
	if (r < 0) {
		names_free(names, n);
		return r;
	}
	if (n)
		qsort(names, n, sizeof(*names), name_compare);
	*ret_names = names;
	*ret_n = n;
	return 0;
}

/* Reads the images named into the model; those that cannot be read are counted, unless none can. */
static int images_read(struct model *m, int dir, const char *path, char **names, size_t n,
		       const struct session_context *c, struct model_session *s, char *error)
{
	size_t i, before = m->n_processes;
	char why[MODEL_ERROR_SIZE];
	int r, first = 0;

	for (i = 0; i < n; i++) {
		unsigned int uid;
		uint64_t size;
		int fd;

		why[0] = 0;
		fd = file_open(dir, names[i], &size, &uid);
		if (fd == -ENOENT) /* the front end tidied it away just now */
			continue;
		if (fd < 0) {
			r = fd;
			snprintf(why, sizeof(why), "%s cannot be read: %s", names[i],
				 fd == -ENOTSUP || fd == -ELOOP ? "it is not a regular file" : strerror(-fd));
		} else {
			r = image_load(m, fd, size, names[i], c, why);
			close(fd);
			if (uid != geteuid())
				s->foreign = true;
		}
		if (r == -ENODATA)
			continue;
		if (r == -ENOMEM) {
			first = r;
			snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(-r));
			break;
		}
		if (r < 0 && s->skipped++ == 0) {
			first = r;
			s->skipped_why = strings_intern(&m->tables->strings, why);
			snprintf(error, MODEL_ERROR_SIZE, "%s: %.400s", path, why);
		}
	}
	if (first == -ENOMEM || (first < 0 && m->n_processes == before)) {
		while (m->n_processes > before)
			process_clear(&m->processes[--m->n_processes]);
		return first;
	}
	for (i = before; i < m->n_processes; i++)
		m->processes[i].session = (uint32_t)m->n_sessions;
	return 0;
}

/* The names of one image, or of all. */
static int names_find(int dir, const char *only, char ***ret_names, size_t *ret_n)
{
	char **names;

	if (!only)
		return names_read(dir, ret_names, ret_n);
	names = calloc(1, sizeof(*names));
	if (!names || !(names[0] = strdup(only))) {
		free(names);
		return -ENOMEM;
	}
	*ret_names = names;
	*ret_n = 1;
	return 0;
}

static void clocks_take(struct model_session *s, const struct session_file *f)
{
	s->start_realtime_ns = f->start_realtime_ns;
	if (f->finished && f->end_ns > f->start_ns) {
		s->end_ns = f->end_ns - f->start_ns;
		s->end_realtime_ns = f->end_realtime_ns;
	}
}

static int load_from(struct model *m, int dir, const char *path, const char *only, char *error)
{
	struct model_session s = { 0 };
	struct session_context *c;
	size_t n = 0, before;
	char **names = NULL;
	struct stat st;
	int r;

	c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(ENOMEM));
		return -ENOMEM;
	}
	c->hold = -1;
	c->have_boot_id = proc_boot_id(c->boot_id) == 0;
	if (fstat(dir, &st) == 0 && !only)
		s.foreign = st.st_uid != geteuid();
	r = session_file_read(dir, path, c, &s.foreign, error);
	if (r < 0)
		goto out;
	if ((r = asleep_read(dir, c)) == 0 && (r = moments_read(m, dir, &s)) == 0 &&
	    (r = packed_names_read(m, dir, &s)) == 0)
		r = names_find(dir, only, &names, &n);
	if (r < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be read: %s", path, strerror(-r));
		goto out;
	}
	if (n == 0 && !c->have_file) {
		snprintf(error, MODEL_ERROR_SIZE, "%s is not a mutrace session: no recording is in it", path);
		r = -ENOENT;
		goto out;
	}
	before = m->n_processes;
	r = images_read(m, dir, path, names, n, c, &s, error);
	if (r < 0)
		goto out;
	r = commons_join(m, before);
	s.path = strings_intern(&m->tables->strings, path);
	s.version = strings_intern(&m->tables->strings, c->file.version);
	s.finished = c->file.finished;
	s.program_pid = c->file.program_pid;
	s.unrecorded = c->file.unrecorded;
	s.wait_status = (int)c->file.wait_status;
	clocks_take(&s, &c->file);
	if (r == 0)
		r = array_grow(&m->sessions, m->n_sessions, &m->tables->cap_sessions, sizeof(*m->sessions));
	if (r < 0 || !s.path || !s.version) {
		while (m->n_processes > before)
			process_clear(&m->processes[--m->n_processes]);
		snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(ENOMEM));
		r = -ENOMEM;
		goto out;
	}
	m->sessions[m->n_sessions++] = s;
out:
	names_free(names, n);
	if (c->hold >= 0)
		close(c->hold);
	free(c->asleep);
	free(c);
	return r;
}

int model_load(struct model *m, const char *path, char *error)
{
	char *parent = NULL, *slash;
	const char *only = NULL;
	int dir, r;

	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && errno == ENOTDIR) { /* one image, its session being around it */
		parent = strdup(path);
		if (!parent)
			return -ENOMEM;
		slash = strrchr(parent, '/');
		only = slash ? path + (slash - parent) + 1 : path;
		if (slash)
			slash[slash == parent] = 0;
		dir = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (dir < 0) {
		r = -errno;
		snprintf(error, MODEL_ERROR_SIZE, "%s: %s", path, strerror(-r));
		free(parent);
		return r;
	}
	if (only && strcmp(only, SESSION_FILE) == 0)
		only = NULL; /* means the session */
	r = load_from(m, dir, path, only, error);
	close(dir);
	free(parent);
	return r;
}
