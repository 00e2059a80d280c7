/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See timeline_note.h. Called by run.c and report.c. */
#include "src/cmd/timeline_note.h"

#include "src/base/path.h"
#include "src/cmd/say.h"
#include "src/render/clean.h"
#include "src/render/window.h"

#define PROGRAM_SIZE 256

void timeline_note(const struct pipeline *p, const struct output outputs[OUTPUTS])
{
	const char *path = outputs[OUTPUT_perfetto].path;
	const struct model *m = p->model;
	char program[PROGRAM_SIZE], words[WINDOW_SIZE];
	size_t with = 0;

	if (!path)
		return;
	for (size_t i = 0; i < m->n_processes; i++) {
		const struct model_process *one = &m->processes[i];

		with += one->n_events != 0;
		if (!window_words(words, sizeof(words), one))
			continue;
		clean_text(program, sizeof(program), path_name(one->program));
		say("%s: of %s (PID %u) there is %s; --events=SIZE keeps more", path, program, one->pid,
		    words);
	}
	if (with == 0)
		say("%s has no waits and holds: none were recorded (see --events)", path);
}
