/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See session_below.h. */
#include "src/cmd/session_below.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/cmd/rights.h"

/* By no link that the process may have put there. */
static int foreign_place(const char *root, const char *place)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (top < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, top, place, &how, sizeof(how));
	fd = fd < 0 ? -errno : fd;
	close(top);
	return fd;
}

/* The process's user chooses what is mounted there. */
static int make(struct sessiondir *s, const struct options *o, const struct attach_target *target, int place)
{
	struct rights ours;
	int r = rights_take(&ours, target->uid, target->gid);

	if (r == 0) {
		r = sessiondir_make_below(s, &o->config, o->rt_threads, place);
		rights_back(&ours);
	}
	return r;
}

int session_below(struct sessiondir *s, const struct options *o, const struct attach_target *target,
		  char *path, size_t size)
{
	static const char *const places[] = { "dev/shm", "tmp", "var/tmp" };
	int first = 0, r;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int place = foreign_place(target->root, places[i]);

		r = place < 0 ? place : make(s, o, target, place);
		if (r == 0) {
			snprintf(path, size, "/%s%s", places[i], strrchr(s->path, '/'));
			return place;
		}
		if (place >= 0)
			close(place);
		first = first ? first : r;
	}
	return first;
}
