/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Phrases of `mutrace hang`: threads, locks, holders, places. Runs in mutrace. Called by inspect_text.c. */
#include "src/render/inspect_words.h"

#include <inttypes.h>
#include <string.h>

#define SINCE_MIN_NS 2000000000u /* what is shorter is not told: the scheduler's clocks are not that good */

const struct inspect_object *inspect_object_of(const struct words *w, uint32_t thread)
{
	uint32_t object = w->i->threads[thread].object;

	return object == INSPECT_NONE ? NULL : &w->i->objects[object];
}

const char *inspect_thread_words(const struct words *w, char *out, uint32_t thread)
{
	return text_thread(out, (uint32_t)w->i->threads[thread].tid, w->i->threads[thread].name);
}

/* "accounts_lock (mutex, recursive)", "a mutex at 0x7f..." */
void inspect_object_print(const struct words *w, const struct inspect_object *o)
{
	const char *kind = inspect_kind_words[o->kind].text;
	char text[NAME_SIZE];
	FILE *f = w->t.f;

	if (o->kind == INSPECT_THREAD) {
		if (o->owner == OWNER_THREAD)
			fprintf(f, "the end of %s", inspect_thread_words(w, text, o->holder));
		else
			fprintf(f, "the end of thread %d", (int)o->owner_tid);
		return;
	}
	if (o->refused) {
		fputs("a priority-inheriting mutex (which one is not known; the kernel refused to close the "
		      "circle)",
		      f);
		return;
	}
	clean_text(text, 200, o->name ? o->name : "");
	if (o->kind == INSPECT_FILE)
		fprintf(f, "the %s lock on %s", o->detail, text);
	else if (o->name && strncmp(o->name, "0x", 2) != 0)
		fprintf(f, "%s (%s%s%s)", text, kind, o->detail ? ", " : "", o->detail ? o->detail : "");
	else if (o->name)
		fprintf(f, "a %s at %s%s%s%s", kind, text, o->detail ? " (" : "", o->detail ? o->detail : "",
			o->detail ? ")" : "");
	else
		fprintf(f, "a %s at 0x%" PRIx64 "%s%s%s", kind, o->address, o->detail ? " (" : "",
			o->detail ? o->detail : "", o->detail ? ")" : "");
	if (o->with) {
		clean_text(text, 200, o->with);
		fprintf(f, " with mutex %s", text);
	}
}

/* ", held by auditor (124)"; nothing where there is nothing to say. */
void inspect_owner_print(const struct words *w, const struct inspect_object *o)
{
	char text[NAME_SIZE];
	FILE *f = w->t.f;

	switch (o->owner) {
	case OWNER_THREAD:
		if (o->kind == INSPECT_THREAD)
			break;
		fprintf(f, ", %s %s", o->kind == INSPECT_ONCE ? "which is initialised by" : "held by",
			inspect_thread_words(w, text, o->holder));
		break;
	case OWNER_GONE:
		if (o->kind == INSPECT_THREAD)
			break;
		fprintf(f, ", held by thread %d, which %s", (int)o->owner_tid,
			w->i->core ? "is not in the core file" : "ended without releasing it");
		break;
	case OWNER_ELSEWHERE:
		clean_text(text, 100, o->owner_process ? o->owner_process : "");
		fprintf(f, ", held by %s %d%s%s%s",
			o->kind == INSPECT_FILE ? "process" : "another process, thread", (int)o->owner_tid,
			o->owner_process ? " (" : "", text, o->owner_process ? ")" : "");
		break;
	case OWNER_READERS:
		fprintf(f, ", held by %" PRIu32 " reader%s (a rwlock does not say which threads)", o->readers,
			o->readers == 1 ? "" : "s");
		break;
	case OWNER_NOBODY:
		if (o->lock)
			fputs(", which nobody holds", f);
		break;
	case OWNER_UNKNOWN:
		if (o->lock || (o->kind == INSPECT_FUTEX && !o->work))
			fputs(", its holder is not known", f);
		break;
	}
	if (o->wanted)
		fprintf(f, ", where %" PRIu32 " of %" PRIu32 " have arrived", o->arrived, o->wanted);
}

/* " (for about 12 s, with a time-out)" of threads that wait alike */
static void notes_print(const struct words *w, const struct group *g)
{
	const struct inspect_thread *first = &w->i->threads[g->threads[0]];
	char number[NUMBER_SIZE];
	const char *lead = " (";
	uint64_t since = 0;
	bool timed = true;

	for (size_t k = 0; k < g->n; k++) {
		const struct inspect_thread *t = &w->i->threads[g->threads[k]];

		if (t->since_ns > since)
			since = t->since_ns;
		timed = timed && t->timed;
	}
	if (since >= SINCE_MIN_NS) {
		fprintf(w->t.f, "%sfor about %" PRIu64 " s", lead, since / 1000000000u);
		lead = ", ";
	}
	if (timed && g->n == 1 && first->left_ns > 0) {
		fprintf(w->t.f, "%sat most %s more", lead, number_ns(number, (uint64_t)first->left_ns));
		lead = ", ";
	} else if (timed) {
		fprintf(w->t.f, "%swith a time-out", lead);
		lead = ", ";
	}
	if (first->object != INSPECT_NONE && !first->still) {
		fprintf(w->t.f, "%smoving on", lead);
		lead = ", ";
	}
	if (lead[0] == ',')
		fputc(')', w->t.f);
}

/* " at ..." and the end of the line, or lines of their own with -d. */
void inspect_stack_print(const struct words *w, const struct group *g)
{
	const struct inspect_thread *t = &w->i->threads[g->threads[0]];
	bool all = w->t.o->debug_info;

	if (all)
		notes_print(w, g);
	fputs(all ? "\n" : t->stack ? " at " : "", w->t.f);
	if (t->stack) {
		text_stack(&w->t, t->stack, "          ");
		if (t->cut && t->stack->n <= w->t.o->frames)
			fputs(all ? "          ...\n" : " < ..", w->t.f);
	}
	if (all)
		return;
	notes_print(w, g);
	fputc('\n', w->t.f);
}

void inspect_side_print(const struct words *w, const struct inspect_thread *t, const struct inspect_object *o)
{
	if (o->kind == INSPECT_RWLOCK)
		fputs(t->to_write ? " to write" : " to read", w->t.f);
}
