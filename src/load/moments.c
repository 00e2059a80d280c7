/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files "moment.N" and "names" of a session, as text, into the model. Runs in mutrace. Called by session.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/load/tables.h"
#include "src/session/format.h"
#include "src/session/moments.h"

static int moment_read(struct model *m, int fd, uint64_t size, struct model_session *s)
{
	char *text = size != 0 && size <= MOMENT_SIZE_MOST ? malloc(size) : NULL;
	int64_t got = text ? file_read(fd, text, size, 0) : 0;
	const char *kept = got > 0 ? pool_copy(&m->tables->pool, text, (size_t)got) : NULL;

	free(text);
	if (kept)
		s->moments[s->n_moments++] = kept;
	return got > 0 && !kept ? -ENOMEM : 0;
}

int moments_read(struct model *m, int dir, struct model_session *s)
{
	int r = 0;

	s->moments = pool_take(&m->tables->pool, MOMENTS_MOST * sizeof(*s->moments));
	if (!s->moments)
		return -ENOMEM;
	for (unsigned int i = 0; i < MOMENTS_MOST && r == 0; i++) {
		char name[32];
		unsigned int uid;
		uint64_t size;
		int fd;

		snprintf(name, sizeof(name), SESSION_MOMENT_PREFIX "%u", i);
		fd = file_open(dir, name, &size, &uid);
		if (fd < 0) /* it says nothing that a report cannot do without */
			continue;
		r = moment_read(m, fd, size, s);
		close(fd);
	}
	return r;
}

#define NAMES_MOST (256u << 20)

int packed_names_read(struct model *m, int dir, struct model_session *s)
{
	unsigned int uid;
	uint64_t size;
	int64_t got;
	int fd = file_open(dir, SESSION_NAMES, &size, &uid);

	if (fd < 0)
		return 0;
	s->names = size <= NAMES_MOST ? pool_take(&m->tables->pool, size + 1) : NULL;
	got = s->names ? file_read(fd, s->names, size, 0) : 0;
	s->names_size = got > 0 ? (size_t)got : 0;
	close(fd);
	return s->names || size > NAMES_MOST ? 0 : -ENOMEM;
}
