/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packs: a session as one file, a tar archive that is compressed with gzip. Runs in mutrace. pack.c writes them, the
 * pipeline reads them wherever a session may be named.
 */
#ifndef MUTRACE_CMD_UNPACK_H
#define MUTRACE_CMD_UNPACK_H

#include <stdbool.h>

/* True if a file may be a pack, by its first bytes. */
bool unpack_wanted(const char *path);
/* Unpacks into a new directory of the user's, which the caller removes by unpack_remove(). Nothing in the pack is trusted.
 * 0, or -errno after error (of MODEL_ERROR_SIZE) got its line. */
int unpack(const char *path, char **ret_dir, char *error);
/* Takes NULL. Frees the name, too. */
void unpack_remove(char *dir);
/* True for names of files that a session may have. */
bool unpack_is_session_file(const char *name);

/* A tar header: 512 bytes, numbers as octal text. */
struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
		version[2], rest[247];
};
_Static_assert(sizeof(struct tar_header) == 512, "tar header");
#define TAR_BLOCK 512u

#endif
