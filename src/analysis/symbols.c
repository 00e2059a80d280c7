/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the model's stacks to named ones. All addresses are named in one pass; a stack is put together and
 * trimmed when it is asked for, and stacks that read the same are one. Runs in mutrace, single-threaded
 * as the symbolizer is. Called by the analysis.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/analysis/helpers.h"
#include "src/analysis/private.h"
#include "src/symbols/symbolize.h"

#define CONTENT_FRAMES_MAX 1024 /* of one stack, inlined ones included */

/* One line on a terminal, and only if naming takes longer than a second. */
static void progress_show(void *data, size_t done, size_t total)
{
	struct progress *p = data;
	struct timespec now;
	char line[64];
	int n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - p->start.tv_sec) * 1000 + (now.tv_nsec - p->start.tv_nsec) / 1000000 < 1000 ||
	    total == 0)
		return;
	n = snprintf(line, sizeof(line), "\rmutrace: naming addresses, %3u %%",
		     (unsigned int)(100 * done / total));
	if (write(p->fd, line, (size_t)n) == n)
		p->shown = true;
}

static void progress_clear(struct progress *p)
{
	static const char blank[] = "\r                                  \r";

	if (p->shown && write(p->fd, blank, sizeof(blank) - 1) < 0)
		p->shown = false;
}

/* The names of sessions that were packed. 0 or -ENOMEM. */
static int saved_names(struct report_private *v, struct symbolizer_options *so)
{
	const struct model *m = v->model;
	size_t size = 0;

	so->saved_only = m->n_sessions != 0;
	for (size_t i = 0; i < m->n_sessions; i++) {
		size += m->sessions[i].names ? m->sessions[i].names_size + 1 : 0;
		so->saved_only = so->saved_only && m->sessions[i].names;
	}
	if (size == 0)
		return 0;
	so->saved = pool_take(&v->pool, size + 1);
	if (!so->saved)
		return -ENOMEM;
	size = 0;
	for (size_t i = 0; i < m->n_sessions; i++) {
		if (!m->sessions[i].names)
			continue;
		memcpy(so->saved + size, m->sessions[i].names, m->sessions[i].names_size);
		size += m->sessions[i].names_size;
		so->saved[size++] = '\n';
	}
	return 0;
}

void report_save_names(const struct report *r, FILE *to)
{
	if (r->priv->symbolizer)
		symbolizer_save(r->priv->symbolizer, to);
}

static bool listed(const char *const *files, const char *path)
{
	for (; files && *files; files++)
		if (strcmp(*files, path) == 0)
			return true;
	return false;
}

/* The code that a process made while it ran. */
struct process_code {
	uint32_t pid;
	struct symbol_jit *jit;
};

/* NULL: nothing can be known of it. */
static const struct symbol_jit *code_of(struct report_private *v, uint32_t pid)
{
	struct process_code code = { .pid = pid };

	if (pid == 0 || !v->symbolizer || v->code_unread)
		return NULL;
	for (size_t i = 0; i < v->n_code; i++)
		if (v->code[i].pid == pid)
			return v->code[i].jit;
	if (array_grow(&v->code, v->n_code, &v->cap_code, sizeof(*v->code)) < 0)
		return NULL;
	for (size_t i = 0; i < v->model->n_processes; i++)
		if (v->model->processes[i].pid == pid && !code.jit)
			code.jit = symbol_jit_open(v->options->sysroot, pid,
						   v->model->processes[i].start_realtime_ns);
	v->code[v->n_code++] = code;
	return code.jit;
}

int symbols_open(struct report_private *v, bool foreign)
{
	const struct report_options *o = v->options;
	struct symbolizer_options so = {
		.sysroot = o->sysroot,
		.debug_dirs = o->debug_dirs,
	};
	struct progress *progress = &v->progress;
	size_t i;
	int r;

	v->code_unread = foreign;
	v->n_frames = v->model->n_frames;
	v->frames = calloc(v->n_frames ? v->n_frames : 1, sizeof(*v->frames));
	v->programs = calloc(v->model->n_modules + 1, sizeof(*v->programs));
	v->depth_recorded = UINT32_MAX;
	for (i = 0; v->programs && i < v->model->n_processes; i++) {
		const struct model_process *p = &v->model->processes[i];

		for (size_t k = 0; k < p->n_mappings; k++)
			if (p->mappings[k].main)
				v->programs[p->mappings[k].module] = true;
		if (p->config.frames > 1 && p->config.frames < v->depth_recorded)
			v->depth_recorded = p->config.frames;
	}
	v->module_numbers = malloc((v->model->n_modules + 1) * sizeof(*v->module_numbers));
	if (!v->frames || !v->programs || !v->module_numbers)
		return -ENOMEM;
	for (i = 0; i < v->model->n_modules; i++)
		v->module_numbers[i] = -1;
	if (libc_open(v) < 0)
		return -ENOMEM;
	if (o->no_symbols || (foreign && !o->files))
		return 0;
	if (o->progress_fd >= 0) {
		*progress = (struct progress){ .fd = o->progress_fd };
		clock_gettime(CLOCK_MONOTONIC, &progress->start);
		so.progress = progress_show;
		so.progress_data = progress;
	}
	so.fetch_seconds = o->debuginfod_seconds;
	so.fetch_fd = o->progress_fd;
	if (saved_names(v, &so) < 0)
		return -ENOMEM;
	v->packed = so.saved_only;
	v->code_unread = v->code_unread || so.saved_only;
	r = symbolizer_new(&v->symbolizer, &so);
	if (r < 0)
		return r;
	for (i = 0; i < v->model->n_modules; i++) {
		const struct model_module *m = &v->model->modules[i];

		if (m->path[0] == 0 || m->ours || (foreign && !listed(o->files, m->path)))
			continue;
		/* addresses in the model are the file's own: nothing is to be taken off them */
		r = symbolizer_add_module(v->symbolizer, m->path, m->build_id, m->build_id_size, 0);
		if (r == -ENOMEM)
			return r;
		v->module_numbers[i] = r;
	}
	return 0;
}

void symbols_close(struct report_private *v)
{
	symbolizer_free(v->symbolizer);
	for (size_t i = 0; i < v->n_code; i++)
		symbol_jit_free(v->code[i].jit);
	free(v->code);
	free(v->module_numbers);
	free(v->programs);
	free(v->libc_stacks);
	free(v->frames);
	free(v->named);
	free(v->by_content);
	table_free(&v->stacks);
	table_free(&v->content_functions);
	table_free(&v->content_modules);
	table_free(&v->content_frames);
	table_free(&v->content_nodes);
}

static int module_number(const struct report_private *v, uint32_t module)
{
	return module == MODEL_NONE || !v->symbolizer ? -1 : v->module_numbers[module];
}

int symbols_resolve_all(struct report_private *v)
{
	size_t i;
	int r;

	if (!v->symbolizer)
		return 0;
	for (i = 0; i < v->n_frames; i++) {
		const struct model_frame *f = &v->model->frames[i];
		int number = module_number(v, f->module);

		if (number < 0)
			continue;
		r = symbolizer_want(v->symbolizer, number, f->address - !f->exact);
		if (r == -ENOMEM)
			return r;
	}
	r = symbolizer_resolve_all(v->symbolizer);
	progress_clear(&v->progress);
	return r == -ENOMEM ? r : 0; /* what could not be named is shown as an address */
}

const struct frame_names *symbols_frame(struct report_private *v, uint32_t frame)
{
	const struct model_frame *f = &v->model->frames[frame];
	const struct model_module *m = f->module == MODEL_NONE ? NULL : &v->model->modules[f->module];
	struct frame_names *names = &v->frames[frame];
	const struct symbol_frame *symbols = NULL;
	const struct symbol_jit *code = code_of(v, f->pid);
	struct symbol_frame made;
	struct report_frame *out;
	size_t n = 0, i;
	int number = module_number(v, f->module);

	if (names->frames)
		return names;
	if (number >= 0 &&
	    symbolizer_resolve(v->symbolizer, number, f->address - !f->exact, &symbols, &n) < 0)
		n = 0;
	if (code && symbol_jit_find(code, f->address - !f->exact, &made)) {
		symbols = &made;
		n = 1;
	}
	out = pool_take(&v->pool, (n ? n : 1) * sizeof(*out));
	if (!out)
		return NULL;
	for (i = 0; i < (n ? n : 1); i++) {
		out[i].address = f->address + (m ? m->base : 0);
		out[i].offset = symbols == &made ? 0 : f->address; /* one function, wherever it lies */
		out[i].module = m && m->path[0] ? m->path : NULL;
		out[i].program = symbols == &made || (f->module != MODEL_NONE && v->programs[f->module]);
		if (i >= n)
			continue;
		out[i].function =
			symbols[i].function ? strings_intern(&v->strings, symbols[i].function) : NULL;
		out[i].file = symbols[i].file ? strings_intern(&v->strings, symbols[i].file) : NULL;
		out[i].line = symbols[i].line;
		out[i].inlined = symbols[i].inlined;
	}
	names->frames = out;
	names->n = n ? (uint32_t)n : 1;
	return names;
}

/* The number of a pair; a new one for a new pair. TABLE_NONE without memory. */
static uint32_t pair_number(struct report_private *v, struct table *t, uint64_t a, uint64_t b)
{
	uint32_t number = table_get(t, a, b);

	if (number != TABLE_NONE)
		return number;
	number = v->n_content;
	if (number == TABLE_NONE || table_put(t, a, b, number) < 0)
		return TABLE_NONE;
	v->n_content++;
	return number;
}

/* A number that two frames share if the user could not tell them apart: same function, file, module and
 * line, or address where there is no line. Strings are interned, so that their addresses stand for them. */
static uint32_t content_number(struct report_private *v, const struct report_frame *f)
{
	uint32_t a, b;

	a = pair_number(v, &v->content_functions, (uintptr_t)f->function, (uintptr_t)f->file);
	if (a == TABLE_NONE)
		return a;
	b = pair_number(v, &v->content_modules, (uintptr_t)f->module, a);
	if (b == TABLE_NONE)
		return b;
	return pair_number(v, &v->content_frames, f->line ? f->line : f->offset,
			   (uint64_t)b << 2 | (unsigned int)f->inlined << 1 | (f->line == 0));
}

/* The one stack with these frames. */
static const struct report_stack *content_stack(struct report_private *v,
						const struct report_frame *const *frames, size_t n, bool cut)
{
	uint32_t node = cut ? TABLE_NONE - 1 : TABLE_NONE, next, number;
	struct report_frame *copy;
	struct report_stack *s;
	size_t i;

	for (i = n; i > 0; i--) {
		number = content_number(v, frames[i - 1]);
		if (number == TABLE_NONE)
			return NULL;
		next = table_get(&v->content_nodes, number, node);
		if (next == TABLE_NONE) {
			if (array_grow(&v->by_content, v->n_by_content, &v->cap_by_content,
				       sizeof(*v->by_content)) < 0 ||
			    table_put(&v->content_nodes, number, node, (uint32_t)v->n_by_content) < 0)
				return NULL;
			next = (uint32_t)v->n_by_content;
			v->by_content[v->n_by_content++] = NULL;
		}
		node = next;
	}
	if (n == 0)
		return NULL;
	if (v->by_content[node])
		return v->by_content[node];
	s = pool_take(&v->pool, sizeof(*s));
	copy = pool_take(&v->pool, n * sizeof(*copy));
	if (!s || !copy)
		return NULL;
	for (i = 0; i < n; i++)
		copy[i] = *frames[i];
	s->frames = copy;
	s->n = n;
	s->cut = cut;
	v->by_content[node] = s;
	return s;
}

static const struct report_stack *stack_make(struct report_private *v, uint32_t stack)
{
	const struct report_frame *all[CONTENT_FRAMES_MAX];
	uint32_t frames[FRAMES_MAX];
	size_t n = 0, count, first = 0, i, j;
	bool whole;

	count = model_stack_frames(v->model, stack, frames);
	for (i = 0; i < count; i++) {
		uint32_t module = v->model->frames[frames[i]].module;
		const struct frame_names *names;

		if (module != MODEL_NONE && v->model->modules[module].ours && (n > 0 || i + 1 < count))
			continue; /* our own, wherever it stands; unless there is nothing else */
		names = symbols_frame(v, frames[i]);
		if (!names)
			return NULL;
		for (j = 0; j < names->n && n < CONTENT_FRAMES_MAX; j++)
			all[n++] = &names->frames[j];
	}
	if (libc_trim(v, stack, all, &first, n) < 0)
		return NULL;
	whole = helpers_trim(v->options, all, &first, &n);
	return n ? content_stack(v, all + first, n - first,
				 !whole && !v->model->nodes[stack].end && count >= v->depth_recorded)
		 : NULL;
}

const struct report_stack *symbols_stack(struct report_private *v, uint32_t stack)
{
	const struct report_stack *s;
	uint32_t number;

	if (stack == MODEL_NONE)
		return NULL;
	number = table_get(&v->stacks, stack, 0);
	if (number != TABLE_NONE)
		return v->named[number];
	s = stack_make(v, stack);
	if (!s || array_grow(&v->named, v->n_named, &v->cap_named, sizeof(*v->named)) < 0 ||
	    table_put(&v->stacks, stack, 0, (uint32_t)v->n_named) < 0)
		return NULL;
	v->named[v->n_named++] = s;
	return s;
}

struct data_address {
	uint64_t address;
	uint32_t module;
};

static int data_compare(const void *a, const void *b)
{
	const struct data_address *x = a, *y = b;

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* The variables of all locks of a process at once: asked for one by one, a million takes minutes. */
int symbols_want_variables(struct report_private *v, const struct model_process *p)
{
	struct data_address *list = malloc((p->n_locks + 1) * sizeof(*list));
	uint64_t *addresses = malloc((p->n_locks + 1) * sizeof(*addresses));
	size_t i, n = 0, first, count;
	int r = list && addresses ? 0 : -ENOMEM;

	for (i = 0; i < p->n_locks && r == 0; i++) {
		const struct model_lock *l = &p->locks[i];
		const struct model_mapping *map = NULL;

		if (l->kind != 0 && !(l->flags & LOCK_STACK))
			map = model_mapping_at(p, l->address);
		if (map && module_number(v, map->module) >= 0)
			list[n++] = (struct data_address){ l->address - map->base, map->module };
	}
	if (n)
		qsort(list, n, sizeof(*list), data_compare);
	for (first = 0; first < n && r != -ENOMEM; first += count) {
		for (count = 0; first + count < n && list[first + count].module == list[first].module;
		     count++)
			addresses[count] = list[first + count].address;
		r = symbolizer_want_variables(v->symbolizer, module_number(v, list[first].module), addresses,
					      count);
	}
	free(list);
	free(addresses);
	return r == -ENOMEM ? r : 0;
}

int symbols_variable(struct report_private *v, const struct model_process *p, uint64_t address,
		     uint32_t *ret_module, const char **ret_name, uint64_t *ret_offset, const char **ret_file,
		     unsigned int *ret_line)
{
	const struct model_mapping *map = model_mapping_at(p, address);
	int number = map ? module_number(v, map->module) : -1;

	if (number < 0)
		return -ENOENT;
	*ret_module = map->module;
	return symbolizer_variable(v->symbolizer, number, address - map->base, ret_name, ret_offset, ret_file,
				   ret_line);
}

int symbols_variable_part(struct report_private *v, const struct model_process *p, uint64_t address,
			  const char **ret_part, uint64_t *ret_size)
{
	const struct model_mapping *map = model_mapping_at(p, address);
	int number = map ? module_number(v, map->module) : -1;

	return number < 0 ? -ENOENT
			  : symbolizer_variable_part(v->symbolizer, number, address - map->base, ret_part,
						     ret_size);
}
