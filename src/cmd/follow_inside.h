/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state of following a session's processes, for follow.c, which changes it, and follow_questions.c. */
#ifndef MUTRACE_CMD_FOLLOW_INSIDE_H
#define MUTRACE_CMD_FOLLOW_INSIDE_H

#include <stdint.h>

#include "src/base/table.h"
#include "src/cmd/follow.h"

/* How long a child may take from its parent's fork, or from an exec, until it shows up. */
#define BIRTH_NS 1000000000u

enum phase {
	PHASE_WAITING, /* made ready, no process has it yet */
	PHASE_ALIVE,
	PHASE_EXECED, /* the process called exec: another image of the same pid is to come */
	PHASE_OVER,
};

struct tracked {
	uint32_t maker, serial; /* from the file's name */
	uint32_t maker_here;    /* the maker's number in our namespace, 0: not there */
	uint32_t maker_namespace;
	uint32_t pid;      /* 0: none yet */
	uint32_t pid_here; /* the same process in our namespace, 0: not there */
	uint64_t start;    /* of the process, as /proc has it; 0 unknown */
	uint64_t since_ns; /* when it was first seen, seen to be over, or to have called exec */
	int pidfd;         /* -1: none */
	uint8_t phase;
	bool asked, ours; /* follow_trusts() has looked, and found that it is one of the session */
	bool removed;
	bool births; /* over, and a child of it is still to show up */
	bool final;  /* over, and its maker will not offer it to another child */
};

struct follow {
	int dir, epoll;
	const char *session;              /* follow_verify(); NULL: images are believed */
	uint32_t namespace;               /* ours, as image_header.pid_namespace */
	uint32_t program, program_status; /* the latter with WAIT_STATUS_KNOWN, as image_header.wait_status */
	uint64_t newcomers_since_ns;      /* when a process without an image was first seen; 0: none was */
	uint64_t next_scan_ns;
	struct table known; /* (maker, serial) -> index in tracked */
	struct tracked *tracked;
	size_t n, capacity;
	bool any;
};

/* Opens the file of an image. The descriptor or -1. */
int follow_open_image(const struct follow *f, const struct tracked *t, int flags);
/* True if an image's process may be acted upon. */
bool follow_trusts(const struct follow *f, struct tracked *t);
/* The process that made the image is there: it may offer the image to another child. */
bool follow_maker_lives(const struct tracked *t);

#endif
