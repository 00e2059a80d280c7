/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One image file becomes one process of the model. Runs in mutrace, single-threaded. Called by session.c. The
 * file may be damaged, made by an attacker, or still being written to.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "src/base/pidns.h"
#include "src/load/image.h"
#include "src/session/directory.h"

#define IMAGE_SIZE_MAX ((uint64_t)64 * 1024 * 1024 * 1024) /* larger is no recording but an attack */

static int header_check(const struct image_header *h, int64_t got, const char *name, char *error)
{
	if (got < (int64_t)(sizeof(h->magic) + 2 * sizeof(uint32_t)) ||
	    memcmp(h->magic, SESSION_IMAGE_MAGIC, sizeof(h->magic)) != 0) {
		if (got > 0 && got < (int64_t)sizeof(h->magic) &&
		    memcmp(h->magic, SESSION_IMAGE_MAGIC, got) == 0)
			snprintf(error, MODEL_ERROR_SIZE, "%s is cut off in its header", name);
		else
			snprintf(error, MODEL_ERROR_SIZE, "%s is not a recording of mutrace", name);
		return -EBADMSG;
	}
	if (h->byte_order != SESSION_BYTE_ORDER) {
		if (h->byte_order == __builtin_bswap32(SESSION_BYTE_ORDER)) {
			snprintf(error, MODEL_ERROR_SIZE,
				 "%s was recorded on a machine with the other byte order", name);
			return -EPROTONOSUPPORT;
		}
		snprintf(error, MODEL_ERROR_SIZE, "%s is damaged in its header", name);
		return -EBADMSG;
	}
	if (h->format != SESSION_FORMAT) {
		snprintf(error, MODEL_ERROR_SIZE,
			 "%s has session format %u, %s; this mutrace reads format %u", name, h->format,
			 h->format > SESSION_FORMAT ? "written by a newer mutrace" : "of an older mutrace",
			 SESSION_FORMAT);
		return -EPROTONOSUPPORT;
	}
	if (got < (int64_t)sizeof(*h)) {
		snprintf(error, MODEL_ERROR_SIZE, "%s is cut off in its header", name);
		return -EBADMSG;
	}
	if (h->header_size < IMAGE_HEADER_LEAST || h->header_size > CHUNK_ALIGN || h->used < CHUNK_ALIGN ||
	    h->used % CHUNK_ALIGN != 0 ||
	    (h->clock_kind != CLOCK_KIND_NS && h->clock_kind != CLOCK_KIND_TSC)) {
		snprintf(error, MODEL_ERROR_SIZE, "%s is damaged in its header", name);
		return -EBADMSG;
	}
	return 0;
}

static int arguments_take(struct model *m, struct model_process *p, const struct image_header *h)
{
	size_t max = sizeof(h->arguments), at = 0, n = 0, length;
	const char **list;

	list = pool_take(&m->tables->pool, (max / 2 + 2) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	p->arguments_cut = true;
	while (at < max) {
		length = strnlen(h->arguments + at, max - at);
		if (length == 0) {
			p->arguments_cut = false;
			break;
		}
		list[n] = pool_copy(&m->tables->pool, h->arguments + at, length);
		if (!list[n++])
			return -ENOMEM;
		at += length + 1;
	}
	p->arguments = list;
	return 0;
}

/* A limit of the recording window, after the start of the session. */
static uint64_t window_time(uint64_t ns, const struct session_context *c)
{
	return c->have_file && ns > c->file.start_ns ? ns - c->file.start_ns : 0;
}

static int header_take(struct image *im, const char *name, const struct session_context *c)
{
	const struct image_header *h = &im->header;
	struct model_process *p = im->process;
	struct model *m = im->model;
	char program[sizeof(h->program) + 1];
	struct ticks_rate *r = &im->rate;
	uint64_t start;

	memcpy(program, h->program, sizeof(h->program));
	program[sizeof(h->program)] = 0;
	p->source = strings_intern(&m->tables->strings, name);
	p->program = strings_intern(&m->tables->strings, program);
	if (!p->source || !p->program)
		return -ENOMEM;
	p->pid = h->pid;
	p->ppid = h->ppid;
	p->forked = h->parent_image != 0;
	p->unwinder = h->unwinder != 0;
	p->truncated = h->used > im->size;
	p->start_realtime_ns = h->start_realtime_ns;
	start = h->sync.first_ns + (r->origin > h->sync.first_ticks
					    ? ticks_span(r, r->origin - h->sync.first_ticks)
					    : -ticks_span(r, h->sync.first_ticks - r->origin));
	p->start_ns = c->have_file && start > c->file.start_ns ? start - c->file.start_ns : 0;
	p->start_boot_ns = start + h->suspended_ns;
	if (h->window_begin_ns && start > h->sync.first_ns)
		p->start_realtime_ns += start - h->sync.first_ns;
	p->window_begin_ns = window_time(h->window_begin_ns, c);
	p->window_end_ns = window_time(h->window_end_ns, c);
	p->ns_per_tick = r->ns_per_tick;
	p->config = h->config;
	memcpy(p->lost, h->lost, sizeof(p->lost));
	p->cost_pair_ns = (double)h->cost_pair_ticks * r->ns_per_tick;
	p->cost_contended_ns = (double)h->cost_contended_ticks * r->ns_per_tick;
	p->threads_started = h->threads_started;
	p->cores = h->cores;
	_Static_assert(sizeof(p->aside_us) <= sizeof(h->aside_us), "room in the header");
	memcpy(p->aside_us, h->aside_us, sizeof(p->aside_us));
	p->pointer_size = h->pointer_size;
	return arguments_take(m, p, h);
}

static int outside_take(struct model *m, struct model_process *p, const struct image_header *h)
{
	for (unsigned int i = 0; i < OUTSIDE_MAX; i++) {
		char name[OUTSIDE_NAME + 1];

		memcpy(name, h->outside_name[i], OUTSIDE_NAME);
		name[OUTSIDE_NAME] = 0;
		p->outside[i] = h->outside[i];
		p->outside_name[i] = strings_intern(&m->tables->strings, name);
		if (!p->outside_name[i])
			return -ENOMEM;
	}
	char name[OUTSIDE_NAME + 1];

	memcpy(name, h->unseen_library, OUTSIDE_NAME);
	name[OUTSIDE_NAME] = 0;
	p->unseen_libraries = h->unseen_libraries;
	p->redirected_slots = h->redirected_slots;
	p->redirected_pointers = h->redirected_pointers;
	p->redirected_not = h->redirected_not;
	p->libc_locks = h->libc_locks < LIBC_LOCKS_MAX ? h->libc_locks : LIBC_LOCKS_UNKNOWN;
	p->unseen_library = strings_intern(&m->tables->strings, name);
	return p->unseen_library ? 0 : -ENOMEM;
}

/* Of a process that was seen dead and could not say so itself. */
static void end_seen(struct model_process *p, const struct image_header *h, const struct session_context *c)
{
	bool known = h->wait_status & WAIT_STATUS_KNOWN;
	int status = (int)(h->wait_status & 0xffff);

	if (!known && c->have_file && c->file.finished && c->file.program_pid == h->pid) {
		known = true;
		status = (int)(c->file.wait_status & 0xffff);
	}
	p->signal = known && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	p->end = !known ? PROCESS_ENDED : p->signal ? PROCESS_KILLED : PROCESS_QUIT;
}

/*
 * True of a process in a container beside ours, where it cannot be seen, as long as the mutrace that records it is there:
 * that one notes ends.
 */
static bool recorded_beside(const struct image *im, const struct session_context *c)
{
	const struct image_header *h = &im->header;

	return im->rate.same_boot && h->state == IMAGE_RUNNING && !pidns_seen(h->pid_namespace) &&
	       c->have_file && !c->file.finished && directory_held_by_others(c->hold);
}

/* When and how it ended, known as well as it can be. */
static void end_take(struct image *im, const struct session_context *c)
{
	const struct image_header *h = &im->header;
	struct model_process *p = im->process;
	uint64_t end = h->end_ticks;

	if (h->end_ticks) {
		p->end = h->state == IMAGE_EXECED     ? PROCESS_EXECED
			 : h->state == IMAGE_QUIT     ? PROCESS_QUIT
			 : h->state == IMAGE_DETACHED ? PROCESS_DETACHED
						      : PROCESS_EXITED;
	} else if (h->observed_end_ticks) {
		end_seen(p, h, c);
		end = h->observed_end_ticks;
	} else if (image_alive(h, im->rate.same_boot) || recorded_beside(im, c)) {
		p->end = PROCESS_ALIVE;
		p->taken_ns = ticks_time(&im->rate, im->taken);
		end = ticks_now(h);
	} else {
		p->end = PROCESS_UNKNOWN;
		/* from a container beside that of the program it cannot be seen how it ended */
		if (im->rate.same_boot &&
		    (pidns_seen(h->pid_namespace) || (c->have_file && c->file.finished)))
			end_seen(p, h, c);
		if (c->have_file && c->file.finished &&
		    memcmp(c->file.boot_id, h->boot_id, sizeof(h->boot_id)) == 0 &&
		    c->file.program_pid == h->pid)
			end = c->file.end_ticks;
		else
			end = h->sync.last_ticks;
	}
	if (!h->end_ticks && end < im->latest)
		end = im->latest;
	if (h->window_end_ns && end > ticks_at(&im->rate, h, h->window_end_ns))
		end = ticks_at(&im->rate, h, h->window_end_ns);
	p->runtime_ns = ticks_time(&im->rate, end);
}

static void image_clear(struct image *im)
{
	free(im->chunks);
	free(im->pages);
	free(im->buffer);
	free(im->nodes);
	free(im->node_stack);
	free(im->modules);
	free(im->held);
	free(im->waits_booked);
	free(im->thread_offsets);
	free(im->joins);
	free(im->counts);
	free(im->signals);
	free(im->thread_sites);
	free(im->cell_sites);
	free(im->edge_sites);
	free(im->event_chunks);
}

int image_load(struct model *m, int fd, uint64_t size, const char *name, const struct session_context *c,
	       char *error)
{
	struct image im = { .fd = fd, .size = size, .scanned = CHUNK_ALIGN, .model = m };
	struct model_process process = { 0 };
	int64_t got;
	int r;

	im.process = &process;
	im.session = c;
	if (sscanf(name, SESSION_IMAGE_PREFIX "%" SCNu32 ".%" SCNu32, &im.maker, &im.serial) != 2)
		im.maker = 0;
	got = file_read(fd, &im.header, sizeof(im.header), 0);
	if (got < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be read: %s", name, strerror((int)-got));
		return (int)got;
	}
	r = header_check(&im.header, got, name, error);
	if (r < 0)
		return r;
	if (im.header.state == IMAGE_EMPTY)
		return -ENODATA;
	if (size > IMAGE_SIZE_MAX) {
		snprintf(error, MODEL_ERROR_SIZE, "%s is larger than any recording", name);
		return -EFBIG;
	}
	ticks_rate_init(&im.rate, &im.header, c);
	r = items_read(&im);
	if (r == 0)
		r = header_take(&im, name, c);
	if (r == 0)
		r = outside_take(m, &process, &im.header);
	if (r == 0) {
		end_take(&im, c);
		r = items_resolve(&im);
	}
	if (r == 0)
		r = array_grow(&m->processes, m->n_processes, &m->tables->cap_processes,
			       sizeof(*m->processes));
	image_clear(&im);
	if (r < 0) {
		snprintf(error, MODEL_ERROR_SIZE, "%s cannot be read: %s", name, strerror(-r));
		process_clear(&process);
		return r;
	}
	m->processes[m->n_processes++] = process;
	return 0;
}
