/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of code that a process made while it ran: Java, node and others write them into /tmp/perf-PID.map, for perf.
 * Each line has a start and a size in hexadecimal digits, and a name. Runs in mutrace, single-threaded. Anybody may
 * write into /tmp: the file must be this user's, regular, and younger than the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/symbols/symbolize.h"

#define SIZE_MAX_BYTES (256u << 20)

struct entry {
	uint64_t start, size;
	const char *name, *file; /* in the text; file NULL: not known */
	unsigned int line, order;
};

struct symbol_jit {
	char *text;
	struct entry *entries; /* by start; of those that begin at one place the last one comes last */
	size_t n, capacity;
};

static char *text_read(const char *path, uint64_t since_ns)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat s;
	char *text = NULL;
	size_t size, n = 0;
	ssize_t r = 1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == geteuid() && s.st_size > 0 &&
	    s.st_size <= (off_t)SIZE_MAX_BYTES &&
	    (uint64_t)s.st_mtim.tv_sec * 1000000000u + (uint64_t)s.st_mtim.tv_nsec + 1000000000u >=
		    since_ns) {
		size = (size_t)s.st_size;
		text = malloc(size + 1);
		while (text && n < size && (r = read(fd, text + n, size - n)) > 0)
			n += (size_t)r;
		if (text)
			text[n] = '\0';
	}
	close(fd);
	return text;
}

/*
 * node's names begin with what kind of code it is, and end with the place: "LazyCompile:*serve /app/server.js:12:3".
 * Functions without a name have the place alone.
 */
static void name_take(struct entry *e, char *name)
{
	static const char *const kinds[] = { "LazyCompile:", "Function:", "JS:", "Script:", "Eval:" };
	char *place, *colon;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strncmp(name, kinds[i], strlen(kinds[i])) != 0)
			continue;
		name += strlen(kinds[i]);
		name += *name && strchr("*~^+-", *name) ? 1 : 0;
		break;
	}
	e->name = name;
	place = strrchr(name, ' ');
	if (!place)
		return;
	colon = strrchr(place, '/');
	do
		colon = strchr(colon ? colon + 1 : place, ':');
	while (colon && (colon[1] < '0' || colon[1] > '9'));
	if (!colon)
		return;
	*place = *colon = '\0';
	e->file = place + 1;
	e->line = (unsigned int)strtoul(colon + 1, NULL, 10);
	if (*name == '\0')
		e->name = "(anonymous)";
}

static void line_take(struct symbol_jit *j, char *line)
{
	struct entry e = { .order = (unsigned int)j->n }, *more;
	char *end;

	e.start = strtoull(line, &end, 16);
	if (end == line || *end != ' ')
		return;
	line = end + 1;
	e.size = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || e.size == 0 || e.start + e.size < e.start)
		return;
	name_take(&e, end + 1);
	if (j->n == j->capacity) {
		j->capacity = j->capacity ? 2 * j->capacity : 1024;
		more = realloc(j->entries, j->capacity * sizeof(*more));
		if (!more) {
			j->capacity = j->n;
			return;
		}
		j->entries = more;
	}
	j->entries[j->n++] = e;
}

static int entry_compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

struct symbol_jit *symbol_jit_open(const char *sysroot, uint32_t pid, uint64_t since_ns)
{
	struct symbol_jit *j = calloc(1, sizeof(*j));
	char path[4096], *next;

	if (!j)
		return NULL;
	if ((size_t)snprintf(path, sizeof(path), "%s/tmp/perf-%u.map", sysroot ? sysroot : "", pid) <
	    sizeof(path))
		j->text = text_read(path, since_ns);
	for (char *line = j->text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line_take(j, line);
	}
	if (j->n)
		qsort(j->entries, j->n, sizeof(*j->entries), entry_compare);
	return j;
}

void symbol_jit_free(struct symbol_jit *j)
{
	if (!j)
		return;
	free(j->text);
	free(j->entries);
	free(j);
}

#define OVERLAPPING 32u /* pieces of code that are looked at, of those that begin before an address */

bool symbol_jit_find(const struct symbol_jit *j, uint64_t address, struct symbol_frame *ret)
{
	const struct entry *found = NULL;
	size_t low = 0, high = j->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (j->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* memory is used again: what was written last is there now */
	for (size_t i = low; i > 0 && low - i < OVERLAPPING; i--) {
		const struct entry *e = &j->entries[i - 1];

		if (address - e->start < e->size && (!found || e->order > found->order))
			found = e;
	}
	if (!found)
		return false;
	*ret = (struct symbol_frame){ .function = found->name, .file = found->file, .line = found->line };
	return true;
}
