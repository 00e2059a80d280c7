/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mutrace hang PID|CORE: who waits for whom, in a process that nobody prepared. */
#include "src/cmd/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/say.h"
#include "src/inspect/inspect.h"
#include "src/render/inspect.h"

/* A number is a process, unless there is a file of that name. */
static bool is_pid(const char *argument, pid_t *ret)
{
	char *end;
	long n = strtol(argument, &end, 10);

	if (argument[0] < '0' || argument[0] > '9' || *end || n <= 0 || n > INT32_MAX ||
	    access(argument, F_OK) == 0)
		return false;
	*ret = (pid_t)n;
	return true;
}

static int json_write(const char *path, const struct inspection *i)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	int r;

	if (!f) {
		say("%s: %s", path, strerror(errno));
		return -1;
	}
	r = inspect_json(f, i);
	if (f != stdout && fclose(f) != 0 && r == 0)
		r = -errno;
	if (r < 0)
		say("%s cannot be written: %s", path, strerror(-r));
	return r;
}

static int show(struct options *o, const struct inspection *i)
{
	const char *json = o->outputs[OUTPUT_json].path;
	int r = 0;

	render_options_fit(&o->render, stdout);
	/* With JSON on stdout nobody reads the text there. */
	if (!outputs_on_stdout(o->outputs))
		r = inspect_text(stdout, i, &o->render);
	if (json && json_write(json, i) < 0)
		return STATUS_TROUBLE;
	if (r < 0 || (fflush(stdout) != 0 && errno != EPIPE)) {
		say("the result cannot be written: %s", strerror(r < 0 ? -r : errno));
		return STATUS_TROUBLE;
	}
	return EXIT_SUCCESS;
}

int command_hang(struct options *o, int argc, char **argv)
{
	char error[INSPECT_ERROR_SIZE] = "";
	struct inspection *i = NULL;
	const char *core = NULL;
	int status = STATUS_TROUBLE;
	pid_t pid = 0;

	if (argc != 1) {
		say("one process or core file is wanted: mutrace hang [OPTION...] PID|CORE");
		return STATUS_TROUBLE;
	}
	if (!is_pid(argv[0], &pid))
		core = argv[0];
	if (inspect_run(pid, core, &o->report, &i, error) < 0)
		say("%s", error);
	else
		status = show(o, i);
	inspect_free(i);
	return status;
}
