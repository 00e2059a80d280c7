/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See inspect.h: the steps of an inspection, one after another. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/proc.h"
#include "src/inspect/private.h"

#define TRIES 10 /* of a process that executes another program while it is looked at */

/* A circle is one only if nobody in it has moved since he was looked at: names may have taken long. */
static int circles_confirm(struct inspect_private *v)
{
	bool moved = false;
	int r = circles_find(v);

	for (size_t c = 0; r == 0 && c < v->i.n_circles; c++) {
		for (size_t k = 0; k < v->i.circles[c].n; k++) {
			uint32_t thread = v->i.circles[c].threads[k];

			if (v->i.objects[v->i.threads[thread].object].kind != INSPECT_SPIN &&
			    !look_again(v, thread)) {
				v->i.threads[thread].still = false;
				moved = true;
			}
		}
	}
	return r == 0 && moved ? circles_find(v) : r;
}

/* Nobody is left who could wake one of them, but for a signal. */
static bool all_wait(const struct inspect_private *v)
{
	for (size_t k = 0; k < v->i.n_threads; k++) {
		const struct inspect_thread *t = &v->i.threads[k];
		const struct inspect_object *o = t->object == INSPECT_NONE ? NULL : &v->i.objects[t->object];

		if (!o || !t->still || t->timed || o->shared || o->owner == OWNER_ELSEWHERE ||
		    o->kind == INSPECT_FILE || o->kind == INSPECT_SPIN)
			return false;
	}
	return true;
}

/* A hint for programs whose locks are not the C library's. */
static const char *note_of(const struct inspect_private *v)
{
	static const struct {
		const char *module, *text;
	} notes[] = {
		{ "/libjvm.so",
		  "Java's own locks show as conditions here; jstack, with the same number, names them." },
		{ "musl", "It uses musl, whose locks do not tell their owners in a way that is known here." },
	};
	const char *missing = naming_missing(v->naming);
	bool libc = false;

	if (missing)
		return missing;
	for (size_t i = 0; i < v->target->n_modules; i++) {
		const char *path = v->target->modules[i].path;

		for (size_t k = 0; k < sizeof(notes) / sizeof(notes[0]); k++) {
			if (strstr(path, notes[k].module))
				return notes[k].text;
		}
		libc = libc || strstr(path, "/libc.so") || strstr(path, "/libc-2");
	}
	return libc ? NULL : "It is linked statically; only what its symbols tell is known of its locks.";
}

static int inspect_once(pid_t pid, const char *core, const struct report_options *o, struct inspection **ret,
			char error[INSPECT_ERROR_SIZE])
{
	struct inspect_private *v = calloc(1, sizeof(*v));
	int r;

	if (!v) {
		strcpy(error, "out of memory");
		return -ENOMEM;
	}
	r = core ? core_open(core, o->sysroot, &v->target, error) : process_open(pid, &v->target, error);
	if (r < 0) {
		inspect_free(&v->i);
		return r;
	}
	v->i.pid = v->target->pid;
	v->i.core = core;
	v->i.program = v->target->program;
	r = naming_new(v->target, o, &v->naming);
	if (r == 0)
		r = unwinder_new(v->target, &v->unwinder);
	if (r == 0)
		r = look_threads(v);
	if (r == 0)
		r = objects_find(v);
	if (r == 0)
		r = circles_confirm(v);
	if (r == 0 && !target_same(v->target))
		r = -ESRCH;
	if (r < 0) {
		snprintf(error, INSPECT_ERROR_SIZE,
			 r == -ESRCH || r == -ENOENT
				 ? "process %d has ended or executed another program meanwhile"
				 : "process %d: %s",
			 (int)v->target->pid, strerror(-r));
		inspect_free(&v->i);
		return r;
	}
	v->i.all_wait = all_wait(v);
	v->i.note = note_of(v);
	*ret = &v->i;
	return 0;
}

int inspect_run(pid_t pid, const char *core, const struct report_options *o, struct inspection **ret,
		char error[INSPECT_ERROR_SIZE])
{
	struct proc_stat stat;
	int r, tries = 0;

	do
		r = inspect_once(pid, core, o, ret, error);
	while ((r == -ESRCH || r == -ENOENT) && !core && ++tries < TRIES &&
	       proc_stat_read((uint32_t)pid, &stat) == 0 && !proc_ended(&stat));
	return r;
}

void inspect_free(struct inspection *i)
{
	struct inspect_private *v = (struct inspect_private *)i; /* its first member */

	if (!v)
		return;
	for (size_t k = 0; v->stacks && k < v->i.n_threads; k++)
		free(v->stacks[k]);
	free(v->stacks);
	stops_free(v->stops);
	unwinder_free(v->unwinder);
	naming_free(v->naming);
	target_close(v->target);
	pool_free(&v->pool);
	free(v);
}
