/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds the session that mutrace top is to show, see top_session.h. */
#include "src/cmd/top_session.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/proc.h"
#include "src/load/model.h"
#include "src/session/directory.h"
#include "src/session/format.h"

#define ENVIRON_MOST (1 << 20)

/* From its environment, which mutrace gave it. */
static char *session_of_environment(const char *pid)
{
	size_t name = strlen(SESSION_ENV "=");
	char path[64], *text, *found = NULL;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	text = fd < 0 ? NULL : malloc(ENVIRON_MOST + 1);
	n = text ? read(fd, text, ENVIRON_MOST) : -1;
	if (fd >= 0)
		close(fd);
	if (n >= 0)
		text[n] = 0;
	for (ssize_t i = 0; i < n && !found; i += (ssize_t)strlen(text + i) + 1)
		if (strncmp(text + i, SESSION_ENV "=", name) == 0 && text[i + (ssize_t)name])
			found = strdup(text + i + name);
	free(text);
	return found;
}

/* Of a process that mutrace attached to: its image is mapped into it, by a path that may be another mount namespace's. */
static char *session_of_mapping(const char *pid)
{
	char path[64], name[64], *line = NULL, *found = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/maps", pid);
	snprintf(name, sizeof(name), "/" SESSION_IMAGE_PREFIX "%.20s.", pid);
	f = fopen(path, "re");
	while (f && !found && getline(&line, &size, f) > 0) {
		char *from = strchr(line, '/'), *to = from ? strstr(from, name) : NULL;

		if (!to)
			continue;
		*to = '\0';
		if (access(from, F_OK) == 0)
			found = strdup(from);
		else if (asprintf(&found, "/proc/%.20s/root%s", pid, from) < 0)
			found = NULL;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* True if a session has an image of a process that lives, and that has the number (NULL: any). */
static bool has_process(const char *session, const char *pid)
{
	DIR *d = opendir(session);
	bool found = false;
	struct dirent *e;

	while (d && !found && (e = readdir(d))) {
		struct proc_stat stat;
		unsigned int number;

		if (sscanf(e->d_name, SESSION_IMAGE_PREFIX "%u.", &number) != 1 ||
		    (pid && number != strtoul(pid, NULL, 10)))
			continue;
		found = proc_stat_read(number, &stat) == 0 && !proc_ended(&stat);
	}
	if (d)
		closedir(d);
	return found;
}

/* Looks through the unnamed sessions of this user. The one that is found, and how many there are. */
static char *session_find(const char *pid, unsigned int *ret_n)
{
	const char *places[DIRECTORY_PLACES];
	char *found = NULL;

	directory_places(getenv("TMPDIR"), places);
	for (size_t i = 0; i < DIRECTORY_PLACES; i++) {
		DIR *d = places[i] ? opendir(places[i]) : NULL;
		struct dirent *e;

		while (d && (e = readdir(d))) {
			struct stat st;
			char *path;

			if (strncmp(e->d_name, DIRECTORY_NAME, strlen(DIRECTORY_NAME)) != 0 ||
			    asprintf(&path, "%s/%s", places[i], e->d_name) < 0)
				continue;
			if (stat(path, &st) == 0 && st.st_uid == geteuid() && has_process(path, pid)) {
				++*ret_n;
				free(found);
				found = path;
			} else {
				free(path);
			}
		}
		if (d)
			closedir(d);
	}
	return found;
}

char *top_session(const char *argument, char *error)
{
	bool number = argument && isdigit((unsigned char)argument[0]) && access(argument, F_OK) != 0;
	unsigned int n = 0;
	char *path;

	if (argument && !number)
		return strdup(argument);
	path = number ? session_of_mapping(argument) : NULL;
	if (!path)
		path = number ? session_of_environment(argument) : NULL;
	if (path && access(path, F_OK) == 0)
		return path;
	free(path);
	path = session_find(argument, &n);
	if (n == 1 || (n && number))
		return path;
	free(path);
	if (number)
		snprintf(error, MODEL_ERROR_SIZE, "process %.20s is not being recorded", argument);
	else if (n == 0)
		snprintf(error, MODEL_ERROR_SIZE, "nothing is being recorded; start it: mutrace PROGRAM");
	else
		snprintf(error, MODEL_ERROR_SIZE,
			 "%u sessions are being recorded (mutrace report lists them); say which: mutrace top "
			 "SESSION|PID",
			 n);
	return NULL;
}
