/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The model's life, and the modules, frames and stacks that its processes share. Runs in mutrace,
 * single-threaded. Called by the loader while it builds and by the analysis while it looks.
 */
#include "src/load/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/load/tables.h"

int model_new(struct model **ret)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->tables = calloc(1, sizeof(*m->tables));
	if (!m->tables) {
		free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

void process_clear(struct model_process *p)
{
	free(p->mappings);
	free(p->threads);
	free(p->held);
	free(p->locks);
	free(p->cells);
	free(p->edges);
	free(p->allocs);
	free(p->events);
	free(p->phases);
	free(p->spans);
	free(p->orders);
	free(p->asleep);
	free(p->lives);
	free(p->commons);
	free(p->longest);
	memset(p, 0, sizeof(*p));
}

void model_free(struct model *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->n_processes; i++)
		process_clear(&m->processes[i]);
	free(m->sessions);
	free(m->processes);
	free(m->modules);
	free(m->frames);
	free(m->nodes);
	table_free(&m->tables->modules);
	table_free(&m->tables->frames);
	table_free(&m->tables->nodes);
	strings_free(&m->tables->strings);
	pool_free(&m->tables->pool);
	free(m->tables);
	free(m);
}

int tables_module(struct model *m, const struct module_rec *rec, uint32_t *ret)
{
	struct model_tables *t = m->tables;
	char key[sizeof(rec->path) + 2 * BUILD_ID_MAX + 2], path[sizeof(rec->path) + 1];
	uint32_t size = rec->build_id_size <= BUILD_ID_MAX ? rec->build_id_size : 0, i, index;
	const char *key_text, *path_text, *slash;
	struct model_module *module;
	size_t n;
	int r;

	n = strnlen(rec->path, sizeof(rec->path));
	memcpy(path, rec->path, n);
	path[n] = 0;
	n = (size_t)snprintf(key, sizeof(key), "%s", path) + 1;
	for (i = 0; i < size; i++)
		snprintf(key + n - 1 + 2 * i, 3, "%02x", rec->build_id[i]);
	key_text = strings_intern(&t->strings, key);
	path_text = strings_intern(&t->strings, path);
	if (!key_text || !path_text)
		return -ENOMEM;
	index = table_get(&t->modules, (uintptr_t)key_text, 0);
	if (index != TABLE_NONE) {
		*ret = index;
		return 0;
	}
	if (m->n_modules >= MODEL_NONE)
		return -EOVERFLOW;
	r = array_grow(&m->modules, m->n_modules, &t->cap_modules, sizeof(*m->modules));
	if (r < 0)
		return r;
	r = table_put(&t->modules, (uintptr_t)key_text, 0, (uint32_t)m->n_modules);
	if (r < 0)
		return r;
	slash = strrchr(path_text, '/');
	module = &m->modules[m->n_modules];
	*module = (struct model_module){
		.path = path_text,
		.name = slash ? slash + 1 : path_text,
		.build_id_size = size,
		.base = rec->base,
		.ours = rec->flags & MODULE_OURS,
	};
	memcpy(module->build_id, rec->build_id, size);
	*ret = (uint32_t)m->n_modules++;
	return 0;
}

int tables_frame(struct model *m, uint32_t module, uint32_t pid, uint64_t address, bool exact, uint32_t *ret)
{
	struct model_tables *t = m->tables;
	uint64_t key = (uint64_t)module << 1 | exact | (module == MODEL_NONE ? (uint64_t)pid << 33 : 0);
	uint32_t index = table_get(&t->frames, address, key);
	int r;

	if (index != TABLE_NONE) {
		*ret = index;
		return 0;
	}
	if (m->n_frames >= MODEL_NONE)
		return -EOVERFLOW;
	r = array_grow(&m->frames, m->n_frames, &t->cap_frames, sizeof(*m->frames));
	if (r < 0)
		return r;
	r = table_put(&t->frames, address, key, (uint32_t)m->n_frames);
	if (r < 0)
		return r;
	m->frames[m->n_frames] = (struct model_frame){
		.address = address, .module = module, .pid = module == MODEL_NONE ? pid : 0, .exact = exact
	};
	*ret = (uint32_t)m->n_frames++;
	return 0;
}

int tables_node(struct model *m, uint32_t frame, uint32_t inner, bool end, uint32_t *ret)
{
	struct model_tables *t = m->tables;
	uint64_t key = (uint64_t)inner << 1 | end;
	uint32_t index = table_get(&t->nodes, frame, key);
	int r;

	if (index != TABLE_NONE) {
		*ret = index;
		return 0;
	}
	if (m->n_nodes >= MODEL_NONE)
		return -EOVERFLOW;
	r = array_grow(&m->nodes, m->n_nodes, &t->cap_nodes, sizeof(*m->nodes));
	if (r < 0)
		return r;
	r = table_put(&t->nodes, frame, key, (uint32_t)m->n_nodes);
	if (r < 0)
		return r;
	m->nodes[m->n_nodes] = (struct model_node){
		.frame = frame,
		.inner = inner,
		.depth = inner == MODEL_NONE ? 1 : m->nodes[inner].depth + 1,
		.end = end,
	};
	*ret = (uint32_t)m->n_nodes++;
	return 0;
}

size_t model_stack_frames(const struct model *m, uint32_t stack, uint32_t frames[FRAMES_MAX])
{
	size_t i, n;

	if (stack == MODEL_NONE || stack >= m->n_nodes)
		return 0;
	n = m->nodes[stack].depth; /* at most FRAMES_MAX, the loader saw to it */
	for (i = n; i > 0; i--) {
		frames[i - 1] = m->nodes[stack].frame;
		stack = m->nodes[stack].inner;
	}
	return n;
}

int model_stack_replace(struct model *m, uint32_t stack, uint32_t frame, uint32_t *ret_stack)
{
	uint32_t chain[FRAMES_MAX], node = MODEL_NONE, s;
	size_t i, n = 0;
	int r;

	for (s = stack; s != MODEL_NONE && n < FRAMES_MAX; s = m->nodes[s].inner)
		chain[n++] = s; /* outermost first */
	if (n == 0)
		return tables_node(m, frame, MODEL_NONE, false, ret_stack);
	for (i = n; i > 0; i--) {
		r = tables_node(m, i == n ? frame : m->nodes[chain[i - 1]].frame, node,
				m->nodes[chain[i - 1]].end, &node);
		if (r < 0)
			return r;
	}
	*ret_stack = node;
	return 0;
}

static bool starts_by(const void *mapping, const void *address)
{
	return ((const struct model_mapping *)mapping)->start <= *(const uint64_t *)address;
}

const struct model_mapping *model_mapping_at(const struct model_process *p, uint64_t address)
{
	const struct model_mapping *unloaded = NULL;
	size_t low = array_before(p->mappings, p->n_mappings, sizeof(*p->mappings), starts_by, &address);

	while (low > 0 && p->mappings[low - 1].reach > address) {
		const struct model_mapping *map = &p->mappings[--low];

		if (address >= map->end)
			continue;
		if (!map->unloaded)
			return map;
		if (!unloaded)
			unloaded = map;
	}
	return unloaded;
}

static bool ended_by(const void *event, const void *ns)
{
	return ((const struct model_event *)event)->end_ns <= *(const uint64_t *)ns;
}

uint32_t model_events_by(const struct model_process *p, const struct model_thread *t, uint64_t ns)
{
	return (uint32_t)array_before(p->events + t->events_first, t->events_count, sizeof(*p->events),
				      ended_by, &ns);
}
