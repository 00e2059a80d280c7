/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A process or core file that is looked at: its memory, its mappings, the objects loaded into it, its threads. Behind it
 * process.c (a live one) or core.c. Single-threaded; nothing here writes to the target.
 */
#ifndef MUTRACE_INSPECT_TARGET_H
#define MUTRACE_INSPECT_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/pool.h"
#include "src/base/table.h"
#include "src/arch/thread.h"

#define TARGET_NONE UINT32_MAX
#define TARGET_ERROR_SIZE 512
#define TARGET_PAGE 4096

struct mapping {
	uint64_t start, end, offset; /* offset in the file */
	uint32_t module;             /* TARGET_NONE: no file */
	bool writable, executable;
};

/* A file that is mapped, by its name; or the vdso. */
struct module {
	const char *path;    /* as the target knows it */
	const char *on_disk; /* where its symbols are read; NULL: as path, below the root or sysroot */
	uint64_t start, end; /* of all its mappings */
	/* by module_look(): */
	bool looked, elf;
	uint64_t base;                     /* what was added to its addresses */
	uint64_t header;                   /* address of .eh_frame_hdr, 0: none */
	bool no_table;                     /* nor can a table be made */
	const struct ehframe_entry *table; /* made instead of it; NULL: not yet */
	size_t n_table;
	uint8_t build_id[64];
	size_t build_id_size;
};

/* A thread as the system describes it. */
struct target_thread {
	pid_t tid, ns_tid; /* here, and as the process itself knows it */
	char name[32];
	char state; /* of /proc: R, S, D, T, t, Z; 0 in a core file */
	struct system_call call;
	bool asleep; /* sp and pc are true */
	uint64_t sp, pc;
	uint64_t turns;              /* how often it was given a processor */
	struct thread_registers all; /* if have_all: a core file's, or of a stop */
	bool have_all;
};

struct target;

struct target_calls {
	/* Bytes read from at, up to a page's end; 0 or less: none. */
	ssize_t (*read)(struct target *t, uint64_t at, void *to, size_t size);
	void (*close)(struct target *t);
};

struct target {
	const struct target_calls *calls;
	void *own;
	bool core;
	pid_t pid;
	char program[256];        /* path */
	char root[64];            /* what its paths are below, as /proc/PID/root; empty: ours */
	struct mapping *mappings; /* by address */
	size_t n_mappings, cap_mappings;
	struct module *modules;
	size_t n_modules, cap_modules;
	struct target_thread *threads;
	size_t n_threads, cap_threads;
	struct pool pool;
	/* pages read so far: those that may change belong to a generation */
	struct table pages;
	uint8_t **page_list;
	size_t n_pages, cap_pages;
	uint32_t generation;
};

/* Each 0 or -errno with error filled in; *ret to be closed by target_close(). */
int process_open(pid_t pid, struct target **ret, char error[TARGET_ERROR_SIZE]);
int core_open(const char *path, const char *sysroot, struct target **ret, char error[TARGET_ERROR_SIZE]);
/* Takes NULL. */
void target_close(struct target *t);

/* 0, or -EFAULT if not all of it can be read. */
int target_read(struct target *t, uint64_t at, void *to, size_t size);
/* Forgets what may have changed since it was read. */
void target_forget(struct target *t);
int target_u32(struct target *t, uint64_t at, uint32_t *ret);
int target_word(struct target *t, uint64_t at, uint64_t *ret); /* as wide as a pointer */

/* Adds a mapping; path may be NULL. 0 or -ENOMEM. */
int target_map(struct target *t, const struct mapping *m, const char *path);
/* After the last target_map(). */
void target_sort(struct target *t);
const struct mapping *target_mapping(const struct target *t, uint64_t at);
/* The module that an address lies in, looked at (module_look()); NULL: none. */
struct module *target_module(struct target *t, uint64_t at);

/* The threads of a live process, again: state, call, turns. 0 or -errno. */
int process_threads(struct target *t);
/* One of them again; false if it is gone. */
bool process_thread_look(const struct target *t, struct target_thread *thread);
/* True if it still runs the program that was looked at. */
bool target_same(const struct target *t);
/* For how long it has slept, in ns; 0 unknown. */
uint64_t process_thread_asleep_ns(const struct target *t, pid_t tid);

/* Stopped for an instant: registers, and the stack up to STOP_STACK bytes. */
#define STOP_STACK 65536
struct stop {
	pid_t tid;
	bool done;
	struct thread_registers all;
	uint64_t base; /* of the stack's copy */
	uint32_t size;
	uint32_t ns; /* for how long it was stopped */
	uint8_t stack[STOP_STACK];
};
#define STOPS_MAX 64
/* Stops each for as long as it takes to copy that; at most STOPS_MAX. stops: from stops_new(). 0 or -errno. */
struct stop *stops_new(void);
void stops_free(struct stop *stops);
int process_stop(const struct target *t, struct stop *stops, size_t n);
/* True if a signal will be delivered to a stopped thread, which makes EINTR the truth. */
bool stop_signal_comes(pid_t tid);

#endif
