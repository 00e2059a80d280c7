/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Moments of --when-waiting, see moments.h: JSON objects from the session's files, of which nothing is trusted. Runs in
 * mutrace. Called by text.c and json.c.
 */
#include "src/render/moments.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/render/clean.h"
#include "src/render/number.h"

struct moment {
	json_t *whole;
	const char *lock, *text; /* text: NULL, it could not be looked at */
	uint64_t realtime_ns, wait_ns;
	unsigned int tid;
	bool deadlock;
};

static uint64_t count_of(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

/* The name that the report has for the lock at an address: the wait had ended when it was looked at. NULL: none, or several
 * locks were there one after another. */
static const char *name_at(const struct report_process *e, const char *address)
{
	uint64_t at = strtoull(address, NULL, 16);
	const struct report_row *found = NULL;

	for (size_t i = 0; i < e->n_processes; i++)
		for (uint32_t k = 0; k < e->processes[i]->n_locks; k++) {
			const struct report_row *row =
				e->processes[i]->locks[k].address == at ? report_row_of(e, i, k) : NULL;

			if (row && found && row != found)
				return NULL;
			found = row ? row : found;
		}
	return found ? found->label : NULL;
}

/* Reads one if it is of a process. */
static bool moment_of(const struct report_process *e, const char *text, struct moment *ret)
{
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	*ret = (struct moment){
		.whole = o,
		.lock = json_string_value(json_object_get(o, "lock")),
		.text = json_string_value(json_object_get(o, "text")),
		.realtime_ns = count_of(o, "realtime_ns"),
		.wait_ns = count_of(o, "wait_ns"),
		.tid = (unsigned int)count_of(o, "tid"),
		.deadlock = json_is_true(json_object_get(o, "deadlock")),
	};
	if (!ret->lock) {
		const char *address = json_string_value(json_object_get(o, "address"));

		ret->lock = address ? name_at(e, address) : NULL;
		ret->lock = ret->lock ? ret->lock : address;
	}
	if (ret->lock && count_of(o, "pid") == e->pid)
		return true;
	json_decref(o);
	return false;
}

/* The words of `mutrace hang`, line by line, each after some blanks. */
static void words_print(const struct text_out *t, const char *text)
{
	char line[1024], clean[1024];

	while (*text) {
		size_t length = strcspn(text, "\n"),
		       n = length < sizeof(line) - 1 ? length : sizeof(line) - 1;

		memcpy(line, text, n);
		line[n] = 0;
		clean_text(clean, sizeof(clean), line);
		fprintf(t->f, "    %s\n", clean);
		text += length + (text[length] == '\n');
	}
}

static void moment_print(const struct text_out *t, const struct moment *m)
{
	char when[32] = "", wait[NUMBER_SIZE], lock[256];
	time_t seconds = (time_t)(m->realtime_ns / 1000000000u);
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	fprintf(t->f, "  At %s.%03u thread %u had waited %s for ", when,
		(unsigned int)(m->realtime_ns / 1000000 % 1000), m->tid, number_ns(wait, m->wait_ns));
	clean_text(lock, sizeof(lock), m->lock);
	fprintf(t->f, "%s%s:\n", lock, m->deadlock ? ", in a deadlock" : "");
	words_print(t, m->text ? m->text : "(the process could not be looked at)");
}

void text_moments(const struct text_out *t, const struct report_process *e)
{
	bool any = false;

	for (size_t i = 0; i < e->n_moments; i++) {
		struct moment m;

		if (!moment_of(e, e->moments[i], &m))
			continue;
		if (!any) {
			fputc('\n', t->f);
			text_line(t, "all threads when a wait was long (--when-waiting):");
		}
		any = true;
		moment_print(t, &m);
		json_decref(m.whole);
	}
}

void json_moments(struct json_out *j, const struct report_process *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->n_moments; i++) {
		struct moment m;
		json_t *o, *hang;

		if (!moment_of(e, e->moments[i], &m))
			continue;
		o = json_object();
		hang = json_object_get(m.whole, "hang");
		json_set_count(j, o, "realtime_ns", m.realtime_ns);
		json_set_count(j, o, "tid", m.tid);
		json_set_count(j, o, "wait_ns", m.wait_ns);
		json_set(j, o, "lock", json_text(m.lock));
		json_set_bool(j, o, "deadlock", m.deadlock);
		if (json_is_object(hang))
			json_set(j, o, "hang", json_incref(hang));
		json_append(j, list, o);
		json_decref(m.whole);
	}
	if (json_array_size(list) != 0)
		json_emit(j, "moments", list);
	else
		json_decref(list);
}
