/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The functions that matrace watches, numbered: the recorder writes the numbers, the reader turns them into names. Both
 * come from the one table watched.def. Needs nothing but that.
 */
#ifndef MUTRACE_SESSION_WATCHED_H
#define MUTRACE_SESSION_WATCHED_H

/* X(class, name for --also and JSON, what the text says of one that was met) */
#define WATCH_CLASSES(X) \
	X(alloc, "memory-allocator", "allocator") \
	X(locks, "locks", "lock") \
	X(files, "files", "file") \
	X(sleep, "sleep", "sleep") \
	X(memory, "memory", "memory") \
	X(threads, "threads", "thread")

enum watch_class {
#define X(class, name, noun) WATCH_CLASS_##class,
	WATCH_CLASSES(X)
#undef X
		WATCH_CLASS_MAX
};

enum watched {
#define WATCH(class, label, type, name, parameters, arguments) WATCHED_##name,
#define WATCH_OWN(class, label, type, name, parameters) WATCHED_##name,
#define WATCH_KNOWN(class, label, name) WATCHED_##name,
#define WATCH_COUNT(class, label, name) WATCHED_##name,
#include "src/session/watched.def"
#undef WATCH
#undef WATCH_OWN
#undef WATCH_KNOWN
#undef WATCH_COUNT
	WATCHED_MAX
};

#endif
