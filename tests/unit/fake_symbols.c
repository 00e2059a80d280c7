/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See fake_symbols.h. */
#include "fake_symbols.h"

#include <errno.h>
#include <stdlib.h>

#include "src/symbols/symbolize.h"

const struct fake_function *fake_functions;
const struct fake_variable *fake_variables;

struct symbolizer {
	struct symbol_frame *made[4096];
	size_t n;
};

int symbolizer_new(struct symbolizer **ret, const struct symbolizer_options *options)
{
	(void)options;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	while (s->n > 0)
		free(s->made[--s->n]);
	free(s);
}

int symbolizer_add_module(struct symbolizer *s, const char *path, const uint8_t *build_id,
			  size_t build_id_size, uint64_t base)
{
	(void)s;
	(void)path;
	(void)build_id;
	(void)build_id_size;
	return base == 0 ? 0 : -EINVAL; /* the report asks with addresses of the file */
}

int symbolizer_want(struct symbolizer *s, int module, uint64_t lookup)
{
	(void)s;
	(void)lookup;
	return module == 0 ? 0 : -EINVAL;
}

int symbolizer_resolve_all(struct symbolizer *s)
{
	(void)s;
	return 0;
}

int symbolizer_resolve(struct symbolizer *s, int module, uint64_t lookup,
		       const struct symbol_frame **ret_frames, size_t *ret_count)
{
	const struct fake_function *f;
	struct symbol_frame *made;

	(void)module;
	if (s->n == sizeof(s->made) / sizeof(s->made[0]))
		return -ENOSPC;
	made = calloc(2, sizeof(*made));
	if (!made)
		return -ENOMEM;
	s->made[s->n++] = made;
	*ret_frames = made;
	*ret_count = 1;
	for (f = fake_functions; f && f->end; f++) {
		if (lookup < f->start || lookup >= f->end)
			continue;
		made[0] = (struct symbol_frame){ f->name, f->file, f->line, f->inlined_in };
		if (f->inlined_in) {
			made[1] = (struct symbol_frame){ f->inlined_in, f->file, f->outer_line, false };
			*ret_count = 2;
		}
		break;
	}
	return 0;
}

int symbolizer_want_variables(struct symbolizer *s, int module, const uint64_t *addresses, size_t count)
{
	(void)s;
	(void)addresses;
	(void)count;
	return module == 0 ? 0 : -EINVAL;
}

int symbolizer_variable(struct symbolizer *s, int module, uint64_t address, const char **ret_name,
			uint64_t *ret_offset, const char **ret_file, unsigned int *ret_line)
{
	const struct fake_variable *v;

	(void)s;
	(void)module;
	for (v = fake_variables; v && v->end; v++) {
		if (address < v->start || address >= v->end)
			continue;
		*ret_name = v->name;
		*ret_offset = address - v->start;
		*ret_file = v->file;
		*ret_line = v->line;
		return 0;
	}
	return -ENOENT;
}

int symbolizer_variable_part(struct symbolizer *s, int module, uint64_t address, const char **ret_part,
			     uint64_t *ret_size)
{
	(void)s;
	(void)module;
	for (const struct fake_variable *v = fake_variables; v && v->end; v++) {
		if (address < v->start || address >= v->end)
			continue;
		*ret_part = NULL;
		*ret_size = v->end - v->start;
		return 0;
	}
	return -ENOENT;
}

void symbolizer_save(const struct symbolizer *s, FILE *to)
{
	(void)s;
	(void)to;
}

enum symbol_module_state symbolizer_module_state(struct symbolizer *s, int module)
{
	(void)s;
	(void)module;
	return SYMBOL_MODULE_OK;
}

unsigned int symbolizer_fetched(const struct symbolizer *s, enum symbol_fetch_trouble *ret)
{
	(void)s;
	*ret = SYMBOL_FETCH_FINE;
	return 0;
}
