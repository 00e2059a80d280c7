/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON, for tools: the contract is report.schema.json beside this file. Here are the processes;
 * json_rows.c has the locks. Runs in mutrace. Called by src/cmd/pipeline.c; diff and check read the
 * value, not the text.
 */
#include "src/render/json.h"
#include "src/render/moments.h"

#include <errno.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define FORMAT 1

static const char *end_name(enum process_end end)
{
	static const char *const names[] = {
		[PROCESS_ALIVE] = "running", [PROCESS_UNKNOWN] = "unknown",   [PROCESS_KILLED] = "killed",
		[PROCESS_ENDED] = "ended",   [PROCESS_EXITED] = "exited",     [PROCESS_QUIT] = "quit",
		[PROCESS_EXECED] = "execed", [PROCESS_DETACHED] = "detached",
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
		json_set_count(j, o, name, e->lost[i]);
	}
	return o;
}

static json_t *cycles(struct json_out *j, const struct report_cycle *list, size_t n)
{
	json_t *a = json_array();
	size_t i, k;

	for (i = 0; i < n; i++) {
		json_t *cycle = json_array();

		for (k = 0; k < list[i].n; k++) {
			const struct report_wait *w = list[i].waits[k];
			json_t *o = json_object();

			json_set_count(j, o, "tid", w->tid);
			if (w->row) {
				json_set_count(j, o, "lock", w->row->id);
				json_set(j, o, "name", json_text(w->row->name));
				json_set_count(j, o, "held_by", list[i].waits[(k + 1) % list[i].n]->tid);
				if (w->holder_pid != w->pid)
					json_set_count(j, o, "holder_pid", w->holder_pid);
				json_set(j, o, "held_at", json_stack(j, w->held_at));
			} else {
				json_set_count(j, o, "joins", list[i].waits[(k + 1) % list[i].n]->tid);
			}
			if (w->timed)
				json_set_bool(j, o, "timed", true);
			json_set(j, o, "stack", json_stack(j, w->stack));
			json_append(j, cycle, o);
		}
		json_append(j, a, cycle);
	}
	return a;
}

static json_t *diagnoses(struct json_out *j, const struct report_process *e)
{
	json_t *a = json_array();

	for (size_t i = 0; i < e->n_diagnoses; i++) {
		const struct report_diagnosis *d = &e->diagnoses[i];
		json_t *o = json_object(), *locks = json_array();

		json_set(j, o, "kind", json_text(report_diagnosis_names[d->kind]));
		for (size_t k = 0; k < d->n_rows; k++)
			json_append(j, locks, json_count(d->rows[k]->id));
		json_set(j, o, "locks", locks);
		json_set(j, o, "text", json_text(d->text));
		json_append(j, a, o);
	}
	return a;
}

static void libc_locks(struct json_out *j, const struct report_process *e)
{
#define X(id, name, text) name,
	static const char *const names[] = { LIBC_LOCKS(X) };
#undef X

	if (!e->first->config.watch)
		json_emit(j, "libc_locks", json_text(names[report_libc_locks(e)]));
}

/* A process that was attached to, not the children that it has forked since. */
static void redirected(struct json_out *j, const struct report_process *e)
{
	const struct model_process *p = e->first;

	if (p->redirected_slots == 0)
		return;
	json_open_object(j, "redirected");
	json_emit(j, "slots", json_count(p->redirected_slots));
	json_emit(j, "pointers", json_count(p->redirected_pointers));
	json_emit(j, "not_redirected", json_count(p->redirected_not));
	json_close(j);
}

static void window(struct json_out *j, const struct report_process *e)
{
	if (!report_windowed(e))
		return;
	json_open_object(j, "window");
	json_emit(j, "begin_ns", json_count(e->first->window_begin_ns));
	if (e->first->window_end_ns)
		json_emit(j, "end_ns", json_count(e->first->window_end_ns));
	if (e->first->cut)
		json_emit(j, "by_events", json_true());
	json_close(j);
}

static json_t *settings(struct json_out *j, const struct session_config *c)
{
	json_t *o = json_object();

	json_set_count(j, o, "frames", c->frames);
	json_set_count(j, o, "sample_hold", c->sample_hold);
	json_set_bool(j, o, "contended_only", c->contended_only);
	json_set_bool(j, o, "track_rt", c->track_rt);
	return o;
}

static void process_head(struct json_out *j, const struct report_process *e)
{
	json_t *arguments = json_array();
	const struct session_config *c = &e->first->config;
	size_t i;

	json_emit(j, "pid", json_count(e->pid));
	json_emit(j, "ppid", json_count(e->ppid));
	json_emit(j, "program", json_text(e->program));
	for (i = 0; e->first->arguments[i]; i++)
		json_append(j, arguments, json_text(e->first->arguments[i]));
	json_emit(j, "arguments", arguments);
	json_emit(j, "images", json_count(e->n_processes));
	json_emit(j, "start_ns", json_count(e->start_ns));
	json_emit(j, "start_realtime_ns", json_count(e->first->start_realtime_ns));
	json_emit(j, "runtime_ns", json_count(e->runtime_ns));
	json_emit(j, "thread_time_ns", json_count(e->thread_time_ns));
	window(j, e);
	libc_locks(j, e);
	redirected(j, e);
	if (e->n_processes == 1 && e->first->cores)
		json_emit(j, "cores", json_count(e->first->cores));
	if (!e->first->config.watch) {
		json_open_object(j, "headline");
		json_emit(j, "lock_wait_ns", json_count(e->total.cost_ns));
		json_emit(j, "share",
			  json_real(e->thread_time_ns ? (double)e->total.cost_ns / (double)e->thread_time_ns
						      : 0));
		json_close(j);
	}
	if (e->n_filtered + e->n_filtered_conditions) {
		json_open_object(j, "left_out");
		json_emit(j, "locks", json_count(e->n_filtered));
		json_emit(j, "conditions", json_count(e->n_filtered_conditions));
		json_emit(j, "wait_ns", json_count(e->filtered_ns));
		json_close(j);
	}
	json_emit(j, "threads", json_count(e->threads));
	if (e->times_of_ns) {
		json_open_object(j, "processors");
		json_emit(j, "thread_time_ns", json_count(e->times_of_ns));
		json_emit(j, "run_ns", json_count(e->times.run_ns));
		json_emit(j, "queued_ns", json_count(e->times.queued_ns));
		json_emit(j, "slices", json_count(e->times.slices));
		json_close(j);
	}
	json_emit(j, "complete", json_boolean(e->complete));
	json_emit(j, "end", json_text(end_name(e->first->end)));
	json_emit(j, "lost_events", json_count(e->lost_events));
	json_emit(j, "losses", losses(j, e));
	json_emit(j, "stacks_not_captured", json_count(e->stacks_missed));
	json_emit(j, "damaged_records", json_count(e->damaged));
	json_emit(j, "overhead_ns", json_count(e->overhead_ns));
	json_emit(j, "recording", settings(j, c));
	if (e->n_cycles)
		json_emit(j, "deadlocks", cycles(j, e->cycles, e->n_cycles));
	if (e->n_timed_cycles)
		json_emit(j, "timed_circles", cycles(j, e->timed_cycles, e->n_timed_cycles));
	if (!e->first->config.watch)
		json_emit(j, "diagnoses", diagnoses(j, e));
}

/* Of a phase that was not asked for there are no sums. */
static void phases(struct json_out *j, const struct report_process *e)
{
	if (e->n_phases == 0)
		return;
	json_open_array(j, "phases");
	for (size_t i = 0; i < e->n_phases && json_out_error(j) == 0; i++) {
		const struct report_phase *p = &e->phases[i];
		json_t *o = json_object();

		json_set(j, o, "name", json_text(p->name));
		json_set_count(j, o, "times", p->times);
		json_set_count(j, o, "runtime_ns", p->total_ns);
		if (p->known) {
			json_set_count(j, o, "acquired", p->acquired);
			json_set_count(j, o, "contended", p->contended);
			json_set_count(j, o, "lock_wait_ns", p->wait_ns);
		}
		json_emit(j, NULL, o);
	}
	json_close(j);
}

/* JSON's thread_list. What is not known is left out. */
static json_t *thread(struct json_out *j, const struct report_thread *t)
{
	json_t *o = json_object();

	if (t->tid)
		json_set_count(j, o, "tid", t->tid);
	if (t->count > 1)
		json_set_count(j, o, "threads", t->count);
	if (t->name)
		json_set(j, o, "name", json_text(t->name));
	if (t->entry)
		json_set(j, o, "entry", json_text(t->entry));
	json_set_count(j, o, "lifetime_ns", t->lifetime_ns);
	if (t->cpu_ns)
		json_set_count(j, o, "cpu_ns", t->cpu_ns);
	json_set_count(j, o, "wait_ns", t->wait_ns);
	json_set_count(j, o, "idle_ns", t->idle_ns);
	json_set_count(j, o, "blocked_ns", t->blocked_ns);
	return o;
}

static void thread_list(struct json_out *j, const struct report_process *e)
{
	json_open_array(j, "thread_list");
	for (size_t i = 0; i < e->n_thread_list && json_out_error(j) == 0; i++)
		json_emit(j, NULL, thread(j, &e->thread_list[i]));
	json_close(j);
}

static json_t *alloc_totals(struct json_out *j, const struct alloc_totals *t)
{
	json_t *o = json_object();

	json_set_count(j, o, "allocations", t->allocations);
	json_set_count(j, o, "frees", t->frees);
	json_set_count(j, o, "bytes", t->bytes);
	return o;
}

static json_t *watched(struct json_out *j, const struct report_alloc *a)
{
	static const char *const because[] = { "not", "policy", "region", "name" };
	json_t *o = json_object(), *times = json_object();

	json_set(j, o, "function", json_text(a->function));
	json_set(j, o, "class", json_text(a->class));
	if ((unsigned int)a->realtime < sizeof(because) / sizeof(because[0]))
		json_set(j, o, "realtime_by", json_text(because[a->realtime]));
	json_set_count(j, o, "tid_count", a->tid_count);
	json_set_count(j, o, "count", a->count);
	json_set_count(j, o, "bytes", a->bytes);
	json_set_count(j, times, "total", a->total_ns);
	json_set_count(j, times, "max", a->max_ns);
	json_set(j, o, "time_ns", times);
	json_set(j, o, "stack", json_stack(j, a->stack));
	return o;
}

/* The calls that matrace has in place of locks. */
static void watched_process(struct json_out *j, const struct report_process *e)
{
	json_t *totals = json_object();

	json_set(j, totals, "realtime", alloc_totals(j, &e->realtime_totals));
	json_set(j, totals, "other", alloc_totals(j, &e->other_totals));
	json_emit(j, "realtime_threads", json_count(e->realtime_threads));
	json_emit(j, "suppressed", json_count(e->suppressed_calls));
	json_emit(j, "allocation_totals", totals);
	json_open_array(j, "allocations");
	for (size_t i = 0; i < e->n_allocs && json_out_error(j) == 0 && !e->allocs[i].suppressed; i++)
		json_emit(j, NULL, watched(j, &e->allocs[i]));
	json_close(j);
}

static void rows(struct json_out *j, const char *key, const struct report_row *list, size_t n,
		 json_t *(*make)(struct json_out *, const struct report_row *))
{
	json_open_array(j, key);
	for (size_t i = 0; i < n && json_out_error(j) == 0; i++)
		json_emit(j, NULL, make(j, &list[i]));
	json_close(j);
}

void json_process_head(struct json_out *j, const struct report_process *e)
{
	process_head(j, e);
	if (e->first->config.watch) {
		watched_process(j, e);
		return;
	}
	phases(j, e);
	thread_list(j, e);
	json_unseen(j, e);
	json_what_if(j, e);
	json_path(j, e);
	json_events(j, e);
	json_longest(j, e);
	json_moments(j, e);
}

static void process(struct json_out *j, const struct report_process *e)
{
	json_open_object(j, NULL);
	json_process_head(j, e);
	if (!e->first->config.watch) {
		rows(j, "locks", e->locks, e->n_locks, json_lock);
		rows(j, "conditions", e->conditions, e->n_conditions, json_condition);
	}
	json_close(j);
}

/* Of the sessions, what no process can tell. */
static void missing(struct json_out *j, const struct model *m)
{
	uint64_t unrecorded = 0, unreadable = 0;

	for (size_t i = 0; i < m->n_sessions; i++) {
		unrecorded += m->sessions[i].unrecorded;
		unreadable += m->sessions[i].skipped;
	}
	if (unrecorded)
		json_emit(j, "unrecorded_processes", json_count(unrecorded));
	if (unreadable)
		json_emit(j, "unreadable_recordings", json_count(unreadable));
}

/* Programs that were started, and that are not in the sessions. */
static void outside(struct json_out *j, const struct model *m)
{
#define X(id, name, text) name,
	static const char *const names[] = { OUTSIDES(X) };
#undef X
	json_t *all = json_object();

	for (unsigned int why = 0; why < OUTSIDE_MAX; why++) {
		uint64_t n = 0;

		for (size_t i = 0; i < m->n_processes; i++)
			n += m->processes[i].outside[why];
		if (n)
			json_object_set_new(all, names[why], json_count(n));
	}
	if (json_object_size(all) != 0)
		json_emit(j, "outside", all);
	else
		json_decref(all);
}

static void unseen(struct json_out *j, const struct model *m)
{
	uint64_t n = 0;

	for (size_t i = 0; i < m->n_processes; i++)
		n += m->processes[i].unseen_libraries;
	if (n)
		json_emit(j, "unseen_libraries", json_count(n));
}

static int document(FILE *out, const struct report *r, json_t **ret)
{
	struct json_out *j = json_out_new(out);

	if (!j)
		return -ENOMEM;
	json_open_object(j, NULL);
	json_emit(j, "mutrace", json_text(PACKAGE_VERSION));
	json_emit(j, "format", json_count(FORMAT));
	json_open_array(j, "processes");
	for (size_t i = 0; i < r->n_processes && json_out_error(j) == 0; i++)
		process(j, &r->processes[i]);
	json_close(j);
	json_emit(j, "nameless", json_nameless(j, r));
	missing(j, r->model);
	outside(j, r->model);
	unseen(j, r->model);
	json_close(j);
	return json_out_end(j, ret);
}

int render_json_value(const struct report *r, json_t **ret)
{
	return document(NULL, r, ret);
}

static int json_render(FILE *out, const struct report *r, const struct render_options *o)
{
	(void)o;
	return document(out, r, NULL);
}

const struct renderer render_json = { "json", json_render };
