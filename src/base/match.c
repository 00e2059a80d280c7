/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Globs, see match.h. No locks. Called by the analysis and by src/compare. */
#include "src/base/match.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"

#define NAME_MAX_MATCHED 1024

bool filter_empty(const struct filter *f)
{
	return !f->locks && !f->threads && !f->functions && f->wait_ns == 0;
}

bool match_any(const char *const *globs, const char *text)
{
	for (; text && *globs; globs++)
		if (fnmatch(*globs, text, 0) == 0)
			return true;
	return false;
}

size_t match_function_length(const char *f)
{
	size_t length = strlen(f), i;
	int depth = 0;

	i = length;
	if (length > 6 && strcmp(f + length - 6, " const") == 0)
		i -= 6;
	if (i == 0 || f[i - 1] != ')')
		return length;
	while (i-- > 0) {
		if (f[i] == ')')
			depth++;
		else if (f[i] == '(' && --depth == 0)
			break;
	}
	if (i == (size_t)-1 || i == 0 || strncmp(f + i, "(anonymous namespace)", 21) == 0)
		return length;
	if (i >= 8 && strncmp(f + i - 8, "operator", 8) == 0)
		return length;
	return i;
}

bool match_function(const char *glob, const char *function)
{
	char name[NAME_MAX_MATCHED];
	size_t length;

	if (!function)
		return false;
	if (fnmatch(glob, function, 0) == 0)
		return true;
	length = match_function_length(function);
	if (length >= sizeof(name) || function[length] == '\0')
		return false;
	memcpy(name, function, length);
	name[length] = '\0';
	return fnmatch(glob, name, 0) == 0;
}

bool match_any_function(const char *const *globs, const char *function)
{
	for (; *globs; globs++)
		if (match_function(*globs, function))
			return true;
	return false;
}

bool match_module(const char *glob, const char *path)
{
	return path && (fnmatch(glob, path, 0) == 0 || fnmatch(glob, path_name(path), 0) == 0);
}

int globs_read(const char *path, int (*take)(void *data, const char *glob, unsigned int line), void *data)
{
	char *line = NULL, *begin, *end;
	size_t size = 0;
	unsigned int number = 0;
	FILE *f = fopen(path, "re");
	int r = 0;

	if (!f)
		return -errno;
	while (r == 0 && getline(&line, &size, f) >= 0) {
		number++;
		begin = line + strspn(line, " \t");
		end = begin + strcspn(begin, "\r\n");
		while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		*end = '\0';
		if (*begin != '\0' && *begin != '#')
			r = take(data, begin, number);
	}
	if (ferror(f) && r == 0)
		r = -EIO;
	free(line);
	fclose(f);
	return r;
}
