/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The name and version of this build of the library. mutrace looks for the text in the file before it
 * preloads it (src/cmd/library.c), so that a command and a library of two installations are noticed and not
 * mixed. Nothing in the profiled process reads it.
 */
#include "config.h"

#include "src/session/format.h"

#ifndef LIBRARY_NAME
#define LIBRARY_NAME "libmutrace"
#endif
#define STRING(x) #x
#define VALUE(x) STRING(x)

__attribute__((used)) static const char library_version[] =
	"@(#)" LIBRARY_NAME " version " PACKAGE_VERSION " format " VALUE(SESSION_FORMAT) "\n";
