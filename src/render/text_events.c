/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Single events in the text: of which part of the run they are. Runs in mutrace. Called by text.c. */
#include "src/render/text.h"
#include "src/render/window.h"

void text_window(const struct text_out *t, const struct report_process *e)
{
	char words[WINDOW_SIZE];

	for (size_t i = 0; i < e->n_processes; i++)
		if (window_words(words, sizeof(words), e->processes[i])) {
			text_line(t,
				  "events, and what is told by them, are of %s (--events=SIZE keeps more).",
				  words);
			return;
		}
}
