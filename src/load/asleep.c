/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file "asleep" of a session, into the model. Runs in mutrace. Called by session.c and resolve.c. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/load/image.h"

#define FILE_MOST (64u << 20)

int asleep_read(int dir, struct session_context *c)
{
	unsigned int uid;
	uint64_t size = 0;
	int fd = file_open(dir, SESSION_ASLEEP, &size, &uid);
	int64_t got;

	if (fd < 0) /* it says nothing that a report cannot do without */
		return 0;
	size = (size < FILE_MOST ? size : FILE_MOST) / sizeof(*c->asleep) * sizeof(*c->asleep);
	c->asleep = malloc(size + 1);
	got = c->asleep ? file_read(fd, c->asleep, size, 0) : 0;
	close(fd);
	c->n_asleep = got > 0 ? (size_t)got / sizeof(*c->asleep) : 0;
	return c->asleep ? 0 : -ENOMEM;
}

static int stack_make(struct image *im, const struct asleep_rec *rec, uint32_t *ret)
{
	uint32_t frame;

	*ret = MODEL_NONE;
	for (uint32_t i = 0; i < rec->n_frames; i++) {
		int r = frame_resolve(im, rec->frame[i], &frame);

		if (r == 0 && frame != MODEL_NONE)
			r = tables_node(im->model, frame, *ret, false, ret);
		if (r < 0)
			return r;
	}
	return 0;
}

int asleep_resolve(struct image *im)
{
	struct model_process *p = im->process;
	size_t capacity = 0;

	for (size_t i = 0; i < im->session->n_asleep; i++) {
		const struct asleep_rec *rec = &im->session->asleep[i];
		uint32_t cell, stack;

		if (rec->maker != im->maker || rec->serial != im->serial || rec->n_frames > ASLEEP_FRAMES)
			continue;
		cell = chunks_number(im, CHUNK_CELLS, rec->cell);
		if (cell == MODEL_NONE || cell >= p->n_cells || p->cells[cell].lock == MODEL_NONE)
			continue;
		if (array_grow(&p->asleep, p->n_asleep, &capacity, sizeof(*p->asleep)) < 0 ||
		    stack_make(im, rec, &stack) < 0)
			return -ENOMEM;
		p->asleep[p->n_asleep++] = (struct model_asleep){
			.lock = p->cells[cell].lock,
			.site = p->cells[cell].site,
			.side = p->cells[cell].side,
			.stack = stack,
			.call = rec->call,
			.weight = rec->weight,
		};
	}
	return 0;
}
