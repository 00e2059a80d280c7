/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions to the last scan of a session's processes, see follow.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/cmd/follow_inside.h"
#include "src/cmd/image_file.h"
#include "src/cmd/newcomers.h"
#include "src/session/format.h"
#include "src/session/ticks.h"

/* True if a process has mapped an image of the session. A child has its parent's until it has one. */
static bool has_mapped_image(uint32_t pid, const char *session)
{
	char path[64], *line = NULL;
	const char *at;
	bool found = false;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	while (f && !found && getline(&line, &size, f) > 0)
		found = (at = strstr(line, session)) &&
			strncmp(at + strlen(session), "/" SESSION_IMAGE_PREFIX,
				strlen("/" SESSION_IMAGE_PREFIX)) == 0;
	free(line);
	if (f)
		fclose(f);
	return found;
}

bool follow_trusts(const struct follow *f, struct tracked *t)
{
	if (!f->session)
		return true;
	if (!t->asked)
		t->ours = has_mapped_image(t->pid_here, f->session);
	t->asked = true;
	return t->ours;
}

static bool has_living_image(const struct follow *f, uint32_t pid_here)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->tracked[i].pid_here == pid_here && f->tracked[i].phase == PHASE_ALIVE)
			return true;
	return false;
}

/* Somebody is about to show up: not for ever, for what comes may be static, or have left the session. */
static bool awaits_birth(const struct follow *f, const struct tracked *t)
{
	if (t->births)
		return true;
	if (ticks_monotonic_ns() - t->since_ns > BIRTH_NS)
		return false;
	if (t->phase == PHASE_EXECED)
		return !has_living_image(f, t->pid_here);
	/* A process that has just made its file and not yet written into it; else the file is for a child. */
	return t->phase == PHASE_WAITING && !has_living_image(f, t->maker_here) && follow_maker_lives(t);
}

static bool known(const void *data, pid_t pid)
{
	const struct follow *f = data;

	for (size_t i = 0; i < f->n; i++)
		if (f->tracked[i].pid_here == (uint32_t)pid)
			return true;
	return false;
}

bool follow_expects(const struct follow *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (awaits_birth(f, &f->tracked[i]))
			return true;
	return false;
}

bool follow_busy(const struct follow *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->tracked[i].phase == PHASE_ALIVE)
			return true;
	return follow_expects(f);
}

/* It said so itself; the process may still be there, waiting for something. */
static bool has_ended(const struct follow *f, const struct tracked *t)
{
	int fd = follow_open_image(f, t, O_RDONLY);
	struct image_header h;
	bool ended = fd < 0 || (image_file_header(fd, &h) && h.end_ticks != 0 && h.state != IMAGE_EXECED);

	if (fd >= 0)
		close(fd);
	return ended;
}

unsigned int follow_others(const struct follow *f, pid_t but)
{
	unsigned int n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct tracked *t = &f->tracked[i];

		n += t->phase == PHASE_ALIVE && t->pid_here != (uint32_t)but && !has_ended(f, t);
	}
	return n;
}

bool follow_newcomers(struct follow *f, const char *session)
{
	if (!newcomers_exist(session, known, f))
		return false;
	if (f->newcomers_since_ns == 0)
		f->newcomers_since_ns = ticks_monotonic_ns();
	return ticks_monotonic_ns() - f->newcomers_since_ns <= BIRTH_NS;
}

unsigned int follow_living(const struct follow *f, pid_t *ret_one)
{
	unsigned int living = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->tracked[i].phase == PHASE_ALIVE) {
			*ret_one = (pid_t)f->tracked[i].pid_here;
			living++;
		}
	return living;
}

size_t follow_pids(const struct follow *f, pid_t *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n && n < max; i++)
		if (f->tracked[i].phase == PHASE_ALIVE && f->tracked[i].pid_here != 0 &&
		    follow_trusts(f, &f->tracked[i]))
			out[n++] = (pid_t)f->tracked[i].pid_here;
	return n;
}

bool follow_any(const struct follow *f)
{
	return f->any;
}
