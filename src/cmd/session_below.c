/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See session_below.h. */
#include "src/cmd/session_below.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/cmd/rights.h"

/* By no link that the process may have put there. */
static int foreign_place(const char *root)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (top < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, top, "dev/shm", &how, sizeof(how));
	fd = fd < 0 ? -errno : fd;
	close(top);
	return fd;
}

/* The process's user chooses what is mounted there. */
int session_below(struct sessiondir *s, const struct options *o, const struct attach_target *target)
{
	int place = foreign_place(target->root), r = place;
	struct rights ours;

	if (place >= 0 && (r = rights_take(&ours, target->uid, target->gid)) == 0) {
		r = sessiondir_make_below(s, &o->config, o->rt_threads, place);
		rights_back(&ours);
	}
	if (place >= 0 && r < 0)
		close(place);
	return r < 0 ? r : place;
}
