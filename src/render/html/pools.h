/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stacks of the page, each frame and each common part of them once: a report names the same functions thousands of
 * times. A stack is the number of a node, which is a frame and the node of the frame around it. Runs in mutrace,
 * single-threaded, no locks. Called by data.c.
 */
#ifndef MUTRACE_RENDER_HTML_POOLS_H
#define MUTRACE_RENDER_HTML_POOLS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/base/strings.h"
#include "src/base/table.h"
#include "src/render/json.h"

/* Members of a frame, as numbers: function, its short name, file, line, module, 1 if inlined. */
#define FRAME_MEMBERS 6

struct pools {
	struct strings texts;
	struct table text_numbers, place_numbers, frame_numbers, node_numbers;
	const char **text_list;
	uint32_t (*frame_list)[FRAME_MEMBERS];
	uint32_t (*node_list)[2]; /* the node around it, plus 1; the frame */
	size_t n_texts, n_frames, n_nodes, texts_room, frames_room, nodes_room;
	bool failed; /* no memory */
};

/* Zeros are empty ones. */
void pools_free(struct pools *p);
/* The node of a stack as the JSON report has it, innermost first; -1: there are no frames. */
int64_t pools_stack(struct pools *p, const json_t *stack);
/* "strings", "frames" and "stacks" into the present object. Frames and stacks are flat lists of their members. */
void pools_emit(const struct pools *p, struct json_out *j);

#endif
