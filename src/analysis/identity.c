/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names and identities of locks. The name is for people; the identity is the same in the next run and in the
 * next build: module, file and variable, or kind and functions of the place where the lock was made
 * or is used. Line numbers and addresses stay out of it; two places in one function are told apart by their
 * order. Runs in mutrace. Called by rows.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/identity.h"

#define CHAIN_FRAMES 6 /* functions that make an identity: outer ones change for reasons of their own */

struct place {
	const struct report_stack *stack;
	const char *chain; /* interned */
	const char *identity, *name;
	enum named_by named_by;
	uint32_t build; /* module of the program: places of different builds are numbered each for itself */
};

struct identities {
	struct report_private *v;
	struct table numbers; /* (stack, kind and way of naming) -> place */
	struct place *places;
	size_t n, capacity;
	bool numbered;
};

int identities_new(struct report_private *v, struct identities **ret)
{
	struct identities *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->v = v;
	*ret = n;
	return 0;
}

void identities_free(struct identities *n)
{
	if (!n)
		return;
	table_free(&n->numbers);
	free(n->places);
	free(n);
}

/* Of "libx.so.1.2" the version does not belong to the identity. */
static int module_length(const char *module)
{
	const char *so = strstr(module, ".so.");

	return so ? (int)(so - module) + 3 : (int)strlen(module);
}

/* kind:module:@f<g<h, with ~ for @ where the lock was only seen to be used */
static const char *chain_make(struct report_private *v, const struct report_stack *s, enum lock_kind kind,
			      enum named_by by)
{
	const char *module = s->frames[0].module ? path_name(s->frames[0].module) : "?";
	char *text = NULL;
	const char *r;
	size_t size, i;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	fprintf(f, "%s:%.*s:%c", kind_name(kind), module_length(module), module,
		by == NAMED_BY_CREATION ? '@' : '~');
	for (i = 0; i < s->n && i < CHAIN_FRAMES; i++) {
		const struct report_frame *frame = &s->frames[i];

		if (i)
			fputc('<', f);
		if (frame->function)
			fprintf(f, "%.*s", (int)helper_name_length(frame->function), frame->function);
		else if (frame->module)
			fprintf(f, "%s+0x%llx", path_name(frame->module), (unsigned long long)frame->offset);
		else
			fputs("?", f);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	r = strings_intern(&v->strings, text);
	free(text);
	return r;
}

static const char *place_name(struct report_private *v, const struct report_frame *f)
{
	int n = f->function ? (int)report_function_length(f->function) : 0;
	const char *known = known_place(f);

	if (known)
		return known;
	if (f->function && f->line)
		return pool_printf(&v->pool, "%.*s %s:%u", n, f->function, path_name(f->file), f->line);
	if (f->module && f->function)
		return pool_printf(&v->pool, "%.*s (%s+0x%llx)", n, f->function, path_name(f->module),
				   (unsigned long long)f->offset);
	if (f->module)
		return pool_printf(&v->pool, "%s+0x%llx", path_name(f->module),
				   (unsigned long long)f->offset);
	return pool_printf(&v->pool, "0x%llx", (unsigned long long)f->address);
}

static uint64_t site_of(const struct place *p)
{
	const struct report_frame *f = &p->stack->frames[0];

	return f->line ? f->line : f->offset;
}

/* The number of a place; MODEL_NONE if the stack is not known. */
static int place_find(struct identities *n, uint32_t build, enum lock_kind kind, enum named_by by,
		      uint32_t stack, uint32_t *ret)
{
	const struct report_stack *s = symbols_stack(n->v, stack);
	uint64_t key = (uint64_t)build << 32 | (uint64_t)kind << 8 | by;
	struct place *place;

	*ret = s ? table_get(&n->numbers, (uintptr_t)s, key) : MODEL_NONE;
	if (!s || *ret != TABLE_NONE)
		return 0;
	if (array_grow(&n->places, n->n, &n->capacity, sizeof(*n->places)) < 0 ||
	    table_put(&n->numbers, (uintptr_t)s, key, (uint32_t)n->n) < 0)
		return -ENOMEM;
	*ret = (uint32_t)n->n++;
	place = &n->places[*ret];
	*place = (struct place){ .stack = s, .named_by = by, .build = build };
	place->chain = chain_make(n->v, s, kind, by);
	place->name = place_name(n->v, &s->frames[0]);
	return place->chain && place->name ? 0 : -ENOMEM;
}

/* The module of the program itself. */
static uint32_t build_of(const struct model_process *p)
{
	size_t i;

	for (i = 0; i < p->n_mappings; i++)
		if (p->mappings[i].main)
			return p->mappings[i].module;
	return MODEL_NONE;
}

/* Chains in the order of the alphabet, places of one chain by their site. */
static bool place_before(const struct place *x, const struct place *y)
{
	int order = x->chain == y->chain ? 0 : strcmp(x->chain, y->chain);

	return order < 0 || (order == 0 && site_of(x) < site_of(y));
}

/*
 * A lock that was initialised by call is known by that place. Of one that was not, the places of use are
 * known, and which of them came first is a matter of chance where threads race: the first one in the
 * alphabet is the same in each run.
 */
int identities_places(struct identities *n, const struct model_process *p, uint32_t *ret_places)
{
	uint32_t place, *best = ret_places, build = build_of(p);
	size_t i;
	int r;

	for (i = 0; i < p->n_locks; i++) {
		const struct model_lock *l = &p->locks[i];
		bool created = l->created_stack != MODEL_NONE;

		best[i] = MODEL_NONE;
		if (l->kind == 0)
			continue;
		r = place_find(n, build, l->kind, created ? NAMED_BY_CREATION : NAMED_BY_FIRST_USE,
			       created ? l->created_stack : l->first_stack, &best[i]);
		if (r < 0)
			return r;
	}
	for (i = 0; i < p->n_cells; i++) {
		const struct model_cell *c = &p->cells[i];
		const struct model_lock *l = &p->locks[c->lock];

		if (l->created_stack != MODEL_NONE || c->stack == MODEL_NONE)
			continue;
		/* who only wakes does not use a lock */
		if (kind_has(l->kind, TRAIT_WAITS_ONLY) && c->contended == 0)
			continue;
		r = place_find(n, build, l->kind, NAMED_BY_FIRST_USE, c->stack, &place);
		if (r < 0)
			return r;
		if (place != MODEL_NONE && (best[c->lock] == MODEL_NONE ||
					    place_before(&n->places[place], &n->places[best[c->lock]])))
			best[c->lock] = place;
	}
	return 0;
}

static int place_compare(const void *a, const void *b)
{
	const struct place *x = *(const struct place *const *)a, *y = *(const struct place *const *)b;

	if (x->chain != y->chain)
		return x->chain < y->chain ? -1 : 1;
	if (x->build != y->build)
		return x->build < y->build ? -1 : 1;
	return site_of(x) < site_of(y) ? -1 : site_of(x) > site_of(y);
}

/* Places with the same functions but different innermost sites are the first, second, ... of the function. */
static int places_number(struct identities *n)
{
	struct place **sorted = malloc((n->n ? n->n : 1) * sizeof(*sorted));
	unsigned int ordinal = 1;
	size_t i;

	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < n->n; i++)
		sorted[i] = &n->places[i];
	qsort(sorted, n->n, sizeof(*sorted), place_compare);
	for (i = 0; i < n->n; i++) {
		struct place *p = sorted[i];

		if (i == 0 || sorted[i - 1]->chain != p->chain || sorted[i - 1]->build != p->build)
			ordinal = 1;
		else if (site_of(sorted[i - 1]) != site_of(p))
			ordinal++;
		p->identity = ordinal == 1 ? p->chain : pool_printf(&n->v->pool, "%s#%u", p->chain, ordinal);
		if (p->identity && ordinal > 1)
			p->identity = strings_intern(&n->v->strings, p->identity);
		if (!p->identity) {
			free(sorted);
			return -ENOMEM;
		}
	}
	free(sorted);
	n->numbered = true;
	return 0;
}

/* The name of a critical section, by that of the variable that compilers make for it. */
static const char *critical_name(struct report_private *v, const char *variable)
{
	static const char prefix[] = ".gomp_critical_user_";
	const char *end, *name = variable + sizeof(prefix) - 1;

	if (strncmp(variable, prefix, sizeof(prefix) - 1) != 0)
		return variable;
	end = strstr(name, ".var"); /* clang's */
	return end == name ? "critical" : end ? pool_printf(&v->pool, "%.*s", (int)(end - name), name) : name;
}

/* As JSON and text have it: the variable, with the part of it that the lock is. */
static const char *part_name(struct report_private *v, const struct model_process *p,
			     const struct model_lock *l, const char *name, uint64_t offset)
{
	const char *known = known_lock(p, l, name), *part = NULL;
	uint64_t size = 0, element = known_lock_size(p, l->kind);

	if (known)
		return known;
	if (symbols_variable_part(v, p, l->address, &part, &size) == 0 && part)
		return pool_printf(&v->pool, "%s%s", name, part);
	/* Without debug information: three or more locks of one size are an array. */
	if (element && size >= 3 * element && size % element == 0 && offset % element == 0)
		return pool_printf(&v->pool, "%s[%llu]", name, (unsigned long long)(offset / element));
	return offset ? pool_printf(&v->pool, "%s+0x%llx", name, (unsigned long long)offset)
		      : strings_intern(&v->strings, name);
}

static int variable_name(struct identities *n, const struct model_process *p, const struct model_lock *l,
			 struct lock_name *ret)
{
	struct report_private *v = n->v;
	const struct model_module *m;
	const char *name, *file = NULL;
	unsigned int line = 0;
	char plus[24] = "", *identity;
	uint64_t offset = 0;
	uint32_t module;
	int r;

	if (l->flags & LOCK_STACK)
		return -ENOENT;
	r = symbols_variable(v, p, l->address, &module, &name, &offset, &file, &line);
	if (r < 0 || (name && known_pool(name)))
		return -ENOENT;
	if (name && l->kind == KIND_OMP_CRITICAL)
		name = critical_name(v, name);
	if (!name)
		return -ENOMEM;
	m = &v->model->modules[module];
	if (offset)
		snprintf(plus, sizeof(plus), "+0x%llx", (unsigned long long)offset);
	identity = pool_printf(&v->pool, "%s:%.*s:%s%s%s%s", kind_name(l->kind), module_length(m->name),
			       m->name, file ? path_name(file) : "", file ? ":" : "", name, plus);
	ret->name = part_name(v, p, l, name, offset);
	ret->identity = identity ? strings_intern(&v->strings, identity) : NULL;
	ret->file = file ? strings_intern(&v->strings, file) : NULL;
	ret->line = line;
	ret->module = m->path;
	ret->named_by = NAMED_BY_VARIABLE;
	return ret->name && ret->identity ? 0 : -ENOMEM;
}

/* The name that the program gave it. */
static int given_name(struct report_private *v, const struct model_process *p, const struct model_lock *l,
		      struct lock_name *ret)
{
	const char *program = path_name(p->program);
	char *identity;

	if (!l->label || l->label->fd != LOCK_LABEL_NAME || !l->label->path[0])
		return -ENOENT;
	identity = pool_printf(&v->pool, "%s:%.*s:\"%s\"", kind_name(l->kind), module_length(program),
			       program, l->label->path);
	ret->name = l->label->path;
	ret->identity = identity ? strings_intern(&v->strings, identity) : NULL;
	ret->named_by = NAMED_BY_PROGRAM;
	return ret->identity ? 0 : -ENOMEM;
}

int identities_name(struct identities *n, const struct model_process *p, const struct model_lock *l,
		    uint32_t number, struct lock_name *ret)
{
	const struct place *place;
	char *text;
	int r;

	if (!n->numbered) {
		r = places_number(n);
		if (r < 0)
			return r;
	}
	memset(ret, 0, sizeof(*ret));
	r = given_name(n->v, p, l, ret);
	if (r == -ENOENT)
		r = libc_lock_name(n->v, l, ret);
	if (r == -ENOENT && !kind_has(l->kind, TRAIT_LIBC))
		r = variable_name(n, p, l, ret);
	if (r != -ENOENT)
		return r;
	if (number != MODEL_NONE) {
		place = &n->places[number];
		ret->identity = place->identity;
		ret->name = place->name;
		ret->module = place->stack->frames[0].module;
		ret->file = place->stack->frames[0].file;
		ret->line = place->stack->frames[0].line;
		ret->named_by = place->named_by;
		ret->place = place->stack;
		return 0;
	}
	text = pool_printf(&n->v->pool, "0x%llx", (unsigned long long)l->address);
	if (!text)
		return -ENOMEM;
	ret->name = text;
	text = pool_printf(&n->v->pool, "%s:%s", kind_name(l->kind), text);
	ret->identity = text ? strings_intern(&n->v->strings, text) : NULL;
	ret->named_by = NAMED_BY_ADDRESS;
	return ret->identity ? 0 : -ENOMEM;
}
