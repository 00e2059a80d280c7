/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `mutrace hang` as JSON, for tools: man/mutrace-hang.1 describes it. What is unknown is left out. Runs in mutrace. */
#include "src/render/inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#define TEXT_MAX 16384

/* Sets a member; jansson's setters refuse the NULL that no memory gives. */
static void set(json_t *object, const char *key, json_t *value, int *error)
{
	if (json_object_set_new_nocheck(object, key, value) < 0)
		*error = -ENOMEM;
}

static void append(json_t *array, json_t *value, int *error)
{
	if (json_array_append_new(array, value) < 0)
		*error = -ENOMEM;
}

static void set_text(json_t *object, const char *key, const char *text, int *error)
{
	char clean[TEXT_MAX];

	if (text)
		set(object, key, json_string_nocheck(clean_utf8(clean, sizeof(clean), text)), error);
}

static void set_address(json_t *object, const char *key, uint64_t address, int *error)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	set_text(object, key, text, error);
}

static json_t *stack_json(const struct report_stack *s, int *error)
{
	json_t *stack = json_array();

	for (size_t k = 0; stack && k < s->n; k++) {
		const struct report_frame *f = &s->frames[k];
		json_t *frame = json_object();

		set_address(frame, "address", f->address, error);
		set_text(frame, "function", f->function, error);
		set_text(frame, "file", f->file, error);
		if (f->line)
			set(frame, "line", json_integer(f->line), error);
		set_text(frame, "module", f->module, error);
		if (f->inlined)
			set(frame, "inlined", json_true(), error);
		append(stack, frame, error);
	}
	return stack;
}

static json_t *thread_json(const struct inspect_thread *t, int *error)
{
	json_t *thread = json_object();
	const char state[2] = { t->state, 0 };

	set(thread, "tid", json_integer(t->tid), error);
	set_text(thread, "name", t->name, error);
	set_text(thread, "state", t->state ? state : NULL, error);
	set_text(thread, "doing", t->doing, error);
	set(thread, "still", json_boolean(t->still), error);
	if (t->since_ns)
		set(thread, "asleep_ns", json_integer((json_int_t)t->since_ns), error);
	if (t->object != INSPECT_NONE) {
		set(thread, "waits_for", json_integer(t->object), error);
		set(thread, "timed", json_boolean(t->timed), error);
		if (t->timed && t->left_ns > 0)
			set(thread, "time_left_ns", json_integer(t->left_ns), error);
		if (t->to_write)
			set(thread, "to_write", json_true(), error);
	}
	if (t->stack)
		set(thread, "stack", stack_json(t->stack, error), error);
	if (t->cut)
		set(thread, "stack_cut", json_true(), error);
	return thread;
}

static json_t *object_json(const struct inspection *i, uint32_t number, int *error)
{
	static const char *const owners[] = {
		[OWNER_UNKNOWN] = "unknown", [OWNER_NOBODY] = "nobody",       [OWNER_THREAD] = "thread",
		[OWNER_GONE] = "ended",      [OWNER_ELSEWHERE] = "elsewhere", [OWNER_READERS] = "readers",
	};
	const struct inspect_object *o = &i->objects[number];
	json_t *object = json_object(), *waiters = json_array();

	set_text(object, "kind", inspect_kind_words[o->kind].json, error);
	set(object, "lock", json_boolean(o->lock), error);
	if (o->kind == INSPECT_FILE)
		set(object, "inode", json_integer((json_int_t)o->address), error);
	else
		set_address(object, "address", o->address, error);
	set_text(object, "name", o->name, error);
	set_text(object, "detail", o->detail, error);
	set_text(object, "file", o->file, error);
	if (o->line)
		set(object, "line", json_integer(o->line), error);
	if (o->refused)
		set(object, "refused", json_true(), error);
	set_text(object, "mutex", o->with, error);
	set_text(object, "holder", owners[o->owner], error);
	if (o->owner_tid &&
	    (o->owner == OWNER_THREAD || o->owner == OWNER_GONE || o->owner == OWNER_ELSEWHERE))
		set(object, "held_by", json_integer(o->owner_tid), error);
	set_text(object, "held_by_process", o->owner_process, error);
	if (o->owner == OWNER_READERS)
		set(object, "readers", json_integer(o->readers), error);
	if (o->wanted) {
		set(object, "arrived", json_integer(o->arrived), error);
		set(object, "wanted", json_integer(o->wanted), error);
	}
	for (size_t k = 0; k < i->n_threads; k++) {
		if (i->threads[k].object == number)
			append(waiters, json_integer(i->threads[k].tid), error);
	}
	set(object, "waiters", waiters, error);
	return object;
}

static json_t *circle_json(const struct inspection *i, const struct inspect_circle *c, int *error)
{
	json_t *circle = json_object(), *threads = json_array();

	for (size_t k = 0; k < c->n; k++)
		append(threads, json_integer(i->threads[c->threads[k]].tid), error);
	set(circle, "threads", threads, error);
	set(circle, "timed", json_boolean(c->timed), error);
	return circle;
}

int inspect_json(FILE *out, const struct inspection *i)
{
	json_t *top = json_object(), *threads = json_array(), *objects = json_array(),
	       *circles = json_array();
	int error = 0;

	set(top, "format", json_integer(1), &error);
	if (i->pid)
		set(top, "pid", json_integer(i->pid), &error);
	set_text(top, "core", i->core, &error);
	set_text(top, "program", i->program, &error);
	set(top, "stopped", json_integer((json_int_t)i->n_stopped), &error);
	set(top, "stopped_max_ns", json_integer((json_int_t)i->stopped_max_ns), &error);
	set(top, "all_wait", json_boolean(i->all_wait), &error);
	set_text(top, "note", i->note, &error);
	for (size_t k = 0; k < i->n_threads; k++)
		append(threads, thread_json(&i->threads[k], &error), &error);
	for (size_t k = 0; k < i->n_objects; k++)
		append(objects, object_json(i, (uint32_t)k, &error), &error);
	for (size_t k = 0; k < i->n_circles; k++)
		append(circles, circle_json(i, &i->circles[k], &error), &error);
	set(top, "deadlocks", circles, &error);
	set(top, "objects", objects, &error);
	set(top, "threads", threads, &error);
	if (error == 0 && json_dumpf(top, out, JSON_INDENT(1) | JSON_ENSURE_ASCII) < 0)
		error = -EIO;
	fputc('\n', out);
	json_decref(top);
	return error;
}
