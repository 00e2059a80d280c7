/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Paths as text. In mutrace only. */
#ifndef MUTRACE_BASE_PATH_H
#define MUTRACE_BASE_PATH_H

#include <string.h>

/* A path without its directories. NULL for NULL. */
static inline const char *path_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

#endif
