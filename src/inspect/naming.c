/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See naming.h. */
#include "src/inspect/naming.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/helpers.h"
#include "src/symbols/symbolize.h"

#define FRAMES_SHOWN_MAX 512 /* of one stack, inlined ones included */

struct naming {
	struct target *target;
	const struct report_options *options;
	struct symbolizer *symbolizer;
	struct pool pool;
};

int naming_new(struct target *t, const struct report_options *o, struct naming **ret)
{
	struct symbolizer_options so = {
		.sysroot = t->root[0] ? t->root : NULL,
		.debug_dirs = o->debug_dirs,
		.fetch_seconds = o->debuginfod_seconds,
		.fetch_fd = o->progress_fd,
	};
	struct naming *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->target = t;
	n->options = o;
	r = symbolizer_new(&n->symbolizer, &so);
	if (r < 0) {
		free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void naming_free(struct naming *n)
{
	if (!n)
		return;
	symbolizer_free(n->symbolizer);
	pool_free(&n->pool);
	free(n);
}

/* The symbolizer's number of a module, which stays the same; negative: none. */
static int module_number(struct naming *n, const struct module *m)
{
	return m ? symbolizer_add_module(n->symbolizer, m->on_disk ? m->on_disk : m->path, m->build_id,
					 m->build_id_size, m->base)
		 : -ENOENT;
}

static uint64_t lookup(const struct unwound *u, size_t frame)
{
	return u->pc[frame] - !u->exact[frame];
}

void naming_want(struct naming *n, const struct unwound *u)
{
	for (size_t i = 0; i < u->n; i++) {
		int number = module_number(n, target_module(n->target, lookup(u, i)));

		if (number >= 0)
			symbolizer_want(n->symbolizer, number, lookup(u, i));
	}
}

void naming_all(struct naming *n)
{
	symbolizer_resolve_all(n->symbolizer);
}

/* At least one frame, with as much as is known. */
static size_t frames_of(struct naming *n, const struct unwound *u, size_t frame, struct report_frame *out,
			size_t room)
{
	const struct module *m = target_module(n->target, lookup(u, frame));
	int number = module_number(n, m);
	const struct symbol_frame *symbols = NULL;
	size_t count = 0, i;

	if (number >= 0 && symbolizer_resolve(n->symbolizer, number, lookup(u, frame), &symbols, &count) < 0)
		count = 0;
	for (i = 0; i < (count ? count : 1) && i < room; i++) {
		out[i] = (struct report_frame){ .address = u->pc[frame] };
		if (m) {
			out[i].module = m->path;
			out[i].offset = u->pc[frame] - m->base;
		}
		if (!count)
			continue;
		out[i].function = symbols[i].function;
		out[i].file = symbols[i].file;
		out[i].line = symbols[i].line;
		out[i].inlined = symbols[i].inlined;
	}
	return i;
}

const char *naming_function(struct naming *n, const struct unwound *u, size_t frame)
{
	struct report_frame frames[FRAMES_SHOWN_MAX];
	size_t count = frames_of(n, u, frame, frames, FRAMES_SHOWN_MAX);

	return frames[count - 1].function;
}

enum futex_role naming_role(struct naming *n, const struct unwound *u)
{
	struct report_frame frames[FRAMES_SHOWN_MAX];
	enum futex_role role = FUTEX_ROLE_UNKNOWN;

	for (size_t i = 0; i < u->n && i < RUNTIMES_FRAMES; i++) {
		size_t count = frames_of(n, u, i, frames, FRAMES_SHOWN_MAX);

		for (size_t k = 0; k < count; k++)
			if (runtimes_role_add(frames[k].function, &role))
				return role;
	}
	return role;
}

const char *naming_inner(struct naming *n, const struct unwound *u, size_t frame)
{
	struct report_frame frames[FRAMES_SHOWN_MAX];

	frames_of(n, u, frame, frames, FRAMES_SHOWN_MAX);
	return frames[0].function;
}

bool naming_within(struct naming *n, const struct unwound *u, size_t frame, const char *function)
{
	struct report_frame frames[FRAMES_SHOWN_MAX];
	size_t count = frames_of(n, u, frame, frames, FRAMES_SHOWN_MAX);

	for (size_t i = 0; i < count; i++) {
		if (frames[i].function && strcmp(frames[i].function, function) == 0)
			return true;
	}
	return false;
}

/* True of a file whose name begins so. */
static bool module_called(const char *path, const char *const *names)
{
	const char *slash = path ? strrchr(path, '/') : NULL, *name = slash ? slash + 1 : path;

	for (size_t i = 0; name && names[i]; i++) {
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

static bool module_libc(const char *path)
{
	static const char *const names[] = { "libc.so",  "libc-",   "libpthread.so", "libpthread-",
					     "ld-linux", "ld-musl", "[vdso]",        NULL };

	return module_called(path, names);
}

/* The recorder's: the process may be one that mutrace runs. */
static bool module_ours(const char *path)
{
	static const char *const names[] = { "libmutrace", "libmatrace", NULL };

	return module_called(path, names);
}

bool naming_libc(struct target *t, uint64_t pc)
{
	const struct module *m = target_module(t, pc);

	return m && module_libc(m->path);
}

const struct report_stack *naming_stack(struct naming *n, const struct unwound *u)
{
	const struct report_frame *pointers[FRAMES_SHOWN_MAX];
	struct report_frame all[FRAMES_SHOWN_MAX], *copy;
	struct report_stack *s;
	size_t count = 0, first, end, i;

	for (i = 0; i < u->n && count < FRAMES_SHOWN_MAX; i++)
		count += frames_of(n, u, i, all + count, FRAMES_SHOWN_MAX - count);
	/* the call itself is told by its name */
	for (first = 0; first < count && (module_libc(all[first].module) || module_ours(all[first].module));
	     first++)
		;
	if (first == count)
		first = 0;
	for (i = 0; i < count; i++)
		pointers[i] = &all[i];
	end = count;
	helpers_trim(n->options, pointers, &first, &end);
	if (first == end)
		return NULL;
	s = pool_take(&n->pool, sizeof(*s));
	copy = pool_take(&n->pool, (end - first) * sizeof(*copy));
	if (!s || !copy)
		return NULL;
	memcpy(copy, all + first, (end - first) * sizeof(*copy));
	s->frames = copy;
	s->n = end - first;
	return s;
}

const char *naming_variable(struct naming *n, uint64_t address, const char **ret_file, unsigned int *ret_line)
{
	int number = module_number(n, target_module(n->target, address));
	uint64_t offset = 0;
	const char *name;

	if (number < 0 || symbolizer_want_variables(n->symbolizer, number, &address, 1) < 0 ||
	    symbolizer_variable(n->symbolizer, number, address, &name, &offset, ret_file, ret_line) < 0)
		return NULL;
	return offset ? pool_printf(&n->pool, "%s+0x%" PRIx64, name, offset) : name;
}

const char *naming_missing(struct naming *n)
{
	for (size_t i = 0; i < n->target->n_modules; i++) {
		struct module *m = &n->target->modules[i];
		int number;

		if (strcmp(m->path, n->target->program) != 0 || !target_module(n->target, m->start))
			continue;
		number = module_number(n, m);
		switch (number < 0 ? SYMBOL_MODULE_OK : symbolizer_module_state(n->symbolizer, number)) {
		case SYMBOL_MODULE_MISSING:
			return pool_printf(&n->pool, "%s is not there, so nothing is named from it.",
					   m->path);
		case SYMBOL_MODULE_REPLACED:
			return pool_printf(&n->pool,
					   "%s is not the file that runs, so nothing is named from it.",
					   m->path);
		default: return NULL;
		}
	}
	return NULL;
}
