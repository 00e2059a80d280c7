/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * See inside.h. If the library's file does not exist where the process lives, it is given to it as a file without a
 * name.
 */
#include "src/attach/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/attach/attach.h"
#include "src/attach/names.h"

#define RTLD_NOW_ALONE 2 /* RTLD_NOW, and nobody finds its names */
#define MEMORY_FILE_FLAGS 1

/* The files of the libraries that may be in a process. The last one is never loaded later. */
static const struct {
	const char *file, *tool;
} libraries[] = { { "libmutrace.so", "mutrace" },
		  { "libmatrace-all.so", "matrace" },
		  { "libmatrace.so", "matrace" } };
#define LIBRARIES (sizeof(libraries) / sizeof(libraries[0]))

/* text is the first argument, if there is one. */
static int call_with(struct call *c, uint64_t function, const uint64_t arguments[ARCH_INJECT_ARGUMENTS],
		     const char *text, uint64_t *ret)
{
	int r = function ? tracee_call(&c->tracee, function, arguments, text, 0, ret) : -ENOSYS;

	if (r < 0)
		snprintf(c->error, ATTACH_ERROR_SIZE, "a call in process %d failed: %s", (int)c->t->pid,
			 r == -EFAULT      ? "it raised a signal"
			 : r == -ETIMEDOUT ? "it does not return"
					   : strerror(-r));
	return r;
}

static int call(struct call *c, uint64_t function, uint64_t a, uint64_t b, const char *text, uint64_t *ret)
{
	return call_with(c, function, (uint64_t[ARCH_INJECT_ARGUMENTS]){ a, b, 0 }, text, ret);
}

static uint64_t of_libc(struct call *c, const char *name)
{
	return names_find(c->t, c->safe.libc, name, NULL);
}

static uint64_t of_loader(struct call *c, const char *name)
{
	struct module *old = names_module(c->t, "libdl"); /* before glibc 2.34 */
	uint64_t at = of_libc(c, name);

	return at || !old ? at : names_find(c->t, old, name, NULL);
}

/* The reason that dlopen() gives. */
static void loader_error(struct call *c)
{
	char text[256] = "";
	uint64_t at;

	if (call(c, of_loader(c, "dlerror"), 0, 0, NULL, &at) < 0)
		return;
	target_forget(c->t);
	for (size_t i = 0; at && i < sizeof(text) - 1; i++)
		if (target_read(c->t, at + i, &text[i], 1) < 0 || text[i] == '\0')
			break;
	snprintf(c->error, ATTACH_ERROR_SIZE, "the loader of process %d refuses %s: %s", (int)c->t->pid,
		 c->library, text[0] ? text : "it does not say why");
}

/* True if the process finds the same file by the library's path. */
static bool finds_library(const struct call *c)
{
	struct stat here, there;
	char path[4096 + 64];

	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)c->t->pid, c->library);
	return stat(c->library, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
	       here.st_ino == there.st_ino;
}

/*
 * A descriptor of the process, as it is open there. To open /proc/PID/fd/N would be to open with our rights: the process may
 * give the number of a file that it may only read.
 */
static int descriptor_take(pid_t pid, unsigned int number)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0), fd;
	struct stat st;

	if (process < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);
	fd = fd < 0 ? -errno : fd;
	close(process);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) { /* a pipe might keep us */
		close(fd);
		return -EBADF;
	}
	return fd;
}

/* Writes the library into a file of the process. */
static int fill(struct call *c, unsigned int number)
{
	int from = open(c->library, O_RDONLY | O_CLOEXEC), to = descriptor_take(c->t->pid, number), r = 0;
	ssize_t n;

	if (from < 0 || to < 0)
		r = from < 0 ? -ENOENT : to;
	while (r == 0 && (n = sendfile(to, from, NULL, 1 << 20)) != 0)
		if (n < 0)
			r = -errno;
	if (to >= 0)
		close(to);
	if (from >= 0)
		close(from);
	return r;
}

static const char *tool_of(const char *file)
{
	size_t i = 0;

	while (i < LIBRARIES - 1 && strcmp(libraries[i].file, file) != 0)
		i++;
	return libraries[i].tool;
}

static const char *file_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Loads it from a file of the process that is open for writing, and that it finds by a path. */
static int load_written(struct call *c, uint64_t fd, const char *path, uint64_t *ret_handle)
{
	int r = fill(c, (unsigned int)fd);
	uint64_t ignored;

	if (r < 0)
		snprintf(c->error, ATTACH_ERROR_SIZE, "the library cannot be given to process %d: %s",
			 (int)c->t->pid, strerror(-r));
	else
		r = call(c, of_loader(c, "dlopen"), 0, RTLD_NOW_ALONE, path, ret_handle);
	if (r == 0 && *ret_handle == 0)
		loader_error(c);
	if (call(c, of_libc(c, "close"), (uint32_t)fd, 0, NULL, &ignored) < 0)
		return -EFAULT;
	return r;
}

/* From a file without a name. */
static int load_nameless(struct call *c, uint64_t *ret_handle)
{
	char path[64];
	uint64_t fd;
	int r = call(c, of_libc(c, "memfd_create"), 0, MEMORY_FILE_FLAGS, file_of(c->library), &fd);

	if (r < 0)
		return r;
	if ((int)fd < 0) {
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d does not see %s, and may not make a file without a name", (int)c->t->pid,
			 c->library);
		return -EACCES;
	}
	/* The loader takes a path that it knows for the library that it has, and the other tool's had this number perhaps. */
	snprintf(path, sizeof(path), "/proc/%s/fd/%u",
		 strcmp(file_of(c->library), libraries[0].file) == 0 ? "self" : "thread-self",
		 (unsigned int)fd);
	return load_written(c, fd, path, ret_handle);
}

/* From a file that it makes in the session for a moment: where /proc is not there, or such a file may not be executed. */
static int load_from_session(struct call *c, uint64_t *ret_handle)
{
	char path[PATH_MAX];
	uint64_t fd, ignored;
	int r;

	snprintf(path, sizeof(path), "%s/%s", c->session, file_of(c->library));
	r = call(c, of_libc(c, "open"), 0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, path, &fd);
	if (r < 0 || (int)fd < 0)
		return r < 0 ? r : -EACCES;
	r = call(c, of_libc(c, "fchmod"), (uint32_t)fd, 0700, NULL, &ignored);
	if (r == 0)
		r = load_written(c, fd, path, ret_handle);
	if (call(c, of_libc(c, "unlink"), 0, 0, path, &ignored) < 0)
		return -EFAULT;
	return r;
}

/* By its path, if the process finds it there and may read and execute it; else without. The first reason is told. */
static int load(struct call *c, uint64_t *ret_handle)
{
	char first[ATTACH_ERROR_SIZE] = "";
	int r = 0;

	*ret_handle = 0;
	for (int way = finds_library(c) ? 0 : 1; way < 3; way++) {
		if (way == 0)
			r = call(c, of_loader(c, "dlopen"), 0, RTLD_NOW_ALONE, c->library, ret_handle);
		else
			r = way == 1 ? load_nameless(c, ret_handle) : load_from_session(c, ret_handle);
		if (*ret_handle || c->tracee.lost)
			break;
		if (r == 0 && way == 0)
			loader_error(c);
		if (!first[0])
			memcpy(first, c->error, sizeof(first));
	}
	if (r == 0 && *ret_handle == 0)
		r = -ENOEXEC;
	if (*ret_handle)
		c->error[0] = '\0';
	else if (first[0])
		memcpy(c->error, first, sizeof(first));
	return r;
}

/* The address of a function of a library of ours that is there. */
static int known_function(struct call *c, const struct module *ours, const char *name, uint64_t *ret)
{
	*ret = names_find(c->t, ours, name, NULL);
	if (*ret)
		return 0;
	snprintf(c->error, ATTACH_ERROR_SIZE,
		 "process %d has the library of another version of mutrace in it", (int)c->t->pid);
	return -EPROTONOSUPPORT;
}

/* The same of the library that is to record, which is loaded if it is not there. */
static int library_function(struct call *c, const char *name, uint64_t *ret)
{
	const struct module *ours = names_module(c->t, file_of(c->library));
	uint64_t handle = 0;
	int r;

	if (ours)
		return known_function(c, ours, name, ret);
	r = load(c, &handle);
	if (r < 0)
		return r;
	if (r == 0)
		r = tracee_call(&c->tracee, of_loader(c, "dlsym"), (uint64_t[]){ handle, 0, 0 }, name, 1,
				ret);
	if (r == 0 && *ret == 0)
		r = -ENOEXEC;
	if (r < 0 && c->error[0] == '\0')
		snprintf(c->error, ATTACH_ERROR_SIZE, "%s is not the library of this mutrace", c->library);
	return r;
}

bool inside_is_there(struct call *c)
{
	return !!names_module(c->t, file_of(c->library));
}

/* The answer of a function of ours. */
static int answered(struct call *c, const char *tool, int result)
{
	if (result == -EEXIST)
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d was started under %s already",
			 (int)c->t->pid, tool);
	else if (result == -EALREADY)
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d is attached to already; '%s detach %d' ends that", (int)c->t->pid, tool,
			 (int)c->t->pid);
	else if (result == -EBUSY)
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d is in the middle of a fork, or of another command's attach; try again",
			 (int)c->t->pid);
	else if (result == -ERESTART)
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d has just ended another recording; try again", (int)c->t->pid);
	else if (result == -EOPNOTSUPP)
		snprintf(c->error, ATTACH_ERROR_SIZE,
			 "process %d forbids its threads to read the processor's clock (PR_SET_TSC), which "
			 "the "
			 "recorder does",
			 (int)c->t->pid);
	else if (result < 0)
		snprintf(c->error, ATTACH_ERROR_SIZE, "process %d cannot record into %s: %s", (int)c->t->pid,
			 c->session, strerror(-result));
	return result;
}

/* It is not recorded by the other tool, or no more. */
static int others_are_idle(struct call *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < LIBRARIES; i++) {
		const struct module *m = names_module(c->t, libraries[i].file);
		uint64_t function, result;

		if (!m || names_is(m, file_of(c->library)))
			continue;
		r = known_function(c, m, "mutrace_attach", &function);
		if (r == 0)
			r = call(c, function, 0, 0, NULL, &result);
		if (r == 0)
			r = answered(c, libraries[i].tool, (int)result);
	}
	return r;
}

/* The memory in which the C library's allocator has most of its blocks; as it was if there is none. */
static void heap_find(pid_t pid, uint64_t *ret_from, uint64_t *ret_to)
{
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[heap]") && sscanf(line, "%" SCNx64 "-%" SCNx64, ret_from, ret_to) == 2)
			break;
	if (f)
		fclose(f);
}

int inside_attach(struct call *c)
{
	uint64_t function, result, arguments[ARCH_INJECT_ARGUMENTS] = { 0 };
	int r = others_are_idle(c);

	if (r == 0)
		r = library_function(c, "mutrace_attach", &function);
	if (r == 0)
		heap_find(c->t->pid, &arguments[1], &arguments[2]);
	if (r == 0)
		r = call_with(c, function, arguments, c->session, &result);
	return r < 0 ? r : answered(c, tool_of(file_of(c->library)), (int)result);
}

int inside_detach(struct call *c)
{
	int ended = -ENOENT;

	for (size_t i = 0; i < LIBRARIES; i++) {
		const struct module *m = names_module(c->t, libraries[i].file);
		uint64_t function, result;
		int r;

		if (!m)
			continue;
		r = known_function(c, m, "mutrace_detach", &function);
		if (r == 0)
			r = call(c, function, 0, 0, NULL, &result);
		if (r < 0)
			return r;
		if ((int)result == -EEXIST || (int)result == -EBUSY)
			return answered(c, libraries[i].tool, (int)result);
		if ((int)result == 0)
			ended = 0;
	}
	if (ended < 0)
		snprintf(c->error, ATTACH_ERROR_SIZE, "mutrace is not attached to process %d",
			 (int)c->t->pid);
	return ended;
}
