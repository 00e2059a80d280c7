/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finding separate debug files; see sym_debugfile.h. Runs in the engine, takes no locks.
 */
#include "src/symbols/sym_debugfile.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "src/symbols/sym_fetch.h"

static void to_hex(char *to, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sprintf(to + 2 * i, "%02x", bytes[i]);
}

static int open_elf(const char *path, struct sym_elf *ret)
{
	int fd = sym_open_regular(path);

	return fd < 0 ? fd : sym_elf_read(ret, fd);
}

/* Takes path over. Accepts the file if its build id is this one. */
static int try_build_id(char *path, const uint8_t *build_id, size_t size, char **ret_path,
			struct sym_elf *ret_elf)
{
	struct sym_elf elf;

	if (!path)
		return -ENOMEM;
	if (open_elf(path, &elf) < 0) {
		free(path);
		return -ENOENT;
	}
	if (elf.build_id_size != size || memcmp(elf.build_id, build_id, size)) {
		sym_elf_close(&elf);
		free(path);
		return -ENOENT;
	}
	*ret_path = path;
	*ret_elf = elf;
	return 0;
}

__attribute__((format(printf, 1, 2))) static char *print_path(const char *format, ...)
{
	va_list ap;
	char *path;
	int n;

	va_start(ap, format);
	n = vasprintf(&path, format, ap);
	va_end(ap);
	return n < 0 ? NULL : path;
}

/* debuginfod's clients keep fetched files in the first of these places that the environment names. */
static char *cache_path(const char *hex)
{
	const char *cache = getenv("DEBUGINFOD_CACHE_PATH"), *xdg = getenv("XDG_CACHE_HOME"),
		   *home = getenv("HOME");

	if (cache && cache[0])
		return print_path("%s/%s/debuginfo", cache, hex);
	if (home && home[0]) { /* the old place is used as long as it is there */
		char *old = print_path("%s/.debuginfod_client_cache", home);
		bool there = old && access(old, F_OK) == 0;

		free(old);
		if (there)
			return print_path("%s/.debuginfod_client_cache/%s/debuginfo", home, hex);
	}
	if (xdg && xdg[0])
		return print_path("%s/debuginfod_client/%s/debuginfo", xdg, hex);
	return home && home[0] ? print_path("%s/.cache/debuginfod_client/%s/debuginfo", home, hex) : NULL;
}

int sym_debugfile_by_build_id(const struct sym_search *search, const uint8_t *build_id, size_t build_id_size,
			      char **ret_path, struct sym_elf *ret_elf)
{
	char hex[2 * SYM_BUILD_ID_MAX + 1];
	int r;

	if (build_id_size < 2 || build_id_size > SYM_BUILD_ID_MAX)
		return -ENOENT;
	to_hex(hex, build_id, build_id_size);
	for (size_t i = 0; search->debug_dirs[i]; i++) {
		r = try_build_id(print_path("%s%s/.build-id/%.2s/%s.debug", search->sysroot,
					    search->debug_dirs[i], hex, hex + 2),
				 build_id, build_id_size, ret_path, ret_elf);
		if (r == 0)
			return 0;
	}
	r = try_build_id(cache_path(hex), build_id, build_id_size, ret_path, ret_elf);
	return r == 0 ? 0 : -ENOENT;
}

int sym_debugfile_fetch(const struct sym_search *search, const uint8_t *build_id, size_t build_id_size,
			char **ret_path, struct sym_elf *ret_elf)
{
	char hex[2 * SYM_BUILD_ID_MAX + 1], *path;

	if (!search->fetch || build_id_size < 2 || build_id_size > SYM_BUILD_ID_MAX)
		return -ENOENT;
	to_hex(hex, build_id, build_id_size);
	if (sym_fetch_debuginfo(search->fetch, hex, search->name, &path) < 0)
		return -ENOENT;
	return try_build_id(path, build_id, build_id_size, ret_path, ret_elf);
}

/* The contents of a section that begins with a file's name: 0 and the name, what follows it at *ret_rest. */
static int read_link(const struct sym_elf *elf, const char *section, char **ret_contents, size_t *ret_after,
		     size_t *ret_size)
{
	for (size_t i = 1; i < elf->section_count; i++) {
		char *contents;
		size_t size;
		int r;

		if (strcmp(elf->sections[i].name, section))
			continue;
		if (elf->sections[i].size > PATH_MAX + 64)
			return -ENOEXEC;
		r = sym_elf_contents(elf, &elf->sections[i], &contents, &size);
		if (r < 0)
			return r;
		*ret_after = strlen(contents) + 1;
		if (!contents[0] || *ret_after > size) {
			free(contents);
			return -ENOEXEC;
		}
		*ret_contents = contents;
		*ret_size = size;
		return 0;
	}
	return -ENOENT;
}

static bool checksum_is(int fd, uint32_t wanted)
{
	uLong sum = crc32(0, NULL, 0);
	unsigned char buffer[65536];
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, buffer, sizeof(buffer), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			return (uint32_t)sum == wanted;
		sum = crc32(sum, buffer, (uInt)n);
		at += n;
	}
}

/* Takes path over. */
static int try_link(char *path, const struct sym_elf *module, uint32_t sum, char **ret_path,
		    struct sym_elf *ret_elf)
{
	struct sym_elf elf;
	bool good;

	if (!path)
		return -ENOMEM;
	if (open_elf(path, &elf) < 0) {
		free(path);
		return -ENOENT;
	}
	if (module->build_id_size && elf.build_id_size) /* says more than a checksum, and costs nothing */
		good = module->build_id_size == elf.build_id_size &&
		       !memcmp(module->build_id, elf.build_id, elf.build_id_size);
	else
		good = checksum_is(elf.fd, sum);
	/* a link that leads back to the module (it was stripped in place) leads nowhere */
	if (!good ||
	    (!sym_elf_section_size(&elf, ".debug_info") && !sym_elf_section_size(&elf, ".zdebug_info") &&
	     !sym_elf_section_size(&elf, ".symtab"))) {
		sym_elf_close(&elf);
		free(path);
		return -ENOENT;
	}
	*ret_path = path;
	*ret_elf = elf;
	return 0;
}

static int directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path) : 0;
}

/* In the directory of one of the module's names. */
static int try_link_at(const struct sym_search *search, const char *module_path, const char *recorded_path,
		       const char *name, const struct sym_elf *module, uint32_t sum, char **ret_path,
		       struct sym_elf *ret_elf)
{
	int length = directory_length(module_path), recorded = directory_length(recorded_path);

	if (try_link(print_path("%.*s/%s", length, module_path, name), module, sum, ret_path, ret_elf) == 0 ||
	    try_link(print_path("%.*s/.debug/%s", length, module_path, name), module, sum, ret_path,
		     ret_elf) == 0)
		return 0;
	for (size_t i = 0; search->debug_dirs[i]; i++)
		if (try_link(print_path("%s%s%.*s/%s", search->sysroot, search->debug_dirs[i], recorded,
					recorded_path, name),
			     module, sum, ret_path, ret_elf) == 0)
			return 0;
	return -ENOENT;
}

int sym_debugfile_by_link(const struct sym_search *search, const struct sym_elf *module,
			  const char *module_path, const char *recorded_path, char **ret_path,
			  struct sym_elf *ret_elf)
{
	size_t after, size, root = strlen(search->sysroot);
	char *name, *real;
	uint32_t sum;
	int r = read_link(module, ".gnu_debuglink", &name, &after, &size);

	if (r < 0)
		return -ENOENT;
	after = (after + 3) & ~(size_t)3;
	if (strchr(name, '/') || size < 4 || after > size - 4) {
		free(name);
		return -ENOENT;
	}
	memcpy(&sum, name + after, sizeof(sum));
	r = try_link_at(search, module_path, recorded_path, name, module, sum, ret_path, ret_elf);
	if (r < 0) {
		/* the loader knows /lib/x.so, the debug file lies where /usr/lib/x.so says */
		real = realpath(module_path, NULL);
		if (real && strcmp(real, module_path))
			r = try_link_at(search, real,
					strncmp(real, search->sysroot, root) ? real : real + root, name,
					module, sum, ret_path, ret_elf);
		free(real);
	}
	free(name);
	return r < 0 ? -ENOENT : 0;
}

int sym_debugfile_alternate(const struct sym_search *search, const struct sym_elf *elf, const char *path,
			    char **ret_path)
{
	struct sym_elf found;
	size_t after, size;
	char *name, *real;
	int r = read_link(elf, ".gnu_debugaltlink", &name, &after, &size);

	if (r < 0)
		return r == -ENOENT ? -ENOENT : -ENOMEDIUM;
	r = -ENOENT;
	if (size - after && size - after <= SYM_BUILD_ID_MAX) {
		const uint8_t *id = (const uint8_t *)name + after;

		if (name[0] == '/') {
			r = try_build_id(print_path("%s%s", search->sysroot, name), id, size - after,
					 ret_path, &found);
		} else { /* relative to where the file that refers to it really is */
			real = realpath(path, NULL);
			if (real)
				r = try_build_id(print_path("%.*s/%s", directory_length(real), real, name),
						 id, size - after, ret_path, &found);
			free(real);
		}
		if (r < 0)
			r = sym_debugfile_by_build_id(search, id, size - after, ret_path, &found);
		if (r < 0)
			r = sym_debugfile_fetch(search, id, size - after, ret_path, &found);
		if (r == 0)
			sym_elf_close(&found);
	}
	free(name);
	return r < 0 ? -ENOMEDIUM : 0;
}
