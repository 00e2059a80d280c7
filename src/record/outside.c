/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See outside.h. Runs in the profiled process; takes no lock and allocates nothing. */
#include "src/record/outside.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/record/state.h"
#include "src/record/raw.h"

static const char *variable(char *const *envp, const char *name)
{
	size_t length = strlen(name);

	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
			return *envp + length + 1;
	return NULL;
}

/* True if the first library of LD_PRELOAD, which is ours, can be found by its path. Not inline, or its path and what
 * gains_privileges() reads would lie on the stack at once. */
static __attribute__((noinline)) bool library_exists(const char *preload)
{
	char path[512]; /* no more: the program may have little stack left */
	size_t length = strcspn(preload, ": ");

	if (preload[0] != '/')
		return true;
	if (preload[length] == '\0')
		return raw_exists(preload) == 0;
	if (length >= sizeof(path))
		return true;
	memcpy(path, preload, length);
	path[length] = '\0';
	return raw_exists(path) == 0;
}

static __attribute__((noinline)) bool gains_privileges(const char *path)
{
	struct statx s;

	if (!path || !strchr(path, '/') || raw_statx(path, STATX_MODE | STATX_UID | STATX_GID, &s) != 0 ||
	    !(s.stx_mode & (S_ISUID | S_ISGID)))
		return false;
	return ((s.stx_mode & S_ISUID && s.stx_uid != getuid()) ||
		((s.stx_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && s.stx_gid != getgid())) &&
	       RAW_CALL(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0) == 0;
}

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden"))); /* of this library */

/* True if it is a program without a loader, or for another machine. The loader as a program loads us all the same. */
static __attribute__((noinline)) bool has_no_loader(const char *path)
{
	_Alignas(ElfW(Ehdr)) char start[512]; /* PT_INTERP comes before every PT_LOAD */
	const ElfW(Ehdr) *e = (const ElfW(Ehdr) *)start;
	const char *name = path ? strrchr(path, '/') : NULL;
	int fd = name ? raw_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0) : -1;
	ssize_t n = fd < 0 ? -1 : raw_read(fd, start, sizeof(start));

	if (fd >= 0)
		raw_close(fd);
	if (n < (ssize_t)sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
	    strncmp(name, "/ld", 3) == 0)
		return false;
	if (e->e_ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS] || e->e_machine != __ehdr_start.e_machine)
		return true;
	for (ElfW(Off) at = e->e_phoff; at <= (ElfW(Off))n && (size_t)n - at >= sizeof(ElfW(Phdr));
	     at += sizeof(ElfW(Phdr))) {
		ElfW(Phdr) p;

		memcpy(&p, start + at, sizeof(p));
		if (p.p_type == PT_INTERP || p.p_type == PT_LOAD)
			return p.p_type == PT_LOAD;
	}
	return false;
}

static enum outside find_out(const char *path, char *const *envp)
{
	const char *session = variable(envp, SESSION_ENV), *preload = variable(envp, "LD_PRELOAD");
	int found;

	if (recorder.confined || recorder.child_confined)
		return OUTSIDE_SANDBOX;
	if (recorder.attachment)
		return OUTSIDE_ATTACHED;
	if (!session || (!preload && recorder.by_environment))
		return OUTSIDE_ENVIRONMENT;
	if (gains_privileges(path))
		return OUTSIDE_PRIVILEGES;
	if (has_no_loader(path))
		return OUTSIDE_STATIC;
	found = raw_exists(session);
	if (geteuid() != recorder.session_user && (found == 0 || found == -EACCES))
		return OUTSIDE_USER;
	return found == 0 && (!preload || library_exists(preload)) ? OUTSIDE_MAX : OUTSIDE_PLACE;
}

enum outside outside_begin(const char *path, char *const *envp)
{
	struct image_header *h = recorder.header;
	enum outside why;

	if (!h || recorder.state == RECORDER_OFF || recorder.reporting)
		return OUTSIDE_MAX;
	why = find_out(path, envp);
	if (why == OUTSIDE_MAX)
		return why;
	for (size_t i = 0; path && i < OUTSIDE_NAME - 1; i++) {
		h->outside_name[why][i] = path[i];
		if (path[i] == '\0')
			break;
	}
	__atomic_fetch_add(&h->outside[why], 1, __ATOMIC_RELAXED);
	return why;
}

void outside_failed(enum outside why)
{
	if (why != OUTSIDE_MAX && recorder.header)
		__atomic_fetch_sub(&recorder.header->outside[why], 1, __ATOMIC_RELAXED);
}
