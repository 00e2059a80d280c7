/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A lock and a condition variable as JSON. Runs in mutrace. Called by json.c, once for each row. */
#include "src/render/json.h"
#include "src/session/histogram.h"

#define NAMES_MAX 100u /* of threads; more tell nothing */

static json_t *durations(struct json_out *j, const struct durations *d)
{
	json_t *o = json_object();

	json_set_count(j, o, "total", d->total_ns);
	json_set_count(j, o, "avg", durations_average(d));
	json_set_count(j, o, "max", d->max_ns);
	json_set_count(j, o, "p50", durations_percentile(d, 0.50));
	json_set_count(j, o, "p95", durations_percentile(d, 0.95));
	json_set_count(j, o, "p99", durations_percentile(d, 0.99));
	return o;
}

static json_t *buckets(struct json_out *j, const struct durations *d, unsigned int first, unsigned int end)
{
	json_t *a = json_array();

	for (unsigned int b = first; b < end; b++)
		json_append(j, a, json_count(durations_bucket(d, b)));
	return a;
}

/* Both with the same buckets; a clock has one rate. Nothing was counted: left out. */
static void histogram(struct json_out *j, json_t *o, const struct counters *c, bool holds)
{
	const struct durations *rate = c->wait.ns_per_tick > 0 ? &c->wait : &c->hold;
	unsigned int first = HIST_BUCKETS, end = 0;
	json_t *h, *bounds;

	for (unsigned int b = 0; b < HIST_BUCKETS; b++)
		if (durations_bucket(&c->wait, b) || (holds && durations_bucket(&c->hold, b))) {
			first = b < first ? b : first;
			end = b + 1;
		}
	if (end == 0)
		return;
	h = json_object();
	bounds = json_array();
	for (unsigned int b = first; b < end; b++)
		json_append(j, bounds, json_count((uint64_t)durations_bucket_ns(rate, b)));
	json_set(j, h, "bounds_ns", bounds);
	json_set(j, h, "wait", buckets(j, &c->wait, first, end));
	if (holds)
		json_set(j, h, "hold", buckets(j, &c->hold, first, end));
	json_set(j, o, "histogram", h);
}

static void side(struct json_out *j, json_t *o, const struct report_row *row, enum lock_side which)
{
	const struct counters *c = &row->side[which];

	for (unsigned int i = 0; i < COUNTERS; i++) {
		if (!counter_infos[i].name || !counter_of(i, row->kind))
			continue;
		if (!report_counter_known(row, i))
			json_set(j, o, counter_infos[i].name, json_null());
		else
			json_set_count(j, o, counter_infos[i].name, c->all[i]);
	}
	json_set(j, o, "wait_ns", durations(j, &c->wait));
	if (kind_has(row->kind, TRAIT_HOLDS))
		json_set(j, o, "hold_ns", durations(j, &c->hold));
	histogram(j, o, c, kind_has(row->kind, TRAIT_HOLDS));
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

		json_set_count(j, o, "count", g[i].count);
		json_set_count(j, o, ns_name, g[i].ns);
		json_set_count(j, o, "max_ns", g[i].max_ns);
		if (g[i].known_ns) {
			json_set_count(j, o, "running_known_ns", g[i].known_ns);
			json_set_count(j, o, "preempted_ns", g[i].preempted_ns);
			json_set_count(j, o, "slept_ns", g[i].slept_ns);
			if (g[i].slept_in)
				json_set(j, o, "slept_in", json_stack(j, g[i].slept_in));
		}
		if (kind_has(row->kind, TRAIT_SIDES))
			json_set(j, o, "side", json_text(side_name(g[i].side)));
		if (g[i].process && !g[i].several) {
			json_set_count(j, o, "pid", g[i].process->pid);
			json_set(j, o, "program", json_text(g[i].process->program));
		}
		json_set(j, o, "stack", json_stack(j, g[i].stack));
		json_append(j, a, o);
	}
	return a;
}

/* Indices in the lists of waiters and holders. */
static json_t *pairs(struct json_out *j, const struct report_row *row)
{
	json_t *a = json_array();

	for (size_t i = 0; i < row->n_pairs; i++) {
		const struct report_pair *p = &row->pairs[i];
		json_t *o = json_object();

		json_set_count(j, o, "waiter", (uint64_t)(p->waiter - row->waiters));
		if (p->holder)
			json_set_count(j, o, "holder", (uint64_t)(p->holder - row->holders));
		else
			json_set(j, o, "holder", json_null());
		json_set_count(j, o, "count", p->count);
		json_set_count(j, o, "wait_ns", p->ns);
		json_append(j, a, o);
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

		json_set_count(j, o, "tid", w->tid);
		if (w->thread_name)
			json_set(j, o, "thread", json_text(w->thread_name));
		json_set_count(j, o, "since_ns", w->since_ns);
		json_set_count(j, o, "waited_ns", w->waited_ns);
		if (w->held_by)
			json_set_count(j, o, "held_by", w->held_by);
		if (w->held_by && w->holder_pid != w->pid)
			json_set_count(j, o, "holder_pid", w->holder_pid);
		if (w->holder_ended)
			json_set_bool(j, o, "holder_ended", true);
		json_set(j, o, "stack", json_stack(j, w->stack));
		if (w->held_at)
			json_set(j, o, "held_at", json_stack(j, w->held_at));
		json_append(j, a, o);
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
	static const char *const names[] = { "variable", "creation", "first-use",
					     "address",  "purpose",  "program" };

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
			json_append(j, a, json_text(kinds[i].name));
	}
	json_set(j, o, "misuse", a);
	json_set_count(j, o, "misuses", row->misuses);
	if (row->misused_at)
		json_set(j, o, "misused_at", json_stack(j, row->misused_at));
}

static void row_head(struct json_out *j, json_t *o, const struct report_row *row)
{
	json_set_count(j, o, "id", row->id);
	json_set_count(j, o, "rank", row->rank);
	json_set(j, o, "identity", json_text(row->identity));
	json_set(j, o, "name", json_text(row->name));
	if (row->label)
		json_set(j, o, "label", json_text(row->label));
	json_set(j, o, "named_by", json_text(named_by(row->named_by)));
	if (row->module)
		json_set(j, o, "module", json_text(row->module));
	if (row->file)
		json_set(j, o, "file", json_text(row->file));
	if (row->line)
		json_set_count(j, o, "line", row->line);
}

static void row_state(struct json_out *j, json_t *o, const struct report_row *row)
{
	json_set_bool(j, o, "pshared", row->flags & LOCK_PSHARED);
	json_set_hex(j, o, "address", row->address);
	json_set_count(j, o, "instances", row->instances);
	json_set_bool(j, o, "destroyed", row->state & STATE_DEAD);
	json_set_bool(j, o, "realtime",
		      row->state & STATE_REALTIME || row->side[0].realtime || row->side[1].realtime);
	if (row->state & STATE_ADDRESS_REUSED)
		json_set_bool(j, o, "address_reused", true);
	json_set_count(j, o, "processes", row->processes);
	if (row->processes > 1) {
		json_t *spread = json_object();

		json_set_count(j, spread, "min", row->wait_min_ns);
		json_set_count(j, spread, "max", row->wait_max_ns);
		json_set_count(j, spread, "max_pid", row->wait_max_in->pid);
		json_set(j, spread, "max_in", json_text(row->wait_max_session));
		json_set(j, o, "wait_spread_ns", spread);
	}
	misuse(j, o, row);
}

static json_t *inverted_thread(struct json_out *j, uint32_t tid, const char *name, int priority,
			       const struct report_stack *s)
{
	json_t *o = json_object();

	if (tid)
		json_set_count(j, o, "tid", tid);
	if (name)
		json_set(j, o, "thread", json_text(name));
	json_set_count(j, o, "priority", priority > 0 ? (uint64_t)priority : 0);
	json_set(j, o, "stack", json_stack(j, s));
	return o;
}

static json_t *inverted(struct json_out *j, const struct report_row *row)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < row->n_inverted; i++) {
		const struct report_inversion *v = &row->inverted[i];
		json_t *o = json_object();

		json_set_count(j, o, "count", v->count);
		json_set_count(j, o, "total_ns", v->ns);
		json_set_count(j, o, "max_ns", v->max_ns);
		json_set(j, o, "waiter",
			 inverted_thread(j, v->waiter_tid, v->waiter_name, v->waiter_priority, v->waiter));
		json_set(j, o, "holder",
			 inverted_thread(j, v->holder_tid, v->holder_name, v->holder_priority, v->holder));
		json_append(j, a, o);
	}
	return a;
}

static json_t *unfinished(struct json_out *j, const struct report_row *row)
{
	json_t *o = json_object();

	json_set_count(j, o, "count", row->side[0].unfinished_waits + row->side[1].unfinished_waits);
	json_set_count(j, o, "wait_ns", row->side[0].unfinished_ns + row->side[1].unfinished_ns);
	return o;
}

static json_t *thread_names(struct json_out *j, const struct report_row *row)
{
	json_t *a = json_array();

	for (size_t i = 0; i < row->n_thread_names && i < NAMES_MAX; i++)
		json_append(j, a, json_text(row->thread_names[i]));
	return a;
}

json_t *json_lock(struct json_out *j, const struct report_row *row)
{
	bool wakers = row->work && kind_has(row->kind, TRAIT_WAITS_ONLY);
	json_t *o = json_object();

	row_head(j, o, row);
	json_set(j, o, "kind", json_text(kind_name(row->kind)));
	json_set(j, o, "made_by", json_text(row->made_by));
	if (row->kind == KIND_MUTEX) {
		json_set(j, o, "type", json_text(mutex_type(row->type)));
		json_set(j, o, "protocol", json_text(protocol(row->protocol)));
		json_set_bool(j, o, "robust", row->flags & LOCK_ROBUST);
		json_set_bool(j, o, "inconsistent", row->state & STATE_INCONSISTENT);
	} else if (row->kind == KIND_RWLOCK) {
		json_set(j, o, "type", json_text(rwlock_type(row->type)));
	}
	json_set(j, o, "role", json_text(row->work ? "work" : "lock"));
	row_state(j, o, row);
	side(j, o, row, SIDE_EXCLUSIVE);
	if (kind_has(row->kind, TRAIT_SIDES)) {
		json_t *read = json_object();

		side(j, read, row, SIDE_SHARED);
		json_set(j, o, "read", read);
		for (unsigned int i = 0; i < COUNTERS; i++)
			if (counter_infos[i].whole)
				json_set_count(j, o, counter_infos[i].name,
					       row->side[0].all[i] + row->side[1].all[i]);
	}
	json_set(j, o, "thread_names", thread_names(j, row));
	json_set(j, o, "created_at", json_stack(j, row->created_at));
	json_set(j, o, "first_used_at", json_stack(j, row->first_used_at));
	json_set(j, o, "unfinished", unfinished(j, row));
	json_set(j, o, "waiters", groups(j, row, row->waiters, row->n_waiters, "wait_ns"));
	json_set(j, o, "holders", groups(j, row, row->holders, wakers ? 0 : row->n_holders, "blocked_ns"));
	if (wakers)
		json_set(j, o, "woken_by", groups(j, row, row->holders, row->n_holders, "wait_ns"));
	json_set(j, o, "users", groups(j, row, row->users, row->n_users, "hold_ns"));
	json_set(j, o, "pairs", pairs(j, row));
	json_set(j, o, "waiting_now", waiting(j, row));
	json_set_bool(j, o, "inversion_risk", row->risk);
	if (row->inversions) {
		json_t *inversion = json_object();

		json_set_count(j, inversion, "count", row->inversions);
		json_set_count(j, inversion, "total_ns", row->inversion_ns);
		json_set_count(j, inversion, "max_ns", row->inversion_max_ns);
		json_set(j, inversion, "pairs", inverted(j, row));
		json_set(j, o, "priority_inversions", inversion);
	}
	return o;
}

json_t *json_condition(struct json_out *j, const struct report_row *row)
{
	const struct counters *c = &row->side[SIDE_EXCLUSIVE];
	json_t *o = json_object();

	row_head(j, o, row);
	row_state(j, o, row);
	json_set(j, o, "role", json_text(row->work ? "work" : "lock"));
	if (row->other)
		json_set(j, o, "mutex", json_text(row->other));
	for (unsigned int i = 0; i < COUNTERS; i++)
		if (counter_infos[i].condition.name)
			json_set_count(j, o, counter_infos[i].condition.name, c->all[i]);
	json_set_count(j, o, "waiting", row->waiters_now);
	json_set(j, o, "wait_ns", durations(j, &c->wait));
	json_set(j, o, "created_at", json_stack(j, row->created_at));
	json_set(j, o, "first_used_at", json_stack(j, row->first_used_at));
	json_set(j, o, "waiters", groups(j, row, row->waiters, row->n_waiters, "wait_ns"));
	json_set(j, o, "waiting_now", waiting(j, row));
	return o;
}
