/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A core file, from the kernel or from gcore: threads from its notes, memory from its segments, and what it leaves out
 * (code) from the files that were mapped. It may be damaged or made by somebody else: every number is checked. See target.h.
 */
#include "src/base/array.h"
#include "src/inspect/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

struct segment {
	uint64_t start, size, offset;
};

struct file_part { /* of NT_FILE */
	uint64_t start, end, offset;
	uint32_t file;
};

struct core {
	const uint8_t *bytes; /* the whole file, mapped */
	uint64_t size;
	struct segment *segments;
	size_t n_segments;
	struct file_part *parts;
	size_t n_parts;
	const char **paths; /* by part, in the core */
	int *files;         /* by part: -1 not opened yet, -2 cannot be */
};

static ssize_t part_read(struct target *t, size_t i, uint64_t at, void *to, size_t size)
{
	struct core *c = t->own;
	char path[4200];
	struct stat st;
	ssize_t n;

	if (c->files[i] == -1) {
		snprintf(path, sizeof(path), "%s%s", t->root, c->paths[i]);
		c->files[i] = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (c->files[i] >= 0 && (fstat(c->files[i], &st) < 0 || !S_ISREG(st.st_mode))) {
			close(c->files[i]);
			c->files[i] = -1;
		}
		if (c->files[i] < 0)
			c->files[i] = -2;
	}
	if (c->files[i] < 0)
		return -1;
	n = pread(c->files[i], to, size, (off_t)(c->parts[i].offset + (at - c->parts[i].start)));
	if (n > 0 && (size_t)n < size) {
		memset((char *)to + n, 0, size - (size_t)n); /* the rest of the last page */
		n = (ssize_t)size;
	}
	return n;
}

static ssize_t core_read(struct target *t, uint64_t at, void *to, size_t size)
{
	const struct core *c = t->own;

	for (size_t i = 0; i < c->n_segments; i++) {
		const struct segment *s = &c->segments[i];

		if (at >= s->start && at - s->start < s->size && s->size - (at - s->start) >= size) {
			memcpy(to, c->bytes + s->offset + (at - s->start), size);
			return (ssize_t)size;
		}
	}
	for (size_t i = 0; i < c->n_parts; i++) {
		if (at >= c->parts[i].start && at < c->parts[i].end)
			return part_read(t, i, at, to, size);
	}
	return -1;
}

static void core_close(struct target *t)
{
	struct core *c = t->own;

	if (!c)
		return;
	for (size_t i = 0; i < c->n_parts; i++) {
		if (c->files[i] >= 0)
			close(c->files[i]);
	}
	if (c->bytes)
		munmap((void *)c->bytes, c->size);
	free(c->segments);
	free(c->parts);
	free(c->paths);
	free(c->files);
	free(c);
}

static const struct target_calls core_calls = { core_read, core_close };

/* The table of mapped files: count, page size, then start, end and offset of each, then their names. */
static int files_note(struct target *t, const uint8_t *note, uint64_t size)
{
	struct core *c = t->own;
	const uint64_t word = sizeof(uintptr_t);
	const char *name, *end = (const char *)note + size;
	uintptr_t count, page, v[3];

	if (size < 2 * word || c->parts)
		return 0;
	memcpy(&count, note, word);
	memcpy(&page, note + word, word);
	if (count > (size - 2 * word) / (3 * word))
		return 0;
	c->parts = calloc(count + 1, sizeof(*c->parts));
	c->paths = calloc(count + 1, sizeof(*c->paths));
	c->files = calloc(count + 1, sizeof(*c->files));
	if (!c->parts || !c->paths || !c->files)
		return -ENOMEM;
	name = (const char *)note + (2 + 3 * count) * word;
	for (size_t i = 0; i < count; i++) {
		size_t length = strnlen(name, (size_t)(end - name));

		if (name + length >= end)
			break;
		memcpy(v, note + (2 + 3 * i) * word, sizeof(v));
		c->parts[i] = (struct file_part){ v[0], v[1], (uint64_t)v[2] * page, 0 };
		c->paths[i] = name;
		c->files[i] = -1;
		c->n_parts = i + 1;
		name += length + 1;
	}
	return 0;
}

static int thread_note(struct target *t, const uint8_t *note, uint64_t size)
{
	struct elf_prstatus status;
	struct target_thread *thread;

	if (size < sizeof(status))
		return 0;
	memcpy(&status, note, sizeof(status));
	if (array_grow(&t->threads, t->n_threads, &t->cap_threads, sizeof(*t->threads)) < 0)
		return -ENOMEM;
	thread = &t->threads[t->n_threads++];
	*thread = (struct target_thread){ .tid = status.pr_pid, .ns_tid = status.pr_pid, .have_all = true };
	memcpy(&thread->all, &status.pr_reg, sizeof(thread->all));
	return 0;
}

static int notes_read(struct target *t, const uint8_t *at, uint64_t size)
{
	int r = 0;

	while (size >= sizeof(ElfW(Nhdr)) && r == 0) {
		ElfW(Nhdr) n;
		uint64_t name, desc;

		memcpy(&n, at, sizeof(n));
		name = sizeof(n) + (((uint64_t)n.n_namesz + 3) & ~3ull);
		desc = ((uint64_t)n.n_descsz + 3) & ~3ull;
		if (name > size || n.n_descsz > size - name)
			break;
		if (n.n_type == NT_PRSTATUS && n.n_namesz == 5 && memcmp(at + sizeof(n), "CORE", 5) == 0)
			r = thread_note(t, at + name, n.n_descsz);
		else if (n.n_type == NT_FILE)
			r = files_note(t, at + name, n.n_descsz);
		else if (n.n_type == NT_PRPSINFO && n.n_descsz >= sizeof(struct elf_prpsinfo))
			t->pid = ((struct elf_prpsinfo *)memcpy(&(struct elf_prpsinfo){ 0 }, at + name,
								sizeof(struct elf_prpsinfo)))
					 ->pr_pid;
		if (name + desc > size)
			break;
		at += name + desc;
		size -= name + desc;
	}
	return r;
}

static const char *header_wrong(const ElfW(Ehdr) * e, uint64_t size)
{
	if (size < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0)
		return "no core file: neither a process's number nor an ELF file (a packed one must be "
		       "unpacked first)";
	if (e->e_ident[EI_CLASS] != arch_elf_class)
		return "of a program of another width than this mutrace";
	if (e->e_machine != arch_elf_machine)
		return "of another machine than this mutrace";
	if (e->e_type != ET_CORE)
		return "an ELF file, but not a core file";
	if (e->e_phentsize != sizeof(ElfW(Phdr)) || e->e_phoff > size)
		return "damaged";
	return NULL;
}

/* Segments that are in the file at least in part, and the mappings they stand for. */
static int segments_read(struct target *t, const ElfW(Ehdr) * e)
{
	struct core *c = t->own;
	uint64_t count = e->e_phnum;
	int r = 0;

	if (count == PN_XNUM && e->e_shoff && e->e_shoff <= c->size - sizeof(ElfW(Shdr)))
		count = ((const ElfW(Shdr) *)(const void *)(c->bytes + e->e_shoff))->sh_info;
	if (count > (c->size - e->e_phoff) / sizeof(ElfW(Phdr)))
		count = (c->size - e->e_phoff) / sizeof(ElfW(Phdr));
	c->segments = calloc(count + 1, sizeof(*c->segments));
	if (!c->segments)
		return -ENOMEM;
	for (uint64_t pass = 0; pass < 2; pass++) {
		for (uint64_t i = 0; i < count && r == 0; i++) {
			struct mapping m = { .module = TARGET_NONE };
			const char *path = NULL;
			ElfW(Phdr) p;

			memcpy(&p, c->bytes + e->e_phoff + i * sizeof(p), sizeof(p));
			if (p.p_offset > c->size)
				continue; /* cut off */
			if (p.p_filesz > c->size - p.p_offset)
				p.p_filesz = c->size - p.p_offset;
			if (pass == 0 && p.p_type == PT_NOTE)
				r = notes_read(t, c->bytes + p.p_offset, p.p_filesz);
			if (pass == 0 || p.p_type != PT_LOAD || p.p_memsz == 0)
				continue;
			c->segments[c->n_segments++] = (struct segment){ p.p_vaddr, p.p_filesz, p.p_offset };
			m.start = p.p_vaddr;
			m.end = p.p_vaddr + p.p_memsz;
			m.writable = p.p_flags & PF_W;
			m.executable = p.p_flags & PF_X;
			for (size_t k = 0; k < c->n_parts; k++) {
				if (m.start >= c->parts[k].start && m.start < c->parts[k].end) {
					path = c->paths[k];
					m.offset = c->parts[k].offset + (m.start - c->parts[k].start);
				}
			}
			if (m.end > m.start)
				r = target_map(t, &m, path);
		}
	}
	return r;
}

/* gcore leaves out what is only read from files. */
static int parts_map(struct target *t)
{
	struct core *c = t->own;
	size_t before = t->n_mappings;
	int r = 0;

	for (size_t i = 0; i < c->n_parts && r == 0; i++) {
		struct mapping m = { c->parts[i].start, c->parts[i].end, c->parts[i].offset,
				     TARGET_NONE,       false,           true };
		bool known = false;

		for (size_t k = 0; k < before && !known; k++)
			known = t->mappings[k].start <= m.start && t->mappings[k].end > m.start;
		if (!known && m.end > m.start)
			r = target_map(t, &m, c->paths[i]);
	}
	target_sort(t);
	return r;
}

/* Each thread's system call, and the program's name. */
static void threads_finish(struct target *t)
{
	for (size_t i = 0; i < t->n_threads; i++) {
		struct target_thread *thread = &t->threads[i];
		struct registers r;
		uint8_t code[8] = { 0 };

		arch_registers(&r, &thread->all);
		thread->sp = r.sp;
		thread->pc = r.pc;
		target_read(t, r.pc - 4, code, 8);
		thread->call = arch_call(&thread->all, code);
		thread->asleep = thread->call.number >= 0;
	}
	for (size_t i = 0; i < t->n_modules && !t->program[0]; i++) {
		if (!strstr(t->modules[i].path, ".so"))
			snprintf(t->program, sizeof(t->program), "%s", t->modules[i].path);
	}
}

static int vdso_map(struct target *t)
{
	/* The vdso is a segment without a file that begins as an ELF file does. */
	for (size_t i = 0; i < t->n_mappings; i++) {
		struct mapping *m = &t->mappings[i];
		char magic[SELFMAG];

		if (m->module != TARGET_NONE || !m->executable ||
		    target_read(t, m->start, magic, SELFMAG) < 0 || memcmp(magic, ELFMAG, SELFMAG) != 0)
			continue;
		if (array_grow(&t->modules, t->n_modules, &t->cap_modules, sizeof(*t->modules)) < 0)
			return -ENOMEM;
		t->modules[t->n_modules] =
			(struct module){ .path = "[vdso]", .start = m->start, .end = m->end };
		m->module = (uint32_t)t->n_modules++;
	}
	return 0;
}

int core_open(const char *path, const char *sysroot, struct target **ret, char error[TARGET_ERROR_SIZE])
{
	struct target *t = calloc(1, sizeof(*t));
	struct core *c = calloc(1, sizeof(*c));
	const char *wrong = NULL;
	struct stat st;
	int fd, r = t && c ? 0 : -ENOMEM;

	if (r < 0) {
		free(t);
		free(c);
		snprintf(error, TARGET_ERROR_SIZE, "out of memory");
		return r;
	}
	*t = (struct target){ .calls = &core_calls, .own = c, .core = true };
	snprintf(t->root, sizeof(t->root), "%s", sysroot ? sysroot : "");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		wrong = strerror(errno);
	} else if (!S_ISREG(st.st_mode)) {
		wrong = "not a regular file";
	} else if (st.st_size > 0) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		c->bytes = p == MAP_FAILED ? NULL : p;
		c->size = c->bytes ? (uint64_t)st.st_size : 0;
	}
	if (fd >= 0)
		close(fd);
	if (!wrong)
		wrong = header_wrong((const void *)c->bytes, c->size);
	if (!wrong) {
		r = segments_read(t, (const void *)c->bytes);
		if (r == 0)
			r = parts_map(t);
		if (r == 0)
			r = vdso_map(t);
		if (r == 0 && t->n_threads == 0)
			wrong = "a core file without threads";
	}
	if (wrong || r < 0) {
		snprintf(error, TARGET_ERROR_SIZE, "%s: %s", path, wrong ? wrong : "out of memory");
		target_close(t);
		return r < 0 ? r : -EINVAL;
	}
	threads_finish(t);
	*ret = t;
	return 0;
}
