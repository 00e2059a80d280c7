/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The things that threads wait for, each once, with their names and holders; and what each thread does, in words. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "src/inspect/calls.h"
#include "src/inspect/private.h"
#include "src/inspect/waits.h"

const struct inspect_kind_words inspect_kind_words[] = {
#define X(id, json, text, lock) { json, text, lock },
	INSPECT_KINDS(X)
#undef X
};

static const char *copy(struct inspect_private *v, const char *text)
{
	return text && text[0] ? pool_copy(&v->pool, text, strlen(text)) : NULL;
}

/* The thread of the process with this number, as the process knows it. */
static uint32_t thread_by(const struct target *t, pid_t ns_tid)
{
	for (uint32_t i = 0; i < t->n_threads; i++) {
		if (t->threads[i].ns_tid == ns_tid)
			return i;
	}
	return INSPECT_NONE;
}

/* Its place, if it has no name. */
static const char *place_words(struct inspect_private *v, uint64_t address)
{
	const struct target *t = v->target;
	const struct mapping *m = target_mapping(t, address);

	for (size_t i = 0; m && i < t->n_threads; i++) {
		const struct target_thread *thread = &t->threads[i];

		if ((thread->asleep || thread->have_all) && target_mapping(t, thread->sp) == m &&
		    address >= thread->sp && address - thread->sp < (8u << 20))
			return pool_printf(&v->pool, "0x%" PRIx64 " on the stack of thread %d", address,
					   (int)thread->tid);
	}
	return NULL;
}

static void owner_set(struct inspect_private *v, struct inspect_object *o, const struct wait_found *f)
{
	char name[64];

	o->owner = f->owner;
	o->owner_tid = f->owner_tid;
	o->readers = f->readers;
	if (o->owner == OWNER_THREAD) {
		o->holder = thread_by(v->target, f->owner_tid);
		if (o->holder != INSPECT_NONE)
			o->owner_tid = v->target->threads[o->holder].tid;
		else
			o->owner = f->shared ? OWNER_ELSEWHERE : OWNER_GONE;
	}
	if (o->owner != OWNER_ELSEWHERE || v->target->core)
		return;
	if (call_process_name(o->owner_tid, name, sizeof(name)))
		o->owner_process = copy(v, name);
	else if (o->kind == INSPECT_MUTEX)
		o->owner = OWNER_GONE;
}

/* True if the innermost frame of the user's is in it. */
static bool in_function(const struct inspect_private *v, uint32_t thread, const char *function)
{
	const struct report_stack *s = v->i.threads[thread].stack;

	return s && s->frames[0].function && strcmp(s->frames[0].function, function) == 0;
}

/* The object of a wait, new or known. INSPECT_NONE without memory. */
static uint32_t object_of(struct inspect_private *v, uint32_t waiter, const struct wait_found *f,
			  const char *path)
{
	struct inspection *i = &v->i;
	struct inspect_object *o;

	for (uint32_t k = 0; k < i->n_objects; k++) {
		o = &i->objects[k];
		if (o->kind != f->kind || o->address != f->address)
			continue;
		if (o->owner == OWNER_UNKNOWN || o->owner == OWNER_NOBODY)
			owner_set(v, o, f);
		return k;
	}
	o = &i->objects[i->n_objects];
	*o = (struct inspect_object){
		.kind = f->kind,
		.lock = inspect_kind_words[f->kind].lock || f->role == FUTEX_ROLE_LOCK,
		.work = f->role == FUTEX_ROLE_WORK,
		.address = f->address,
		.holder = INSPECT_NONE,
		.detail = copy(v, f->detail),
		.arrived = f->arrived,
		.wanted = f->wanted,
		.shared = f->shared,
	};
	o->refused = f->refused;
	owner_set(v, o, f);
	if (f->kind == INSPECT_FILE) {
		o->name = path;
	} else if (f->kind != INSPECT_THREAD && !f->refused) {
		o->name = naming_variable(v->naming, f->address, &o->file, &o->line);
		if (!o->name)
			o->name = place_words(v, f->address);
	}
	if (f->kind == INSPECT_COND && in_function(v, waiter, "take_gil"))
		o->name = "Python's GIL";
	if (f->mutex) {
		o->with = naming_variable(v->naming, f->mutex, NULL, NULL);
		if (!o->with)
			o->with = pool_printf(&v->pool, "0x%" PRIx64, f->mutex);
	}
	return (uint32_t)i->n_objects++;
}

static void thread_fill(struct inspect_private *v, uint32_t k)
{
	const struct target_thread *from = &v->target->threads[k];
	struct inspect_thread *t = &v->i.threads[k];
	const struct unwound *u = v->stacks[k];

	t->tid = from->tid;
	t->name = copy(v, from->name);
	t->state = from->state;
	t->object = INSPECT_NONE;
	t->circle = INSPECT_NONE;
	t->left_ns = INT64_MIN;
	if (u) {
		t->stack = naming_stack(v->naming, u);
		t->cut = u->incomplete;
	}
	if (t->still && !v->target->core)
		t->since_ns = process_thread_asleep_ns(v->target, from->tid);
}

/*
 * The call that a thread sleeps in. One with a time-out that was interrupted, say by a debugger, goes on as another: then
 * the C library's function tells. NULL: nobody knows.
 */
static const char *call_of(struct inspect_private *v, uint32_t k)
{
	const struct target_thread *from = &v->target->threads[k];
	const struct unwound *u = v->stacks[k];
	const char *function = NULL;

	if (!from->asleep || from->call.number < 0)
		return NULL;
	if (from->call.number == SYS_restart_syscall && u && u->n && naming_libc(v->target, u->pc[0]))
		function = naming_function(v->naming, u, 0);
	if (!function)
		return call_words(v->target, &from->call, &v->pool);
	function += strncmp(function, "__GI_", 5) == 0 ? 5 : 0; /* the library's own name for it */
	return copy(v, function + strspn(function, "_"));
}

static void doing_set(struct inspect_private *v, uint32_t k)
{
	const struct target_thread *from = &v->target->threads[k];
	struct inspect_thread *t = &v->i.threads[k];
	const char *call = call_of(v, k);

	switch (from->state) {
	case 'Z':
	case 'X': t->doing = "ended"; return;
	case 'T':
		t->doing = call ? pool_printf(&v->pool, "stopped by a signal in %s", call)
				: "stopped by a signal";
		return;
	case 't':
		t->doing = call ? pool_printf(&v->pool, "stopped by a debugger in %s", call)
				: "stopped by a debugger";
		return;
	default: break;
	}
	if (call)
		t->doing = pool_printf(&v->pool, v->target->core ? "in %s" : "asleep in %s", call);
	else
		t->doing = v->target->core || from->state == 'R' ? "running" : "asleep in the kernel";
}

/* Others may be inside the initialisation that is waited for. Nobody gets past it meanwhile. */
static void initialiser_find(struct inspect_private *v, uint32_t waiter)
{
	struct inspect_object *o = &v->i.objects[v->i.threads[waiter].object];
	const char *function = wait_static(v->naming, v->stacks[waiter]);

	for (uint32_t k = 0; k < v->i.n_threads && o->owner == OWNER_UNKNOWN; k++) {
		const struct unwound *u = v->stacks[k];

		if (!u || v->i.threads[k].object == v->i.threads[waiter].object ||
		    !(function ? wait_inside(v->naming, u, function)
			       : wait_initialises(v->target, v->naming, u, o->address)))
			continue;
		o->owner = OWNER_THREAD;
		o->holder = k;
		o->owner_tid = v->i.threads[k].tid;
	}
}

/* The kernel saw that the holder waits for this thread, directly or not. If one thread does, it is the one; if none
 * does, the thread had the mutex itself. */
static void refused_resolve(struct inspect_private *v, uint32_t thread)
{
	struct inspect_object *o = &v->i.objects[v->i.threads[thread].object];
	uint32_t found = thread, at;
	size_t n = 0;

	for (uint32_t k = 0; k < v->i.n_threads; k++) {
		size_t steps = 0;

		for (at = k; at != INSPECT_NONE && at != thread && steps < v->i.n_threads; steps++)
			at = inspect_next(&v->i, at);
		if (k == thread || at != thread ||
		    v->i.objects[v->i.threads[k].object].kind == INSPECT_THREAD)
			continue;
		found = k;
		n++;
	}
	if (n > 1)
		return;
	o->owner = OWNER_THREAD;
	o->holder = found;
	o->owner_tid = v->i.threads[found].tid;
}

static bool wait_of(struct inspect_private *v, uint32_t k, struct wait_found *f, const char **ret_path)
{
	const struct target_thread *from = &v->target->threads[k];
	static const struct unwound nothing;

	if (!wait_find(v->target, v->naming, from, v->stacks[k] ? v->stacks[k] : &nothing, f))
		return from->asleep && call_file_lock(v->target, &from->call, &v->pool, f, ret_path);
	return true;
}

int objects_find(struct inspect_private *v)
{
	struct inspection *i = &v->i;
	const char *path = NULL;
	struct inspect_object *o;
	struct wait_found f;

	i->objects = pool_take(&v->pool, (i->n_threads + 1) * sizeof(*i->objects));
	if (!i->objects)
		return -ENOMEM;
	for (uint32_t k = 0; k < i->n_threads; k++) {
		if (v->stacks[k])
			naming_want(v->naming, v->stacks[k]);
	}
	naming_all(v->naming);
	for (uint32_t k = 0; k < i->n_threads; k++) {
		thread_fill(v, k);
		doing_set(v, k);
		if (!wait_of(v, k, &f, &path))
			continue;
		i->threads[k].object = object_of(v, k, &f, path);
		/* read a moment later: it has got it meanwhile */
		o = &i->objects[i->threads[k].object];
		if (!i->threads[k].still && o->owner == OWNER_THREAD && o->holder == k)
			o->owner = OWNER_NOBODY;
		i->threads[k].to_write = f.to_write;
		i->threads[k].timed = f.timed;
		i->threads[k].left_ns = f.left_ns;
		if (f.kind == INSPECT_SPIN)
			i->threads[k].still = true; /* it runs, and yet does not go on */
	}
	for (uint32_t k = 0; k < i->n_threads; k++) {
		if (i->threads[k].object != INSPECT_NONE &&
		    i->objects[i->threads[k].object].kind == INSPECT_ONCE)
			initialiser_find(v, k);
		if (i->threads[k].object != INSPECT_NONE && i->objects[i->threads[k].object].refused)
			refused_resolve(v, k);
	}
	return 0;
}
