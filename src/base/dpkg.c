/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading the lists of files that dpkg keeps, see dpkg.h. No locks. Called by the analysis. */
#include "src/base/dpkg.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/var/lib/dpkg/info"
#define LIST_MAX (64 << 20)

/* The lists may say /lib/x where the loader says /usr/lib/x, and the other way round. */
static const char *without_usr(const char *path)
{
	return strncmp(path, "/usr/", 5) == 0 ? path + 4 : path;
}

static char *read_list(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = NULL;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < LIST_MAX)
		text = malloc((size_t)st.st_size + 1);
	if (text) {
		ssize_t n = read(fd, text, (size_t)st.st_size);

		text[n > 0 ? n : 0] = '\0';
	}
	if (fd >= 0)
		close(fd);
	return text;
}

/* The architecture of which names go without a suffix: the first that dpkg knows, or all if it knows one only. */
static void own_architecture(char *ret, size_t size)
{
	FILE *f = fopen("/var/lib/dpkg/arch", "re");

	ret[0] = '\0';
	if (f && fgets(ret, (int)size, f))
		ret[strcspn(ret, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* "libc6:amd64.list" -> "libc6", or with its suffix if that is not own. */
static char *package_name(const char *list, const char *own)
{
	char *name = strndup(list, strlen(list) - strlen(".list")), *colon = name ? strchr(name, ':') : NULL;

	if (colon && (!own[0] || strcmp(colon + 1, own) == 0))
		*colon = '\0';
	return name;
}

static void search(const char *list, char *text, const char *const *names, size_t n, const char *own,
		   char **ret)
{
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *path = without_usr(line);

		for (size_t i = 0; i < n; i++)
			if (!ret[i] && names[i] && strcmp(names[i], path) == 0)
				ret[i] = package_name(list, own);
	}
}

void dpkg_packages(const char *const *paths, size_t n, char **ret)
{
	char own[32], **real = calloc(n ? n : 1, sizeof(char *));
	const char **names = calloc(n ? n : 1, sizeof(*names));
	DIR *dir = opendir(DIRECTORY);
	struct dirent *entry;

	for (size_t i = 0; i < n; i++)
		ret[i] = NULL;
	own_architecture(own, sizeof(own));
	for (size_t i = 0; real && names && i < n; i++) {
		real[i] = realpath(paths[i], NULL); /* a package has the file, often not the link to it */
		names[i] = without_usr(real[i] ? real[i] : paths[i]);
	}
	while (real && names && dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);
		char *text;

		if (length < 6 || strcmp(entry->d_name + length - 5, ".list") != 0)
			continue;
		text = read_list(dirfd(dir), entry->d_name);
		if (text)
			search(entry->d_name, text, names, n, own, ret);
		free(text);
	}
	if (dir)
		closedir(dir);
	for (size_t i = 0; real && i < n; i++)
		free(real[i]);
	free(real);
	free(names);
}
