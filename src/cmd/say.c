/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines for the user, see say.h. */
#include "src/cmd/say.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/render/clean.h"

static const char *program = "mutrace";

void say_as(const char *name)
{
	program = name;
}

const char *say_name(void)
{
	return program;
}

void say(const char *format, ...)
{
	char text[4096], line[4 * sizeof(text)];
	size_t length, done = 0;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0)
		return;
	length = (size_t)snprintf(line, sizeof(line), "%s: ", program);
	/* Names of files may hold anything; none of it shall steer the user's terminal. */
	clean_text(line + length, sizeof(line) - 1 - length, text);
	length = strlen(line);
	line[length++] = '\n';
	/* One write(), not stdio: lines stay whole beside those of the program. */
	while (done < length) {
		ssize_t written = write(STDERR_FILENO, line + done, length - done);

		if (written <= 0)
			return;
		done += (size_t)written;
	}
}

void say_guard_descriptors(void)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			return;
		if (fd > STDERR_FILENO) {
			close(fd);
			return;
		}
	}
}
