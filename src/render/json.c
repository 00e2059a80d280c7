/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON, for tools: the contract is report.schema.json beside this file. Values are made with jansson, one lock at a
 * time, so that a million locks need no more memory than one. Runs in mutrace. Called by report_run().
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "render/clean.h"
#include "render/render.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define TEXT_MAX 16384
#define DUMP_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY)

#define BUFFER_SIZE ((size_t)64 * 1024)

/* A json_t that failed to be made turns into an error at the end: jansson's setters refuse NULL. jansson writes in
 * pieces of a few bytes, which are collected here. */
struct json_out {
	FILE *f;
	int error;
	size_t used;
	char *buffer;
};

static void flush(struct json_out *j)
{
	if (j->used && fwrite(j->buffer, 1, j->used, j->f) != j->used && j->error == 0)
		j->error = errno ? -errno : -EIO;
	j->used = 0;
}

static int put(const char *bytes, size_t size, void *data)
{
	struct json_out *j = data;

	while (size > 0) {
		size_t n = BUFFER_SIZE - j->used < size ? BUFFER_SIZE - j->used : size;

		memcpy(j->buffer + j->used, bytes, n);
		j->used += n;
		bytes += n;
		size -= n;
		if (j->used == BUFFER_SIZE)
			flush(j);
	}
	return 0;
}

static void put_text(struct json_out *j, const char *text)
{
	put(text, strlen(text), j);
}

static json_t *text(const char *s)
{
	char clean[TEXT_MAX];

	return json_string_nocheck(clean_utf8(clean, sizeof(clean), s));
}

static json_t *count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static void set(struct json_out *j, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(object, key, value) < 0)
		j->error = -ENOMEM;
}

static void append(struct json_out *j, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		j->error = -ENOMEM;
}

static void set_count(struct json_out *j, json_t *object, const char *key, uint64_t n)
{
	set(j, object, key, count(n));
}

static void set_bool(struct json_out *j, json_t *object, const char *key, bool value)
{
	set(j, object, key, json_boolean(value));
}

static void set_hex(struct json_out *j, json_t *object, const char *key, uint64_t n)
{
	char hex[24];

	snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)n);
	set(j, object, key, json_string_nocheck(hex));
}

static json_t *frame(struct json_out *j, const struct report_frame *f)
{
	json_t *o = json_object();

	set_hex(j, o, "address", f->address);
	if (f->function)
		set(j, o, "function", text(f->function));
	if (f->file)
		set(j, o, "file", text(f->file));
	if (f->line)
		set_count(j, o, "line", f->line);
	if (f->module) {
		set(j, o, "module", text(f->module));
		set_hex(j, o, "offset", f->offset);
	}
	set_bool(j, o, "inlined", f->inlined);
	return o;
}

static json_t *stack(struct json_out *j, const struct report_stack *s)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; s && i < s->n; i++)
		append(j, a, frame(j, &s->frames[i]));
	return a;
}

static json_t *durations(struct json_out *j, const struct durations *d)
{
	json_t *o = json_object();

	set_count(j, o, "total", d->total_ns);
	set_count(j, o, "avg", durations_average(d));
	set_count(j, o, "max", d->max_ns);
	set_count(j, o, "p50", durations_percentile(d, 0.50));
	set_count(j, o, "p95", durations_percentile(d, 0.95));
	set_count(j, o, "p99", durations_percentile(d, 0.99));
	return o;
}

static bool held(enum lock_kind kind)
{
	return kind == KIND_MUTEX || kind == KIND_RWLOCK || kind == KIND_SPIN;
}

static void side(struct json_out *j, json_t *o, const struct report_row *row, enum lock_side which)
{
	const struct counters *c = &row->side[which];

#define X(member, json) set_count(j, o, json, c->member);
	COUNTERS(X)
#undef X
	set(j, o, "wait_ns", durations(j, &c->wait));
	if (held(row->kind))
		set(j, o, "hold_ns", durations(j, &c->hold));
	if (row->kind == KIND_SEM)
		set_count(j, o, "posts", c->posts);
}

static const char *side_name(enum lock_side s)
{
	return s == SIDE_SHARED ? "read" : "write";
}

static json_t *groups(struct json_out *j, const struct report_row *row, const struct report_group *g,
		      size_t n, const char *ns_name)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < n; i++) {
		json_t *o = json_object();

		set_count(j, o, "count", g[i].count);
		set_count(j, o, ns_name, g[i].ns);
		set_count(j, o, "max_ns", g[i].max_ns);
		if (row->kind == KIND_RWLOCK)
			set(j, o, "side", text(side_name(g[i].side)));
		set(j, o, "stack", stack(j, g[i].stack));
		append(j, a, o);
	}
	return a;
}

static json_t *waiting(struct json_out *j, const struct report_row *row)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < row->n_waiting; i++) {
		const struct report_wait *w = row->waiting[i];
		json_t *o = json_object();

		set_count(j, o, "tid", w->tid);
		if (w->thread_name)
			set(j, o, "thread", text(w->thread_name));
		set_count(j, o, "since_ns", w->since_ns);
		set_count(j, o, "waited_ns", w->waited_ns);
		if (w->held_by)
			set_count(j, o, "held_by", w->held_by);
		if (w->holder_ended)
			set_bool(j, o, "holder_ended", true);
		set(j, o, "stack", stack(j, w->stack));
		if (w->held_at)
			set(j, o, "held_at", stack(j, w->held_at));
		append(j, a, o);
	}
	return a;
}

static const char *mutex_type(uint8_t type)
{
	static const char *const names[] = { "normal", "recursive", "errorcheck", "adaptive" };

	return type < 4 ? names[type] : "unknown";
}

static const char *rwlock_type(uint8_t type)
{
	static const char *const names[] = { "prefer-reader", "prefer-writer", "prefer-writer-nonrecursive" };

	return type < 3 ? names[type] : "unknown";
}

static const char *protocol(uint8_t p)
{
	static const char *const names[] = { "none", "inherit", "protect" };

	return p < 3 ? names[p] : "unknown";
}

static const char *named_by(enum named_by by)
{
	static const char *const names[] = { "variable", "creation", "first-use", "address" };

	return names[by];
}

static void misuse(struct json_out *j, json_t *o, const struct report_row *row)
{
	static const struct {
		uint32_t state;
		const char *name;
	} kinds[] = {
		{ STATE_UNLOCK_NOT_HELD, "unlock-not-held" },
		{ STATE_DESTROY_HELD, "destroy-held" },
		{ STATE_DESTROY_WAITED, "destroy-waited" },
		{ STATE_RELOCK, "relock" },
		{ STATE_DESTROY_TWICE, "destroy-twice" },
		{ STATE_USE_AFTER_DESTROY, "use-after-destroy" },
		{ STATE_TWO_MUTEXES, "two-mutexes" },
	};
	json_t *a;
	size_t i;

	if (!(row->state & STATE_MISUSE))
		return;
	a = json_array();
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (row->state & kinds[i].state)
			append(j, a, text(kinds[i].name));
	}
	set(j, o, "misuse", a);
	set_count(j, o, "misuses", row->misuses);
	if (row->misused_at)
		set(j, o, "misused_at", stack(j, row->misused_at));
}

static void row_head(struct json_out *j, json_t *o, const struct report_row *row)
{
	set_count(j, o, "id", row->id);
	set_count(j, o, "rank", row->rank);
	set(j, o, "identity", text(row->identity));
	set(j, o, "name", text(row->name));
	set(j, o, "named_by", text(named_by(row->named_by)));
	if (row->module)
		set(j, o, "module", text(row->module));
	if (row->file)
		set(j, o, "file", text(row->file));
	if (row->line)
		set_count(j, o, "line", row->line);
}

static void row_state(struct json_out *j, json_t *o, const struct report_row *row)
{
	set_bool(j, o, "pshared", row->flags & LOCK_PSHARED);
	set_hex(j, o, "address", row->address);
	set_count(j, o, "instances", row->instances);
	set_bool(j, o, "destroyed", row->state & STATE_DEAD);
	set_bool(j, o, "realtime",
		 row->state & STATE_REALTIME || row->side[0].realtime || row->side[1].realtime);
	if (row->state & STATE_ADDRESS_REUSED)
		set_bool(j, o, "address_reused", true);
	set_count(j, o, "processes", row->processes);
	if (row->processes > 1) {
		json_t *spread = json_object();

		set_count(j, spread, "min", row->wait_min_ns);
		set_count(j, spread, "max", row->wait_max_ns);
		set_count(j, spread, "max_pid", row->wait_max_in->pid);
		set(j, spread, "max_in", text(row->wait_max_session));
		set(j, o, "wait_spread_ns", spread);
	}
	misuse(j, o, row);
}

static json_t *inverted_thread(struct json_out *j, uint32_t tid, const char *name, int priority,
			       const struct report_stack *s)
{
	json_t *o = json_object();

	if (tid)
		set_count(j, o, "tid", tid);
	if (name)
		set(j, o, "thread", text(name));
	set_count(j, o, "priority", priority > 0 ? (uint64_t)priority : 0);
	set(j, o, "stack", stack(j, s));
	return o;
}

static json_t *inverted(struct json_out *j, const struct report_row *row)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < row->n_inverted; i++) {
		const struct report_inversion *v = &row->inverted[i];
		json_t *o = json_object();

		set_count(j, o, "count", v->count);
		set_count(j, o, "total_ns", v->ns);
		set_count(j, o, "max_ns", v->max_ns);
		set(j, o, "waiter",
		    inverted_thread(j, v->waiter_tid, v->waiter_name, v->waiter_priority, v->waiter));
		set(j, o, "holder",
		    inverted_thread(j, v->holder_tid, v->holder_name, v->holder_priority, v->holder));
		append(j, a, o);
	}
	return a;
}

static json_t *lock(struct json_out *j, const struct report_row *row)
{
	json_t *o = json_object();

	row_head(j, o, row);
	set(j, o, "kind", text(lock_kind_name(row->kind)));
	if (row->kind == KIND_MUTEX) {
		set(j, o, "type", text(mutex_type(row->type)));
		set(j, o, "protocol", text(protocol(row->protocol)));
		set_bool(j, o, "robust", row->flags & LOCK_ROBUST);
		set_bool(j, o, "inconsistent", row->state & STATE_INCONSISTENT);
	} else if (row->kind == KIND_RWLOCK) {
		set(j, o, "type", text(rwlock_type(row->type)));
	}
	row_state(j, o, row);
	side(j, o, row, SIDE_EXCLUSIVE);
	if (row->kind == KIND_RWLOCK) {
		json_t *read = json_object();

		side(j, read, row, SIDE_SHARED);
		set(j, o, "read", read);
		/* a thread is counted once, on whichever side it came first */
		set_count(j, o, "threads", row->side[0].threads + row->side[1].threads);
	}
	set(j, o, "created_at", stack(j, row->created_at));
	set(j, o, "first_used_at", stack(j, row->first_used_at));
	set(j, o, "waiters", groups(j, row, row->waiters, row->n_waiters, "wait_ns"));
	set(j, o, "holders", groups(j, row, row->holders, row->n_holders, "blocked_ns"));
	set(j, o, "users", groups(j, row, row->users, row->n_users, "hold_ns"));
	set(j, o, "waiting_now", waiting(j, row));
	set_bool(j, o, "inversion_risk", row->risk);
	if (row->inversions) {
		json_t *inversion = json_object();

		set_count(j, inversion, "count", row->inversions);
		set_count(j, inversion, "total_ns", row->inversion_ns);
		set_count(j, inversion, "max_ns", row->inversion_max_ns);
		set(j, inversion, "pairs", inverted(j, row));
		set(j, o, "priority_inversions", inversion);
	}
	return o;
}

static json_t *condition(struct json_out *j, const struct report_row *row)
{
	const struct counters *c = &row->side[SIDE_EXCLUSIVE];
	json_t *o = json_object();

	row_head(j, o, row);
	row_state(j, o, row);
	if (row->other)
		set(j, o, "mutex", text(row->other));
	set_count(j, o, "threads", c->threads);
	set_count(j, o, "waits", c->waits);
	set_count(j, o, "signals", c->acquired);
	set_count(j, o, "broadcasts", c->broadcasts);
	set_count(j, o, "signals_without_waiter", c->unheard);
	set_count(j, o, "timed_out", c->timed_out);
	set_count(j, o, "waiting", row->waiters_now);
	set(j, o, "wait_ns", durations(j, &c->wait));
	set(j, o, "created_at", stack(j, row->created_at));
	set(j, o, "first_used_at", stack(j, row->first_used_at));
	set(j, o, "waiters", groups(j, row, row->waiters, row->n_waiters, "wait_ns"));
	set(j, o, "waiting_now", waiting(j, row));
	return o;
}

static void dump(struct json_out *j, json_t *value)
{
	if (!value || json_dump_callback(value, put, j, DUMP_FLAGS) < 0)
		j->error = j->error ? j->error : -ENOMEM;
	json_decref(value);
}

/* "key":value, with a comma before it if it is not the first */
static void member(struct json_out *j, bool *first, const char *key, json_t *value)
{
	put_text(j, *first ? "\"" : ",\n\"");
	put_text(j, key);
	put_text(j, "\":");
	*first = false;
	dump(j, value);
}

static void rows(struct json_out *j, const struct report_row *list, size_t n, bool cut,
		 json_t *(*make)(struct json_out *, const struct report_row *))
{
	bool first = true;
	size_t i;

	put_text(j, "[");
	for (i = 0; i < n && j->error == 0; i++) {
		if (cut && !list[i].shown)
			continue;
		put_text(j, first ? "\n" : ",\n");
		first = false;
		dump(j, make(j, &list[i]));
	}
	put_text(j, "]");
}

static const char *end_name(enum process_end end)
{
	static const char *const names[] = {
		[PROCESS_ALIVE] = "running", [PROCESS_UNKNOWN] = "unknown", [PROCESS_KILLED] = "killed",
		[PROCESS_EXITED] = "exited", [PROCESS_QUIT] = "quit",       [PROCESS_EXECED] = "execed",
	};

	return names[end];
}

static json_t *losses(struct json_out *j, const struct report_process *e)
{
	static const char *const names[LOSS_MAX] = {
#define X(id, text) #id,
		LOSSES(X)
#undef X
	};
	json_t *o = json_object();
	size_t i, k;

	for (i = 0; i < LOSS_MAX; i++) {
		char name[24];

		if (e->lost[i] == 0)
			continue;
		for (k = 0; names[i][k] && k < sizeof(name) - 1; k++)
			name[k] = (char)(names[i][k] | 0x20);
		name[k] = 0;
		set_count(j, o, name, e->lost[i]);
	}
	return o;
}

static json_t *cycles(struct json_out *j, const struct report_process *e)
{
	json_t *a = json_array();
	size_t i, k;

	for (i = 0; i < e->n_cycles; i++) {
		json_t *cycle = json_array();

		for (k = 0; k < e->cycles[i].n; k++) {
			const struct report_wait *w = e->cycles[i].waits[k];
			json_t *o = json_object();

			set_count(j, o, "tid", w->tid);
			set_count(j, o, "lock", w->row->id);
			set(j, o, "name", text(w->row->name));
			set_count(j, o, "held_by", e->cycles[i].waits[(k + 1) % e->cycles[i].n]->tid);
			set(j, o, "stack", stack(j, w->stack));
			set(j, o, "held_at", stack(j, w->held_at));
			append(j, cycle, o);
		}
		append(j, a, cycle);
	}
	return a;
}

static void process_head(struct json_out *j, bool *first, const struct report_process *e)
{
	json_t *arguments = json_array(), *settings = json_object();
	const struct session_config *c = &e->first->config;
	size_t i;

	member(j, first, "pid", count(e->pid));
	member(j, first, "ppid", count(e->ppid));
	member(j, first, "program", text(e->program));
	for (i = 0; e->first->arguments[i]; i++)
		append(j, arguments, text(e->first->arguments[i]));
	member(j, first, "arguments", arguments);
	member(j, first, "images", count(e->n_processes));
	member(j, first, "start_ns", count(e->start_ns));
	member(j, first, "start_realtime_ns", count(e->first->start_realtime_ns));
	member(j, first, "runtime_ns", count(e->runtime_ns));
	member(j, first, "thread_time_ns", count(e->thread_time_ns));
	member(j, first, "threads", count(e->threads));
	member(j, first, "complete", json_boolean(e->complete));
	member(j, first, "end", text(end_name(e->first->end)));
	member(j, first, "lost_events", count(e->lost_events));
	member(j, first, "losses", losses(j, e));
	member(j, first, "damaged_records", count(e->damaged));
	member(j, first, "overhead_ns", count(e->overhead_ns));
	set_count(j, settings, "frames", c->frames);
	set_count(j, settings, "sample_hold", c->sample_hold);
	set_bool(j, settings, "contended_only", c->contended_only);
	set_bool(j, settings, "track_rt", c->track_rt);
	member(j, first, "recording", settings);
	if (e->n_cycles)
		member(j, first, "deadlocks", cycles(j, e));
}

static json_t *alloc_totals(struct json_out *j, const struct alloc_totals *t)
{
	json_t *o = json_object();

	set_count(j, o, "allocations", t->allocations);
	set_count(j, o, "frees", t->frees);
	set_count(j, o, "bytes", t->bytes);
	return o;
}

static json_t *watched(struct json_out *j, const struct report_alloc *a)
{
	static const char *const because[] = { "not", "policy", "region", "name" };
	json_t *o = json_object(), *times = json_object();

	set(j, o, "function", text(a->function));
	set(j, o, "class", text(a->class));
	if ((unsigned int)a->realtime < sizeof(because) / sizeof(because[0]))
		set(j, o, "realtime_by", text(because[a->realtime]));
	set_count(j, o, "tid_count", a->tid_count);
	set_count(j, o, "count", a->count);
	set_count(j, o, "bytes", a->bytes);
	set_count(j, times, "total", a->total_ns);
	set_count(j, times, "max", a->max_ns);
	set(j, o, "time_ns", times);
	set(j, o, "stack", stack(j, a->stack));
	return o;
}

/* What matrace has in place of locks. */
static void watched_process(struct json_out *j, bool *first, const struct report_process *e)
{
	json_t *totals = json_object();
	bool any = false;
	size_t i;

	set(j, totals, "realtime", alloc_totals(j, &e->realtime_totals));
	set(j, totals, "other", alloc_totals(j, &e->other_totals));
	member(j, first, "realtime_threads", count(e->realtime_threads));
	member(j, first, "suppressed", count(e->suppressed_calls));
	member(j, first, "allocation_totals", totals);
	put_text(j, ",\n\"allocations\":[");
	for (i = 0; i < e->n_allocs && j->error == 0 && !e->allocs[i].suppressed; i++) {
		put_text(j, any ? ",\n" : "\n");
		any = true;
		dump(j, watched(j, &e->allocs[i]));
	}
	put_text(j, "]");
}

static void process(struct json_out *j, const struct report_process *e, const struct render_options *o)
{
	bool first = true;

	put_text(j, "{");
	process_head(j, &first, e);
	if (e->first->config.watch) {
		watched_process(j, &first, e);
		put_text(j, "}");
		return;
	}
	put_text(j, ",\n\"locks\":");
	rows(j, e->locks, e->n_locks, o->report->json_cut, lock);
	put_text(j, ",\n\"conditions\":");
	rows(j, e->conditions, e->n_conditions, o->report->json_cut, condition);
	put_text(j, "}");
}

/* Of the sessions, what no process can tell. */
static void missing(struct json_out *j, const struct model *m)
{
	uint64_t unrecorded = 0, unreadable = 0;
	bool first = false;

	for (size_t i = 0; i < m->n_sessions; i++) {
		unrecorded += m->sessions[i].unrecorded;
		unreadable += m->sessions[i].skipped;
	}
	if (unrecorded)
		member(j, &first, "unrecorded_processes", count(unrecorded));
	if (unreadable)
		member(j, &first, "unreadable_recordings", count(unreadable));
}

static int json_render(FILE *out, const struct report *r, const struct render_options *o)
{
	struct json_out j = { .f = out, .buffer = malloc(BUFFER_SIZE) };
	size_t i;

	if (!j.buffer)
		return -ENOMEM;
	errno = 0;
	put_text(&j, "{\"mutrace\":\"" PACKAGE_VERSION "\",\"format\":1,\n\"processes\":[");
	for (i = 0; i < r->n_processes && j.error == 0; i++) {
		put_text(&j, i ? ",\n" : "\n");
		process(&j, &r->processes[i], o);
	}
	put_text(&j, "]");
	missing(&j, r->model);
	put_text(&j, "}\n");
	flush(&j);
	free(j.buffer);
	if (fflush(out) != 0 && j.error == 0)
		j.error = errno ? -errno : -EIO;
	return j.error;
}

const struct renderer render_json = { "json", json_render };
