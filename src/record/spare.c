/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The image for the next child, see spare.h. Called by recorder.c and image.c. */
#include "src/record/spare.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/record/clock.h"
#include "src/record/procinfo.h"
#include "src/record/raw.h"
#include "src/record/sessionfile.h"

#define START_UNITS 100u /* a second has so many of image_header.process_start: the kernel's USER_HZ */

/* Shared with the child through fork. */
static struct {
	struct mapping image;
	char path[MAPPING_PATH_SIZE];
	uint32_t attachment; /* recorder.attachment when it was made */
	uint64_t forking;    /* when the parent was about to fork, as image_header.process_start */
	bool claimed;
} spare;

static void renew(void)
{
	struct image_header *h = (struct image_header *)spare.image.base;

	if (h != NULL && spare.attachment != recorder.attachment) { /* of an earlier session */
		mapping_drop(&spare.image);
	} else if (h != NULL) {
		uint32_t pid = __atomic_load_n(&h->pid, __ATOMIC_ACQUIRE);

		if (pid == 0)
			return;
		/* The last child took it. If that one is gone and recorded nothing, the next may have it. */
		if (h->used <= CHUNK_ALIGN && raw_kill(pid, 0) == -ESRCH) {
			h->state = IMAGE_EMPTY;
			__atomic_store_n(&h->pid, 0, __ATOMIC_RELEASE);
			return;
		}
		mapping_drop(&spare.image);
	}
	if (sessionfile_add_image(&spare.image, spare.path, CHUNK_ALIGN, recorder.header->pid_namespace) < 0)
		spare.image.base = NULL;
	spare.attachment = recorder.attachment;
}

/* The kernel's count of when a process started. 0: that would be a system call, which a child in a sandbox
 * may not make. */
static uint64_t start_now(void)
{
	struct timespec t;

	if (!recorder.counter || clock_gettime(CLOCK_BOOTTIME, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * START_UNITS + (uint64_t)t.tv_nsec / (1000000000u / START_UNITS);
}

void spare_prepare(void)
{
	renew();
	spare.forking = start_now();
}

void spare_claim(void)
{
	struct image_header *h = (struct image_header *)spare.image.base;
	uint32_t nobody = 0;

	spare.claimed = h != NULL && __atomic_compare_exchange_n(&h->pid, &nobody, (uint32_t)getpid(), false,
								 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	if (spare.claimed) {
		/* Until the state says so nobody outside takes the pid for one of the maker's namespace. The first
		 * of a namespace has another; others are in the maker's. No call more, for what forks in a
		 * sandbox. */
		h->pid_namespace = h->pid == 1 ? procinfo_pid_namespace() : h->maker_namespace;
		h->process_start = spare.forking == start_now() ? spare.forking : 0; /* 0: to be read */
		h->start_ticks = clock_now();
		sessionfile_begin_header(h, (enum clock_kind)recorder.header->clock_kind);
		__atomic_store_n(&h->state, IMAGE_RUNNING, __ATOMIC_RELEASE);
	}
}

bool spare_take(struct mapping *ret, char *path)
{
	bool taken = spare.claimed && spare.image.base != NULL;

	if (taken) {
		strcpy(path, spare.path);
		*ret = spare.image;
		ret->path = path;
	} else {
		mapping_drop(&spare.image); /* a sibling's */
	}
	spare.image.base = NULL;
	spare.claimed = false;
	return taken;
}
