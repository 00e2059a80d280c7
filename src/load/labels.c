/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of locks that the recorder gave them, from the session into the model. Runs in mutrace. Called by resolve.c. */
#include <errno.h>
#include <string.h>

#include "src/load/image.h"

static int label_take(struct image *im, const struct image_chunk *c, const void *item, uint32_t number)
{
	const struct lock_label *l = item;
	struct model_label *label;
	uint32_t lock = lock_number(im, l->lock);
	char path[LOCK_LABEL_PATH + 1];

	(void)c;
	(void)number;
	if (lock == MODEL_NONE)
		return 0;
	memcpy(path, l->path, LOCK_LABEL_PATH);
	path[LOCK_LABEL_PATH] = 0;
	label = pool_take(&im->model->tables->pool, sizeof(*label));
	if (!label)
		return -ENOMEM;
	label->fd = l->fd;
	label->path = strings_intern(&im->model->tables->strings, path);
	im->process->locks[lock].label = label;
	return label->path ? 0 : -ENOMEM;
}

int labels_read(struct image *im)
{
	return chunks_each(im, CHUNK_LOCK_LABELS, sizeof(struct lock_label), label_take);
}
