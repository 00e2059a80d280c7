/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mutrace pack SESSION [FILE]: a session and the names of all its addresses as one file (unpack.h), so that it can be
 * reported where the program is not. The names are answers that the report got here; no file of the program is in it.
 */
#include "src/cmd/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "src/cmd/pipeline.h"
#include "src/cmd/say.h"
#include "src/cmd/unpack.h"
#include "src/session/format.h"

#define PIECE 65536u

static int put(gzFile to, const void *data, size_t size)
{
	return size == 0 || gzwrite(to, data, (unsigned int)size) == (int)size ? 0 : -EIO;
}

static int put_header(gzFile to, const char *name, uint64_t size)
{
	struct tar_header h = { .type = '0', .magic = "ustar", .version = { '0', '0' } };
	const unsigned char *bytes = (const unsigned char *)&h;
	unsigned int sum = 0;

	if (size >> 33)
		return -EFBIG;
	snprintf(h.name, sizeof(h.name), "session/%s", name);
	snprintf(h.mode, sizeof(h.mode), "%07o", 0600);
	snprintf(h.uid, sizeof(h.uid), "%07o", 0);
	snprintf(h.gid, sizeof(h.gid), "%07o", 0);
	snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)size);
	snprintf(h.mtime, sizeof(h.mtime), "%011o", 0);
	memset(h.checksum, ' ', sizeof(h.checksum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += bytes[i];
	snprintf(h.checksum, sizeof(h.checksum), "%06o", sum);
	return put(to, &h, sizeof(h));
}

/* Zeros up to the end of a block. */
static int put_rest(gzFile to, uint64_t size)
{
	static const char zeros[TAR_BLOCK];

	return put(to, zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

/* A file of the session, as long as it is when this begins: it may still be written to. */
static int put_file(gzFile to, int dir, const char *name)
{
	static char piece[PIECE];
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = fstat(fd, &st) < 0 ? -errno : !S_ISREG(st.st_mode) ? -ENOTSUP : 0;
	if (r == 0)
		r = put_header(to, name, (uint64_t)st.st_size);
	for (off_t at = 0; r == 0 && at < st.st_size;) {
		size_t want = st.st_size - at < (off_t)PIECE ? (size_t)(st.st_size - at) : PIECE;
		ssize_t n = pread(fd, piece, want, at);

		if (n <= 0) { /* it became shorter */
			memset(piece, 0, want);
			n = (ssize_t)want;
		}
		r = put(to, piece, (size_t)n);
		at += n;
	}
	close(fd);
	return r < 0 ? r : put_rest(to, (uint64_t)st.st_size);
}

static int put_files(gzFile to, const char *session)
{
	DIR *d = opendir(session);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d)))
		if (unpack_is_session_file(e->d_name) && strcmp(e->d_name, SESSION_NAMES) != 0)
			r = put_file(to, dirfd(d), e->d_name);
	closedir(d);
	return r;
}

static int put_names(gzFile to, const struct report *report)
{
	char *names = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&names, &size);
	int r;

	if (!f)
		return -ENOMEM;
	report_save_names(report, f);
	r = fclose(f) == 0 ? put_header(to, SESSION_NAMES, size) : -ENOMEM;
	for (size_t at = 0; at < size && r == 0; at += PIECE)
		r = put(to, names + at, size - at < PIECE ? size - at : PIECE);
	free(names);
	return r < 0 ? r : put_rest(to, size);
}

/* Into a new file that takes the place of FILE when it is whole. 0 or -errno. */
static int pack(const char *session, const char *file, const struct report *report)
{
	static const char end[2 * TAR_BLOCK];
	char *temporary;
	gzFile to;
	int r, fd;

	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	to = fd >= 0 ? gzdopen(fd, "wb6") : NULL;
	r = to ? 0 : errno ? -errno : -ENOMEM;
	if (r == 0)
		r = put_files(to, session);
	if (r == 0)
		r = put_names(to, report);
	if (r == 0)
		r = put(to, end, sizeof(end));
	if (to && gzclose(to) != Z_OK && r == 0)
		r = errno ? -errno : -EIO;
	else if (!to && fd >= 0)
		close(fd);
	if (r == 0 && rename(temporary, file) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		unlink(temporary);
	free(temporary);
	return r;
}

int command_pack(struct options *o, int argc, char **argv)
{
	char error[MODEL_ERROR_SIZE], *file = NULL;
	struct pipeline p;
	struct stat st;
	int r;

	if (argc < 1 || argc > 2) {
		say("a session is wanted: mutrace pack [OPTION...] SESSION [FILE]");
		return STATUS_TROUBLE;
	}
	if (stat(argv[0], &st) < 0 || !S_ISDIR(st.st_mode)) {
		say("%s is not a session's directory", argv[0]);
		return STATUS_TROUBLE;
	}
	for (size_t n = strlen(argv[0]); n > 1 && argv[0][n - 1] == '/';)
		argv[0][--n] = 0;
	if (argc == 1 && asprintf(&file, "%s.mutrace.tar.gz", argv[0]) < 0)
		return STATUS_TROUBLE;
	o->report.progress_fd = isatty(STDERR_FILENO) ? STDERR_FILENO : -1;
	r = pipeline_analyse(&p, (const char *const *)argv, 1, &o->report, error);
	if (r < 0) {
		say("%s", error);
	} else {
		r = pack(argv[0], argc == 2 ? argv[1] : file, p.report);
		if (r < 0)
			say("%s cannot be packed: %s", argv[0], strerror(-r));
		else if (file)
			say("packed in %s", file);
		pipeline_free(&p);
	}
	free(file);
	return r < 0 ? STATUS_TROUBLE : EXIT_SUCCESS;
}
