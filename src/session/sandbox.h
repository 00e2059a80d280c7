/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The number of seccomp filters of a process, from the text of /proc/PID/status. Both sides ask: a process with
 * more than whoever made the session has been confined since, and must not be recorded.
 */
#ifndef MUTRACE_SESSION_SANDBOX_H
#define MUTRACE_SESSION_SANDBOX_H

#include <stdint.h>
#include <string.h>

#define SANDBOX_STATUS 4096 /* bytes that the text has at most */

/* Before Linux 5.9 only whether it has any. */
static inline uint32_t sandbox_filters(const char *status)
{
	static const char *const names[] = { "\nSeccomp_filters:", "\nSeccomp:" };

	for (int i = 0; i < 2; i++) {
		size_t length = strlen(names[i]);

		for (const char *line = status; line != NULL && *line != '\0';
		     line = strchr(line + 1, '\n')) {
			uint32_t n = 0;

			if (strncmp(line, names[i], length) != 0)
				continue;
			for (line += length; *line == '\t' || *line == ' '; line++)
				;
			for (; *line >= '0' && *line <= '9'; line++)
				n = n * 10 + (uint32_t)(*line - '0');
			return i == 0 ? n : n == 2;
		}
	}
	return 0;
}

#endif
