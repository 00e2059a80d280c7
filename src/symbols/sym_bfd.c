/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening files with libbfd; see sym_bfd.h. Runs in the engine, takes no locks. Called by sym_lookup.c,
 * sym_plt.c.
 */
#include "src/symbols/sym_bfd.h"

#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 1, 0))) static void say_nothing(const char *format, va_list ap)
{
	(void)format;
	(void)ap;
}

static void assert_nothing(const char *format, const char *version, const char *file, int line)
{
	(void)format;
	(void)version;
	(void)file;
	(void)line;
}

bfd *sym_bfd_open(const struct sym_elf *elf, const char *path)
{
	static bool ready;
	int fd = sym_open_regular(
		path); /* no duplicate: that would share its position with other users of the file */
	struct stat looked_at, opened;
	bfd *b;

	if (fd < 0)
		return NULL;
	if (fstat(elf->fd, &looked_at) < 0 || fstat(fd, &opened) < 0 || looked_at.st_dev != opened.st_dev ||
	    looked_at.st_ino != opened.st_ino) { /* replaced in this moment */
		close(fd);
		return NULL;
	}
	if (!ready) {
		bfd_init();
		bfd_set_error_handler(say_nothing);
		bfd_set_assert_handler(assert_nothing);
		ready = true;
	}
	b = bfd_fdopenr(path, NULL, fd); /* closes fd if it fails */
	if (!b)
		return NULL;
	b->flags |= BFD_DECOMPRESS;
	if (!bfd_check_format(b, bfd_object) || bfd_get_flavour(b) != bfd_target_elf_flavour) {
		bfd_close(b);
		return NULL;
	}
	return b;
}

bool sym_bfd_section_has(asection *s, uint64_t address)
{
	return (bfd_section_flags(s) & (SEC_ALLOC | SEC_THREAD_LOCAL)) == SEC_ALLOC &&
	       address >= bfd_section_vma(s) && address - bfd_section_vma(s) < bfd_section_size(s);
}
