/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which Debian package a file came with. In mutrace only. */
#ifndef MUTRACE_BASE_DPKG_H
#define MUTRACE_BASE_DPKG_H

#include <stddef.h>

/* Of each path the name of the package, with ":ARCH" where it is not the system's own architecture; NULL: of none, or the
 * system has no dpkg. To be freed, each. As `dpkg-query -S` says, but read from its lists, in a tenth of a second. */
void dpkg_packages(const char *const *paths, size_t n, char **ret);

#endif
