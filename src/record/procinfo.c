/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Reads /proc, see procinfo.h. Runs at start and at the start of threads; takes no lock. */
#include "src/record/procinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/record/raw.h"
#include "src/record/state.h"
#include "src/session/sandbox.h"

static ssize_t read_file(const char *path, char *out, size_t size)
{
	int fd = recorder.confined ? -1 : raw_open(path, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = raw_read(fd, out, size);
	raw_close(fd);
	return n;
}

/* Bytes of /proc/PID/stat up to the fields in question, if the name and all numbers are as long as they can
 * be. */
#define STAT_START 448
#define STAT_FAULTS 256

uint64_t procinfo_start_time(void)
{
	char text[STAT_START]; /* little: the program's stack may be small */
	ssize_t n = read_file("/proc/self/stat", text, sizeof(text) - 1);
	const char *p;
	uint64_t v = 0;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')'); /* the name may hold anything */
	if (p == NULL)
		return 0;
	/* field 3 follows ") "; field 22 is 19 spaces on */
	p++;
	for (int field = 3; *p != '\0'; field++) {
		p++;
		if (field == 22)
			break;
		while (*p != ' ' && *p != '\0')
			p++;
	}
	while (*p >= '0' && *p <= '9')
		v = v * 10 + (uint64_t)(*p++ - '0');
	return v;
}

uint32_t procinfo_filters(void)
{
	char text[SANDBOX_STATUS];
	ssize_t n = read_file("/proc/self/status", text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sandbox_filters(text);
}

uint32_t procinfo_pid_namespace(void)
{
	struct stat st;
	int saved = errno;
	uint32_t r = stat("/proc/self/ns/pid", &st) == 0 ? (uint32_t)st.st_ino : 0;

	errno = saved;
	return r;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void procinfo_boot_id(uint8_t id[16])
{
	char text[64];
	ssize_t n = read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text));
	int digits = 0;

	memset(id, 0, 16);
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		int d = hex_digit(text[i]);

		if (d < 0)
			continue;
		id[digits / 2] = (uint8_t)(digits % 2 ? id[digits / 2] | d : d << 4);
		digits++;
	}
}

/* The path that was given to exec, absolute; false if there is none or it is too long. */
static bool called(char *out, size_t size)
{
	const char *name = (const char *)getauxval(AT_EXECFN);
	size_t length = 0;

	if (name == NULL || name[0] == '\0')
		return false;
	if (name[0] != '/') {
		if (getcwd(out, size - 1) == NULL)
			return false;
		length = strlen(out);
		out[length++] = '/';
		name += name[0] == '.' && name[1] == '/' ? 2 : 0;
	}
	if (strlen(name) >= size - length)
		return false;
	strcpy(out + length, name);
	return true;
}

static bool same_file(const char *a, const char *b)
{
	struct statx x, y;

	return raw_statx(a, STATX_INO, &x) == 0 && raw_statx(b, STATX_INO, &y) == 0 &&
	       x.stx_ino == y.stx_ino && x.stx_dev_major == y.stx_dev_major &&
	       x.stx_dev_minor == y.stx_dev_minor;
}

void procinfo_program(char *out, size_t size)
{
	char path[1024];
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	const char *file, *name;

	out[n < 0 ? 0 : n] = '\0';
	if (!called(path, sizeof(path)))
		return;
	if (n < 0) { /* no /proc */
		if (strlen(path) < size)
			strcpy(out, path);
		return;
	}
	/* A name in these places says nothing: chromium starts its helpers as /proc/self/exe. */
	if (strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd/", 8) == 0)
		return;
	file = strrchr(out, '/');
	name = strrchr(path, '/');
	if (file != NULL && strcmp(file, name) != 0 && strlen(path) < size &&
	    same_file(path, "/proc/self/exe"))
		strcpy(out, path);
}

void procinfo_arguments(char *out, size_t size, int argc, char *const *argv)
{
	size_t at = 0;

	for (int i = 0; i < argc && argv[i] != NULL; i++) {
		size_t n = strnlen(argv[i], size);

		if (at + n + 2 > size)
			break;
		memcpy(out + at, argv[i], n);
		at += n;
		out[at++] = '\0';
	}
	out[at] = '\0';
}

void procinfo_thread_name(uint32_t tid, char name[16])
{
	if (recorder.confined)
		return; /* it stays what the creator's was */
	memset(name, 0, 16);
	if (tid == (uint32_t)gettid())
		prctl(PR_GET_NAME, name, 0, 0, 0);
}

static __attribute__((noinline)) uint32_t count_cores(void)
{
	uint64_t mask[128] = { 0 }; /* of 8192 processors */
	uint32_t n = 0;
	long bytes = raw_affinity(mask, sizeof(mask));

	for (long i = 0; i < bytes / (long)sizeof(*mask); i++)
		n += (uint32_t)__builtin_popcountll(mask[i]);
	return n;
}

uint32_t procinfo_cores(void)
{
	static uint32_t cores; /* a forked child has its parent's, and perhaps little stack */

	if (cores == 0)
		cores = count_cores();
	return cores;
}

uint64_t procinfo_thread_time(uint32_t tid)
{
	clockid_t clock = (clockid_t)(~tid << 3 | 6); /* as the kernel numbers the clocks of threads */
	struct timespec time = { 0 };
	int saved = errno;

	if (recorder.confined || clock_gettime(clock, &time) != 0)
		time = (struct timespec){ 0 };
	errno = saved;
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

#define TASK_PATH 48
#define FORK_PATIENCE 400u /* of so many short sleeps */

/* The path of a file that tells of a thread of this process. */
static void task_path(char path[TASK_PATH], uint32_t tid, const char *file)
{
	char *to = stpcpy(path, "/proc/self/task/"), digits[12];
	int i = 0;

	do
		digits[i++] = (char)('0' + tid % 10);
	while ((tid /= 10) != 0);
	while (i > 0)
		*to++ = digits[--i];
	strcpy(to, file);
}

long procinfo_thread_call(uint32_t tid, unsigned long ret_argument[2])
{
	char path[TASK_PATH], text[64];
	const char *p = text;
	long number;
	ssize_t n;

	task_path(path, tid, "/syscall");
	n = read_file(path, text, sizeof(text) - 1);
	if (n <= 0)
		return PROCINFO_UNKNOWN;
	text[n] = '\0';
	if (*p < '0' || *p > '9') /* "running", or -1 where it faults */
		return PROCINFO_RUNS;
	for (number = 0; *p >= '0' && *p <= '9'; p++)
		number = number * 10 + (*p - '0');
	for (int i = 0; i < 2; i++) {
		ret_argument[i] = 0;
		for (p += strncmp(p, " 0x", 3) == 0 ? 3 : 0; hex_digit(*p) >= 0; p++)
			ret_argument[i] = ret_argument[i] << 4 | (unsigned long)hex_digit(*p);
	}
	return number;
}

/*
 * Reading a thread's file takes a descriptor for a moment, which no child is to have. So a fork waits for those
 * who read.
 */
static uint32_t readers, forking;

void procinfo_before_fork(void)
{
	const long moment[2] = { 0, 50000 };

	__atomic_store_n(&forking, 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < FORK_PATIENCE && __atomic_load_n(&readers, __ATOMIC_SEQ_CST) != 0; i++)
		raw_sleep(moment);
}

void procinfo_after_fork(bool child)
{
	if (child)
		readers = 0;
	__atomic_store_n(&forking, 0, __ATOMIC_SEQ_CST);
}

bool procinfo_read_enter(void)
{
	__atomic_fetch_add(&readers, 1, __ATOMIC_SEQ_CST);
	return !__atomic_load_n(&forking, __ATOMIC_SEQ_CST);
}

void procinfo_read_leave(void)
{
	__atomic_fetch_sub(&readers, 1, __ATOMIC_SEQ_CST);
}

/* A line of /proc/self/maps, as far as it was read: start-end permissions offset major:minor inode path */
struct map_line {
	enum {
		MAP_START,
		MAP_END,
		MAP_PERMISSIONS,
		MAP_OFFSET,
		MAP_MAJOR,
		MAP_MINOR,
		MAP_INODE,
		MAP_PATH
	} field;
	uint64_t number[MAP_PATH];
	bool shared;
};

/* Takes one more character. True: the line is complete. */
static bool map_line_take(struct map_line *l, char c)
{
	if (c == '\n')
		return true;
	if (l->field == MAP_PATH)
		return false;
	if (c == ' ' || (l->field == MAP_START && c == '-') || (l->field == MAP_MAJOR && c == ':'))
		l->field++;
	else if (l->field == MAP_PERMISSIONS)
		l->shared |= c == 's';
	else
		l->number[l->field] = l->number[l->field] * (l->field == MAP_INODE ? 10 : 16) +
				      (uint64_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
	return false;
}

/* A number for a place in a file; never 0. */
static uint64_t place_key(const struct map_line *l, uint64_t address)
{
	uint64_t key = 1;
	const uint64_t parts[] = { l->number[MAP_MAJOR] << 32 | l->number[MAP_MINOR], l->number[MAP_INODE],
				   l->number[MAP_OFFSET] + (address - l->number[MAP_START]) };

	for (unsigned int i = 0; i < 3; i++) {
		key = (key ^ parts[i]) * 0x9e3779b97f4a7c15ull;
		key ^= key >> 29;
	}
	return key != 0 ? key : 1;
}

uint64_t procinfo_shared_memory(uint64_t address)
{
	struct map_line l = { .field = MAP_START };
	uint64_t key = 0;
	char text[256]; /* little: the program's stack may be small */
	bool found = false;
	ssize_t n;
	int fd = procinfo_read_enter() && !recorder.confined ? raw_open("/proc/self/maps", O_RDONLY, 0) : -1;

	while (fd >= 0 && !found && (n = raw_read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n && !found; i++) {
			if (!map_line_take(&l, text[i]))
				continue;
			found = l.number[MAP_START] <= address && address < l.number[MAP_END];
			if (found && l.shared)
				key = place_key(&l, address);
			l = (struct map_line){ .field = MAP_START };
		}
	}
	if (fd >= 0)
		raw_close(fd);
	procinfo_read_leave();
	return key;
}

bool procinfo_thread_times(uint32_t tid, struct thread_times *ret)
{
	char path[TASK_PATH], text[64]; /* three numbers */
	uint64_t number[3] = { 0 };
	unsigned int n = 0;
	ssize_t size = 0;

	task_path(path, tid, "/schedstat");
	if (procinfo_read_enter())
		size = read_file(path, text, sizeof(text));
	procinfo_read_leave();
	for (ssize_t i = 0; i < size && n < 3; i++) {
		if (text[i] < '0' || text[i] > '9')
			n++;
		else
			number[n] = number[n] * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = (struct thread_times){ number[0], number[1], number[2] };
	return n == 3;
}

uint64_t procinfo_thread_faults(uint32_t tid)
{
	char path[TASK_PATH], text[STAT_FAULTS];
	uint64_t minor = 0, major = 0;
	const char *p;
	ssize_t n;

	task_path(path, tid, "/stat");
	n = read_file(path, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')');
	if (p == NULL)
		return 0;
	p++;
	for (int field = 3; *p != '\0' && field <= 12;
	     field++) { /* minor faults are field 10, major ones 12 */
		uint64_t v = 0;

		for (p++; *p != ' ' && *p != '\0'; p++)
			v = v * 10 + (uint64_t)(*p - '0');
		if (field == 10)
			minor = v;
		else if (field == 12)
			major = v;
	}
	return minor + major;
}
