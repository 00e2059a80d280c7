/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A session cut off at every byte, or at every Nth: each file in turn, from its end. It loads, and then says
 * that it is cut off, or gives one line of error.
 *
 *	cuts SESSION STEP: the session is destroyed
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/analysis/report.h"
#include "src/render/render.h"
#include "tests/fuzz/fuzz.h"

static unsigned long loaded, refused;

static void broken(const char *what)
{
	perror(what);
	exit(99);
}

static void wrong(const char *file, off_t size, const char *what)
{
	fprintf(stderr, "%s cut to %lld bytes: %s\n", file, (long long)size, what);
	exit(1);
}

static void render(struct model *m, const char *file, off_t size)
{
	struct render_options ro;
	struct report_options o;
	struct report *r;

	report_options_init(&o);
	o.no_symbols = true;
	render_options_init(&ro, &o);
	if (report_new(m, &o, &r) < 0)
		wrong(file, size, "no report");
	if (render_text.render(fuzz_text_open(), r, &ro) < 0)
		wrong(file, size, "no text");
	fuzz_text_check();
	if (render_json.render(fuzz_text_open(), r, &ro) < 0)
		wrong(file, size, "no JSON");
	fuzz_json_check();
	report_free(r);
}

static void try(const char *session, const char *file, off_t size, off_t used)
{
	char error[MODEL_ERROR_SIZE] = "";
	struct model *m;

	if (model_new(&m) < 0)
		exit(99);
	if (model_load(m, session, error) < 0) {
		refused++;
		if (strlen(error) < 20 || strchr(error, '\n') || size >= used)
			wrong(file, size, error);
	} else {
		loaded++;
		if (m->n_processes != 1 || m->processes[0].truncated != (size < used))
			wrong(file, size, "it does not know that it is cut off");
		render(m, file, size);
	}
	model_free(m);
}

static void cut(const char *session, const char *name, long step)
{
	struct image_header h;
	off_t used = SESSION_FILE_SIZE;
	struct stat st;
	char *path, *bytes;
	int fd;

	if (asprintf(&path, "%s/%s", session, name) < 0 || (fd = open(path, O_RDWR)) < 0 ||
	    fstat(fd, &st) < 0)
		broken(name);
	bytes = malloc((size_t)st.st_size);
	if (!bytes || pread(fd, bytes, (size_t)st.st_size, 0) != st.st_size)
		broken(name);
	if (strcmp(name, SESSION_FILE) == 0) {
		used = (off_t)sizeof(struct session_file);
	} else {
		memcpy(&h, bytes, sizeof(h));
		used = (off_t)h.used;
	}
	for (off_t size = st.st_size; size >= 0; size -= step) {
		if (ftruncate(fd, size) < 0)
			broken(name);
		try(session, name, size, strcmp(name, SESSION_FILE) == 0 && size >= used ? 0 : used);
	}
	if (pwrite(fd, bytes, (size_t)st.st_size, 0) != st.st_size)
		broken(name);
	close(fd);
	free(bytes);
	free(path);
}

int main(int argc, char **argv)
{
	char image[256] = "";
	struct dirent *e;
	DIR *d = argc == 3 ? opendir(argv[1]) : NULL;

	if (!d)
		return 99;
	while ((e = readdir(d)))
		if (strncmp(e->d_name, SESSION_IMAGE_PREFIX, strlen(SESSION_IMAGE_PREFIX)) == 0)
			strcpy(image, e->d_name);
	closedir(d);
	cut(argv[1], SESSION_FILE, atol(argv[2]));
	cut(argv[1], image, atol(argv[2]));
	printf("%lu cuts: %lu load and say so, %lu are refused with a line\n", loaded + refused, loaded,
	       refused);
	return loaded && refused ? 0 : 1;
}
