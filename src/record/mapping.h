/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A file of the session, mapped into the profiled process. No more is mapped than is used, as limits on
 * the address space and on locked memory count mappings whatever is in them: the mapping grows in place,
 * where nobody else maps anything. Each piece is backed by the file system before it is touched, so a full
 * disk is an error code here and never SIGBUS in the program. No descriptor stays open. Takes no lock;
 * errno may change.
 */
#ifndef MUTRACE_RECORD_MAPPING_H
#define MUTRACE_RECORD_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#define MAPPING_FIRST (64u * 1024) /* of an image that will be used */
#define MAPPING_PATH_SIZE 512u     /* for DIRECTORY_PATH_LONGEST and a file's name */

struct mapping {
	char *base;      /* NULL: none */
	uint64_t mapped; /* bytes from base, all backed by the file system */
	uint64_t limit;  /* length of the file: it cannot grow beyond */
	const char *path;
};

/* Makes a new image file in a directory, writes its path to `path` (of MAPPING_PATH_SIZE, which has to
 * last), and maps at least `first` bytes of it. The file is no longer than max_bytes (0: as long as
 * usual). 0 or -errno. */
int mapping_create(const char *directory, uint64_t max_bytes, uint64_t first, char *path,
		   struct mapping *ret);
/* The same in the place of an old one, which a thread may be about to read or write: no byte of it is ever without
 * memory. On failure the old one is as it was. */
int mapping_replace(const char *directory, uint64_t max_bytes, const struct mapping *old, char *path,
		    struct mapping *ret);
/* Grows it to at least `size` bytes, perhaps more. False: there is no room, or a limit forbids it. */
bool mapping_grow(struct mapping *m, uint64_t size);
/* Maps a file of a directory that processes share, made if need be, so long. Writes its path as above. Nothing of it
 * is backed. 0 or -errno. */
int mapping_share(const char *directory, const char *name, uint64_t size, char *path, struct mapping *ret);
/* Backs a part of it, which may be touched then. False: there is no room. */
bool mapping_back(const struct mapping *m, uint64_t from, uint64_t size);
/* Takes one that has no base, too. */
void mapping_drop(struct mapping *m);

#endif
