/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mutrace report SESSION...: reads sessions that were kept, that a killed mutrace left behind, or that
 * still run. */
#include "src/cmd/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/cmd/byhand.h"
#include "src/cmd/options.h"
#include "src/cmd/pipeline.h"
#include "src/cmd/say.h"
#include "src/cmd/sessiondir.h"
#include "src/cmd/timeline_note.h"
#include "src/session/directory.h"

/* One line about the session in place/name, if it is one of ours. */
static int list_one(const char *place, const char *name)
{
	struct session_file s;
	struct stat st;
	char *path, when[64] = "";
	time_t start;
	struct tm tm;
	int fd, found = 0;

	if (asprintf(&path, "%s/%s/" SESSION_FILE, place, name) < 0)
		return 0;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    pread(fd, &s, sizeof(s), 0) == (ssize_t)sizeof(s) &&
	    memcmp(s.magic, SESSION_FILE_MAGIC, sizeof(s.magic)) == 0) {
		start = (time_t)(s.start_realtime_ns / 1000000000u);
		if (localtime_r(&start, &tm))
			strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		say("  %s/%s, started %s%s", place, name, when,
		    s.pid != 0 && s.pid < INT32_MAX && (kill((pid_t)s.pid, 0) == 0 || errno != ESRCH)
			    ? ", still recording"
			    : "");
		found = 1;
	}
	close(fd);
	return found;
}

/* The directory for sessions that nobody named. */
static void list_sessions(void)
{
	const char *places[DIRECTORY_PLACES];
	int found = 0;

	say("no session named; usage: %s report [OPTION...] SESSION...", say_name());
	directory_places(getenv("TMPDIR"), places);
	for (size_t i = 0; i < DIRECTORY_PLACES; i++) {
		struct dirent *entry;
		DIR *dir;

		dir = places[i] ? opendir(places[i]) : NULL;
		if (!dir)
			continue;
		while ((entry = readdir(dir))) {
			if (strncmp(entry->d_name, DIRECTORY_NAME, strlen(DIRECTORY_NAME)) != 0)
				continue;
			if (found == 0)
				say("your sessions:");
			found += list_one(places[i], entry->d_name);
		}
		closedir(dir);
	}
}

/* Writes the report where the options say. The status to exit with. */
static int report(struct options *o, const char *const *sessions, size_t n)
{
	char error[MODEL_ERROR_SIZE];
	struct pipeline p;
	int r;

	o->report.progress_fd = isatty(STDERR_FILENO) ? STDERR_FILENO : -1;
	r = pipeline_analyse(&p, sessions, n, &o->report, error);
	if (r == 0) {
		/* With JSON or the like on stdout nobody reads the text there. */
		r = pipeline_write(&p, o->outputs, outputs_on_stdout(o->outputs) ? NULL : stdout, &o->render,
				   error);
		timeline_note(&p, o->outputs);
		pipeline_free(&p);
	}
	if (r < 0)
		say("%s", error);
	else if (fflush(stdout) != 0 && errno != EPIPE)
		say("cannot write the report: %s", strerror(errno));
	else
		return EXIT_SUCCESS;
	return STATUS_TROUBLE;
}

int command_report(struct options *o, int argc, char **argv)
{
	int status;

	if (argc < 1) {
		list_sessions();
		return STATUS_TROUBLE;
	}
	if (argc > 1 && o->outputs[OUTPUT_perfetto].path) {
		say("--perfetto is for one session: several have no common clock");
		return STATUS_TROUBLE;
	}
	if (o->by_hand)
		return byhand_report(argv[0], o->command);
	status = report(o, (const char *const *)argv, (size_t)argc);
	for (int i = 0; i < argc && o->remove_session; i++) {
		int r = sessiondir_remove(argv[i]);

		if (r < 0)
			say("%s could not be removed: %s", argv[i], strerror(-r));
	}
	return status;
}
