/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Memory probing for libunwind without a pipe. Runs in the profiled process, once, when libunwind is loaded,
 * and then within captures; takes no lock.
 *
 * Before it follows a stack into a page, libunwind writes a byte of that page into a pipe of its own to see
 * whether the kernel can read it. That pipe would sit on the two lowest free descriptors of the program: the
 * program would see them, and if it closed them and got the numbers again for a file, libunwind would write
 * into that file and close it. So the entries of libunwind's own offset table are pointed at the functions
 * below: its pipe is a number that no descriptor has, and the write to it is answered by another call that
 * touches the memory. Calls on other descriptors go through. libunwind 1.6 asks mincore() instead, for which the
 * usual sandbox of a service (systemd's @system-service) kills.
 */
#include "src/unwind/probe.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "src/record/raw.h"
#include "src/record/state.h"
#include "src/record/valgrind.h"

#define PROBE_FD (-0x4d55) /* never a descriptor, and not the -1 of "none yet" */

/* Memcheck says so if a call is given memory that was not written yet, but not of this one. Elsewhere it may be forbidden. */
static bool valgrind_readable(const void *address)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { (void *)(uintptr_t)address, 1 };

	return RAW_CALL(SYS_process_vm_readv, RAW_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0), &to, 1, &from, 1, 0) ==
	       1;
}

/* The kernel reads the set before it refuses the first argument. */
bool probe_readable(const void *address)
{
	if (recorder.confined)
		return false;
	if (recorder.valgrind)
		return valgrind_readable(address);
	return RAW_CALL(SYS_rt_sigprocmask, ~0, address, NULL, sizeof(uint64_t), 0, 0) != -EFAULT;
}

static int probe_pipe2(int fd[2], int flags)
{
	(void)flags;
	fd[0] = fd[1] = PROBE_FD;
	return 0;
}

static int probe_pipe(int fd[2])
{
	return probe_pipe2(fd, 0);
}

static int probe_close(int fd)
{
	return fd == PROBE_FD ? 0 : close(fd);
}

static ssize_t probe_read(int fd, void *data, size_t size)
{
	if (fd != PROBE_FD)
		return read(fd, data, size);
	errno = EAGAIN; /* an empty pipe that does not block */
	return -1;
}

static ssize_t probe_write(int fd, const void *data, size_t size)
{
	if (fd != PROBE_FD)
		return write(fd, data, size);
	if (probe_readable(
		    data)) /* libunwind has looked whether the page is mapped; one word speaks for it */
		return (ssize_t)size;
	errno = EFAULT;
	return -1;
}

static int probe_mincore(void *start, size_t size, unsigned char *present)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t at = 0; at < size; at += page, present++) {
		if (!probe_readable((const char *)start + at)) {
			errno = ENOMEM;
			return -1;
		}
		*present = 1;
	}
	return 0;
}

static long probe_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_write && (int)a == PROBE_FD)
		return probe_write(PROBE_FD, (const void *)b, 1);
	long r = arch_syscall(number, a, b, c, d, e, f);

	if (r >= -4095 && r < 0) {
		errno = (int)-r;
		r = -1;
	}
	return r;
}

/* Around its own locks. Signals are blocked when we capture; this also serves a program's own use of libunwind. */
static int probe_sigmask(int how, const sigset_t *set, sigset_t *before)
{
	return arch_syscall(SYS_rt_sigprocmask, how, (long)set, (long)before, sizeof(uint64_t), 0, 0) < 0 ? -1
													  : 0;
}

static const struct {
	const char *name;
	uintptr_t function;
} replaced[] = {
	{ "pipe", (uintptr_t)probe_pipe },
	{ "pipe2", (uintptr_t)probe_pipe2 },
	{ "close", (uintptr_t)probe_close },
	{ "read", (uintptr_t)probe_read },
	{ "write", (uintptr_t)probe_write },
	{ "mincore", (uintptr_t)probe_mincore },
	{ "syscall", (uintptr_t)probe_syscall },
	/* A sanitizer's would see several threads write to the recorder's stack. */
	{ "sigprocmask", (uintptr_t)probe_sigmask },
	{ "pthread_sigmask", (uintptr_t)probe_sigmask },
	{ "memcpy", (uintptr_t)memcpy },
	{ "memmove", (uintptr_t)memmove },
	{ "memset", (uintptr_t)memset },
	{ "strcmp", (uintptr_t)strcmp },
	{ "strlen", (uintptr_t)strlen },
	/* Its own locks are not the program's: 0 is the original behind our wrapper. */
	{ "pthread_mutex_lock", 0 },
	{ "pthread_mutex_unlock", 0 },
	{ "pthread_mutex_init", 0 },
	{ "pthread_once", 0 },
};

/* The entries of the dynamic section that are needed. */
struct dynamic {
	const ElfW(Sym) * symbols;
	const char *strings;
	const char *plt, *other; /* relocations */
	size_t plt_bytes, other_bytes;
	bool rela; /* they have an addend each; i386's have not */
};

static void read_dynamic(const struct link_map *map, struct dynamic *ret)
{
	struct dynamic d = { .rela = true };

	for (const ElfW(Dyn) *e = map->l_ld; e->d_tag != DT_NULL; e++) {
		switch (e->d_tag) { /* the loader has made addresses of the pointers */
		case DT_SYMTAB: d.symbols = (const void *)e->d_un.d_ptr; break;
		case DT_STRTAB: d.strings = (const void *)e->d_un.d_ptr; break;
		case DT_JMPREL: d.plt = (const void *)e->d_un.d_ptr; break;
		case DT_PLTRELSZ: d.plt_bytes = e->d_un.d_val; break;
		case DT_RELA:
		case DT_REL: d.other = (const void *)e->d_un.d_ptr; break;
		case DT_RELASZ:
		case DT_RELSZ: d.other_bytes = e->d_un.d_val; break;
		case DT_PLTREL: d.rela = e->d_un.d_val == DT_RELA; break;
		default: break;
		}
	}
	*ret = d;
}

/* One slot of the table; it may have been made read-only after relocation. */
static void replace(uintptr_t *slot, uintptr_t function)
{
	uintptr_t page = (uintptr_t)slot & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1);
	size_t size = (uintptr_t)slot + sizeof(*slot) - page;

	if (mprotect((void *)page, size, PROT_READ | PROT_WRITE) != 0)
		return;
	/* left writable: other slots of the page may still be bound when they are first called */
	__atomic_store_n(slot, function, __ATOMIC_RELAXED);
}

static void replace_all(const struct link_map *map, const struct dynamic *d, const char *table, size_t bytes)
{
	size_t step = d->rela ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));

	for (size_t at = 0; table != NULL && at + step <= bytes; at += step) {
		const ElfW(Rela) *r = (const void *)(table + at); /* the short form is the beginning of it */
#ifdef __LP64__
		size_t symbol = ELF64_R_SYM(r->r_info);
#else
		size_t symbol = ELF32_R_SYM(r->r_info);
#endif
		const char *name = d->strings + d->symbols[symbol].st_name;

		if (symbol == 0 || (d->rela && r->r_addend != 0) || d->symbols[symbol].st_shndx != SHN_UNDEF)
			continue;
		for (size_t k = 0; k < sizeof(replaced) / sizeof(replaced[0]); k++)
			if (strcmp(name, replaced[k].name) == 0)
				replace((uintptr_t *)(map->l_addr + r->r_offset),
					replaced[k].function ? replaced[k].function
							     : (uintptr_t)dlsym(RTLD_NEXT, name));
	}
}

bool probe_installed;

void probe_install(void *handle)
{
	struct link_map *map;
	struct dynamic d;

	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) {
		dlerror();
		return;
	}
	valgrind_ignore_data((const char *)map->l_addr);
	read_dynamic(map, &d);
	if (d.symbols == NULL || d.strings == NULL)
		return;
	replace_all(map, &d, d.plt, d.plt_bytes);
	replace_all(map, &d, d.other, d.other_bytes);
	probe_installed = true;
}
