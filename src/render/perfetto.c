/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A time line for ui.perfetto.dev and trace_processor: a track for each thread with its waits and holds as slices, and
 * flows from what ended a wait to where the waiter went on. Each thread is a sequence of packets of its own. Times are
 * CLOCK_BOOTTIME, as those of traces of the system. Runs in mutrace. Called by src/cmd/pipeline.c.
 */
#include "src/render/perfetto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/array.h"
#include "src/base/path.h"
#include "src/render/clean.h"
#include "src/render/frame.h"
#include "src/render/render.h"
#include "src/render/window.h"
#include "src/trace/timeline.h"

#define NAME_SIZE 300
#define ARGUMENTS_MOST 256
#define CLOCK_REALTIME_ID 1
#define CLOCK_BOOTTIME_ID 6

/* A process while it is written. */
struct writer {
	struct perfetto out;
	const struct report *r;
	const struct report_process *entry;
	const struct model_process *p;
	size_t number; /* of the process in the entry */
	struct timeline time;
	uint64_t ids; /* tracks and flows have numbers from here on */
	uint32_t next_sequence, next_track;
	struct strings texts;
	struct table frames; /* frame -> text in `list` */
	const char **list;
	size_t n_list, cap_list;
	/* the thread */
	uint32_t thread;
	uint64_t track;
	uint64_t lanes[TIMELINE_LANES]; /* tracks; 0 not described yet */
	unsigned int lives;             /* of the thread's record, that began in the window */
};

static const char *const type_words[TIMELINE_RELEASE + 1] = {
	[EVENT_WAIT] = "wait for ",     [EVENT_HOLD] = "hold ",  [EVENT_BARRIER] = "barrier ",
	[EVENT_SIGNAL] = "signal ",     [EVENT_POST] = "post ",  [EVENT_JOIN] = "join",
	[EVENT_CREATE] = "create",      [EVENT_START] = "start", [EVENT_EXIT] = "exit",
	[TIMELINE_RELEASE] = "release "
};
static const char *const categories[TIMELINE_RELEASE + 1] = {
	[EVENT_WAIT] = "wait",         [EVENT_HOLD] = "hold",   [EVENT_BARRIER] = "barrier",
	[EVENT_SIGNAL] = "signal",     [EVENT_POST] = "post",   [EVENT_JOIN] = "join",
	[EVENT_CREATE] = "create",     [EVENT_START] = "start", [EVENT_EXIT] = "exit",
	[TIMELINE_RELEASE] = "release"
};

static uint64_t time_of(const struct writer *w, uint64_t ns)
{
	return w->p->start_boot_ns + ns;
}

static const char *kept(struct writer *w, const char *text)
{
	const char *s = strings_intern(&w->texts, text);

	if (!s)
		w->out.error = -ENOMEM;
	return s ? s : "";
}

static const char *event_name(struct writer *w, const struct slice *s, const struct report_row *row)
{
	char name[NAME_SIZE];

	const char *word =
		s->type == EVENT_POST && row && row->kind != KIND_SEM ? "wake " : type_words[s->type];

	snprintf(name, sizeof(name), "%s%s", word, row ? row->label : "");
	return kept(w, name);
}

static const char *thread_text(struct writer *w, uint32_t thread)
{
	const struct model_thread *t = &w->p->threads[thread];
	char name[NAME_SIZE];

	snprintf(name, sizeof(name), t->name[0] ? "%s (%u)" : "%s%u", t->name, t->tid);
	return kept(w, name);
}

static const char *frame_text(struct writer *w, const struct report_frame *f)
{
	uint32_t number = table_get(&w->frames, (uintptr_t)f, 0);
	char *text = NULL;
	size_t size;
	FILE *m;

	if (number != TABLE_NONE)
		return w->list[number];
	m = open_memstream(&text, &size);
	if (m) {
		frame_print(m, &(struct frame_words){ .function = f->function,
						      .file = f->file,
						      .module = f->module,
						      .line = f->line,
						      .offset = f->offset,
						      .address = f->address });
		fclose(m);
	}
	if (!text || array_grow(&w->list, w->n_list, &w->cap_list, sizeof(*w->list)) < 0 ||
	    table_put(&w->frames, (uintptr_t)f, 0, (uint32_t)w->n_list) < 0) {
		w->out.error = -ENOMEM;
		free(text);
		return "";
	}
	w->list[w->n_list++] = kept(w, text);
	free(text);
	return w->list[w->n_list - 1];
}

static void put_stack(struct writer *w, const char *key, const struct report_stack *s)
{
	if (!s)
		return;
	perfetto_list(&w->out, key);
	for (size_t i = 0; i < s->n; i++)
		perfetto_item(&w->out, frame_text(w, &s->frames[i]));
}

static const char *site_text(struct writer *w, const struct report_row *row)
{
	const struct report_stack *s = row->created_at ? row->created_at : row->first_used_at;

	return s ? frame_text(w, &s->frames[0]) : NULL;
}

static void put_lock(struct writer *w, const struct slice *s, const struct report_row *row)
{
	perfetto_text(&w->out, "lock", row->label);
	perfetto_text(&w->out, "kind", kind_name(row->kind));
	perfetto_text(&w->out, "made_by", row->made_by);
	perfetto_text(&w->out, row->created_at ? "created_at" : "first_used_at", site_text(w, row));
	perfetto_address(&w->out, "address", w->p->locks[s->lock].address & ~(uint64_t)LOCK_ADDRESS_BITS);
	if (kind_has(row->kind, TRAIT_SIDES))
		perfetto_text(&w->out, "side", s->side == SIDE_SHARED ? "read" : "write");
}

/* The thread whose holds, end or life it is about. */
static const char *other_key(const struct slice *s)
{
	switch (s->type) {
	case EVENT_WAIT: return s->unfinished ? "held_by" : "released_by";
	case EVENT_CREATE:
	case EVENT_JOIN:
	case TIMELINE_RELEASE: return "thread";
	default: return NULL;
	}
}

static void put_facts(struct writer *w, const struct slice *s, const struct report_row *row)
{
	const struct model_event *e = s->event != MODEL_NONE ? &w->p->events[s->event] : NULL;

	if (row)
		put_lock(w, s, row);
	if (s->other != MODEL_NONE && other_key(s))
		perfetto_text(&w->out, other_key(s), thread_text(w, s->other));
	if (s->type == EVENT_WAIT && e && e->flags & EVENT_TIMED_OUT)
		perfetto_flag(&w->out, "gave_up");
	if (s->type == EVENT_SIGNAL && e && e->flags & EVENT_BROADCAST)
		perfetto_flag(&w->out, "broadcast");
	if (s->type == EVENT_EXIT && e)
		perfetto_number(&w->out, "cpu_ns", e->span_ns);
	if (s->unfinished)
		perfetto_flag(&w->out, "unfinished");
	if (s->type == TIMELINE_RELEASE)
		perfetto_flag(&w->out, "at_the_latest");
	put_stack(w, "stack", report_stack_of(w->r, s->stack));
}

/* True if the filter keeps it. */
static bool is_shown(const struct writer *w, uint32_t event)
{
	uint32_t lock = w->p->events[event].lock;

	return lock == MODEL_NONE || report_row_of(w->entry, w->number, lock);
}

/* Flows to all whose waits this ended. */
static void put_flows(struct writer *w, uint32_t event)
{
	for (uint32_t i = w->time.caused[event]; i != MODEL_NONE; i = w->time.next[i])
		if (is_shown(w, i))
			perfetto_flow(&w->out, w->ids + i);
}

/* tid 0: a thread whose beginning was written over, and whose record another one has now. */
static void describe_thread(struct writer *w, uint32_t tid)
{
	Perfetto__TrackDescriptor d = PERFETTO__TRACK_DESCRIPTOR__INIT;
	Perfetto__ThreadDescriptor thread = PERFETTO__THREAD_DESCRIPTOR__INIT;
	const struct model_thread *t = &w->p->threads[w->thread];
	char name[sizeof(t->name) * 3];

	d.uuid = w->track;
	d.parent_uuid = w->ids;
	if (tid == 0) {
		d.name = (char *)"an earlier thread";
	} else {
		d.thread = &thread;
		thread.pid = (int32_t)w->p->pid;
		thread.tid = tid;
		if (tid == t->tid)
			thread.thread_name = clean_utf8(name, sizeof(name), t->name);
	}
	perfetto_descriptor(&w->out, &d);
}

/* The track of a lane, described when it is needed first. */
static uint64_t lane_track(struct writer *w, unsigned int lane)
{
	Perfetto__TrackDescriptor d = PERFETTO__TRACK_DESCRIPTOR__INIT;
	char name[64];

	if (lane == 0 || w->lanes[lane] != 0)
		return lane == 0 ? w->track : w->lanes[lane];
	w->lanes[lane] = w->ids + w->next_track++;
	d.uuid = w->lanes[lane];
	d.parent_uuid = w->track;
	snprintf(name, sizeof(name), "released out of order %u", lane);
	d.name = name;
	perfetto_descriptor(&w->out, &d);
	return w->lanes[lane];
}

/* A thread began. If its record was another one's before, it gets tracks of its own. */
static void begin_life(struct writer *w, const struct slice *s)
{
	uint64_t tid = s->event != MODEL_NONE ? w->p->events[s->event].span_ns : 0;

	if (w->lives++ > 0) {
		w->track = w->ids + w->next_track++;
		memset(w->lanes, 0, sizeof(w->lanes));
	}
	describe_thread(w, tid != 0 && tid <= INT32_MAX ? (uint32_t)tid : w->p->threads[w->thread].tid);
}

/* A thread went on after a wait, and a flow ends. Flows end where slices begin, so this is one of no length. */
static void put_woken(struct writer *w, uint32_t event, uint64_t time, unsigned int lane)
{
	if (event == MODEL_NONE)
		return;
	if (!timeline_released_unseen(&w->time, event) &&
	    (w->time.cause[event] == MODEL_NONE || !is_shown(w, w->time.cause[event])))
		return;
	perfetto_event(&w->out, PERFETTO_INSTANT, "woken", "woken");
	perfetto_flow_end(&w->out, w->ids + event);
	perfetto_put(&w->out, time, lane_track(w, lane));
}

static int put_step(void *data, const struct slice *s, enum timeline_step step)
{
	struct writer *w = data;
	const struct report_row *row = report_row_of(w->entry, w->number, s->lock);
	enum perfetto_type type = step == TIMELINE_BEGIN ? PERFETTO_BEGIN : PERFETTO_INSTANT;
	const char *category = categories[s->type];

	if (s->lock != MODEL_NONE && !row)
		return 0;
	if (s->type == EVENT_START)
		begin_life(w, s);
	if (step == TIMELINE_END) {
		if (s->type != EVENT_HOLD)
			put_woken(w, s->event, time_of(w, s->end_ns), s->lane);
		perfetto_event(&w->out, PERFETTO_END, NULL, NULL);
		if (s->type == EVENT_HOLD && s->event != MODEL_NONE)
			put_flows(w, s->event);
		perfetto_put(&w->out, time_of(w, s->end_ns), lane_track(w, s->lane));
		return w->out.error;
	}
	if (row && row->work && s->type == EVENT_WAIT)
		category = "idle";
	perfetto_event(&w->out, type, category, event_name(w, s, row));
	put_facts(w, s, row);
	if (s->type == TIMELINE_RELEASE)
		perfetto_flow(&w->out, w->ids + s->event);
	else if (s->type != EVENT_HOLD && s->event != MODEL_NONE)
		put_flows(w, s->event);
	if (s->type == EVENT_START && s->event != MODEL_NONE && w->time.cause[s->event] != MODEL_NONE)
		perfetto_flow_end(&w->out, w->ids + s->event);
	perfetto_put(&w->out, time_of(w, s->begin_ns), lane_track(w, s->lane));
	return w->out.error;
}

static bool begins_again(const struct slice *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i].type == EVENT_START)
			return true;
	return false;
}

static int put_thread(struct writer *w, uint32_t thread)
{
	struct slice *slices;
	size_t n;
	int r = timeline_thread(&w->time, thread, &slices, &n);

	if (r < 0)
		return r;
	w->thread = thread;
	w->track = w->ids + w->next_track++;
	w->lives = 0;
	memset(w->lanes, 0, sizeof(w->lanes));
	perfetto_sequence(&w->out, w->next_sequence++, w->track);
	if (n == 0 || slices[0].type != EVENT_START) {
		describe_thread(w, begins_again(slices, n) ? 0 : w->p->threads[thread].tid);
		w->lives++;
	}
	r = timeline_walk(slices, n, put_step, w);
	free(slices);
	return r < 0 ? r : w->out.error;
}

/* One reading of the clocks, so that the time of day is known. Of several processes the first one's: clocks go forward. */
static void put_clocks(struct perfetto *out, const struct report *r)
{
	Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
	Perfetto__ClockSnapshot snapshot = PERFETTO__CLOCK_SNAPSHOT__INIT;
	Perfetto__Clock boot = PERFETTO__CLOCK__INIT, realtime = PERFETTO__CLOCK__INIT;
	Perfetto__Clock *clocks[] = { &boot, &realtime };
	const struct model_process *first = NULL;

	for (size_t i = 0; i < r->model->n_processes; i++)
		if (!first || r->model->processes[i].start_boot_ns < first->start_boot_ns)
			first = &r->model->processes[i];
	if (!first)
		return;
	boot.clock_id = CLOCK_BOOTTIME_ID;
	boot.timestamp = first->start_boot_ns;
	realtime.clock_id = CLOCK_REALTIME_ID;
	realtime.timestamp = first->start_realtime_ns;
	snapshot.clocks = clocks;
	snapshot.n_clocks = sizeof(clocks) / sizeof(clocks[0]);
	snapshot.primary_trace_clock = CLOCK_BOOTTIME_ID;
	packet.clock_snapshot = &snapshot;
	perfetto_packet(out, &packet);
}

static void describe_process(struct writer *w)
{
	Perfetto__TrackDescriptor d = PERFETTO__TRACK_DESCRIPTOR__INIT;
	Perfetto__ProcessDescriptor process = PERFETTO__PROCESS_DESCRIPTOR__INIT;
	char *arguments[ARGUMENTS_MOST], *label;
	char name[NAME_SIZE], text[NAME_SIZE];

	d.uuid = w->ids;
	d.process = &process;
	process.pid = (int32_t)w->p->pid;
	process.process_name = clean_utf8(name, sizeof(name), path_name(w->p->program));
	process.cmdline = arguments;
	for (size_t i = 0; w->p->arguments[i] && i < ARGUMENTS_MOST; i++) {
		char clean[PERFETTO_TEXT];

		arguments[process.n_cmdline++] =
			(char *)kept(w, clean_utf8(clean, sizeof(clean), w->p->arguments[i]));
	}
	if (window_words(text, sizeof(text), w->p)) {
		label = text;
		process.process_labels = &label;
		process.n_process_labels = 1;
	}
	perfetto_descriptor(&w->out, &d);
	if (w->time.overwritten == 0)
		return;
	perfetto_event(&w->out, PERFETTO_INSTANT, "window", "older events were overwritten");
	perfetto_number(&w->out, "overwritten", w->time.overwritten);
	perfetto_put(&w->out, time_of(w, w->time.from_ns), w->ids);
}

/* Numbers that those of other traces, put behind this one, do not have. */
static uint64_t ids_of(const struct model_process *p)
{
	uint64_t x = p->start_boot_ns + ((uint64_t)p->pid << 40);

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) >> 2 | 1;
}

static int put_process(struct writer *w)
{
	int r = timeline_new(w->p, &w->time);

	w->next_track = 1;
	w->ids = ids_of(w->p);
	perfetto_sequence(&w->out, w->next_sequence++, w->ids);
	if (r == 0)
		describe_process(w);
	for (size_t i = 0; r == 0 && i < w->p->n_threads; i++)
		r = put_thread(w, (uint32_t)i);
	timeline_free(&w->time);
	return r;
}

static int perfetto_render(FILE *out, const struct report *r, const struct render_options *o)
{
	struct writer w = { .r = r };
	int e = 0;

	(void)o;
	perfetto_open(&w.out, out);
	if (r->n_processes)
		w.next_sequence = (uint32_t)(ids_of(r->processes[0].first) >> 32 & 0x3fffffff) | 0x40000000;
	perfetto_sequence(&w.out, w.next_sequence++, 0);
	put_clocks(&w.out, r);
	for (size_t i = 0; i < r->n_processes && e == 0; i++) {
		w.entry = &r->processes[i];
		for (w.number = 0; w.number < w.entry->n_processes && e == 0; w.number++) {
			w.p = w.entry->processes[w.number];
			e = put_process(&w);
		}
	}
	e = e < 0 ? e : w.out.error;
	perfetto_close(&w.out);
	strings_free(&w.texts);
	table_free(&w.frames);
	free(w.list);
	return e < 0 ? e : fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

const struct renderer render_perfetto = { "perfetto", perfetto_render };
