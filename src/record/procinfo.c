/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the recorder reads from /proc, see procinfo.h. Runs at start and at the start of threads; takes no lock. */
#include "src/record/procinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/record/raw.h"

static ssize_t read_file(const char *path, char *out, size_t size)
{
	int fd = raw_open(path, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = raw_read(fd, out, size);
	raw_close(fd);
	return n;
}

/* Bytes of /proc/PID/stat up to the fields in question, if the name and all numbers are as long as they can be. */
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

void procinfo_program(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);

	if (n < 0) {
		const char *name = (const char *)getauxval(AT_EXECFN); /* the path given to exec */

		n = 0;
		if (name != NULL) {
			n = (ssize_t)strnlen(name, size - 1);
			memcpy(out, name, (size_t)n);
		}
	}
	out[n] = '\0';
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
	memset(name, 0, 16);
	if (tid == (uint32_t)gettid())
		prctl(PR_GET_NAME, name, 0, 0, 0);
}

uint64_t procinfo_thread_faults(uint32_t tid)
{
	char path[40], text[STAT_FAULTS], *to = stpcpy(path, "/proc/self/task/"), digits[12];
	uint64_t minor = 0, major = 0;
	const char *p;
	ssize_t n;
	int i = 0;

	do
		digits[i++] = (char)('0' + tid % 10);
	while ((tid /= 10) != 0);
	while (i > 0)
		*to++ = digits[--i];
	strcpy(to, "/stat");
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
