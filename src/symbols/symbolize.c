/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The symbolizer: which modules there are, what is to be asked about them, and what was answered; see
 * symbolize.h. Runs in mutrace, single-threaded. Called by src/load and src/analysis.
 *
 * A module is a file at a base address. Files are what is opened and remembered, so that a session of a
 * thousand processes reads libc's symbols once. How a file's questions reach libbfd is sym_ask.c's business.
 */
#include "src/symbols/symbolize.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/symbols/sym_ask.h"
#include "src/symbols/sym_fetch.h"
#include "src/symbols/sym_saved.h"

#define BUCKETS 1024u

struct module {
	size_t file;
	uint64_t base;
	size_t next; /* of the same file, plus 1 */
};

struct bucket_entry {
	struct sym_file *file;
	size_t modules; /* first one, plus 1 */
	size_t next;    /* in its bucket, plus 1 */
};

struct symbolizer {
	struct sym_asker asker;
	char *sysroot;
	char **debug_dirs;
	bool no_demangle, no_lines;
	struct sym_fetch *fetch; /* NULL: nothing is fetched */
	bool closed;             /* answers were kept: no file is looked into */
	void (*progress)(void *data, size_t done, size_t total);
	void *progress_data;
	struct bucket_entry *files;
	size_t file_count, file_capacity;
	size_t buckets[BUCKETS];
	struct module *modules;
	size_t module_count, module_capacity;
};

static int copy_options(struct symbolizer *s, const struct symbolizer_options *o)
{
	static const char *const standard[] = { "/usr/lib/debug", NULL };
	const char *const *dirs = o->debug_dirs ? o->debug_dirs : standard;
	size_t count = 0, length = o->sysroot ? strlen(o->sysroot) : 0;

	while (length && o->sysroot[length - 1] == '/')
		length--;
	s->sysroot = length ? strndup(o->sysroot, length) : strdup("");
	while (dirs[count])
		count++;
	s->debug_dirs = calloc(count + 1, sizeof(*s->debug_dirs));
	if (!s->sysroot || !s->debug_dirs)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		s->debug_dirs[i] = strdup(dirs[i]);
		if (!s->debug_dirs[i])
			return -ENOMEM;
	}
	s->no_demangle = o->no_demangle;
	s->no_lines = o->no_lines;
	s->progress = o->progress;
	s->progress_data = o->progress_data;
	s->asker.in_process = o->in_process;
	return o->fetch_seconds ? sym_fetch_new(&s->fetch, o->fetch_seconds, o->fetch_fd) : 0;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->file_count; i++)
		sym_file_free(s->files[i].file);
	for (size_t i = 0; s->debug_dirs && s->debug_dirs[i]; i++)
		free(s->debug_dirs[i]);
	free(s->files);
	free(s->modules);
	free(s->debug_dirs);
	free(s->sysroot);
	sym_fetch_free(s->fetch);
	free(s);
}

/* Makes room for one more; the contents may move. */
static int make_room(void *array, size_t count, size_t *capacity, size_t size)
{
	void **p = array, *grown;

	if (count < *capacity)
		return 0;
	grown = reallocarray(*p, *capacity ? *capacity * 2 : 64, size);
	if (!grown)
		return -ENOMEM;
	*p = grown;
	*capacity = *capacity ? *capacity * 2 : 64;
	return 0;
}

static int find_file(struct symbolizer *s, const char *path, const uint8_t *build_id, size_t size,
		     size_t *ret)
{
	struct sym_spec spec = { .path = path,
				 .build_id_size = size,
				 .sysroot = s->sysroot,
				 .debug_dirs = (const char *const *)s->debug_dirs,
				 .fetch = s->fetch,
				 .no_demangle = s->no_demangle,
				 .no_lines = s->no_lines };
	size_t *bucket = &s->buckets[sym_hash(path) % BUCKETS];
	int r;

	for (size_t i = *bucket; i; i = s->files[i - 1].next) {
		const struct sym_spec *is = sym_file_spec(s->files[i - 1].file);

		if (!strcmp(is->path, path) && is->build_id_size == size &&
		    (size == 0 || !memcmp(is->build_id, build_id, size))) {
			*ret = i - 1;
			return 0;
		}
	}
	r = make_room(&s->files, s->file_count, &s->file_capacity, sizeof(*s->files));
	if (r < 0)
		return r;
	if (size)
		memcpy(spec.build_id, build_id, size);
	s->files[s->file_count] = (struct bucket_entry){ .next = *bucket };
	r = sym_file_new(&s->files[s->file_count].file, &s->asker, &spec);
	if (r < 0)
		return r;
	if (s->closed)
		sym_file_ask_nothing(s->files[s->file_count].file);
	*ret = s->file_count++;
	*bucket = *ret + 1;
	return 0;
}

static struct sym_file *saved_file(void *data, const char *path, const uint8_t *build_id, size_t size)
{
	struct symbolizer *s = data;
	size_t file;

	if (find_file(s, path, build_id, size, &file) < 0)
		return NULL;
	sym_file_ask_nothing(s->files[file].file);
	return s->files[file].file;
}

int symbolizer_new(struct symbolizer **ret, const struct symbolizer_options *options)
{
	static const struct symbolizer_options defaults;
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->closed = options && options->saved_only;
	if (copy_options(s, options ? options : &defaults) < 0 ||
	    (options && options->saved && sym_saved_read(options->saved, saved_file, s) < 0)) {
		symbolizer_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

int symbolizer_add_module(struct symbolizer *s, const char *path, const uint8_t *build_id,
			  size_t build_id_size, uint64_t base)
{
	size_t file;
	int r;

	if (build_id_size > SYM_BUILD_ID_MAX)
		return -EINVAL;
	r = find_file(s, path, build_id, build_id_size, &file);
	if (r < 0)
		return r;
	for (size_t i = s->files[file].modules; i; i = s->modules[i - 1].next)
		if (s->modules[i - 1].base == base)
			return (int)(i - 1);
	if (s->module_count >= INT32_MAX)
		return -ENOMEM;
	r = make_room(&s->modules, s->module_count, &s->module_capacity, sizeof(*s->modules));
	if (r < 0)
		return r;
	s->modules[s->module_count] =
		(struct module){ .file = file, .base = base, .next = s->files[file].modules };
	s->files[file].modules = ++s->module_count;
	return (int)(s->module_count - 1);
}

static struct sym_file *file_of(struct symbolizer *s, int module)
{
	if (module < 0 || (size_t)module >= s->module_count)
		return NULL;
	return s->files[s->modules[module].file].file;
}

int symbolizer_want(struct symbolizer *s, int module, uint64_t lookup)
{
	struct sym_file *file = file_of(s, module);

	return file ? sym_file_want(file, lookup - s->modules[module].base) : -EINVAL;
}

struct counting {
	struct symbolizer *s;
	size_t done, total;
};

static void count(void *data, size_t done)
{
	struct counting *c = data;

	c->done += done;
	if (c->s->progress)
		c->s->progress(c->s->progress_data, c->done, c->total);
}

int symbolizer_resolve_all(struct symbolizer *s)
{
	struct counting c = { .s = s };
	int r = 0;

	for (size_t i = 0; i < s->file_count; i++)
		c.total += sym_file_wanted(s->files[i].file);
	for (size_t i = 0; i < s->file_count && r == 0; i++)
		r = sym_file_resolve(s->files[i].file, count, &c);
	return r;
}

int symbolizer_resolve(struct symbolizer *s, int module, uint64_t lookup,
		       const struct symbol_frame **ret_frames, size_t *ret_count)
{
	struct sym_file *file = file_of(s, module);

	if (!file)
		return -EINVAL;
	return sym_file_frames(file, lookup - s->modules[module].base, ret_frames, ret_count);
}

int symbolizer_want_variables(struct symbolizer *s, int module, const uint64_t *addresses, size_t count)
{
	struct sym_file *file = file_of(s, module);
	uint64_t *in_file, base;
	int r;

	if (!file)
		return -EINVAL;
	base = s->modules[module].base;
	if (base == 0)
		return sym_file_want_variables(file, addresses, count);
	in_file = reallocarray(NULL, count ? count : 1, sizeof(*in_file));
	if (!in_file)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		in_file[i] = addresses[i] - base;
	r = sym_file_want_variables(file, in_file, count);
	free(in_file);
	return r;
}

int symbolizer_variable(struct symbolizer *s, int module, uint64_t address, const char **ret_name,
			uint64_t *ret_offset, const char **ret_file, unsigned int *ret_line)
{
	struct sym_file *file = file_of(s, module);
	struct sym_variable v;
	int r;

	if (!file)
		return -EINVAL;
	r = sym_file_variable(file, address - s->modules[module].base, &v);
	if (r < 0)
		return r;
	*ret_name = v.name;
	if (ret_offset)
		*ret_offset = v.offset;
	if (ret_file)
		*ret_file = v.file;
	if (ret_line)
		*ret_line = v.line;
	return 0;
}

int symbolizer_variable_part(struct symbolizer *s, int module, uint64_t address, const char **ret_part,
			     uint64_t *ret_size)
{
	struct sym_file *file = file_of(s, module);
	struct sym_variable v;
	int r = file ? sym_file_variable(file, address - s->modules[module].base, &v) : -EINVAL;

	if (r < 0)
		return r;
	*ret_part = v.part;
	*ret_size = v.size;
	return 0;
}

void symbolizer_save(const struct symbolizer *s, FILE *to)
{
	for (size_t i = 0; i < s->file_count; i++)
		sym_saved_write(to, s->files[i].file);
}

enum symbol_module_state symbolizer_module_state(struct symbolizer *s, int module)
{
	struct sym_file *file = file_of(s, module);

	return file ? sym_file_state(file) : SYMBOL_MODULE_MISSING;
}

unsigned int symbolizer_fetched(const struct symbolizer *s, enum symbol_fetch_trouble *ret)
{
	uint32_t trouble = s->fetch ? s->fetch->trouble : SYMBOL_FETCH_FINE;

	*ret = trouble <= SYMBOL_FETCH_FAILED ? trouble : SYMBOL_FETCH_FAILED;
	return s->fetch ? s->fetch->files : 0;
}
