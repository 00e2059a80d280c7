/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time of which no lock tells, as JSON has it. Runs in mutrace. Called by json.c. */
#include "src/render/json.h"

static void unseen_time(struct json_out *j, const struct report_process *e)
{
	static const char *const names[] = {
#define X(id, name) name "_ns",
		ASIDES(X)
#undef X
	};

	json_emit(j, "unseen_ns", json_count(e->unseen_ns));
	if (e->unexplained_ns == e->unseen_ns)
		return;
	json_open_object(j, "unseen_by");
	for (size_t i = 0; i < ASIDE_MAX; i++)
		json_emit(j, names[i], json_count(e->unseen_by[i]));
	json_close(j);
}

/* Places where threads look again and again for something. */
static void polled(struct json_out *j, const struct report_process *e)
{
	json_open_array(j, "polled");
	for (size_t i = 0; i < e->n_polled && json_out_error(j) == 0; i++) {
		const struct report_polled *p = &e->polled[i];
		json_t *o = json_object();

		json_set(j, o, "ns", json_count(p->ns));
		json_set(j, o, "in_calls_ns", json_count(p->slept_ns));
		json_set(j, o, "calls", json_count(p->calls));
		json_set(j, o, "threads", json_count(p->threads));
		json_set(j, o, "stack", json_stack(j, p->stack));
		json_emit(j, NULL, o);
	}
	json_close(j);
}

void json_unseen(struct json_out *j, const struct report_process *e)
{
	if (e->unseen_known)
		unseen_time(j, e);
	if (e->n_polled)
		polled(j, e);
}
