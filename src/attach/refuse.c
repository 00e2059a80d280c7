/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See refuse.h. What src/inspect refuses comes first: no such process, another user's, another width. Each message says
 * what serves instead, if anything does.
 */
#include "src/attach/refuse.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/arch/inject.h"
#include "src/attach/confined.h"
#include "src/attach/names.h"
#include "src/inspect/process.h"

#define INTERPRETER_MAX 256
#define HEADERS_MAX 64u
#define NOTES_MOST 65536u

/* Facts from the program's headers. */
struct program {
	char interpreter[INTERPRETER_MAX]; /* empty: it has none */
	bool go;
};

static bool is_go_note(struct target *t, uint64_t at, uint64_t size)
{
	ElfW(Nhdr) note;
	char name[4];

	size = size < NOTES_MOST ? size : NOTES_MOST;
	while (size >= sizeof(note) && target_read(t, at, &note, sizeof(note)) == 0) {
		uint64_t bytes = sizeof(note) + (((uint64_t)note.n_namesz + 3) & ~3ull) +
				 (((uint64_t)note.n_descsz + 3) & ~3ull);

		if (note.n_namesz == 4 && target_read(t, at + sizeof(note), name, 4) == 0 &&
		    memcmp(name, "Go\0", 4) == 0)
			return true;
		if (bytes > size)
			break;
		at += bytes;
		size -= bytes;
	}
	return false;
}

static int program_look(struct target *t, struct program *ret)
{
	uint64_t at = names_auxiliary(t, AT_PHDR), n = names_auxiliary(t, AT_PHNUM), base = 0;
	ElfW(Phdr) p;

	*ret = (struct program){ .go = false };
	if (at == 0 || n > HEADERS_MAX)
		return -ESRCH;
	for (uint64_t i = 0; i < n; i++)
		if (target_read(t, at + i * sizeof(p), &p, sizeof(p)) == 0 && p.p_type == PT_PHDR)
			base = at - p.p_vaddr;
	for (uint64_t i = 0; i < n; i++) {
		if (target_read(t, at + i * sizeof(p), &p, sizeof(p)) < 0)
			return -ESRCH;
		if (p.p_type == PT_INTERP && p.p_filesz < sizeof(ret->interpreter))
			target_read(t, base + p.p_vaddr, ret->interpreter, p.p_filesz);
		if (p.p_type == PT_NOTE)
			ret->go |= is_go_note(t, base + p.p_vaddr, p.p_memsz);
	}
	return 0;
}

static int refuse_program(struct target *t, char *error)
{
	struct program p;

	if (program_look(t, &p) < 0) {
		snprintf(error, ATTACH_ERROR_SIZE, "process %d has just ended", (int)t->pid);
		return -ESRCH;
	}
	if (p.go)
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d is a Go program, whose locks are Go's own: use Go's mutex profile, or "
			 "see "
			 "PROGRAMS WITHOUT THE C LIBRARY in mutrace-attach(1)",
			 (int)t->pid);
	else if (strstr(p.interpreter, "ld-musl"))
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d uses musl, not the GNU C library: see PROGRAMS WITHOUT THE C LIBRARY in "
			 "mutrace-attach(1)",
			 (int)t->pid);
	else if (p.interpreter[0] == '\0')
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d is statically linked, so nothing can be loaded into it: see PROGRAMS "
			 "WITHOUT THE C LIBRARY in mutrace-attach(1)",
			 (int)t->pid);
	else if (names_auxiliary(t, AT_SECURE))
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d has gained privileges when it was executed (set-user-ID or "
			 "capabilities); it "
			 "is not attached to",
			 (int)t->pid);
	else
		return 0;
	return -ENOEXEC;
}

/* The first character of a line's value, or 0. */
static char value(const char *status, const char *name)
{
	const char *at = process_status_line(status, name);

	while (at && (*at == '\t' || *at == ' '))
		at++;
	return at ? *at : '\0';
}

/* True if it is a mutrace, which will soon be done with it. */
static bool is_ours(int tracer)
{
	struct stat here, there;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", tracer);
	return stat("/proc/self/exe", &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
	       here.st_ino == there.st_ino;
}

static int refuse_traced(const struct target *t, int tracer, char *error)
{
	snprintf(error, ATTACH_ERROR_SIZE,
		 "process %d is traced by process %d (a debugger, strace); end that first", (int)t->pid,
		 tracer);
	return is_ours(tracer) ? -EINPROGRESS : -EBUSY;
}

/*
 * True if its parent, in *ret, has the same memory: the child of vfork() until it executes something. What is put there would
 * be the parent's.
 */
static bool shares_memory(pid_t pid, const char *status, pid_t *ret)
{
	const char *parent = process_status_line(status, "\nPPid:");

	*ret = parent ? atoi(parent) : 0;
	return *ret > 0 && syscall(SYS_kcmp, pid, *ret, KCMP_VM, 0, 0) == 0;
}

/* Filters are judged later, by root. */
static int refuse_confined(const struct target *t, char *error)
{
	char mode = confined_mode(t->pid);

	if (mode == CONFINED_STRICT)
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d, or a thread of it, is confined by seccomp's strict mode", (int)t->pid);
	else if (mode == CONFINED_FILTER && geteuid() != 0)
		snprintf(
			error, ATTACH_ERROR_SIZE,
			"process %d, or a thread of it, is confined by a seccomp filter, which only root may "
			"read: it might kill it for what the recorder does",
			(int)t->pid);
	else
		return 0;
	return -EBUSY;
}

int refuse(struct target *t, const char *status, char error[ATTACH_ERROR_SIZE])
{
	const char *tracer = process_status_line(status, "\nTracerPid:"),
		   *features = process_status_line(status, "\nx86_Thread_features:"), *shadow;
	int r = refuse_program(t, error);
	pid_t parent;

	if (r < 0)
		return r;
	shadow = features ? strstr(features, "shstk") : NULL;
	if (!arch_inject_able())
		snprintf(error, ATTACH_ERROR_SIZE, "processes of this machine's kind cannot be attached to");
	else if (tracer && atoi(tracer))
		return refuse_traced(t, atoi(tracer), error);
	else if (value(status, "\nState:") == 'T')
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d is stopped; let it go on first, by SIGCONT or fg", (int)t->pid);
	else if (shares_memory(t->pid, status, &parent))
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d has the memory of process %d, as the child of vfork() has; it is not "
			 "attached to",
			 (int)t->pid, (int)parent);
	else if (shadow && shadow < strchr(features, '\n'))
		snprintf(error, ATTACH_ERROR_SIZE,
			 "process %d has a shadow stack, which allows no calls from outside", (int)t->pid);
	else
		return refuse_confined(t, error);
	return -EBUSY;
}
