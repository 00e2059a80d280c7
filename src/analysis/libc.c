/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The C library's own locks. Their stacks begin inside the library: of its frames the outermost stays, the function
 * that the program called, by the name that its manual has. Their names do not depend on whether the library's debug
 * information is there. Runs in mutrace. Called by symbols.c and identity.c.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "src/analysis/private.h"

int libc_open(struct report_private *v)
{
	v->n_libc_stacks = v->model->n_nodes;
	v->libc_stacks = calloc(v->n_libc_stacks + 1, sizeof(*v->libc_stacks));
	if (!v->libc_stacks)
		return -ENOMEM;
	for (size_t i = 0; i < v->model->n_processes; i++) {
		const struct model_process *p = &v->model->processes[i];

		for (size_t k = 0; k < p->n_locks; k++)
			if (kind_has(p->locks[k].kind, TRAIT_LIBC) && p->locks[k].first_stack != MODEL_NONE)
				v->libc_stacks[p->locks[k].first_stack] = true;
		for (size_t k = 0; k < p->n_cells; k++)
			if (kind_has(p->locks[p->cells[k].lock].kind, TRAIT_LIBC) &&
			    p->cells[k].stack != MODEL_NONE)
				v->libc_stacks[p->cells[k].stack] = true;
		for (size_t k = 0; k < p->n_edges; k++) {
			const struct model_edge *e = &p->edges[k];

			if (!kind_has(p->locks[e->lock].kind, TRAIT_LIBC))
				continue;
			if (e->wait_stack != MODEL_NONE)
				v->libc_stacks[e->wait_stack] = true;
			if (e->hold_stack != MODEL_NONE)
				v->libc_stacks[e->hold_stack] = true;
		}
	}
	return 0;
}

static bool of_library(const struct report_frame *f)
{
	static const char *const files[] = { "libc.so", "libc-2", "ld-linux", "ld-2", "libpthread" };
	const char *file = f->module ? path_name(f->module) : "";

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strncmp(file, files[i], strlen(files[i])) == 0)
			return true;
	return false;
}

/* The function in which a thread starts is not called by the program. */
static bool starts(const struct report_frame *f)
{
	return f->function && (strstr(f->function, "clone") || strcmp(f->function, "start_thread") == 0 ||
			       strstr(f->function, "libc_start"));
}

/* "malloc" for "__GI___libc_malloc", "fputs" for "_IO_fputs", "printf" for "__printf_chk". */
static const char *known_name(struct report_private *v, const char *function)
{
	static const char *const prefixes[] = { "__GI_", "_IO_", "__libc_", "_" };
	size_t length;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]);) {
		size_t n = strlen(prefixes[i]);

		/* "__cxa_atexit" is called so */
		if (strncmp(function, "__cxa_", 6) == 0 || strncmp(function, "__tls_", 6) == 0)
			break;
		if (strncmp(function, prefixes[i], n) == 0 && function[n]) {
			function += n;
			i = 0;
		} else {
			i++;
		}
	}
	length = helper_name_length(function);
	if (length > 4 && strncmp(function + length - 4, "_chk", 4) == 0)
		length -= 4;
	return pool_copy(&v->pool, function, length);
}

int libc_trim(struct report_private *v, uint32_t stack, const struct report_frame **frames, size_t *first,
	      size_t n)
{
	size_t i = *first;
	struct report_frame *shown;
	const char *name;

	/* stacks that the report itself puts together come later, and are of other locks */
	if (stack >= v->n_libc_stacks || !v->libc_stacks[stack] || i >= n || !of_library(frames[i]))
		return 0;
	while (i + 1 < n && of_library(frames[i + 1]) && !starts(frames[i + 1]))
		i++;
	*first = i;
	if (!frames[i]->function)
		return 0;
	shown = pool_take(&v->pool, sizeof(*shown));
	name = shown ? known_name(v, frames[i]->function) : NULL;
	if (!name || !(name = strings_intern(&v->strings, name)))
		return -ENOMEM;
	/* where in the function it was is of no use */
	*shown = (struct report_frame){ .address = frames[i]->address,
					.function = name,
					.module = frames[i]->module };
	frames[i] = shown;
	return 0;
}

/* Purposes of locks, by the functions that wait for them. Patterns of fnmatch(). */
static const struct {
	const char *function, *name;
} purposes[] = {
	{ "*alloc*", "malloc's list of arenas" },
	{ "free*", "malloc's list of arenas" },
	{ "localtime*", "time zone lock" },
	{ "gmtime*", "time zone lock" },
	{ "mktime", "time zone lock" },
	{ "timelocal", "time zone lock" },
	{ "strftime*", "time zone lock" },
	{ "ctime*", "time zone lock" },
	{ "tzset", "time zone lock" },
	{ "dl*", "loader's lock" },
	{ "__tls_*", "loader's lock" },
	{ "tls_*", "loader's lock" },
	{ "*random*", "random()'s lock" },
	{ "rand", "random()'s lock" },
	{ "srand", "random()'s lock" },
	{ "*atexit*", "exit handlers' lock" },
	{ "exit", "exit handlers' lock" },
	{ "__cxa_finalize", "exit handlers' lock" },
	{ "pthread_*", "thread list's lock" },
	{ "start_thread", "thread list's lock" },
	{ "*env", "environment's lock" },
	{ "*syslog", "syslog's lock" },
	{ "openlog", "syslog's lock" },
	{ "closelog", "syslog's lock" },
	{ "*locale*", "locale's lock" },
	{ "*gettext", "gettext's lock" },
	{ "iconv*", "iconv's lock" },
	{ "fork", "fork()'s lock" },
	{ "getaddrinfo*", "resolver's lock" },
	{ "gethost*", "resolver's lock" },
	{ "getnameinfo", "resolver's lock" },
	{ "res_*", "resolver's lock" },
	{ "get*ent*", "name services' lock" },
	{ "get*name*", "name services' lock" },
	{ "get*id*", "name services' lock" },
	{ "f*", "list of FILEs" },
	{ "*printf", "list of FILEs" },
	{ "*close*", "list of FILEs" },
	{ "popen", "list of child processes" },
};

static const char *purpose(struct report_private *v, const struct model_lock *l)
{
	const struct report_stack *s = symbols_stack(v, l->first_stack);
	const char *function = s ? s->frames[0].function : NULL;

	for (size_t i = 0; function && i < sizeof(purposes) / sizeof(purposes[0]); i++)
		if (fnmatch(purposes[i].function, function, 0) == 0)
			return purposes[i].name;
	return function ? pool_printf(&v->pool, "lock of %s()", function) : "lock of the C library";
}

/* "/var/log/x.log", or "descriptor 5 (pipe)" where it is no file; NULL: not known. */
static const char *file_name(struct report_private *v, const struct model_lock *l)
{
	const char *bracket;

	if (!l->label || !l->label->path[0] || l->label->fd == LOCK_LABEL_NAME)
		return NULL;
	bracket = strstr(l->label->path, ":[");
	if (bracket)
		return pool_printf(&v->pool, "descriptor %d (%.*s)", l->label->fd,
				   (int)(bracket - l->label->path), l->label->path);
	return l->label->path;
}

/* Numbers in a file's name are another each time. */
static const char *file_identity(struct report_private *v, const char *name)
{
	char *text = pool_printf(&v->pool, "FILE:%s", name), *to = text;

	for (const char *from = text; text && *from; from++)
		if (*from < '0' || *from > '9')
			*to++ = *from;
		else if (to == text || to[-1] != '#')
			*to++ = '#';
	if (text)
		*to = 0;
	return text;
}

static const char *name_of(struct report_private *v, const struct model_lock *l, const char **ret_identity)
{
	static const char *const standard[] = { "stdin", "stdout", "stderr" };
	const char *name = NULL;

	switch (l->kind) {
	case KIND_ARENA: name = l->type == LIBC_MAIN_ARENA ? "main arena" : "thread arena"; break;
	case KIND_FILE:
	case KIND_FLOCKFILE:
		if (l->type >= LIBC_STDIN && l->type <= LIBC_STDERR) {
			name = standard[l->type - LIBC_STDIN];
			break;
		}
		name = file_name(v, l);
		*ret_identity = name ? file_identity(v, name) : NULL;
		return name;
	default: name = purpose(v, l); break;
	}
	*ret_identity = name ? pool_printf(&v->pool, "%s:libc.so:%s", kind_name(l->kind), name) : NULL;
	return name;
}

int libc_lock_name(struct report_private *v, const struct model_lock *l, struct lock_name *ret)
{
	const char *identity = NULL, *name;

	if (!kind_has(l->kind, TRAIT_LIBC))
		return -ENOENT;
	name = name_of(v, l, &identity);
	if (!name)
		return -ENOENT;
	*ret = (struct lock_name){ .name = strings_intern(&v->strings, name),
				   .identity = identity ? strings_intern(&v->strings, identity) : NULL,
				   .named_by = NAMED_BY_PURPOSE };
	return ret->name && ret->identity ? 0 : -ENOMEM;
}

enum libc_locks report_libc_locks(const struct report_process *e)
{
	enum libc_locks state = e->first->libc_locks;

	for (size_t i = 0; i < e->n_processes; i++)
		if (e->processes[i]->libc_locks != LIBC_LOCKS_SEEN && state <= LIBC_LOCKS_SEEN)
			state = e->processes[i]->libc_locks;
	return state;
}
