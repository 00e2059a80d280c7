/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds libmutrace.so or a sister of it: beside the command in a build tree, else where the installation
 * put it as seen from the command's own place (so that an installed tree may be moved), else where
 * configure meant it to be. Called by the run command, before the program is started.
 */
#include "src/cmd/library.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/cmd/say.h"
#include "src/session/format.h"

/* Must agree with src/record/version.c. */
#define LIBRARY_MARK "@(#)%s version "
#define STRING(x) #x
#define VALUE(x) STRING(x)
#define LIBRARY_VERSION PACKAGE_VERSION " format " VALUE(SESSION_FORMAT) "\n"

static char *join(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* The directory of this executable, NULL if unknown. */
static char *own_directory(void)
{
	char path[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0) { /* no /proc */
		const char *name = (const char *)getauxval(AT_EXECFN);

		if (!name || !realpath(name, path))
			return NULL;
		n = (ssize_t)strlen(path);
	}
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash || path[0] != '/')
		return NULL;
	*slash = '\0';
	return strdup(path);
}

/*
 * PKGLIBDIR as seen from an executable in "directory": "/usr/bin" and "/usr/lib/mutrace" are told to be
 * "../lib/mutrace". NULL if there is no way to say it.
 */
static char *relocated(const char *directory, const char *name)
{
	const char *bin = BINDIR, *lib = PKGLIBDIR;
	size_t common = 0;
	char *path;
	int up = 0, length;

	for (size_t i = 0; bin[i] == lib[i]; i++) {
		if (bin[i] == '\0')
			return NULL;
		if (bin[i] == '/')
			common = i + 1;
	}
	if (common == 0)
		return NULL;
	for (const char *p = bin + common; *p != '\0'; p++)
		up += *p == '/' && p[1] != '\0';
	up++;
	length = (int)strlen(directory);
	while (up-- > 0) {
		while (length > 0 && directory[length - 1] != '/')
			length--;
		while (length > 0 && directory[length - 1] == '/')
			length--;
	}
	return asprintf(&path, "%.*s/%s/%s", length, directory, lib + common, name) < 0 ? NULL : path;
}

/* 0 if the library is of our version, 1 after saying that it is not, -errno if there is no such file. */
static int check(const char *path, const char *name)
{
	char text[128];
	const char *mark, *end;
	struct stat st;
	void *map;
	int fd, r = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) {
		close(fd);
		return -ENOENT;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -errno;
	end = (const char *)map + st.st_size;
	snprintf(text, sizeof(text), LIBRARY_MARK, name);
	mark = memmem(map, (size_t)st.st_size, text, strlen(text));
	if (!mark) {
		say("%s is not the library of this mutrace; install mutrace again", path);
		r = 1;
	} else {
		mark += strlen(text);
		if ((size_t)(end - mark) < strlen(LIBRARY_VERSION) ||
		    memcmp(mark, LIBRARY_VERSION, strlen(LIBRARY_VERSION)) != 0) {
			const char *newline = memchr(mark, '\n', (size_t)(end - mark));

			say("%s is version %.*s, but this command is version %.*s; install mutrace again",
			    path, newline ? (int)(newline - mark) : 0, mark, (int)strlen(LIBRARY_VERSION) - 1,
			    LIBRARY_VERSION);
			r = 1;
		}
	}
	munmap(map, (size_t)st.st_size);
	return r;
}

char *library_find(const char *name)
{
	char file[64], beside[80];
	char *directory = own_directory();
	char *places[3] = { NULL, NULL, NULL }, *found = NULL;
	int r = -ENOENT;

	snprintf(file, sizeof(file), "%s.so", name);
	snprintf(beside, sizeof(beside), ".libs/%s", file);
	if (directory) {
		places[0] = join(directory, beside);
		places[1] = relocated(directory, file);
	}
	places[2] = join(PKGLIBDIR, file);
	for (int i = 0; i < 3; i++) {
		if (!found && r < 0 && places[i]) {
			r = check(places[i], name);
			if (r == 0) {
				found = places[i];
				continue;
			}
		}
		free(places[i]);
	}
	if (!found && r < 0)
		say("%s is neither beside %s/mutrace nor in %s; install mutrace again", file,
		    directory ? directory : "", PKGLIBDIR);
	if (found && strpbrk(found, " :$")) {
		/* The loader takes these for the end of a name or for a variable, and knows no quoting. */
		say("%s: the loader cannot preload a library whose path holds a space, colon or dollar sign; "
		    "move mutrace elsewhere",
		    found);
		free(found);
		found = NULL;
	}
	free(directory);
	return found;
}
