/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds the program and tells before it is run whether LD_PRELOAD can work on it: the loader silently ignores
 * the library for programs that gain privileges, and a static program has no loader. Called by the run
 * command. Reads the first bytes of a few files and keeps nothing open. What cannot be found out is not held
 * against the program.
 */
#include "src/cmd/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "src/arch/arch.h"
#include "src/cmd/command.h"
#include "src/cmd/elf_program.h"
#include "src/cmd/say.h"

#define SCRIPT_DEPTH 5 /* as far as the kernel follows #! lines */

/* 0, or -errno of the most telling failure along PATH, as execvp() reports it. */
static int search_path(const char *name, char **ret_path)
{
	const char *path = getenv("PATH");
	int result = -ENOENT;

	if (!path)
		path = "/bin:/usr/bin";
	for (;;) {
		const char *colon = strchrnul(path, ':');
		struct stat st;
		char *candidate;

		if (asprintf(&candidate, "%.*s%s%s", (int)(colon - path), path, colon == path ? "" : "/",
			     name) < 0)
			return -ENOMEM;
		if (stat(candidate, &st) == 0) {
			if (S_ISREG(st.st_mode) && faccessat(AT_FDCWD, candidate, X_OK, AT_EACCESS) == 0) {
				*ret_path = candidate;
				return 0;
			}
			result = -EACCES;
		} else if (errno == EACCES) {
			result = -EACCES;
		}
		free(candidate);
		if (*colon == '\0')
			return result;
		path = colon + 1;
	}
}

/*
 * True if executing this file makes the kernel set AT_SECURE. The rule of the kernel: an effective id differs
 * from the real one afterwards, or somebody whose real id is not 0 gains capabilities. So root's own
 * set-user-ID programs are nothing special when root runs them.
 */
static bool gains_privileges(const char *path, const struct stat *st)
{
	struct vfs_cap_data caps;
	struct statvfs fs;
	ssize_t n;

	if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID))
		return false;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
		if ((st->st_mode & S_ISUID) && st->st_uid != getuid()) {
			struct passwd *owner = getpwuid(st->st_uid);
			char number[32];

			snprintf(number, sizeof(number), "user %u", (unsigned int)st->st_uid);
			say("%s is set-user-ID, and the loader preloads nothing into such a program; run it "
			    "as "
			    "%s, profile a copy without that bit, or what it starts from inside, as in 'sudo "
			    "%s "
			    "./app'",
			    path, owner ? owner->pw_name : number, say_name());
			return true;
		}
		if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st->st_gid != getgid()) {
			say("%s is set-group-ID, and the loader preloads nothing into such a program; "
			    "profile a copy "
			    "without that bit",
			    path);
			return true;
		}
	}
	if (getuid() == 0)
		return false;
	n = getxattr(path, "security.capability", &caps, sizeof(caps));
	if (n < (ssize_t)offsetof(struct vfs_cap_data, data[1]))
		return false;
	if ((caps.magic_etc & VFS_CAP_FLAGS_EFFECTIVE) || caps.data[0].permitted != 0 ||
	    (n >= (ssize_t)sizeof(caps) && caps.data[1].permitted != 0)) {
		say("%s has file capabilities, and the loader preloads nothing into such a program; run "
		    "mutrace as root, or "
		    "profile a copy of it (cp keeps no capabilities)",
		    path);
		return true;
	}
	return false;
}

/* The loader of this command, as it is in its memory; the command is the first object of all. */
static int own_loader(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*(const char **)data = (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
	return 1;
}

/* The loader itself is a program without an interpreter: "mutrace /lib64/ld-linux-x86-64.so.2 ./app" works.
 */
static bool is_own_loader(const struct stat *st)
{
	const char *name = NULL;
	struct stat loader;

	dl_iterate_phdr(own_loader, &name);
	return name && stat(name, &loader) == 0 && loader.st_dev == st->st_dev && loader.st_ino == st->st_ino;
}

/* It would refuse to run behind our library, where it works as well. Our own environment is the program's. */
static void allow_asan(void)
{
	const char *options = getenv("ASAN_OPTIONS");
	char *longer;

	if (asprintf(&longer, "%s%sverify_asan_link_order=0", options ? options : "", options ? ":" : "") < 0)
		return;
	setenv("ASAN_OPTIONS", longer, 1);
	free(longer);
}

/* True if the machine runs such a program; narrow ones take a library of their own. */
static bool fits(const struct elf_program *e, bool *ret_narrow)
{
	*ret_narrow = false;
	if (e->wide == (sizeof(void *) == 8) &&
	    (ARCH_ELF_MACHINE == EM_NONE || e->machine == ARCH_ELF_MACHINE))
		return true;
#ifdef ARCH_NARROW_MACHINE
	*ret_narrow = !e->wide && e->machine == ARCH_NARROW_MACHINE;
#endif
	return *ret_narrow;
}

static int check_elf(const char *path, const struct stat *st, const struct elf_program *e, bool *ret_narrow)
{
	char name[4096];

	if (!fits(e, ret_narrow)) {
		say("%s is a program for another kind of machine (%s-bit, ELF machine %u); it needs "
		    "a mutrace built for that machine",
		    path, e->wide ? "64" : "32", e->machine);
		return STATUS_TROUBLE;
	}
	if (!elf_program_interpreter(e, name, sizeof(name))) {
		if (is_own_loader(st))
			return 0;
		say("%s is statically linked, so no library can be preloaded into it; link it dynamically to "
		    "profile it",
		    path);
		return STATUS_TROUBLE;
	}
	if (strstr(name, "/ld-musl")) {
		say("%s is linked with the musl C library; mutrace profiles programs that use glibc", path);
		return STATUS_TROUBLE;
	}
	if (gains_privileges(path, st))
		return STATUS_TROUBLE;
	if (elf_program_needs(e, "libasan.so") || elf_program_needs(e, "libclang_rt.asan"))
		allow_asan();
	return 0;
}

/* The interpreter that a #! line names, cut out of the line in place; NULL if it names none. */
static char *script_interpreter(char *line, ssize_t length)
{
	char *p = line + 2;

	line[length] = '\0';
	p[strcspn(p, "\n")] = '\0';
	p += strspn(p, " \t");
	p[strcspn(p, " \t\r")] = '\0';
	return *p == '\0' ? NULL : p;
}

static int check_file(const char *path, int depth, bool *ret_narrow)
{
	char head[256];
	struct elf_program elf;
	struct stat st;
	ssize_t n;
	char *interpreter;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return 0; /* executable but not readable: the kernel will know */
	n = pread(fd, head, sizeof(head) - 1, 0);
	if (n < 0 || fstat(fd, &st) < 0) {
		close(fd);
		return 0;
	}
	if (n >= EI_NIDENT && memcmp(head, ELFMAG, SELFMAG) == 0) {
		elf_program_read(&elf, fd, head,
				 (size_t)n); /* one cut short fails in the kernel just as well */
		r = check_elf(path, &st, &elf, ret_narrow);
		close(fd);
		return r;
	}
	close(fd);
	if (n >= 2 && memcmp(head, "#!", 2) == 0) {
		interpreter = script_interpreter(head, n);
		if (!interpreter || depth >= SCRIPT_DEPTH)
			return 0;
		if (stat(interpreter, &st) < 0 && errno == ENOENT) {
			say("%s: its first line names %s, which does not exist", path, interpreter);
			return STATUS_NOT_EXECUTABLE;
		}
		return check_file(interpreter, depth + 1, ret_narrow);
	}
	/* As a shell judges: text is a script for /bin/sh, anything else cannot be run. */
	if (n > 0 && !memchr(head, '\0', (size_t)n))
		return check_file("/bin/sh", depth + 1, ret_narrow);
	if (n == 0)
		return 0;
	say("%s has no format that can be executed", path);
	return STATUS_NOT_EXECUTABLE;
}

int program_find(const char *name, char **ret_path, bool *ret_narrow)
{
	struct stat st;
	char *path;
	int r;

	if (!strchr(name, '/')) {
		r = search_path(name, &path);
		if (r == -EACCES) {
			say("%s: no permission to execute it", name);
			return STATUS_NOT_EXECUTABLE;
		}
		if (r < 0) {
			say("%s: no such program in PATH", name);
			return STATUS_NOT_FOUND;
		}
	} else {
		if (stat(name, &st) < 0) {
			r = errno;
			say("%s: %s", name, strerror(r));
			return r == ENOENT || r == ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
		}
		if (S_ISDIR(st.st_mode)) {
			say("%s is a directory, not a program", name);
			return STATUS_NOT_EXECUTABLE;
		}
		if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, name, X_OK, AT_EACCESS) < 0) {
			say("%s is not executable", name);
			return STATUS_NOT_EXECUTABLE;
		}
		path = strdup(name);
		if (!path) {
			say("out of memory");
			return STATUS_TROUBLE;
		}
	}
	*ret_narrow = false;
	r = check_file(path, 0, ret_narrow);
	if (r != 0) {
		free(path);
		return r;
	}
	*ret_path = path;
	return 0;
}
