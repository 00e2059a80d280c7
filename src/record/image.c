/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The image file, see image.h. Called by recorder.c. */
#include "src/record/image.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/record/clock.h"
#include "src/record/procinfo.h"
#include "src/record/sessionfile.h"
#include "src/record/spare.h"

static char image_path[MAPPING_PATH_SIZE];

/* The part of the header that tells one image from another. parent: that of the process that this one was
 * forked from, or NULL. */
static void fill_header(struct image_header *h, const struct image_header *parent)
{
	struct timespec t;

	sessionfile_begin_header(h, recorder.counter ? CLOCK_KIND_TSC : CLOCK_KIND_NS);
	h->ppid = (uint32_t)getppid();
	h->uid = (uint32_t)getuid();
	if (h->process_start == 0)
		h->process_start = procinfo_start_time();
	clock_gettime(CLOCK_REALTIME, &t);
	h->start_realtime_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	ticks_pair(recorder.counter, &h->sync.first_ticks, &h->sync.first_ns);
	h->start_ticks = h->sync.first_ticks;
	if (clock_gettime(CLOCK_BOOTTIME, &t) == 0)
		h->suspended_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - h->sync.first_ns;
	h->config = recorder.config;
	h->window_begin_ns = recorder.window.begin_ns;
	h->window_end_ns = recorder.window.end_ns;
	h->cores = procinfo_cores();
	if (parent != NULL)
		memcpy(h->boot_id, parent->boot_id, sizeof(h->boot_id));
	else
		procinfo_boot_id(h->boot_id);
	clock_sync();
	__atomic_store_n(&h->pid, (uint32_t)getpid(), __ATOMIC_RELEASE);
	__atomic_store_n(&h->state, IMAGE_RUNNING, __ATOMIC_RELEASE);
}

uint64_t clock_ticks(uint64_t ns)
{
	const struct clock_sync *c = &recorder.header->sync;
	uint64_t passed = ticks_monotonic_ns() - c->first_ns;

	if (passed == 0)
		return ns;
	return (uint64_t)((double)(clock_now() - c->first_ticks) / (double)passed * (double)ns);
}

void clock_sync(void)
{
	struct clock_sync *s = &recorder.header->sync;

	ticks_pair(recorder.counter, &s->last_ticks, &s->last_ns);
}

static void take_over(const struct mapping *image)
{
	recorder.image = *image;
	recorder.header = (struct image_header *)image->base;
	recorder.pid = (uint32_t)getpid();
	recorder.counter = (uint8_t)ticks_have_counter();
	recorder.high_bit_flip = arch_high_bit(1);
	recorder.mode = recorder.config.contended_only    ? MODE_CONTENDED
			: recorder.config.sample_hold > 1 ? MODE_SAMPLED
			: recorder.counter                ? MODE_EXACT
							  : MODE_EXACT_BY_CALL;
	recorder.events = recorder.config.events != 0 && recorder.config.watch == 0 &&
			  recorder.mode != MODE_CONTENDED && recorder.mode != MODE_SAMPLED;
}

int image_attach(bool make)
{
	struct mapping image;
	int r = sessionfile_find(make);

	if (r < 0)
		return r;
	r = sessionfile_add_image(&image, image_path, MAPPING_FIRST, procinfo_pid_namespace());
	if (r < 0) {
		sessionfile_give_up();
		return r;
	}
	take_over(&image);
	fill_header(recorder.header, NULL);
	recorder.session_user = geteuid();
	recorder.by_environment = secure_getenv("LD_PRELOAD") != NULL;
	return 0;
}

int image_attach_to(const char *session)
{
	struct mapping image = recorder.image;
	uint32_t namespace = procinfo_pid_namespace();
	int r = sessionfile_use(session);

	if (r < 0)
		return r;
	if (image.base != NULL)
		r = sessionfile_replace_image(&image, image_path, namespace);
	else
		r = sessionfile_add_image(&image, image_path, MAPPING_FIRST, namespace);
	if (r < 0)
		return r;
	recorder.full = 0;
	take_over(&image);
	fill_header(recorder.header, NULL);
	recorder.session_user = geteuid();
	recorder.by_environment = 1; /* what it executes has no session: its environment is as it was */
	return 0;
}

int image_adopt(void)
{
	struct image_header *parent = recorder.header;
	struct mapping image, old = recorder.image;
	int r;

	if (!spare_take(&image, image_path)) {
		r = sessionfile_add_image(&image, image_path, MAPPING_FIRST, procinfo_pid_namespace());
		if (r < 0)
			return r;
	}
	recorder.grow_lock = 0;
	recorder.full = 0;
	take_over(&image);
	fill_header(recorder.header, parent);
	recorder.header->parent_image = 1;
	recorder.header->ppid = (uint32_t)getppid();
	if (parent != NULL) {
		memcpy(recorder.header->program, parent->program, sizeof(parent->program));
		memcpy(recorder.header->arguments, parent->arguments, sizeof(parent->arguments));
		recorder.header->unwinder = parent->unwinder;
		recorder.header->libc_locks = recorder.libc_locks;
		recorder.header->cost_pair_ticks = parent->cost_pair_ticks;
		recorder.header->cost_contended_ticks = parent->cost_contended_ticks;
		mapping_drop(&old);
	}
	return 0;
}
