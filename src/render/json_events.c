/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON's events: how many there are, and of which part of the run; and its longest_waits. Runs in mutrace. Called by
 * json.c.
 */
#include "src/render/json.h"
#include "src/trace/timeline.h"

static const char *const type_names[EVENT_MAX] = {
	[EVENT_WAIT] = "waits",     [EVENT_HOLD] = "holds",     [EVENT_SUM] = "sums",
	[EVENT_SIGNAL] = "signals", [EVENT_POST] = "posts",     [EVENT_BARRIER] = "barriers",
	[EVENT_JOIN] = "joins",     [EVENT_CREATE] = "creates", [EVENT_START] = "starts",
	[EVENT_EXIT] = "exits",     [EVENT_PHASE] = "phases",   [EVENT_PART] = "parts",
	[EVENT_TEAM] = "regions",   [EVENT_NAP] = "naps",
};

void json_events(struct json_out *j, const struct report_process *e)
{
	uint64_t counts[EVENT_MAX] = { 0 }, overwritten = 0;
	struct timeline t;

	if (e->first->config.events == 0)
		return;
	for (size_t i = 0; i < e->n_processes; i++) {
		const struct model_process *p = e->processes[i];

		for (size_t k = 0; k < p->n_events; k++)
			counts[p->events[k].type]++;
		timeline_window(p, &t);
		overwritten += t.overwritten;
	}
	json_open_object(j, "events");
	json_emit(j, "overwritten", json_count(overwritten));
	if (overwritten == 0)
		json_emit(j, "window_ns", json_null());
	else if (e->n_processes == 1)
		json_emit(j, "window_ns",
			  json_count(e->first->runtime_ns > t.from_ns ? e->first->runtime_ns - t.from_ns
								      : 0));
	for (int i = 1; i < EVENT_MAX && type_names[i]; i++) /* those of models */
		json_emit(j, type_names[i], json_count(counts[i]));
	json_close(j);
}

static json_t *long_wait(struct json_out *j, const struct report_long_wait *w)
{
	json_t *o = json_object();

	json_set_count(j, o, "start_ns", w->begin_ns);
	json_set_count(j, o, "start_realtime_ns", w->realtime_ns);
	json_set_count(j, o, "wait_ns", w->wait_ns);
	json_set_count(j, o, "lock", w->row->id);
	json_set(j, o, "name", json_text(w->row->name));
	if (kind_has(w->row->kind, TRAIT_SIDES))
		json_set(j, o, "side", json_text(w->side == SIDE_SHARED ? "read" : "write"));
	json_set_count(j, o, "tid", w->tid);
	if (w->thread_name)
		json_set(j, o, "thread", json_text(w->thread_name));
	json_set(j, o, "stack", json_stack(j, w->stack));
	if (w->held_by)
		json_set_count(j, o, "held_by", w->held_by);
	if (w->holder_name)
		json_set(j, o, "holder", json_text(w->holder_name));
	json_set(j, o, "held_at", json_stack(j, w->held_at));
	if (w->gave_up)
		json_set_bool(j, o, "gave_up", true);
	if (w->unfinished)
		json_set_bool(j, o, "unfinished", true);
	return o;
}

void json_longest(struct json_out *j, const struct report_process *e)
{
	json_open_array(j, "longest_waits");
	for (size_t i = 0; i < e->n_longest && json_out_error(j) == 0; i++)
		json_emit(j, NULL, long_wait(j, &e->longest[i]));
	json_close(j);
}
