/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See rights.h. */
#include "src/cmd/rights.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The effective ones become as in `effective`; what they were is put in there. */
static int capabilities_change(uint32_t effective[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) != 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		uint32_t before = data[i].effective;

		data[i].effective = effective[i];
		effective[i] = before;
	}
	return syscall(SYS_capset, &header, data) == 0 ? 0 : -errno;
}

int rights_take(struct rights *before, uid_t uid, gid_t gid)
{
	int r;

	*before = (struct rights){ .uid = geteuid(), .gid = getegid(), .n_groups = -1 };
	if (uid != before->uid || gid != before->gid) {
		before->n_groups = getgroups(RIGHTS_GROUPS, before->groups);
		if (before->n_groups < 0 || setgroups(0, NULL) != 0)
			return -errno;
		setfsgid(gid);
		setfsuid(uid);
	}
	r = (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid
		    ? capabilities_change(before->capabilities)
		    : -EPERM;
	if (r < 0)
		rights_back(before);
	return r;
}

void rights_back(const struct rights *before)
{
	uint32_t capabilities[2] = { before->capabilities[0], before->capabilities[1] };

	if (capabilities[0] | capabilities[1] && capabilities_change(capabilities) < 0)
		return; /* with fewer rights it fails later, and says so */
	setfsuid(before->uid);
	setfsgid(before->gid);
	if (before->n_groups >= 0 && setgroups((size_t)before->n_groups, before->groups) != 0)
		errno = 0; /* fewer than before */
}
