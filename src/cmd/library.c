/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds libmutrace.so or a sister of it: beside the command in a build tree, else where the installation
 * put it as seen from the command's own place (so that an installed tree may be moved), else where
 * configure meant it to be. Called by the run command, before the program is started.
 */
#include "src/cmd/library.h"

#include "config.h"

#include <dlfcn.h>
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

#include "src/arch/arch.h"
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

#ifdef ARCH_NARROW_MACHINE
/* The loader puts this for "$LIB": by default it looks there. NULL: not known. */
static const char *loader_lib(void)
{
	static const char *const names[] = { ARCH_LIB, "lib64", "lib" };
	union {
		Dl_serinfo info;
		char room[16384];
	} paths;
	void *self = dlopen(NULL, RTLD_LAZY);

	if (!self || dlinfo(self, RTLD_DI_SERINFOSIZE, &paths.info) < 0 ||
	    paths.info.dls_size > sizeof(paths) || dlinfo(self, RTLD_DI_SERINFO, &paths.info) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (unsigned int k = 0; k < paths.info.dls_cnt; k++) {
			const char *path = paths.info.dls_serpath[k].dls_name;

			if (strncmp(path, "/usr/", 5) == 0 && strcmp(path + 5, names[i]) == 0)
				return names[i];
		}
	return NULL;
}

/* The directory of libraries that 32-bit programs have where 64-bit ones have "lib". */
static const char *narrow_lib(const char *lib)
{
	if (strcmp(lib, ARCH_LIB) == 0)
		return ARCH_NARROW_LIB;
	return strcmp(lib, "lib64") == 0 ? "lib" : "lib32";
}

/*
 * Programs of both word sizes can start each other. One path serves both if the library of each lies where its loader
 * puts "$LIB". NULL if the other library is not there; *ret_other is where it belongs (to be freed), or NULL if
 * this path cannot be shared.
 */
static char *for_both(const char *path, const char *name, char **ret_other)
{
	const char *lib = loader_lib(), *at = path;
	size_t length = lib ? strlen(lib) : 0;
	char *both = NULL;

	*ret_other = NULL;
	while (lib && (at = strstr(at + 1, lib)) && (at[-1] != '/' || at[length] != '/'))
		;
	if (!lib || !at)
		return NULL;
	if (asprintf(ret_other, "%.*s%s%s", (int)(at - path), path, narrow_lib(lib), at + length) < 0) {
		*ret_other = NULL;
		return NULL;
	}
	if (access(*ret_other, R_OK) < 0 || check(*ret_other, name) != 0)
		return NULL;
	return asprintf(&both, "%.*s$LIB%s", (int)(at - path), path, at + length) < 0 ? NULL : both;
}
#else
static char *for_both(const char *path, const char *name, char **ret_other)
{
	(void)path;
	(void)name;
	*ret_other = NULL;
	return NULL;
}
#endif

/* Replaces the path by one that serves narrow programs as well, where that can be; frees it where it must and cannot. */
static char *with_narrow(char *path, const char *name, bool needed)
{
	char *other, *both = for_both(path, name, &other);

	if (!both && needed && other)
		say("a 32-bit program needs %s, which is not there; on Debian: dpkg --add-architecture i386, "
		    "apt-get "
		    "update, apt-get install libmutrace-preload:i386",
		    other);
	else if (!both && needed)
		say("a 32-bit program needs a library of its own, for which there is no place beside %s; "
		    "install mutrace "
		    "with the --libdir of the system's libraries, and the 32-bit library with that of 32-bit "
		    "ones",
		    path);
	free(other);
	if (!both && !needed)
		return path;
	free(path);
	return both;
}

char *library_find(const char *name, bool narrow)
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
	return found ? with_narrow(found, name, narrow) : NULL;
}
