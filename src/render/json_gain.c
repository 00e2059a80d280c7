/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON's what_if: what fixing a lock would gain. Runs in mutrace. Called by json.c. */
#include "src/render/json.h"

static void range(struct json_out *j, json_t *to, const char *key, struct trace_range r)
{
	json_t *pair = json_array();

	json_append(j, pair, json_real(r.low));
	json_append(j, pair, json_real(r.high));
	json_set(j, to, key, pair);
}

static json_t *lock(struct json_out *j, const struct report_row *row)
{
	json_t *o = json_object();

	json_set(j, o, "lock", json_count(row->id));
	range(j, o, "no_contention", row->gain[TRACE_NO_CONTENTION]);
	range(j, o, "no_hold", row->gain[TRACE_NO_HOLD]);
	range(j, o, "half_hold", row->gain[TRACE_HALF_HOLD]);
	return o;
}

static json_t *path_part(struct json_out *j, const struct report_path *p, size_t i)
{
	json_t *o = json_object();

	json_set(j, o, "lock", p->rows[i] ? json_count(p->rows[i]->id) : json_null());
	json_set_count(j, o, "ns", p->sums.parts[i].ns);
	json_set_count(j, o, "count", p->sums.parts[i].count);
	json_set(j, o, "stack", p->stacks[i] ? json_stack(j, p->stacks[i]) : json_null());
	return o;
}

void json_path(struct json_out *j, const struct report_process *e)
{
	const struct path *s = &e->path.sums;

	if (s->length_ns == 0)
		return;
	json_open_object(j, "critical_path");
	json_emit(j, "length_ns", json_count(s->length_ns));
	json_emit(j, "held_ns", json_count(s->held_ns));
	json_emit(j, "running_ns", json_count(s->running_ns));
	json_emit(j, "waking_ns", json_count(s->waking_ns));
	json_emit(j, "unknown_ns", json_count(s->unknown_ns));
	json_emit(j, "jumps", json_count(s->jumps));
	json_open_array(j, "holds");
	for (size_t i = 0; i < s->n_parts && json_out_error(j) == 0; i++)
		if (!e->path.rows[i] || !e->path.rows[i]->filtered)
			json_emit(j, NULL, path_part(j, &e->path, i));
	json_close(j);
	json_close(j);
}

void json_what_if(struct json_out *j, const struct report_process *e)
{
	const struct trace_result *w = &e->what_if;

	if (!e->what_if_made)
		return;
	json_open_object(j, "what_if");
	json_emit(j, "metric", json_text(w->metric == TRACE_THROUGHPUT ? "throughput" : "run_time"));
	if (e->work)
		json_emit(j, "work", json_text(e->work));
	if (e->what_if_fed && !w->refused)
		json_emit(j, "if_work_comes", json_true());
	json_emit(j, "method", json_text(e->what_if_bound ? "bound" : "replay"));
	if (w->error >= 0)
		json_emit(j, "replay_error", json_real(w->error));
	json_emit(j, "window_ns", w->window_ns ? json_count(w->window_ns) : json_null());
	if (w->refused)
		json_emit(j, "refused", json_text(w->refused));
	json_open_array(j, "locks");
	for (size_t i = 0; i < e->n_locks && json_out_error(j) == 0; i++)
		if (e->locks[i].gain_known)
			json_emit(j, NULL, lock(j, &e->locks[i]));
	json_close(j);
	json_close(j);
}
